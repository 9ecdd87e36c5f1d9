"""The agent orchestrator: the front door. Tasks go to whoever does them, on either machine; what they
come to is kept in the Redis cluster. `/health` sums both machines up.
"""

import time
from typing import Any

from bedplate_app.client import CallError, Client
from bedplate_app.web import Request, Route, WebError, text_of

from .error_aggregator import count_of

_DAY = 24 * 3600
_LOOK_SECONDS = 10
_RECENT = "tasks:recent"
_SHOWN = 1000
# A whole document: what the agents of this machine find out, and pc2 remembers all of it.
DOCUMENT = ("language", "keywords", "sentiment", "summary", "entities", "readability")


class Orchestrator:
    """Hands tasks out and keeps what they come to."""

    def __init__(self, agent):
        self._agent = agent
        machine = agent.settings.machine
        self._registry = agent.agents.first(machine, "registry")
        self._gateway = agent.agents.first(machine, "gateway")
        self.latest: dict[str, Any] = {"status": "starting"}

    def look(self) -> None:
        """Sums both machines up again, for `/health`."""
        self.latest = self.summary()

    def do(self, request: Request) -> dict[str, Any]:
        """Does a task to its end; returns and keeps its record."""
        kind, payload = text_of(request.body, "kind"), request.body.get("payload", {})
        if not isinstance(payload, dict):
            raise WebError(400, "`payload`: expected a JSON object")
        try:
            result = self._document(payload) if kind == "document" else self._hand_out(kind, payload)
        except CallError as error:
            self._agent.errors.report_error("task_failed", "error", f"{kind}: {error}")
            raise WebError(error.status or 502, f"{kind}: {error}") from error
        return self._keep(kind, result)

    def find(self, request: Request) -> dict[str, Any]:
        """A record by its number."""
        record = self._agent.store.get(f"task:{request.parameters['id']}")
        if record is None:
            raise WebError(404, "there is no such task")
        return record

    def recent(self, request: Request) -> dict[str, Any]:
        """Records, newest first."""
        return {"tasks": self._agent.store.newest(_RECENT, count_of(request))}

    def summary(self) -> dict[str, Any]:
        """Both machines in a few words; never raises."""
        agents = _ask(self._registry.url, "/agents") or {}
        pc2 = (_ask(self._gateway.url, "/peer") or {}).get("pc2", "unknown")
        whole = agents.get("healthy") == agents.get("expected") and pc2 == "healthy"
        return {
            "status": "healthy" if whole else "degraded",
            "agents": {key: agents.get(key) for key in ("expected", "healthy")},
            "pc2": pc2,
        }

    def check_registry(self) -> None:
        """Raises unless the registry answers."""
        Client(self._registry.url, timeout=5).get("/agents")

    def _document(self, payload: dict[str, Any]) -> dict[str, Any]:
        found = {kind: self._hand_out(kind, payload) for kind in DOCUMENT}
        return {**found, "memory": self._hand_out("remember", payload)}

    def _hand_out(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        task = {"kind": kind, "payload": payload}
        entry = self._agent.agents.doing("main_pc", kind)
        if entry is not None:
            return self._agent.ask(entry, "/tasks", task)
        if self._agent.agents.doing("pc2", kind) is None:
            raise CallError(f"no agent does `{kind}`", 404)
        return self._agent.ask(self._gateway, "/forward", task)

    def _keep(self, kind: str, result: dict[str, Any]) -> dict[str, Any]:
        store = self._agent.store
        id = store.next_number("tasks:last")
        record = {"id": id, "kind": kind, "result": result, "finished_at": time.time()}
        store.put(f"task:{id}", record, self._agent.config["task_retention_days"] * _DAY)
        store.push(_RECENT, {"id": id, "kind": kind}, _SHOWN)
        self._agent.program.metrics.add("ai_tasks_total", kind=kind)
        return record


def routes(agent) -> list[Route]:
    """`POST /tasks`, `GET /tasks`, `GET /tasks/{id}`."""
    orchestrator = Orchestrator(agent)
    agent.summary = lambda: orchestrator.latest
    agent.program.repeat(_LOOK_SECONDS, orchestrator.look)
    agent.watch("redis", agent.store.ping)
    agent.watch("agents", orchestrator.check_registry)
    return [
        Route("POST", "/tasks", orchestrator.do),
        Route("GET", "/tasks", orchestrator.recent),
        Route("GET", "/tasks/{id}", orchestrator.find),
    ]


def _ask(url: str, path: str) -> dict[str, Any] | None:
    try:
        return Client(url, timeout=5).get(path)
    except CallError:
        return None
