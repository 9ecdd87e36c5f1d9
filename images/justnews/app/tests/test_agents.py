"""Agents over HTTP: the whole job with every agent in this process, and each failure."""

import importlib
import json
import threading
import unittest
from dataclasses import replace
from http.client import HTTPConnection

import tests  # noqa: F401
from agents.common.agent import Agent, on_article
from bedplate_app.client import CallError, Client
from bedplate_app.web import LARGEST_BODY, Server
from agents.mcp_bus.bus import PIPELINE, Bus

from .fakes import TEXT, settings, stores

ARTICLE = {"url": "https://example.com/1", "title": "Harbour plan", "text": TEXT}


class Running:
    """An agent that answers on a port of its own."""

    def __init__(self, name, kept, bus="http://127.0.0.1:9"):
        self.agent = Agent(settings(name, bus), kept, _tools(name))
        routes = self.agent.routes() + self.agent.tool_routes()
        if name == "mcp_bus":
            routes += Bus(self.agent).routes()
        self.server = Server(("127.0.0.1", 0), routes, self.agent.observe)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.agent.settings = replace(self.agent.settings, port=self.server.server_port)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def ask(self, method, path, body=None, headers=None):
        """Status and text of an answer."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def stop(self):
        """Ends the server."""
        self.server.shutdown()
        self.server.server_close()


def _tools(name):
    if name == "mcp_bus":
        return {}
    module = importlib.import_module(f"agents.{name}.main")
    if name in ("scout", "memory"):
        names = {"scout": ["store"], "memory": ["remember", "recall"]}[name]
        return {tool: getattr(module, tool) for tool in names}
    tool = dict(PIPELINE)[name]
    return {tool: on_article(name, getattr(module, tool))}


class AgentTest(unittest.TestCase):
    """Every agent of the appliance, with stores in memory."""

    def setUp(self):
        self.stores = stores()
        self.bus = self._start("mcp_bus")
        names = ["scout"] + [agent for agent, _ in PIPELINE]
        self.agents = {name: self._start(name, self.bus.url) for name in names}
        for running in self.agents.values():
            running.agent.register()

    def _start(self, name, bus="http://127.0.0.1:9"):
        running = Running(name, self.stores, bus)
        self.addCleanup(running.stop)
        return running

    def test_an_article_goes_through_all_agents(self):
        answer = Client(self.bus.url).post("/articles", ARTICLE)
        self.assertIn("harbour plan", answer["summary"])
        expected = {agent for agent, _ in PIPELINE} - {"memory"}
        self.assertEqual(set(answer["findings"]), expected)
        self.assertTrue(answer["findings"]["chief_editor"]["published"])
        self.assertEqual(Client(self.bus.url).get(f"/articles/{answer['id']}"), answer)
        recent = Client(self.bus.url).get("/articles")["articles"]
        self.assertEqual([article["id"] for article in recent], [answer["id"]])

    def test_a_bad_article_is_the_callers_fault(self):
        with self.assertRaises(CallError) as caught:
            Client(self.bus.url).post("/articles", {"url": "u"})
        self.assertEqual(caught.exception.status, 400)
        self.assertIn("`title`", str(caught.exception))

    def test_an_agent_that_is_away_is_named(self):
        self.stores.cache.register("critic", "http://127.0.0.1:9")
        status, text = self.bus.ask("POST", "/articles", json.dumps(ARTICLE))
        self.assertEqual(status, 502)
        self.assertIn("critic.review", text)

    def test_health_names_the_part_that_is_not_well(self):
        scout = self.agents["scout"]
        self.assertEqual(scout.ask("GET", "/health")[0], 200)
        self.stores.articles.broken = True
        status, text = scout.ask("GET", "/health")
        self.assertEqual(status, 503)
        self.assertEqual(json.loads(text)["parts"]["database"], "ConnectionError")
        self.assertNotIn("hunter2", text)

    def test_health_needs_the_bus(self):
        lonely = self._start("scout", "http://127.0.0.1:9")
        self.assertEqual(lonely.ask("GET", "/health")[0], 503)

    def test_metrics_count_requests_and_tools(self):
        Client(self.bus.url).post("/articles", ARTICLE)
        text = self.agents["analyst"].ask("GET", "/metrics")[1]
        self.assertIn('justnews_tool_calls_total{service="analyst",tool="score"} 1', text)
        self.assertIn("# TYPE http_requests_total counter", text)
        self.assertEqual(self.stores.cache.calls["analyst", "score"], 1)

    def test_shutdown_answers_and_then_stops(self):
        scout = self.agents["scout"]
        self.assertEqual(scout.ask("POST", "/shutdown")[0], 200)
        self.assertTrue(scout.agent.stopping.wait(10))
        self.assertEqual(self.agents["critic"].ask("GET", "/shutdown")[0], 405)

    def test_bad_requests_are_refused(self):
        huge = {"Content-Length": str(LARGEST_BODY + 1)}
        table = [
            ("GET", "/nothing", None, None, 404),
            ("GET", "/articles/0", None, None, 400),
            ("GET", "/articles/x", None, None, 400),
            ("GET", "/articles/7", None, None, 404),
            ("POST", "/articles", "[]", None, 400),
            ("POST", "/articles", "{", None, 400),
            ("POST", "/articles", None, huge, 413),
            ("POST", "/call", '{"agent": "nobody", "tool": "x"}', None, 404),
            ("POST", "/call", '{"agent": "scout", "tool": "nothing"}', None, 404),
            ("POST", "/register", '{"name": "x", "address": "http://192.0.2.1:1"}', None, 400),
        ]
        for method, path, body, headers, status in table:
            with self.subTest(path=path, body=body):
                self.assertEqual(self.bus.ask(method, path, body, headers)[0], status)
