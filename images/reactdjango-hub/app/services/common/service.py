"""What makes a program a service: its stores, its place in the directory, its routes."""

import functools
import os
import threading
from dataclasses import dataclass
from typing import Any, Callable

from bedplate_app import program
from bedplate_app.postgres import Pool
from bedplate_app.web import Request, Response, Route, WebError

from . import docs, settings as settings_module
from .cache import Cache
from .callers import Caller, Callers
from .directory import Directory, Place
from .peers import Peers
from .settings import Settings

# Seconds between two looks at whether the directory still lists this instance.
_ANNOUNCE = 5


@dataclass(frozen=True)
class Stores:
    """Where a service keeps what it knows, and whom it can ask."""

    database: Any
    cache: Any
    peers: Any


class Service:
    """One instance of a service; `routes` are its own, without those that every service has."""

    def __init__(self, settings: Settings, stores: Stores, helps: dict[str, str] | None = None):
        checks = {"database": stores.database.ping, "cache": stores.cache.ping}
        address = (settings.host, settings.port)
        self.program = program.Program(settings.name, address, checks, helps)
        self.metrics = self.program.metrics
        self.stores = stores
        self.callers = Callers(stores.cache, stores.peers.validate)
        self._workers = threading.BoundedSemaphore(settings.workers)

    def route(self, method: str, path: str, answer: Callable[[Request], Any]) -> Route:
        """A route that anybody may ask."""
        return Route(method, path, self._bounded(answer))

    def for_callers(self, method: str, path: str, answer: Callable[[Caller, Request], Any]) -> Route:
        """A route that only a user, or a service for a user, may ask; else 401 or 403."""

        @functools.wraps(answer)
        def checked(request: Request) -> Any:
            caller = self.callers.of(request)
            if not caller.user:
                raise WebError(403, "a service must say for whom it asks: `X-On-Behalf-Of`")
            return answer(caller, request)

        return Route(method, path, self._bounded(checked))

    def with_docs(self, routes: list[Route]) -> list[Route]:
        """The routes, and the page that lists them."""
        text = docs.page(self.program.name, self.program.routes() + routes)
        page = Response(text, content_type="text/html; charset=utf-8")
        return [*routes, Route("GET", "/docs", lambda _: page)]

    def _bounded(self, answer: Callable[[Request], Any]) -> Callable[[Request], Any]:
        """At most `WORKERS` requests at a time; `/health` and `/metrics` do not wait for them."""

        @functools.wraps(answer)
        def bounded(request: Request) -> Any:
            with self._workers:
                return answer(request)

        return bounded


def run(name: str, build: Callable[[Service, Settings], list[Route]], helps=None) -> None:
    """The whole program of a service, whose routes `build` makes."""
    environment = {**os.environ, "SERVICE_NAME": name}

    def main() -> None:
        settings = settings_module.from_environment(environment)
        directory = Directory(settings.zookeeper)
        peers = Peers(directory, name, settings.key, settings.request_timeout)
        cache = Cache(settings.redis_url, settings.redis_max_connections)
        service = Service(settings, Stores(Pool(settings.database), cache, peers), helps)
        place = Place(name, settings.instance, settings.host, settings.port)

        def announce() -> None:
            directory.announce(place)

        routes = service.with_docs(build(service, settings))
        service.program.repeat(_ANNOUNCE, announce)
        program.serve(service.program, routes)
        directory.withdraw()

    program.run(name, main, os.environ.get("LOG_LEVEL", "warning").upper())
