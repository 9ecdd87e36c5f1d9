"""What every program answers: `/health`, `/metrics`, `POST /shutdown`; and how it is served."""

import logging
import signal
import sys
import threading
from typing import Any, Callable

from .metrics import CONTENT_TYPE, Metrics
from .settings import SettingsError
from .web import Request, Response, Route, Server

_HELPS = {
    "http_requests_total": "HTTP requests answered.",
    "http_request_duration_seconds": "Seconds until a request was answered.",
}
_log = logging.getLogger(__name__)


class Program:
    """One program: its checks and its common routes. `serve` runs it.

    `checks` maps a part (`database`, `cache`) to a function that raises when that part is not well.
    `describe` adds to what `/health` says.
    """

    def __init__(
        self,
        name: str,
        address: tuple[str, int],
        checks: dict[str, Callable[[], Any]],
        helps: dict[str, str] | None = None,
        describe: Callable[[], dict[str, Any]] = dict,
    ):
        self.name = name
        self.address = address
        self.checks = checks
        self.metrics = Metrics({**_HELPS, **(helps or {})}, service=name)
        self.stopping = threading.Event()
        self._describe = describe

    def routes(self) -> list[Route]:
        """What every program answers."""
        return [
            Route("GET", "/health", self.health),
            Route("GET", "/metrics", self._metrics),
            Route("POST", "/shutdown", self._shutdown),
        ]

    def health(self, _: Request) -> Response:
        """200 when all that the program needs answers, else 503; each with the state of each part."""
        parts = {name: state(check) for name, check in self.checks.items()}
        healthy = all(found == "ok" for found in parts.values())
        body = {"service": self.name, "healthy": healthy, "parts": parts, **self._describe()}
        return Response(body, 200 if healthy else 503)

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts an answered request."""
        self.metrics.add("http_requests_total", method=method, route=route, status=str(status))
        self.metrics.observe("http_request_duration_seconds", seconds, route=route)

    def repeat(self, seconds: float, work: Callable[[], None]) -> None:
        """Does `work` now and every so many seconds until the program stops; failures are logged."""
        threading.Thread(target=self._repeat, args=(seconds, work), daemon=True).start()

    def _repeat(self, seconds: float, work: Callable[[], None]) -> None:
        while not self.stopping.is_set():
            try:
                work()
            except Exception as error:  # The next time may be better; the text may hold secrets.
                _log.warning("%s: %s", work.__name__, type(error).__name__)
            self.stopping.wait(seconds)

    def _metrics(self, _: Request) -> Response:
        return Response(self.metrics.render(), content_type=CONTENT_TYPE)

    def _shutdown(self, _: Request) -> Response:
        _log.info("asked to stop")
        return Response({"stopping": self.name}, after=self.stopping.set)


def serve(program: Program, routes: list[Route]) -> None:
    """Serves the common routes and `routes` until it is asked to stop, by request or by signal."""
    server = Server(program.address, program.routes() + routes, program.observe)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: program.stopping.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _log.info("%s answers on %s:%d", program.name, *program.address)
    program.stopping.wait()
    server.shutdown()
    _log.info("%s has stopped", program.name)


def run(name: str, main: Callable[[], None], level: str = "INFO") -> None:
    """Runs `main` with logging set up; exits with one line when a setting is wrong."""
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    try:
        main()
    except SettingsError as error:
        sys.exit(f"{name}: {error}")


def state(check: Callable[[], Any]) -> str:
    """`ok`, or the kind of what `check` raised: its text may hold secrets."""
    try:
        check()
    except Exception as error:  # Whatever goes wrong, the part is not well.
        return type(error).__name__
    return "ok"
