"""The definition and the files beside it agree: a port is named in three of them."""

import re
import tomllib
import unittest
from pathlib import Path

import tests  # noqa: F401
from agents.common.settings import port_variable
from agents.mcp_bus.bus import PIPELINE

IMAGE = Path(__file__).resolve().parents[2]
AGENTS = {"mcp_bus", "scout"} | {agent for agent, _ in PIPELINE}


def _template() -> dict:
    definition = tomllib.loads((IMAGE / "image.toml").read_text())
    return next(service for service in definition["service"] if service["name"] == "justnews")


class DefinitionTest(unittest.TestCase):
    """`image.toml`, `files/env` and `files/nginx.conf`."""

    def setUp(self):
        self.ports = {instance["name"]: instance["port"] for instance in _template()["instance"]}

    def test_each_agent_is_an_instance(self):
        self.assertEqual(set(self.ports), AGENTS)

    def test_env_files_name_the_probed_port(self):
        for name, port in self.ports.items():
            with self.subTest(name):
                lines = (IMAGE / f"files/env/{name}.env").read_text().splitlines()
                self.assertIn(f"{port_variable(name)}={port}", lines)

    def test_nginx_finds_the_metrics_of_each_agent(self):
        found = re.findall(r"^ +(\w+) +(80\d\d);$", (IMAGE / "files/nginx.conf").read_text(), re.M)
        self.assertEqual({name: int(port) for name, port in found}, self.ports)

    def test_all_but_the_bus_wait_for_it(self):
        for instance in _template()["instance"]:
            expected = [] if instance["name"] == "mcp_bus" else ["justnews@mcp_bus"]
            self.assertEqual(instance.get("requires", []), expected)

    def test_the_pools_fit_into_the_connections(self):
        environment = (IMAGE / "files/env/global.env").read_text()
        pool = int(re.search(r"^POSTGRES_POOL_MAX=(\d+)$", environment, re.M).group(1))
        part = tomllib.loads((IMAGE / "../parts/postgresql/part.toml").read_text())
        connections = part["values"]["postgresql"]["max_connections"]
        # Three are reserved for the superuser (superuser_reserved_connections).
        self.assertLessEqual(pool * len(self.ports), connections - 3)
