"""The five agents together: over HTTP, with stores in memory."""

import unittest

import tests  # noqa: F401
from reddit_watcher.a2a import message
from reddit_watcher.a2a.message import ProtocolError
from reddit_watcher.settings import AGENTS

from .fakes import KEY, OTHER, POST, Running, stores


class System(unittest.TestCase):
    """Agents that know each other."""

    def setUp(self):
        self.stores = stores()
        self.agents = {}
        for name in reversed(AGENTS):
            self.start(name)
        self.front = self.agents["coordinator"]

    def start(self, name, **environment):
        """Starts an agent in place of the one of that name."""
        self.stop(name)
        self.agents[name] = Running(name, self.stores, environment)
        self.addCleanup(self.agents[name].stop)

    def stop(self, name):
        """Ends an agent."""
        if name in self.agents:
            self.agents.pop(name).stop()
            self.stores.redis.hashes["a2a:agents"].pop(name)


class PipelineTest(System):
    """What becomes of a post."""

    def test_a_post_goes_through_all_agents(self):
        status, answer = self.front.json("POST", "/posts", POST)
        self.assertEqual(status, 200)
        (post,) = answer["posts"]
        self.assertEqual((post["state"], post["alerted_by"]), ("alerted", ["log"]))
        self.assertEqual(post["topics"], ["Rust", "A2A protocol"])
        self.assertIn("A2A protocol", post["summary"])
        self.assertNotIn("rained", post["summary"])
        self.assertEqual(post["summary_method"], "extractive")
        self.assertEqual(self.front.json("GET", f"/posts/{post['id']}")[1], post)
        self.assertEqual(self.stores.redis.zcard("reddit:queue"), 0)

    def test_a_post_about_something_else_is_rejected(self):
        status, answer = self.front.json("POST", "/posts", {"posts": [OTHER]})
        self.assertEqual((status, answer["posts"][0]["state"]), (200, "rejected"))
        self.assertIsNone(answer["posts"][0]["summary"])

    def test_the_same_post_again_is_announced_once(self):
        for _ in range(2):
            _, answer = self.front.json("POST", "/posts", POST)
            self.assertEqual(answer["posts"][0]["alerted_by"], ["log"])
        self.assertEqual(len(self.stores.posts.kept), 1)
        metrics = self.agents["retrieval"].ask("GET", "/metrics")[1]
        self.assertIn('reddit_posts_duplicate_total{service="retrieval",source="front_door"} 1', metrics)

    def test_a_post_that_the_database_lost_is_new(self):
        self.front.json("POST", "/posts", POST)
        self.stores.posts.kept.clear()
        _, answer = self.front.json("POST", "/posts", POST)
        self.assertEqual(answer["posts"][0]["state"], "alerted")

    def test_a_post_waits_for_an_agent_that_is_away(self):
        self.stop("summarise")
        status, answer = self.front.json("POST", "/posts", POST)
        self.assertEqual((status, answer["posts"][0]["state"]), (202, "filtered"))
        metrics = self.front.ask("GET", "/metrics")[1]
        self.assertIn('workflow_queue_length{service="coordinator"} 1', metrics)
        self.start("summarise")
        self._work()
        self.assertEqual(self.front.json("GET", "/posts/1")[1]["state"], "alerted")

    def test_a_queue_that_was_lost_is_made_again(self):
        self.stop("filter")
        self.front.json("POST", "/posts", POST)
        self.stores.redis.sets.clear()
        self.start("filter")
        self._work()
        self.assertEqual(self.front.json("GET", "/posts/1")[1]["state"], "alerted")

    def test_a_post_that_is_refused_again_and_again_has_failed(self):
        # Nothing listens there, so that no channel takes the post.
        self.start("alert", ALERT_WEBHOOK_URL="http://127.0.0.1:9/")
        self.front.json("POST", "/posts", POST)
        for _ in range(5):
            self._work()
        self.assertEqual(self.front.json("GET", "/posts/1")[1]["state"], "failed")

    def _work(self):
        """What the coordinator does now and then."""
        self.front.agent.program.checks["agents"].__self__.work()

    def test_without_a_source_nothing_is_found(self):
        status, answer = self.front.json("POST", "/workflows", {})
        self.assertEqual((status, answer["source"], answer["new"]), (200, "none", []))
        self.assertEqual(self.stores.posts.runs[-1]["result"], "ok")

    def test_bad_posts_are_the_senders_fault(self):
        table = [
            ({**POST, "title": " "}, "`title`"),
            ({**POST, "score": "many"}, "`score`"),
            ({**POST, "body": "x" * 40_001}, "`body`"),
            ({**POST, "author": "a\0b"}, "`author`"),
            ({"posts": []}, "`posts`"),
            ({"posts": ["x"]}, "expected an object"),
        ]
        for body, said in table:
            with self.subTest(said):
                status, answer = self.front.json("POST", "/posts", body)
                self.assertEqual(status, 400)
                self.assertIn(said, answer["error"])
        self.assertEqual(self.stores.posts.kept, {})


class ProtocolTest(System):
    """Cards, keys, discovery, health."""

    def test_each_agent_shows_its_card(self):
        for name, running in self.agents.items():
            with self.subTest(name):
                status, card = running.json("GET", "/.well-known/agent.json")
                self.assertEqual((status, card["name"]), (200, name))
                self.assertTrue(card["skills"])
                self.assertEqual(self.front.json("GET", f"/agents/{name}")[1], card)

    def test_a_message_without_the_key_is_refused_and_counted(self):
        body = message.request("filter_post", {"id": 1})
        filter = self.agents["filter"]
        for headers in ({}, {"X-API-Key": "guess"}, {"X-API-Key": "schlüssel"}):
            self.assertEqual(filter.ask("POST", "/a2a", body, {k: v.encode() for k, v in headers.items()})[0], 401)
        self.assertIn('a2a_auth_failures_total{service="filter"} 3', filter.ask("GET", "/metrics")[1])

    def test_wrong_messages_are_answered_with_an_error(self):
        good = message.request("filter_post", {"id": 1})
        table = [
            ({**good, "jsonrpc": "1.0"}, message.INVALID_REQUEST),
            ({**good, "method": "message/stream"}, message.METHOD_NOT_FOUND),
            ({**good, "params": []}, message.INVALID_PARAMS),
            (message.request("cook", {}), message.METHOD_NOT_FOUND),
            (message.request("filter_post", {"id": True}), message.INVALID_PARAMS),
            (message.request("filter_post", {"id": 99}), message.INVALID_PARAMS),
        ]
        for body, code in table:
            with self.subTest(code):
                status, answer = self.agents["filter"].json("POST", "/a2a", body, {"X-API-Key": KEY})
                self.assertEqual((status, answer["error"]["code"]), (200, code))

    def test_prometheus_discovers_the_agents(self):
        _, found = self.front.json("GET", "/discovery/prometheus")
        self.assertEqual({target["labels"]["agent"] for target in found}, set(AGENTS))
        ports = {running.server.server_port for running in self.agents.values()}
        self.assertEqual({int(target["targets"][0].split(":")[1]) for target in found}, ports)

    def test_health(self):
        for running in self.agents.values():
            self.assertEqual(running.ask("GET", "/health")[0], 200)
        self.assertEqual(self.agents["summarise"].json("GET", "/health")[1]["method"], "extractive")
        self.assertEqual(self.agents["alert"].json("GET", "/health")[1]["channels"], ["log"])
        self.stop("alert")
        status, answer = self.front.json("GET", "/health")
        self.assertEqual((status, answer["parts"]["agents"]), (503, "AgentsMissing"))
        self.stores.posts.broken = True
        status, text = self.agents["filter"].ask("GET", "/health")
        self.assertEqual(status, 503)
        self.assertNotIn("hunter2", text)

    def test_alerts_of_alertmanager_are_kept(self):
        alert = self.agents["alert"]
        alerts = [{"status": "firing", "labels": {"alertname": "AgentDown", "severity": "critical"}}]
        self.assertEqual(alert.ask("POST", "/alerts", {"version": "4", "alerts": alerts})[0], 200)
        self.assertEqual(alert.json("GET", "/alerts")[1], {"alerts": alerts})
        self.assertEqual(alert.ask("POST", "/alerts", {"alerts": "none"})[0], 400)

    def test_an_agent_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(Exception, "`nobody` is not registered"):
            self.front.agent.peers.send("nobody", "x", {})
        with self.assertRaisesRegex(ProtocolError, "no skill"):
            self.front.agent.peers.send("filter", "x", {})
