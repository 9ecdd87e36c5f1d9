"""The program of communication-service: `python3 -m communication.main`."""

from typing import Any

from bedplate_app.web import Request, Response, Route, text_of
from common.callers import Caller
from common.numbers import number_of
from common.service import Service, run
from common.settings import Settings

from .messages import Messages

NAME = "communication-service"
HELPS = {"communication_messages_total": "Messages sent."}
# Seconds that the number of unread messages is kept.
_KEPT = 30 * 24 * 3600


class Communication:
    """The routes of communication-service."""

    def __init__(self, service: Service, messages: Any = None):
        self._service = service
        self._cache = service.stores.cache
        self._messages = messages or Messages(service.stores.database)

    def routes(self) -> list[Route]:
        """All of them."""
        route = self._service.for_callers
        return [
            route("POST", "/messages", self.send),
            route("GET", "/messages", self.inbox),
            route("GET", "/messages/unread", self.unread),
        ]

    def send(self, caller: Caller, request: Request) -> Response:
        """Sends `text` to the account `recipient`."""
        recipient, text = number_of(request.body.get("recipient")), text_of(request.body, "text")
        id = self._messages.add(_sender(caller), recipient, text)
        self._cache.count(_unread(recipient), _KEPT)
        self._service.metrics.add("communication_messages_total")
        return Response({"id": id, "recipient": recipient}, 201)

    def inbox(self, caller: Caller, _: Request) -> dict[str, Any]:
        """The caller's newest messages, which are read by that."""
        messages = self._messages.of(caller.user)
        self._cache.forget(_unread(caller.user))
        return {"messages": messages}

    def unread(self, caller: Caller, _: Request) -> dict[str, Any]:
        """How many messages came since the caller last looked."""
        return {"unread": self._cache.get(_unread(caller.user)) or 0}


def _sender(caller: Caller) -> str:
    return caller.subject if caller.kind == "service" else f"account {caller.user}"


def _unread(account: int) -> str:
    return f"communication:unread:{account}"


def build(service: Service, _: Settings) -> list[Route]:
    """The routes."""
    return Communication(service).routes()


if __name__ == "__main__":
    run(NAME, build, HELPS)
