"""The definition and the files beside it agree: a port is named in several of them."""

import re
import tomllib
import unittest

import tests
from reddit_watcher.settings import AGENTS

FILES = tests.IMAGE / "files"


def _environment(name: str) -> dict[str, str]:
    lines = (FILES / f"env/{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class DefinitionTest(unittest.TestCase):
    """`image.toml`, `files/env` and the rules."""

    def setUp(self):
        self.definition = tomllib.loads((tests.IMAGE / "image.toml").read_text())
        services = {service["name"]: service for service in self.definition["service"]}
        self.agents = {name: services[name] for name in AGENTS}

    def test_every_file_names_the_same_port(self):
        for name, service in self.agents.items():
            with self.subTest(name):
                port = self.definition["values"]["agents"][name]
                self.assertEqual(_environment(name)[f"{name.upper()}_PORT"], str(port))
                probes = [service[probe]["http"]["port"] for probe in ("startup", "ready", "live")]
                self.assertEqual([*probes, service["stop"]["http"]["port"]], [port] * 4)

    def test_agents_have_the_limits_of_the_document(self):
        for name, service in self.agents.items():
            with self.subTest(name):
                self.assertIn(service["limits"]["memory"], ("512MiB", "1GiB", "2GiB"))
                self.assertEqual(service["user"], "watcher")
        self.assertIn({"name": "watcher", "uid": 1000, "home": "/opt/reddit-watcher"}, self.definition["user"])

    def test_the_coordinator_waits_for_the_others(self):
        others = set(AGENTS) - {"coordinator"}
        self.assertLessEqual(others, set(self.agents["coordinator"]["requires"]))
        for name in others:
            self.assertFalse(set(AGENTS) & set(self.agents[name]["requires"]))

    def test_the_pools_fit_into_the_connections(self):
        # 100 connections, three of them reserved for the superuser.
        self.assertLessEqual(int(_environment("global")["POSTGRES_POOL_MAX"]) * len(AGENTS), 97)

    def test_there_are_the_alerts_of_the_document(self):
        rules = (FILES / "prometheus/alerts.yml").read_text()
        self.assertGreaterEqual(len(re.findall(r"- alert: ", rules)), 25)
        categories = set(re.findall(r"category: (\w+)", rules))
        self.assertEqual(categories, {"critical", "warning", "business", "security"})
