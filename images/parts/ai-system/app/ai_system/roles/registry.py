"""Who is there on this machine, and who is well. Its metrics are the machine's."""

import threading
import time
from typing import Any, Callable

from bedplate_app.web import Request, Route, WebError, text_of

# An agent that missed so many heartbeats is silent.
_MISSED = 3


class Registry:
    """What was heard of the agents of one machine; safe to use from many threads."""

    def __init__(self, names: list[str], heartbeat: float, now: Callable[[], float] = time.monotonic):
        self._names = names
        self._limit = _MISSED * heartbeat
        self._now = now
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[float, bool]] = {}

    def hear(self, name: str, healthy: bool) -> None:
        """Notes what an agent says of itself."""
        with self._lock:
            self._heard[name] = (self._now(), healthy)

    def state(self, name: str) -> str:
        """`healthy`, `unhealthy`, `silent`, or `unknown` before the first word."""
        with self._lock:
            heard = self._heard.get(name)
        if heard is None:
            return "unknown"
        at, healthy = heard
        if self._now() - at > self._limit:
            return "silent"
        return "healthy" if healthy else "unhealthy"

    def states(self) -> dict[str, str]:
        """Every agent's."""
        return {name: self.state(name) for name in self._names}

    def healthy(self) -> int:
        """How many are well."""
        return sum(state == "healthy" for state in self.states().values())


def routes(agent) -> list[Route]:
    """`POST /register`, `GET /agents`."""
    others = [entry.name for entry in agent.agents.on(agent.settings.machine)]
    registry = Registry(others, agent.config["heartbeat_seconds"])
    _measure(agent, registry, others)
    agent.watch("self", lambda: registry.hear(agent.entry.name, True))
    agent.summary = lambda: {"expected": len(others), "registered_healthy": registry.healthy()}

    def register(request: Request) -> dict[str, Any]:
        name, healthy = text_of(request.body, "name"), request.body.get("healthy")
        if name not in others or not isinstance(healthy, bool):
            raise WebError(400, "expected `name` of an agent of this machine, and `healthy`")
        registry.hear(name, healthy)
        return {"registered": name}

    def agents(_: Request) -> dict[str, Any]:
        states = registry.states()
        return {
            "machine": agent.settings.machine,
            "expected": len(others),
            "healthy": registry.healthy(),
            "agents": states,
        }

    return [Route("POST", "/register", register), Route("GET", "/agents", agents)]


def _measure(agent, registry: Registry, names: list[str]) -> None:
    metrics = agent.program.metrics
    metrics.set("ai_agents_expected", len(names), machine=agent.settings.machine)
    metrics.read("ai_agents_healthy", registry.healthy, machine=agent.settings.machine)
    for name in names:
        up = lambda name=name: registry.state(name) == "healthy"
        metrics.read("ai_agent_up", up, agent=name, machine=agent.settings.machine)
