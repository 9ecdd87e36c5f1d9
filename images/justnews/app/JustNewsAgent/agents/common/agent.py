"""What makes a program an agent: its tools, `/health`, `/metrics`, `POST /shutdown`, its registration.

An agent is healthy when its database, its cache and the bus answer. It tells the bus where it is
when it starts and every half minute from then on, so that a bus that lost its memory learns it again.
"""

import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any, Callable

from . import settings as settings_module
from .articles import Article, Articles
from .cache import Cache
from .client import CallError, Client
from .metrics import CONTENT_TYPE, Metrics
from .settings import Settings, SettingsError
from .web import Request, Response, Route, Server, WebError

_REGISTER_SECONDS = 30
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stores:
    """Where an agent keeps what it knows."""

    articles: Articles
    cache: Cache


# A tool takes the stores and its arguments, and gives a JSON object back.
Tool = Callable[[Stores, dict[str, Any]], dict[str, Any]]


class Agent:
    """One agent: its routes and its checks. Serving them is `serve`'s."""

    def __init__(self, settings: Settings, stores: Stores, tools: dict[str, Tool]):
        self.settings = settings
        self.stores = stores
        self.metrics = Metrics(settings.name)
        self.stopping = threading.Event()
        self.bus = Client(settings.bus_url)
        self._tools = tools

    def routes(self) -> list[Route]:
        """What every agent answers."""
        return [
            Route("GET", "/health", self.health),
            Route("GET", "/metrics", self._metrics),
            Route("POST", "/shutdown", self._shutdown),
            Route("POST", "/tools/{tool}", self._call),
        ]

    def health(self, _: Request) -> Response:
        """200 when all that the agent needs answers, else 503; each with the state of each part."""
        checks = {"database": self.stores.articles.ping, "cache": self.stores.cache.ping}
        if self.settings.name != "mcp_bus":
            checks["mcp_bus"] = self._check_bus
        parts = {name: _state(check) for name, check in checks.items()}
        healthy = all(state == "ok" for state in parts.values())
        body = {"agent": self.settings.name, "healthy": healthy, "parts": parts}
        return Response(body, 200 if healthy else 503)

    def register(self) -> None:
        """Tells the bus where this agent is; raises `CallError`."""
        address = f"http://{self.settings.host}:{self.settings.port}"
        self.bus.post("/register", {"name": self.settings.name, "address": address})

    def keep_registered(self) -> None:
        """Registers now and then until the agent stops."""
        while not self.stopping.is_set():
            try:
                self.register()
            except CallError as error:
                _log.warning("cannot register: %s", error)
            self.stopping.wait(_REGISTER_SECONDS)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        labels = {"method": method, "route": route, "status": str(status)}
        self.metrics.add("justnews_requests_total", **labels)
        self.metrics.add("justnews_request_seconds_total", seconds)

    def _check_bus(self) -> None:
        self.bus.get(f"/agents/{self.settings.name}")

    def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.render(), content_type=CONTENT_TYPE)

    def _shutdown(self, _: Request) -> Response:
        _log.info("asked to stop")
        return Response({"stopping": self.settings.name}, after=self.stopping.set)

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
    """The agent that the environment describes, connected to its stores; exits when it cannot be."""
    try:
        settings = settings_module.from_environment(name, os.environ)
    except SettingsError as error:
        sys.exit(f"{name}: {error}")
    logging.basicConfig(level=settings.log_level, format="%(levelname)s %(name)s: %(message)s")
    stores = Stores(Articles(settings.database), Cache(settings.redis_url))
    return Agent(settings, stores, tools)


def serve(agent: Agent, routes: list[Route]) -> None:
    """Serves `routes` until the agent is asked to stop, by `POST /shutdown` or by a signal."""
    address = (agent.settings.host, agent.settings.port)
    server = Server(address, routes, agent.observe)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stopping.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if agent.settings.name != "mcp_bus":
        threading.Thread(target=agent.keep_registered, daemon=True).start()
    _log.info("%s answers on %s:%d", agent.settings.name, *address)
    agent.stopping.wait()
    server.shutdown()
    _log.info("%s has stopped", agent.settings.name)


def run(name: str, tools: dict[str, Tool]) -> None:
    """The whole program of an agent that has tools and nothing else."""
    agent = load(name, tools)
    serve(agent, agent.routes())


def _state(check: Callable[[], None]) -> str:
    try:
        check()
    except Exception as error:  # Whatever goes wrong, the part is not well; its text may hold secrets.
        return type(error).__name__
    return "ok"
