"""A keeper of notes: what a session, a user or the system is at, in the Redis cluster."""

from typing import Any

from bedplate_app.web import Request, Route, WebError


def routes(agent) -> list[Route]:
    """`PUT /notes/{key}`, `GET /notes/{key}`."""
    agent.watch("redis", agent.store.ping)
    name = agent.entry.name

    def put(request: Request) -> dict[str, Any]:
        agent.store.put(f"{name}:{request.parameters['key']}", request.body)
        return {"kept": request.parameters["key"]}

    def get(request: Request) -> dict[str, Any]:
        note = agent.store.get(f"{name}:{request.parameters['key']}")
        if note is None:
            raise WebError(404, "there is no such note")
        return note

    return [Route("PUT", "/notes/{key}", put), Route("GET", "/notes/{key}", get)]
