"""The central configuration service: what each agent is told."""

from typing import Any

from bedplate_app.web import Request, Route, WebError

from .. import config
from ..catalogue import CatalogueError


def routes(agent) -> list[Route]:
    """`GET /config`, `GET /config/{agent}`."""
    settings = agent.settings
    loaded = config.load(settings.config, settings.environment)

    def environment(_: Request) -> dict[str, Any]:
        return {"environment": settings.environment, "common": loaded.get("common", {})}

    def one(request: Request) -> dict[str, Any]:
        name = request.parameters["agent"]
        try:
            agent.agents.find(name)
        except CatalogueError as error:
            raise WebError(404, str(error)) from error
        return config.for_agent(loaded, name)

    return [Route("GET", "/config", environment), Route("GET", "/config/{agent}", one)]
