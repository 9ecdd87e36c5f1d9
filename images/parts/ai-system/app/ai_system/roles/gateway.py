"""The main PC's end of the bridge: asks pc2 whether it is healthy, and passes tasks on to it."""

import json
import logging
import threading
from typing import Any

from bedplate_app.web import Request, Route, WebError

from .. import wire

_CHECK_SECONDS = 10
_ANSWER_SECONDS = 5
# Whoever hands a task over hears of a lost pc2 before they give up themselves.
_SPARE_SECONDS = 5
_log = logging.getLogger(__name__)


class Gateway:
    """Whether pc2 answers, and the one line to it."""

    def __init__(self, requester, errors, metrics, task_seconds: float):
        self._requester = requester
        self._errors = errors
        self._metrics = metrics
        self._task_seconds = task_seconds
        # One request at a time goes over the line.
        self._lock = threading.Lock()
        self._state = "unknown"

    def look(self) -> None:
        """Asks pc2 once; a change is told to the error bus."""
        try:
            state = self._ask("health_check", _ANSWER_SECONDS)
        except wire.WireError:
            state = "unreachable"
        before, self._state = self._state, state
        self._metrics.set("ai_peer_up", state == "healthy", peer="pc2")
        if state != before:
            _log.info("pc2 is %s", state)
            severity = "info" if state == "healthy" else "error"
            self._errors.report_error("cross_machine", severity, f"pc2 is {state}", {"before": before})

    def check(self) -> None:
        """Raises unless pc2 was healthy last time."""
        if self._state != "healthy":
            raise ConnectionError(f"pc2 is {self._state}")

    def forward(self, task: dict[str, Any]) -> dict[str, Any]:
        """What pc2 makes of a task; raises `WebError`, at once while pc2 is known to be away."""
        if self._state == "unreachable":
            raise WebError(503, "pc2 is unreachable")
        try:
            text = self._ask(json.dumps(task), self._task_seconds)
        except wire.WireError as error:
            raise WebError(503, f"pc2 is unreachable: {error}") from error
        answer = json.loads(text)
        if "result" not in answer:
            raise WebError(answer.get("status", 502), f"pc2: {answer.get('error')}")
        return answer["result"]

    def state(self) -> str:
        """`healthy`, `unreachable`, or what pc2 says."""
        return self._state

    def _ask(self, text: str, seconds: float) -> str:
        with self._lock:
            return self._requester.ask(text, seconds)


def routes(agent) -> list[Route]:
    """`POST /forward`, `GET /peer`."""
    address = f"tcp://{agent.settings.pc2_host}:{wire.PORT}"
    requester = wire.Requester(address, agent.curve, wire.BRIDGE)
    seconds = agent.config["call_timeout_seconds"] - _SPARE_SECONDS
    gateway = Gateway(requester, agent.errors, agent.program.metrics, seconds)
    # Looked at more often than the rest: tasks depend on it.
    agent.program.checks["pc2"] = gateway.check
    agent.program.repeat(_CHECK_SECONDS, gateway.look)

    def forward(request: Request) -> dict[str, Any]:
        return gateway.forward(request.body)

    def peer(_: Request) -> dict[str, Any]:
        return {"pc2": gateway.state()}

    return [Route("POST", "/forward", forward), Route("GET", "/peer", peer)]
