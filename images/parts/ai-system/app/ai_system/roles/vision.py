"""The vision pipeline of pc2: a picture goes from agent to agent, and comes out as words."""

from typing import Any

from bedplate_app.client import CallError
from bedplate_app.web import Request, Route, WebError

# Each takes the picture of the one before; those that make none leave it as it is.
STAGES = ("frame", "contrast", "edges")
FINDERS = ("objects", "brightness")


def routes(agent) -> list[Route]:
    """`POST /tasks`."""

    def ask(kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        entry = agent.agents.doing(agent.settings.machine, kind)
        return agent.ask(entry, "/tasks", {"kind": kind, "payload": payload})

    def see(request: Request) -> dict[str, Any]:
        payload = request.body.get("payload")
        if not isinstance(payload, dict):
            raise WebError(400, "`payload`: expected an object with `pixels`")
        try:
            return look(ask, payload)
        except CallError as error:
            raise WebError(error.status or 502, str(error)) from error

    return [Route("POST", "/tasks", see)]


def look(ask, payload: dict[str, Any]) -> dict[str, Any]:
    """Runs the whole pipeline; `ask(kind, payload)` has an agent do one step."""
    picture, edges = {"pixels": payload.get("pixels")}, 0
    found = {}
    for stage in STAGES:
        answer = ask(stage, picture)
        if stage == "edges":
            edges = answer["edges"]
        else:
            picture = {"pixels": answer["pixels"]}
    for finder in FINDERS:
        found.update(ask(finder, picture))
    found["edges"] = edges
    return {**found, **ask("scene", found)}
