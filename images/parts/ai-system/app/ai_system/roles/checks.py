"""The health check service: runs the checks of the whole system, and shows what they said."""

from typing import Any

from bedplate_app.web import Request, Route

from ..health_check import HealthChecker

# interval of the deployment document
_SECONDS = 30


def routes(agent) -> list[Route]:
    """`GET /checks`; the same as metrics. A failed check is not this agent's illness."""
    checker = HealthChecker(agent.settings, agent.agents, agent.store)
    latest: dict[str, str] = {}

    def look() -> None:
        for name, state in checker.run().items():
            latest[name] = state
            agent.program.metrics.set("ai_check_ok", state == "ok", check=name)

    def show(_: Request) -> dict[str, Any]:
        passed = bool(latest) and all(state == "ok" for state in latest.values())
        return {"passed": passed, "checks": dict(latest)}

    agent.program.repeat(_SECONDS, look)
    return [Route("GET", "/checks", show)]
