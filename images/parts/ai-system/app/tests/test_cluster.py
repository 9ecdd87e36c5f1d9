"""The Redis cluster comes together from whatever is there."""

import unittest

from ai_system.redis_cluster import Cluster, ClusterError, free_slots, parse_nodes, ranges

PORTS = [6379, 6380, 6381, 6382, 6383, 6384]


class Crash(Exception):
    """The oneshot died between two commands."""


class Nodes:
    """Redis nodes that gossip at once, as far as `CLUSTER` commands see."""

    def __init__(self):
        self.slots = {port: set() for port in PORTS}
        self.known = {port: {port} for port in PORTS}
        self.masters = {port: None for port in PORTS}
        self.changes = []
        self.until_crash = None

    def ask(self, port, *words):
        """One command to one node."""
        return getattr(self, words[1].lower())(port, *words[2:])

    def nodes(self, port):
        """`CLUSTER NODES`."""
        return "\n".join(self._line(port, other) for other in sorted(self.known[port])) + "\n"

    def info(self, _):
        """`CLUSTER INFO`."""
        whole = sum(map(len, self.slots.values())) == 16384
        return f"cluster_state:{'ok' if whole else 'fail'}\r\n"

    def meet(self, port, _, other):
        """`CLUSTER MEET`: whoever knows one knows all."""
        self._change("meet", port, other)
        together = self.known[port] | self.known[int(other)]
        for one in together:
            self.known[one] = together

    def addslotsrange(self, port, first, last):
        """`CLUSTER ADDSLOTSRANGE`."""
        self._change("slots", port, first, last)
        wanted = set(range(int(first), int(last) + 1))
        assert not any(wanted & taken for taken in self.slots.values()), "a slot is served twice"
        self.slots[port] |= wanted

    def replicate(self, port, master):
        """`CLUSTER REPLICATE`."""
        self._change("replicate", port, master)
        assert not self.slots[port], "a master with slots cannot follow"
        self.masters[port] = int(master.removeprefix("id"))

    def fail_over(self, master, replica):
        """The replica takes the slots of its master, which follows it."""
        self.slots[replica], self.slots[master] = self.slots[master], set()
        self.masters[replica], self.masters[master] = None, replica

    def _line(self, asked, port):
        role = "master" if self.masters[port] is None else "slave"
        own = "myself," if asked == port else ""
        master = "-" if self.masters[port] is None else f"id{self.masters[port]}"
        slots = [f"{a}-{b}" if a != b else str(a) for a, b in ranges(sorted(self.slots[port]))]
        words = [f"id{port}", f"127.0.0.1:{port}@1{port},main-pc.internal", own + role, master, "0 0 1 connected", *slots]
        return " ".join(words)

    def _change(self, *words):
        if self.until_crash is not None:
            self.until_crash -= 1
            if self.until_crash < 0:
                raise Crash
        self.changes.append(words)


def make(nodes):
    """Runs the oneshot once."""
    Cluster(PORTS, nodes.ask, lambda _: None).make()


class ClusterTest(unittest.TestCase):
    """From fresh nodes, from half a cluster, from one that has failed over."""

    def check(self, nodes):
        """Three masters with all slots, each with one replica."""
        followed = [master for master in nodes.masters.values() if master is not None]
        self.assertEqual(sum(map(len, nodes.slots.values())), 16384)
        self.assertEqual(len(followed), 3)
        self.assertEqual(len(set(followed)), 3)
        self.assertTrue(all(nodes.slots[master] for master in followed))

    def test_fresh_nodes_become_a_cluster(self):
        nodes = Nodes()
        make(nodes)
        self.check(nodes)
        self.assertEqual([len(nodes.slots[port]) for port in PORTS], [5461, 5461, 5462, 0, 0, 0])

    def test_a_second_run_changes_nothing(self):
        nodes = Nodes()
        make(nodes)
        before = len(nodes.changes)
        make(nodes)
        self.assertEqual(len(nodes.changes), before)

    def test_a_crash_before_any_command_is_made_good(self):
        for crash in range(12):
            nodes = Nodes()
            nodes.until_crash = crash
            with self.assertRaises(Crash):
                make(nodes)
                raise Crash
            nodes.until_crash = None
            make(nodes)
            self.check(nodes)

    def test_a_cluster_that_failed_over_is_left_as_it_is(self):
        nodes = Nodes()
        make(nodes)
        nodes.fail_over(6379, nodes_following(nodes, 6379))
        before = len(nodes.changes)
        make(nodes)
        self.assertEqual(len(nodes.changes), before)
        self.check(nodes)

    def test_too_few_nodes_are_refused(self):
        with self.assertRaises(ClusterError):
            Cluster([6379, 6380], lambda *_: "")

    def test_nodes_are_read(self):
        text = (
            "07c3 127.0.0.1:30004@31004,hostname4 slave e7d1 0 1426238317239 4 connected\n"
            "e7d1 :30001@31001 myself,master - 0 0 1 connected 0-5460 5462 [5461->-292f]\n"
            "292f 127.0.0.1:30003@31003,hostname3,shard-id=1 handshake - 0 0 3 disconnected\n"
        )
        replica, master, stranger = parse_nodes(text)
        self.assertEqual((replica.master, replica.port, replica.is_master), ("e7d1", 30004, False))
        self.assertEqual((master.port, master.slots), (30001, ((0, 5460), (5462, 5462))))
        self.assertIn("handshake", stranger.flags)
        self.assertEqual(len(free_slots([master])), 16384 - 5462)


def nodes_following(nodes, master):
    """The replica of a master."""
    return next(port for port, other in nodes.masters.items() if other == master)
