"""Makes one cluster of the Redis nodes of this machine: `python3 -m ai_system.redis_cluster PORT...`.

The first half of the ports are masters, the others replicas of them. Every step looks first at what
is there and does what is missing, so that it can be run at each boot and after a crash at any point;
a cluster that has moved its slots by itself is left as it is.
"""

import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import Any, Callable

SLOTS = 16384
_WAIT_SECONDS = 240
_HOST = "127.0.0.1"
_log = logging.getLogger(__name__)


class ClusterError(Exception):
    """A cluster that does not come together."""


@dataclass(frozen=True)
class Node:
    """One line of `CLUSTER NODES` (Redis documentation, "CLUSTER NODES")."""

    id: str
    port: int
    flags: frozenset[str]
    master: str | None
    slots: tuple[tuple[int, int], ...]

    @property
    def is_master(self) -> bool:
        """Whether it has, or could have, slots."""
        return "master" in self.flags


def parse_nodes(text: str) -> list[Node]:
    """The nodes that one node knows."""
    return [_parse_node(line.split()) for line in text.splitlines() if line.strip()]


def free_slots(nodes: list[Node]) -> list[int]:
    """Slots that nobody serves."""
    taken = bytearray(SLOTS)
    for node in nodes:
        for first, last in node.slots:
            taken[first : last + 1] = b"\1" * (last + 1 - first)
    return [slot for slot in range(SLOTS) if not taken[slot]]


def share_of(slots: list[int], at: int, count: int) -> list[int]:
    """The part of `slots` that the master number `at` of `count` gets."""
    return slots[len(slots) * at // count : len(slots) * (at + 1) // count]


def ranges(slots: list[int]) -> list[tuple[int, int]]:
    """Sorted slots as ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for slot in slots:
        if found and found[-1][1] == slot - 1:
            found[-1] = (found[-1][0], slot)
        else:
            found.append((slot, slot))
    return found


class Cluster:
    """The nodes on some ports; `ask(port, *words)` sends one of them a command."""

    def __init__(self, ports: list[int], ask: Callable[..., Any], pause: Callable[[float], None] = time.sleep):
        if len(ports) < 6 or len(ports) % 2:
            raise ClusterError(f"expected an even number of ports, six or more, found {len(ports)}")
        self._ports = ports
        self._masters = ports[: len(ports) // 2]
        self._ask = ask
        self._pause = pause

    def make(self) -> None:
        """From whatever is there to a cluster that serves every slot with a replica for each master."""
        self._meet()
        self._wait("all nodes to know each other", self._all_known)
        self._give_slots()
        self._wait("every slot to be served", lambda: not free_slots(self._nodes(self._ports[-1])))
        self._give_replicas()
        self._wait("the cluster to be well", self._is_well)

    def _meet(self) -> None:
        first = self._ports[0]
        known = {node.port for node in self._nodes(first)}
        for port in self._ports[1:]:
            if port not in known:
                _log.info("node %d meets node %d", first, port)
                self._ask(first, "CLUSTER", "MEET", _HOST, str(port))

    def _all_known(self) -> bool:
        wanted = set(self._ports)
        return all(_steady(self._nodes(port)) >= wanted for port in self._ports)

    def _give_slots(self) -> None:
        free = free_slots(self._nodes(self._ports[0]))
        if not free:
            return
        # A master may have become a replica meanwhile; that node can take none.
        masters = [port for port in self._masters if self._own(port).is_master]
        for at, port in enumerate(masters):
            for first, last in ranges(share_of(free, at, len(masters))):
                _log.info("node %d serves slots %d to %d", port, first, last)
                self._ask(port, "CLUSTER", "ADDSLOTSRANGE", str(first), str(last))

    def _give_replicas(self) -> None:
        for port in self._ports:
            own = self._own(port)
            if own.is_master and not own.slots:
                master = self._least_replicated(port)
                _log.info("node %d follows node %d", port, master.port)
                self._wait(f"node {port} to know its master", lambda: self._follow(port, master))

    def _follow(self, port: int, master: Node) -> bool:
        if master.port in _steady(self._nodes(port)):
            self._ask(port, "CLUSTER", "REPLICATE", master.id)
            return True
        return False

    def _least_replicated(self, asking: int) -> Node:
        own = [self._own(port) for port in self._ports if port != asking]
        masters = [node for node in own if node.is_master and node.slots]
        if not masters:
            raise ClusterError("no node serves slots")
        followers = [node.master for node in own]
        return min(masters, key=lambda node: (followers.count(node.id), node.port))

    def _is_well(self) -> bool:
        states = (str(self._ask(port, "CLUSTER", "INFO")) for port in self._ports)
        return all("cluster_state:ok" in state for state in states)

    def _nodes(self, port: int) -> list[Node]:
        return parse_nodes(self._ask(port, "CLUSTER", "NODES"))

    def _own(self, port: int) -> Node:
        for node in self._nodes(port):
            if "myself" in node.flags:
                return node
        raise ClusterError(f"node {port} does not know itself")

    def _wait(self, what: str, done: Callable[[], bool]) -> None:
        for _ in range(_WAIT_SECONDS):
            if done():
                return
            self._pause(1)
        raise ClusterError(f"waited {_WAIT_SECONDS} s for {what}")


def _steady(nodes: list[Node]) -> set[int]:
    return {node.port for node in nodes if not node.flags & {"handshake", "noaddr"}}


def _parse_node(words: list[str]) -> Node:
    id, address, flags, master = words[:4]
    # ip:port@bus,hostname
    port = address.partition("@")[0].rpartition(":")[2]
    # Slots that are on the move stand in brackets.
    slots = tuple(_range(word) for word in words[8:] if not word.startswith("["))
    return Node(id, int(port), frozenset(flags.split(",")), None if master == "-" else master, slots)


def _range(word: str) -> tuple[int, int]:
    first, _, last = word.partition("-")
    return int(first), int(last or first)


def _connect(password: str) -> Callable[..., Any]:
    from redis import Redis

    nodes: dict[int, Redis] = {}

    def ask(port: int, *words: str) -> Any:
        if port not in nodes:
            nodes[port] = Redis(host=_HOST, port=port, password=password, decode_responses=True, socket_timeout=20)
            # Text as the server sends it, whatever this client would make of it.
            nodes[port].response_callbacks.clear()
        return nodes[port].execute_command(*words)

    return ask


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
    try:
        Cluster([int(port) for port in sys.argv[1:]], _connect(os.environ["AI_REDIS_PASSWORD"])).make()
    except ClusterError as error:
        sys.exit(f"redis cluster: {error}")
