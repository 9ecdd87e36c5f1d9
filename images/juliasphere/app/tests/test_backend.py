"""A back end over HTTP: the whole job, and each refusal."""

import json
import threading
import unittest
from http.client import HTTPConnection

import tests  # noqa: F401
from bedplate_app.web import Server
from juliaos.backend import Backend
from juliaos.swarm import Task

from .fakes import KEY, OTHER_KEY, parts, settings

AGENT = {"user_id": "ada", "name": "finder", "settings": {"objective": "sphere"}}
UNKNOWN = "6f1c9f0e-3c83-4a0e-9b35-0b7f5a3a5a10"


class BackendTest(unittest.TestCase):
    """One back end with parts in memory."""

    def setUp(self):
        self.parts = parts()
        self.backend = Backend(settings(), self.parts)
        routes = self.backend.program.routes() + self.backend.routes()
        self.server = Server(("127.0.0.1", 0), routes, self.backend.program.observe)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)

    def ask(self, method, path, body=None, headers=None):
        """Status and JSON (or text) of an answer; asked with a valid key."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        text = json.dumps(body) if body is not None else None
        connection.request(method, path, text, {"X-API-Key": KEY} if headers is None else headers)
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        kind = response.headers["Content-Type"]
        return response.status, json.loads(answer) if kind == "application/json" else answer

    def create(self):
        """The path of a new agent."""
        status, agent = self.ask("POST", "/agents", AGENT)
        self.assertEqual(status, 201)
        return f"/agents/{agent['id']}"

    def test_an_agent_is_made_run_and_read(self):
        path = self.create()
        status, execution = self.ask("POST", f"{path}/run", {"rounds": 10})
        self.assertEqual((status, execution["status"], execution["instance"]), (200, "done", "backend-1"))
        self.assertEqual(self.ask("GET", path)[1]["status"], "ready")
        self.assertEqual(len(self.ask("GET", f"{path}/executions")[1]["executions"]), 1)
        self.assertEqual(self.ask("GET", "/executions")[1], {"recent": [execution["id"]]})
        self.assertEqual(len(self.ask("GET", "/agents?user_id=ada&status=ready")[1]["agents"]), 1)
        self.assertEqual(self.ask("GET", "/agents?status=failed")[1]["agents"], [])

    def test_the_cache_answers_before_the_database(self):
        path = self.create()
        self.parts.cache.kept.clear()
        found = [self.ask("GET", path)[1] for _ in range(3)]
        self.assertEqual([agent["cached"] for agent in found], [False, True, True])
        self.assertEqual(found[2]["cached_for"], 300)
        self.assertEqual(self.parts.agents.reads, 1)
        page = self.ask("GET", "/metrics")[1]
        self.assertIn('juliaos_cache_lookups_total{result="hit",service="backend-1"} 2', page)

    def test_an_agent_runs_once_at_a_time(self):
        path = self.create()
        with self.parts.cache.locked(path.rpartition("/")[2]):
            self.assertEqual(self.ask("POST", f"{path}/run")[0], 409)
        self.assertEqual(self.ask("POST", f"{path}/run")[0], 200)

    def test_a_killed_back_end_ends_its_runs(self):
        path = self.create()
        id = path.rpartition("/")[2]
        self.parts.agents.begin(id, "backend-1", Task("sphere"))
        self.parts.cache.kept.clear()
        self.assertEqual(self.ask("GET", path)[1]["status"], "running")
        with self.assertLogs("juliaos.backend", "WARNING"):
            self.backend.recover()
        self.assertEqual(self.ask("GET", path)[1]["status"], "ready")

    def test_a_token_is_for_one_user(self):
        path = self.create()
        status, answer = self.ask("POST", "/auth/token", {"user_id": "bob"}, {"X-API-Key": OTHER_KEY})
        self.assertEqual((status, answer["expires_in"]), (200, 3600))
        bearer = {"Authorization": f"Bearer {answer['token']}"}
        self.assertEqual(self.ask("GET", path, headers=bearer)[0], 404)
        status, own = self.ask("POST", "/agents", {"name": "mine"}, bearer)
        self.assertEqual((status, own["user_id"]), (201, "bob"))
        self.assertEqual(len(self.ask("GET", "/agents?user_id=ada", headers=bearer)[1]["agents"]), 1)

    def test_strangers_are_refused(self):
        strangers = [{}, {"X-API-Key": "x"}, {"Authorization": "Bearer x"}, {"Authorization": KEY}]
        for headers in strangers:
            for method, path in [("POST", "/agents"), ("GET", "/agents"), ("GET", "/executions")]:
                with self.subTest(path, headers=headers):
                    self.assertEqual(self.ask(method, path, headers=headers)[0], 401)
        self.assertEqual(self.ask("POST", "/auth/token", {"user_id": "x"}, {})[0], 401)
        self.assertEqual(self.ask("GET", "/health", headers={})[0], 200)

    def test_bad_requests_are_refused(self):
        table = [
            ("POST", "/agents", {"user_id": "ada"}, 400),
            ("POST", "/agents", {"name": "x"}, 400),
            ("POST", "/agents", AGENT | {"settings": {"objective": "x"}}, 400),
            ("GET", "/agents/1", None, 404),
            ("GET", f"/agents/{UNKNOWN}", None, 404),
            ("POST", f"/agents/{UNKNOWN}/run", {}, 404),
            ("POST", f"{self.create()}/run", {"rounds": 0}, 400),
        ]
        for method, path, body, status in table:
            with self.subTest(path, body=body):
                self.assertEqual(self.ask(method, path, body)[0], status)

    def test_health_says_where_and_what(self):
        status, health = self.ask("GET", "/health")
        self.assertEqual(status, 200)
        expected = {"environment": "production", "instance": "backend-1", "standby": "ok"}
        self.assertEqual(health, health | expected)
        self.assertEqual(health["parts"], {"database": "ok", "cache": "ok"})

    def test_health_needs_database_and_cache_but_no_standby(self):
        agents, cache = self.parts.agents, self.parts.cache
        for part, status in [(agents.primary, 503), (cache, 503), (agents.standby, 200)]:
            part.broken = True
            found, health = self.ask("GET", "/health")
            part.broken = False
            self.assertEqual(found, status)
            self.assertNotIn("hunter2", json.dumps(health))
            self.assertIn("ConnectionError", json.dumps(health))
