"""One external API as an agent sees it: counted, limited in rate, behind a circuit breaker."""

import json
import urllib.request
from typing import Any, Callable

from bedplate_app import settings
from bedplate_app.metrics import Metrics

from ..queue import Queue
from ..settings import Environment
from .breaker import CircuitBreaker, CircuitOpen

HELPS = {
    "external_api_requests_total": "Calls of external APIs, by what came of them.",
    "external_api_configured": "1 when this host has the credentials of an external API.",
    "circuit_breaker_state": "0 closed, 1 half open, 2 open.",
}
# Enough for a listing of a hundred long posts.
_LARGEST_ANSWER = 8 << 20


class ExternalError(Exception):
    """An external API that cannot be used now; the text holds no credential."""


class ExternalApi:
    """What guards the calls of one API."""

    def __init__(self, name: str, environment: Environment, metrics: Metrics, queue: Queue, configured: bool):
        self.name = name
        self.configured = configured
        self._metrics = metrics
        self._queue = queue
        self._per_minute = settings.number(environment, f"{name.upper()}_RATE_LIMIT_PER_MINUTE", "60")
        self._breaker = CircuitBreaker(
            settings.number(environment, "CIRCUIT_BREAKER_FAILURES", "5"),
            settings.number(environment, "CIRCUIT_BREAKER_RESET_SECONDS", "60"),
        )
        for result in ("ok", "failed", "rate_limited"):
            metrics.add("external_api_requests_total", 0, api=name, result=result)
        metrics.set("external_api_configured", float(configured), api=name)
        metrics.read("circuit_breaker_state", lambda: self._breaker.state, api=name)

    def call(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; raises `ExternalError`."""
        if not self._queue.may_call(self.name, self._per_minute):
            self._count("rate_limited")
            raise ExternalError(f"{self.name}: more than {self._per_minute} calls in this minute")
        try:
            answer = self._breaker.call(work)
        except CircuitOpen as error:
            self._count("circuit_open")
            raise ExternalError(f"{self.name}: left alone after too many failures") from error
        except Exception as error:  # Libraries raise what they like; the text may hold a credential.
            self._count("failed")
            raise ExternalError(f"{self.name}: {type(error).__name__}") from error
        self._count("ok")
        return answer

    def _count(self, result: str) -> None:
        self._metrics.add("external_api_requests_total", api=self.name, result=result)


def ask(url: str, headers: dict[str, str], body: bytes | None = None, seconds: float = 20) -> Any:
    """The JSON answer to a GET, or a POST of `body`; an empty answer is `None`."""
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        text = answer.read(_LARGEST_ANSWER)
    return json.loads(text) if text else None
