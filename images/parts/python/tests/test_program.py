"""A program is served, asked, and stopped."""

import threading
import unittest

from bedplate_app.client import CallError, Client
from bedplate_app.program import Program
from bedplate_app.web import Response, Route, Server, WebError, text_of


class ProgramTest(unittest.TestCase):
    """One program with a part that can fail."""

    def setUp(self):
        self.broken = False
        self.program = Program("backend", ("127.0.0.1", 0), {"database": self.check})
        routes = self.program.routes() + [
            Route("POST", "/echo/{name}", self.echo),
            Route("GET", "/boom", lambda _: 1 / 0),
        ]
        self.server = Server(self.program.address, routes, self.program.observe)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.client = Client(f"http://127.0.0.1:{self.server.server_port}")

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def check(self):
        """Fails when told to."""
        if self.broken:
            raise ConnectionError("password=hunter2")

    def echo(self, request):
        """Everything a request has."""
        if request.query.get("refuse"):
            raise WebError(409, "refused")
        return Response({"name": request.parameters["name"], "text": text_of(request.body, "text")}, 201)

    def test_health_names_the_part_and_not_the_secret(self):
        """A broken part makes 503 and its class name."""
        self.assertTrue(self.client.get("/health")["healthy"])
        self.broken = True
        health = self.program.health(None)
        self.assertEqual(health.status, 503)
        self.assertEqual(health.body["parts"], {"database": "ConnectionError"})

    def test_requests_are_answered_or_refused(self):
        """Statuses and messages reach the caller."""
        self.assertEqual(self.client.post("/echo/a-1", {"text": "x"}), {"name": "a-1", "text": "x"})
        for path, status in [("/echo/a?refuse=1", 409), ("/echo/a", 400), ("/none", 404), ("/health", 405)]:
            body = {"text": "x"} if "refuse" in path else {}
            with self.subTest(path), self.assertRaises(CallError) as caught:
                self.client.post(path, body)
            self.assertEqual(caught.exception.status, status)
        with self.assertRaises(CallError) as caught:
            self.client.get("/boom")
        self.assertIsNone(caught.exception.status)

    def test_requests_are_counted(self):
        """The page has each family once, with its kind."""
        self.client.get("/health")
        page = self.program.metrics.render()
        self.assertIn('http_requests_total{method="GET",route="/health",service="backend",status="200"} 1', page)
        self.assertIn('http_request_duration_seconds_bucket{le="+Inf",route="/health",service="backend"} 1', page)
        self.assertEqual(page.count("# TYPE http_request_duration_seconds histogram"), 1)

    def test_shutdown_stops(self):
        """`POST /shutdown` is answered first."""
        self.assertEqual(self.client.post("/shutdown", {}), {"stopping": "backend"})
        self.assertTrue(self.program.stopping.wait(5))


class MetricsTest(unittest.TestCase):
    """Gauges that are asked for."""

    def test_a_gauge_that_fails_is_left_out(self):
        """The others are shown."""
        program = Program("x", ("127.0.0.1", 0), {})
        program.metrics.read("good", lambda: 4)
        program.metrics.read("bad", lambda: 1 / 0)
        page = program.metrics.render()
        self.assertIn('good{service="x"} 4', page)
        self.assertNotIn("bad{", page)
