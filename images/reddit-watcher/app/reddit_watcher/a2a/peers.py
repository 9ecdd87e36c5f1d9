"""Asking other agents, found in the registry."""

import time
from typing import Any, Callable

from bedplate_app.client import CallError, Client
from bedplate_app.metrics import Metrics

from . import message
from .registry import Registry

HELPS = {
    "a2a_messages_sent_total": "Messages sent to other agents, by what came of them.",
    "a2a_message_duration_seconds": "Seconds until another agent answered.",
}


class PeerError(Exception):
    """An agent that is not there or does not answer: asking again later may help."""


class Peers:
    """The other agents, as one agent sees them."""

    def __init__(
        self,
        registry: Registry,
        metrics: Metrics,
        api_key: str,
        seconds: float,
        retries: int,
        pause: Callable[[float], None] = time.sleep,
    ):
        self._registry = registry
        self._metrics = metrics
        self._headers = {"X-API-Key": api_key}
        self._seconds = seconds
        self._retries = retries
        self._pause = pause

    def send(self, agent: str, skill: str, data: dict[str, Any]) -> dict[str, Any]:
        """What `agent` answers.

        Raises `PeerError` when it cannot be asked, `ProtocolError` when it refuses.
        """
        for attempt in range(self._retries + 1):
            try:
                return self._send(agent, skill, data)
            except PeerError:
                if attempt == self._retries:
                    raise
                # An agent that was restarted is back within seconds.
                self._pause(0.5 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, agent: str, skill: str, data: dict[str, Any]) -> dict[str, Any]:
        start = time.monotonic()
        result = "unreachable"
        try:
            body = self._post(agent, message.request(skill, data))
            result = "refused"
            answer = message.read_answer(body)
            result = "ok"
            return answer
        finally:
            self._metrics.add("a2a_messages_sent_total", peer=agent, skill=skill, result=result)
            self._metrics.observe("a2a_message_duration_seconds", time.monotonic() - start, peer=agent)

    def _post(self, agent: str, body: dict[str, Any]) -> Any:
        entry = self._registry.alive().get(agent)
        if entry is None:
            raise PeerError(f"`{agent}` is not registered")
        base, _, path = entry.url.rpartition("/")
        try:
            return Client(base, self._seconds, self._headers).post(f"/{path}", body)
        except CallError as error:
            raise PeerError(f"`{agent}`: {error}") from error
