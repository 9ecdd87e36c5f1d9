"""The error bus of pc2: passes errors on to the main PC, and remembers the newest itself.

PUB drops what nobody takes: pc2 goes on while the main PC is away, and its own `/errors` has them.
"""

import json
import threading
from collections import deque
from typing import Any

import zmq
from bedplate_app.web import Request, Route

from .. import wire
from .error_aggregator import count_of, report_of


def routes(agent) -> list[Route]:
    """`POST /errors`, `GET /errors`."""
    recent: deque[dict[str, Any]] = deque(maxlen=agent.config["error_history"])
    socket = wire.reach(zmq.Context.instance(), zmq.PUB, agent.curve, wire.ERRORS)
    socket.connect(f"tcp://{agent.settings.main_host}:{wire.PORT}")
    # A socket is for one thread at a time, and each request has its own.
    lock = threading.Lock()

    def publish(request: Request) -> dict[str, Any]:
        report = report_of(request)
        agent.program.metrics.add("ai_errors_total", severity=report.severity, **{"from": report.machine})
        recent.appendleft(report.encode())
        with lock:
            socket.send(json.dumps(report.encode()).encode())
        return {"passed_on": True}

    def newest(request: Request) -> dict[str, Any]:
        return {"errors": list(recent)[: count_of(request)]}

    return [Route("POST", "/errors", publish), Route("GET", "/errors", newest)]
