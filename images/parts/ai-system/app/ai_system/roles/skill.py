"""An agent that does tasks of one kind, out of nothing but what the task brings."""

from typing import Any

from bedplate_app.web import Request, Route, WebError, text_of

from ..skills import SkillError, skill


def routes(agent) -> list[Route]:
    """`POST /tasks`."""
    known = {kind: skill(kind) for kind in agent.entry.tasks}

    def do(request: Request) -> dict[str, Any]:
        kind, payload = text_of(request.body, "kind"), request.body.get("payload")
        if kind not in known or not isinstance(payload, dict):
            raise WebError(400, f"expected `kind` of {', '.join(known)}, and `payload`")
        try:
            result = known[kind](payload)
        except SkillError as error:
            raise WebError(400, str(error)) from error
        agent.program.metrics.add("ai_tasks_total", kind=kind)
        return result

    return [Route("POST", "/tasks", do)]
