"""The error bus aggregator: errors of both machines, kept in the Redis cluster.

Agents of this machine post theirs; the other machine's error bus publishes over ZeroMQ.
"""

import json
import logging
import threading
from typing import Any

import zmq
from bedplate_app.web import Request, Route, WebError

from .. import errors, wire

_LIST = "errors"
_log = logging.getLogger(__name__)


class Aggregator:
    """Takes errors, keeps the newest."""

    def __init__(self, agent):
        self._agent = agent

    def take(self, report: errors.Report) -> None:
        """Keeps and counts one error."""
        labels = {"severity": report.severity, "from": report.machine}
        self._agent.program.metrics.add("ai_errors_total", **labels)
        _log.info("%s from %s on %s: %s", report.severity, report.source, report.machine, report.message)
        self._agent.store.push(_LIST, report.encode(), self._agent.config["error_history"])

    def listen(self, socket: zmq.Socket) -> None:
        """Takes what comes over the bus until the agent stops."""
        while not self._agent.program.stopping.is_set():
            if socket.poll(1000):
                self._take_text(socket.recv())
        socket.close()

    def _take_text(self, text: bytes) -> None:
        try:
            self.take(errors.decode(json.loads(text)))
        except Exception as error:  # The boundary: one bad message must not end the bus.
            _log.warning("an error is lost: %s", type(error).__name__)


def routes(agent) -> list[Route]:
    """`POST /errors`, `GET /errors`."""
    aggregator = Aggregator(agent)
    agent.watch("redis", agent.store.ping)
    socket = wire.serve(zmq.Context.instance(), zmq.SUB, agent.curve, wire.ERRORS)
    socket.subscribe(b"")
    socket.bind(f"tcp://*:{wire.PORT}")
    threading.Thread(target=aggregator.listen, args=(socket,), daemon=True).start()

    def publish(request: Request) -> dict[str, Any]:
        aggregator.take(report_of(request))
        return {"taken": True}

    def newest(request: Request) -> dict[str, Any]:
        return {"errors": agent.store.newest(_LIST, count_of(request))}

    return [Route("POST", "/errors", publish), Route("GET", "/errors", newest)]


def report_of(request: Request) -> errors.Report:
    """The report that a request brings; raises `WebError` 400."""
    try:
        return errors.decode(request.body)
    except ValueError as error:
        raise WebError(400, str(error)) from error


def count_of(request: Request) -> int:
    """`?count=`, from 1 to 1000; 20 without it."""
    count = request.query.get("count", "20")
    if not count.isdecimal() or not 1 <= int(count) <= 1000:
        raise WebError(400, "`count`: expected a number from 1 to 1000")
    return int(count)
