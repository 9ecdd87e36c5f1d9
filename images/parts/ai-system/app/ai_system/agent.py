"""The program of every agent: `python3 -m ai_system.agent NAME`.

An agent looks now and then whether what its role needs answers, and tells the registry of its machine
that it is there and whether it is well. `/health` says what it found last, and so is quick: who asks
it must not wait for a cluster that is away.
"""

import importlib
import os
import sys
import threading
from typing import Any, Callable

from bedplate_app.client import CallError, Client
from bedplate_app.program import Program, run, serve, state
from bedplate_app.web import Route

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


# Between two tries as long as something that the role needs does not answer.
_HURRY_SECONDS = 3


class AgentProgram(Program):
    """A program whose routes ask who comes."""

    def __init__(self, *arguments: Any, guard: Guard, **more: Any):
        super().__init__(*arguments, **more)
        self._guard = guard

    def routes(self) -> list[Route]:
        """What every program answers, guarded."""
        return [self._guard.protect(route) for route in super().routes()]


class Unwell(Exception):
    """What was found wrong last time."""


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
        self._watched: dict[str, Callable[[], Any]] = {}
        self._found: dict[str, str] = {}
        self.program = AgentProgram(
            name,
            ("0.0.0.0", self.entry.port),
            {},
            helps=HELPS,
            describe=self._describe,
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

    def watch(self, name: str, check: Callable[[], Any]) -> None:
        """Makes a part of this agent's health what `check` says; it raises when all is not well."""
        self._watched[name] = check
        self.program.checks[name] = lambda: self._last(name)

    def keep_looking(self) -> None:
        """Looks now and every so many seconds, sooner while something is wrong; tells the registry."""
        if self.entry.role != "registry":
            self.watch("registry", self.heartbeat)
        threading.Thread(target=self._keep_looking, daemon=True).start()

    def look(self) -> bool:
        """Looks once at everything, the registry last; whether all is well."""
        for name, check in self._watched.items():
            self._found[name] = state(check)
        return self._is_well()

    def heartbeat(self) -> None:
        """Tells the registry once how this agent is; raises `CallError`."""
        well = {"name": self.entry.name, "healthy": self._is_well(but="registry")}
        self.ask(self.agents.first(self.settings.machine, "registry"), "/register", well)

    def _keep_looking(self) -> None:
        while not self.program.stopping.is_set():
            well = self.look()
            seconds = self.config["heartbeat_seconds"] if well else _HURRY_SECONDS
            self.program.stopping.wait(seconds)

    def _is_well(self, but: str = "") -> bool:
        return all(self._found.get(name) == "ok" for name in self._watched if name != but)

    def _describe(self) -> dict[str, Any]:
        # What was found says more than that it was not good.
        parts = {name: state(check) for name, check in self.program.checks.items()}
        return {"group": self.entry.group, "parts": {**parts, **self._found}, **self.summary()}

    def _last(self, name: str) -> None:
        found = self._found.get(name, "not looked at yet")
        if found != "ok":
            raise Unwell(found)

    def ask(self, entry: catalogue.Entry, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A POST to another agent of this machine; raises `CallError`."""
        timeout = self.config.get("call_timeout_seconds", 30)
        return Client(entry.url, timeout=timeout).post(path, body)

    def serve(self, routes: list[Route]) -> None:
        """Answers until the agent is asked to stop."""
        serve(self.program, [self.guard.protect(route) for route in routes])

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
    if agent.settings.loki_url:
        labels = {"agent": name, "machine": agent.settings.machine}
        importlib.import_module("ai_system.loki").start(agent.settings.loki_url, labels)
    agent.keep_looking()
    agent.serve(routes)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python3 -m ai_system.agent NAME")
    level = os.environ.get("AI_LOGGING_LEVEL", "INFO")
    run(sys.argv[1], lambda: main(sys.argv[1]), level)
