"""The Django back end, where Django is installed: its views with a database in memory."""

import importlib.util
import json
import os
import signal
import tempfile
import unittest
from unittest.mock import MagicMock, patch

import tests  # noqa: F401
from bedplate_app.client import CallError
from common.directory import Place

_NEEDED = ("django", "prometheus_client")
_MISSING = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
_ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "hub.settings",
    "DJANGO_SECRET_KEY": "of this test",
    "POSTGRES_DB": "unused",
    "POSTGRES_USER": "unused",
    "POSTGRES_PASSWORD": "unused",
    "REDIS_URL": "unix:///unused",
    "ZOOKEEPER_HOSTS": "unused",
    "SERVICE_KEY": "unused",
}
_SHARED = {}


def _set_up() -> None:
    """Django is set up once per process, with a database and a cache in memory."""
    if _SHARED:
        return
    _SHARED["metrics"] = tempfile.TemporaryDirectory()
    os.environ.update(_ENVIRONMENT, PROMETHEUS_MULTIPROC_DIR=_SHARED["metrics"].name)
    from hub import settings

    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.ALLOWED_HOSTS = ["*"]
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@unittest.skipIf(_MISSING, f"not installed: {', '.join(_MISSING)}")
class BackendTest(unittest.TestCase):
    """Views, with the other services told what to answer."""

    def setUp(self):
        _set_up()
        from django.core.cache import cache
        from django.test import Client
        from workspaces.models import Workspace

        cache.clear()
        Workspace.objects.all().delete()
        self.peers, self.directory = MagicMock(), MagicMock()
        self.peers.validate.side_effect = self._validate
        from common.callers import Callers

        for target, value in [
            ("workspaces.views.peers", lambda: self.peers),
            ("workspaces.views.callers", lambda: Callers(cache, self.peers.validate)),
            ("hub.catalogue.directory", lambda: self.directory),
        ]:
            patcher = patch(target, value)
            patcher.start()
            self.addCleanup(patcher.stop)
        self.client = Client()

    def _validate(self, token):
        if token == "service":
            return {"kind": "service", "sub": "content-service"}
        if not token.isdecimal():
            raise CallError("the token is not good", 401)
        return {"kind": "user", "sub": token}

    def _ask(self, method, path, token, body=None):
        more = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if token else {}
        text = json.dumps(body) if body is not None else ""
        answer = self.client.generic(method, path, text, "application/json", **more)
        return answer.status_code, answer.json()

    def test_a_document_is_pinned_to_a_workspace(self):
        """A workspace per owner and name; the document's title comes from content-service."""
        status, made = self._ask("POST", "/api/workspaces", "1", {"name": "Harbour"})
        self.assertEqual((status, made["pins"]), (201, []))
        self.assertEqual(self._ask("POST", "/api/workspaces", "1", {"name": "Harbour"}), (200, made))
        self.peers.get.return_value = {"title": "Plan"}
        path = f"/api/workspaces/{made['id']}"
        for _ in range(2):
            status, pinned = self._ask("POST", f"{path}/pins", "1", {"document": 7})
            self.assertEqual((status, pinned["pins"]), (201, [{"document": 7, "title": "Plan"}]))
        self.peers.get.assert_called_with("content-service", "/documents/7", 1)
        self.assertEqual(self._ask("GET", path, "1"), (200, pinned))
        self.assertEqual(self._ask("GET", path, "2")[0], 404)
        self.assertEqual(self._ask("GET", "/api/workspaces", "2"), (200, {"workspaces": []}))

    def test_refusals_are_json(self):
        """With status and reason."""
        table = [
            ("GET", "/api/workspaces", None, None, 401),
            ("GET", "/api/workspaces", "x", None, 401),
            ("GET", "/api/workspaces", "service", None, 403),
            ("POST", "/api/workspaces", "1", [], 400),
            ("POST", "/api/workspaces", "1", {"name": " "}, 400),
            ("POST", "/api/workspaces", "1", {"name": "x" * 201}, 400),
            ("POST", "/api/workspaces/99/pins", "1", {"document": 1}, 404),
        ]
        for method, path, token, body, status in table:
            with self.subTest(path=path, token=token, body=body):
                found, answer = self._ask(method, path, token, body)
                self.assertEqual(found, status)
                self.assertIn("error", answer)

    def test_health_is_told_as_consul_does(self):
        """One entry for each instance."""
        self.directory.places.return_value = [
            Place("identity-service", "identity-service@2", "127.0.0.1", 8021)
        ]
        status, found = self._ask("GET", "/v1/health/service/identity-service", None)
        self.assertEqual((status, found[0]["Service"]["Port"]), (200, 8021))
        self.assertEqual(found[0]["Checks"][0]["Status"], "passing")
        self.directory.places.return_value = []
        self.assertEqual(self._ask("GET", "/v1/health/service/none", None), (200, []))

    def test_health_and_metrics(self):
        """What every service answers."""
        self.assertEqual(self._ask("GET", "/health", None)[0], 200)
        with patch("hub.operations._check_database", side_effect=OSError("hunter2")):
            status, body = self._ask("GET", "/health", None)
        self.assertEqual((status, body["parts"]["database"]), (503, "OSError"))
        page = self.client.get("/metrics").content.decode()
        self.assertIn("http_request_duration_seconds_bucket", page)
        self.assertRegex(page, r'http_requests_total\{.*route="/health".*status="503"\} 1')

    def test_shutdown_ends_the_master(self):
        """The workers' parent is told."""
        with patch("os.kill") as kill:
            self.assertEqual(self._ask("POST", "/shutdown", None, {})[0], 200)
        kill.assert_called_once_with(os.getppid(), signal.SIGTERM)

    def test_the_migrations_are_whole(self):
        """The models have no change that no migration makes."""
        from django.core.management import call_command

        call_command("makemigrations", "--check", "--dry-run", verbosity=0)


if __name__ == "__main__":
    unittest.main()
