"""Calls to the other services: found in the directory, made with this service's own token."""

import threading
import time
from typing import Any

from bedplate_app.client import CallError, Client
from bedplate_app.web import WebError

from .directory import Directory, NobodyThere

IDENTITY = "identity-service"
# A token is used until so many seconds before it expires.
_MARGIN = 60


class Peers:
    """Asks other services; safe to use from many threads."""

    def __init__(self, directory: Directory, name: str, key: str, timeout: float):
        self._directory = directory
        self._name = name
        self._key = key
        self._timeout = timeout
        self._lock = threading.Lock()
        self._token, self._expires = "", 0.0

    def validate(self, token: str) -> dict[str, Any]:
        """The claims of a token, by the identity service; raises `CallError`."""
        return self._client(IDENTITY).post("/validate", {"token": token})

    def get(self, service: str, path: str, user: int) -> Any:
        """The answer of a service to a GET for `user`; raises `WebError`."""
        return self._ask(service, user, lambda client: client.get(path))

    def post(self, service: str, path: str, user: int, body: dict[str, Any]) -> Any:
        """The answer of a service to a POST for `user`; raises `WebError`."""
        return self._ask(service, user, lambda client: client.post(path, body))

    def _ask(self, service: str, user: int, ask) -> Any:
        try:
            headers = {"Authorization": f"Bearer {self._own_token()}", "X-On-Behalf-Of": str(user)}
            return ask(self._client(service, headers))
        except CallError as error:
            raise WebError(error.status or 502, f"{service}: {error}") from error

    def _own_token(self) -> str:
        with self._lock:
            if time.monotonic() > self._expires:
                credentials = {"service": self._name, "key": self._key}
                answer = self._client(IDENTITY).post("/service-token", credentials)
                self._token = answer["access_token"]
                self._expires = time.monotonic() + answer["expires_in"] - _MARGIN
            return self._token

    def _client(self, service: str, headers: dict[str, str] | None = None) -> Client:
        try:
            return Client(self._directory.find(service).url, self._timeout, headers)
        except NobodyThere as error:
            raise CallError(str(error)) from error
