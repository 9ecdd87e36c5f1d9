"""The cross-machine bridge of pc2: answers the main PC on ZeroMQ, and hands its tasks to agents here.

`health_check` is answered with `healthy`; anything else is a task as a JSON object.
"""

import json
import logging
import threading
from typing import Any

import zmq
from bedplate_app.client import CallError
from bedplate_app.web import Route

from .. import wire

_log = logging.getLogger(__name__)


def answer(agent, text: str) -> str:
    """The answer to one request of the main PC."""
    if text == "health_check":
        return "healthy"
    try:
        return json.dumps({"result": hand_over(agent, json.loads(text))})
    except (ValueError, KeyError, TypeError):
        return _refusal("expected a task as a JSON object with `kind` and `payload`", 400)
    except CallError as error:
        return _refusal(str(error), error.status or 502)


def hand_over(agent, task: dict[str, Any]) -> dict[str, Any]:
    """Has the agent that does such tasks do it; raises `CallError`."""
    entry = agent.agents.doing(agent.settings.machine, task["kind"])
    if entry is None:
        raise CallError(f"no agent of this machine does `{task['kind']}`", 404)
    return agent.ask(entry, "/tasks", {"kind": task["kind"], "payload": task["payload"]})


def routes(agent) -> list[Route]:
    """None but the common ones: this agent answers on ZeroMQ."""
    socket = wire.serve(zmq.Context.instance(), zmq.REP, agent.curve, wire.BRIDGE)
    socket.bind(f"tcp://*:{wire.PORT}")
    threading.Thread(target=_serve, args=(agent, socket), daemon=True).start()
    return []


def _serve(agent, socket: zmq.Socket) -> None:
    while not agent.program.stopping.is_set():
        if socket.poll(1000):
            # Bytes that are no text make a task that is refused.
            text = socket.recv().decode(errors="replace")
            socket.send_string(answer(agent, text))
    socket.close()


def _refusal(error: str, status: int) -> str:
    _log.warning("a task is refused: %s", error)
    return json.dumps({"error": error, "status": status})
