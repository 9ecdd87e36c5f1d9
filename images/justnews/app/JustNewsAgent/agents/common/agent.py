"""What makes a program an agent: its tools, `/health`, `/metrics`, `POST /shutdown`, its registration.

An agent is healthy when its database, its cache and the bus answer. It tells the bus where it is
when it starts and every half minute from then on, so that a bus that lost its memory learns it again.
"""

import os
from dataclasses import dataclass
from typing import Any, Callable

from bedplate_app import program
from bedplate_app.client import Client
from bedplate_app.program import Program
from bedplate_app.web import Request, Route, WebError

from . import settings as settings_module
from .articles import Article, Articles
from .cache import Cache
from .settings import Settings

_HELPS = {
    "justnews_tool_calls_total": "Tools called.",
    "justnews_articles_total": "Articles that went through the pipeline.",
}
_REGISTER_SECONDS = 30


@dataclass(frozen=True)
class Stores:
    """Where an agent keeps what it knows."""

    articles: Articles
    cache: Cache


# A tool takes the stores and its arguments, and gives a JSON object back.
Tool = Callable[[Stores, dict[str, Any]], dict[str, Any]]


class Agent(Program):
    """One agent: its tools beside what every program answers."""

    def __init__(self, settings: Settings, stores: Stores, tools: dict[str, Tool]):
        checks = {"database": stores.articles.ping, "cache": stores.cache.ping}
        if settings.name != "mcp_bus":
            checks["mcp_bus"] = self._check_bus
        super().__init__(settings.name, (settings.host, settings.port), checks, _HELPS)
        self.settings = settings
        self.stores = stores
        self.bus = Client(settings.bus_url)
        self._tools = tools

    def tool_routes(self) -> list[Route]:
        """Where its tools are called."""
        return [Route("POST", "/tools/{tool}", self._call)]

    def register(self) -> None:
        """Tells the bus where this agent is; raises `CallError`."""
        address = f"http://{self.settings.host}:{self.settings.port}"
        self.bus.post("/register", {"name": self.settings.name, "address": address})

    def _check_bus(self) -> None:
        self.bus.get(f"/agents/{self.settings.name}")

    def _call(self, request: Request) -> dict[str, Any]:
        name = request.parameters["tool"]
        if name not in self._tools:
            raise WebError(404, f"`{self.settings.name}` has no tool `{name}`")
        answer = self._tools[name](self.stores, request.body)
        self.stores.cache.count_call(self.settings.name, name)
        self.metrics.add("justnews_tool_calls_total", tool=name)
        return answer


def on_article(agent: str, find: Callable[[Article], dict[str, Any]]) -> Tool:
    """A tool that reads the article `id`, and stores what `find` finds out about it."""

    def tool(stores: Stores, arguments: dict[str, Any]) -> dict[str, Any]:
        article = stores.articles.read(id_of(arguments))
        if article is None:
            raise WebError(404, "there is no such article")
        finding = find(article)
        stores.articles.add_finding(article.id, agent, finding)
        return finding

    return tool


def id_of(arguments: dict[str, Any]) -> int:
    """The number `id` of some arguments; raises `WebError` 400."""
    id = arguments.get("id")
    if not isinstance(id, int) or isinstance(id, bool) or not 0 < id < 1 << 63:
        raise WebError(400, "`id`: expected the number of an article")
    return id


def load(name: str, tools: dict[str, Tool]) -> Agent:
    """The agent that the environment describes, connected to its stores; raises `SettingsError`."""
    settings = settings_module.from_environment(name, os.environ)
    return Agent(settings, Stores(Articles(settings.database), Cache(settings.redis_url)), tools)


def serve(agent: Agent, routes: list[Route]) -> None:
    """Serves `routes` beside the agent's own until it is asked to stop."""
    if agent.name != "mcp_bus":
        agent.repeat(_REGISTER_SECONDS, agent.register)
    program.serve(agent, agent.tool_routes() + routes)


def run(name: str, tools: dict[str, Tool]) -> None:
    """The whole program of an agent that has tools and nothing else."""
    program.run(name, lambda: serve(load(name, tools), []), os.environ.get("LOG_LEVEL", "INFO"))
