"""The program of every agent: `python3 -m ai_system.agent NAME`.

An agent tells the registry of its machine now and then that it is there and whether it is well; it
is healthy itself when the registry takes that, and what its role needs answers.
"""

import importlib
import os
import sys
from typing import Any, Callable

from bedplate_app.client import CallError, Client
from bedplate_app.program import Program, run, serve
from bedplate_app.web import Request, Route

from . import catalogue, config
from .errors import ErrorPublisher
from .guard import Guard
from .settings import Settings, SettingsError, from_environment
from .store import Store

HELPS = {
    "ai_agent_up": "Whether an agent of this machine said lately that it is well.",
    "ai_agents_expected": "Agents that this machine has.",
    "ai_agents_healthy": "Agents of this machine that said lately that they are well.",
    "ai_check_ok": "Whether a check of the whole system passed last time.",
    "ai_errors_total": "Errors that came over the bus.",
    "ai_peer_up": "Whether the other machine answered last time.",
    "ai_tasks_total": "Tasks done.",
    "system_cpu_usage_percent": "CPU usage percentage",
    "system_memory_usage_percent": "Memory usage percentage",
    "system_disk_usage_percent": "Disk usage percentage",
}


class AgentProgram(Program):
    """A program whose routes ask who comes."""

    def __init__(self, *arguments: Any, guard: Guard, **more: Any):
        super().__init__(*arguments, **more)
        self._guard = guard

    def routes(self) -> list[Route]:
        """What every program answers, guarded."""
        return [self._guard.protect(route) for route in super().routes()]


class Agent:
    """One agent: what it was told, whom it knows, and its program. A role adds the rest."""

    def __init__(self, settings: Settings, agents: catalogue.Catalogue, name: str):
        self.settings = settings
        self.agents = agents
        self.entry = agents.find(name)
        self.guard = Guard(settings.auth, settings.auth_token)
        self.store = Store(settings)
        self.summary: Callable[[], dict[str, Any]] = dict
        self.errors = ErrorPublisher(self._bus(), name, settings.machine)
        self.config: dict[str, Any] = {}
        self._heard = False
        self.program = AgentProgram(
            name,
            ("0.0.0.0", self.entry.port),
            {},
            helps=HELPS,
            describe=lambda: {"group": self.entry.group, **self.summary()},
            guard=self.guard,
        )

    @property
    def curve(self) -> str | None:
        """The secret of the wire between the machines; none when it is in the clear."""
        return self.settings.curve_key if self.settings.encrypted else None

    def configure(self) -> None:
        """Asks the configuration service; an agent that comes before it reads the same files."""
        service = self._configuration_service()
        if service is None:
            found = config.load(self.settings.config, self.settings.environment)
            self.config = config.for_agent(found, self.entry.name)
        else:
            self.config = Client(service.url).get(f"/config/{self.entry.name}")

    def keep_registered(self) -> None:
        """Tells the registry now and every so many seconds; part of this agent's health."""
        if self.entry.role != "registry":
            self.program.checks["registry"] = self._check_heard
            self.program.repeat(self.config["heartbeat_seconds"], self.heartbeat)

    def heartbeat(self) -> None:
        """Tells the registry once; raises `CallError`."""
        others = {name: check for name, check in self.program.checks.items() if name != "registry"}
        healthy = all(_passes(check) for check in others.values())
        self._heard = False
        self.ask(self.agents.first(self.settings.machine, "registry"), "/register", {
            "name": self.entry.name,
            "healthy": healthy,
        })
        self._heard = True

    def ask(self, entry: catalogue.Entry, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A POST to another agent of this machine; raises `CallError`."""
        timeout = self.config.get("call_timeout_seconds", 30)
        return Client(entry.url, timeout=timeout).post(path, body)

    def serve(self, routes: list[Route]) -> None:
        """Answers until the agent is asked to stop."""
        serve(self.program, [self.guard.protect(route) for route in routes])

    def _check_heard(self) -> None:
        if not self._heard:
            raise ConnectionError("the registry has not heard of this agent")

    def _bus(self) -> str:
        role = "error_aggregator" if self.settings.machine == "main_pc" else "local_error_bus"
        return self.agents.first(self.settings.machine, role).url

    def _configuration_service(self) -> catalogue.Entry | None:
        # The one machine that has the service; infrastructure starts before or beside it.
        if self.settings.machine != "main_pc" or self.entry.group == "infrastructure":
            return None
        return self.agents.first("main_pc", "configuration")


def build(name: str, environment: dict[str, str]) -> tuple[Agent, list[Route]]:
    """The agent and the routes of its role."""
    settings = from_environment(environment)
    try:
        agent = Agent(settings, catalogue.read(settings.config / "agents.toml"), name)
        agent.configure()
    except (catalogue.CatalogueError, CallError, OSError) as error:
        raise SettingsError(str(error)) from error
    role = importlib.import_module(f"ai_system.roles.{agent.entry.role}")
    return agent, role.routes(agent)


def main(name: str) -> None:
    """Runs one agent."""
    agent, routes = build(name, dict(os.environ))
    agent.keep_registered()
    agent.serve(routes)


def health_of(agent: Agent) -> dict[str, Any]:
    """What `/health` of an agent says, without asking over the network."""
    return agent.program.health(Request()).body


def _passes(check: Callable[[], Any]) -> bool:
    try:
        check()
    except Exception:  # Whatever it is, the agent is not well; `/health` says what.
        return False
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m ai_system.agent NAME")
    level = os.environ.get("AI_LOGGING_LEVEL", "INFO")
    run(sys.argv[1], lambda: main(sys.argv[1]), level)
