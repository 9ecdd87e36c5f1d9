"""Who may change something: programs of this machine, and whoever has the token."""

import hmac
from typing import Callable

from bedplate_app.web import Request, Route, WebError

_LOOPBACK = "127."


class Guard:
    """Lets requests through to routes. Reading is free: the network says who can reach the ports."""

    def __init__(self, enabled: bool, token: str):
        self._enabled = enabled
        self._token = token

    def protect(self, route: Route) -> Route:
        """The same route, asking who comes when it is not a GET."""
        if route.method == "GET" or not self._enabled:
            return route
        return Route(route.method, route.path, self._checked(route.answer))

    def _checked(self, answer: Callable) -> Callable:
        def checked(request: Request):
            if not request.peer.startswith(_LOOPBACK) and not self._has_token(request):
                raise WebError(401, "expected `Authorization: Bearer TOKEN`")
            return answer(request)

        return checked

    def _has_token(self, request: Request) -> bool:
        # Without a token nobody is let in, and an empty one is none.
        given = request.headers.get("Authorization") or ""
        expected = f"Bearer {self._token}"
        return bool(self._token) and hmac.compare_digest(given.encode(), expected.encode())
