"""The definition and the files beside it agree, and have the figures of the deployment document."""

import re
import tomllib
import unittest
from pathlib import Path

import tests  # noqa: F401

IMAGE = Path(__file__).resolve().parents[2]
PARTS = IMAGE.parent / "parts"
DEFINITION = tomllib.loads((IMAGE / "image.toml").read_text())


def _service(name: str) -> dict:
    return next(service for service in DEFINITION["service"] if service["name"] == name)


def _read(name: str) -> str:
    return (IMAGE / "files" / name).read_text()


def _environment() -> dict[str, str]:
    lines = _read(".env.prod").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class PortsTest(unittest.TestCase):
    """Ports stand in several files."""

    def setUp(self):
        self.backends = {i["name"]: i["port"] for i in _service("juliaos")["instance"]}

    def test_nginx_knows_both_back_ends(self):
        found = re.findall(r"server ([\w-]+):(\d+) max_fails=3 fail_timeout=30s;", _read("nginx/http.conf"))
        self.assertEqual({name: int(port) for name, port in found}, self.backends)

    def test_prometheus_knows_all(self):
        jobs = {job["name"]: job for job in DEFINITION["values"]["prometheus"]["jobs"]}
        backends = {f"{name}:{port}" for name, port in self.backends.items()}
        self.assertEqual(set(jobs["juliaos-backend"]["targets"]), backends)
        self.assertEqual(jobs["juliaos-backend"]["interval"], "30s")
        self.assertEqual(jobs["postgres"]["targets"], ["postgres-primary:9187"])
        self.assertEqual(jobs["redis"]["targets"], ["redis:9121"])

    def test_each_name_is_this_machine(self):
        known = {word for line in _read("hosts").splitlines() for word in line.split()[1:]}
        environment = _environment()
        named = {value for key, value in environment.items() if key.endswith("_HOST")}
        self.assertLessEqual(named | set(self.backends), known)

    def test_the_back_ends_ask_where_the_stores_are(self):
        environment = _environment()
        ports = {key: int(environment[f"{key}_PORT"]) for key in ("DB", "DB_STANDBY", "REDIS")}
        values = {
            "DB": tomllib.loads((PARTS / "postgresql/part.toml").read_text())["values"]["postgresql"],
            "DB_STANDBY": tomllib.loads((PARTS / "postgresql-standby/part.toml").read_text())["values"][
                "postgresql_standby"
            ],
            "REDIS": DEFINITION["values"]["redis"],
        }
        self.assertEqual(ports, {key: value["port"] for key, value in values.items()})
        self.assertEqual(ports["REDIS"], 6379)


class FiguresTest(unittest.TestCase):
    """What the document says, word for word."""

    def test_health_checks(self):
        for key in ("ready", "live"):
            probe = _service("juliaos")[key]
            figures = (probe["period"], probe["timeout"], probe["failure_threshold"])
            self.assertEqual(figures, ("30s", "10s", 3))

    def test_the_pools_fit_into_the_connections(self):
        pool = int(_environment()["DB_POOL_MAX_CONNECTIONS"])
        part = tomllib.loads((PARTS / "postgresql/part.toml").read_text())
        # Three are reserved for the superuser (superuser_reserved_connections).
        connections = part["values"]["postgresql"]["max_connections"] - 3
        self.assertEqual(connections, 97)
        self.assertLessEqual(2 * pool, connections)

    def test_settings_of_postgresql(self):
        settings = DEFINITION["values"]["postgresql"]["settings"]
        expected = {
            "wal_keep_size": "512MB",
            "random_page_cost": 1.1,
            "effective_io_concurrency": 200,
            "log_statement": "mod",
            "log_min_duration_statement": 1000,
        }
        self.assertEqual(settings, settings | expected)

    def test_each_profile_has_its_memory(self):
        profiles = {path.stem for path in (IMAGE.parents[1] / "profiles").glob("*.toml")}
        for value in re.findall(r'memory\w* = "{{ ({.*?})\[profile.name\] }}"', (IMAGE / "image.toml").read_text()):
            self.assertEqual(set(re.findall(r"'([\w-]+)':", value)), profiles)

    def test_no_variable_holds_a_secret(self):
        for name in _environment():
            self.assertNotRegex(name, r"PASSWORD|SECRET|API_KEYS")
