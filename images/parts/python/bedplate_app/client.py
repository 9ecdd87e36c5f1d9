"""Calls between programs: JSON over HTTP."""

import json
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlsplit


class CallError(Exception):
    """Another program could not be asked, or refused; `status` is its answer to a bad request."""

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


class Client:
    """Asks the program at `url`, such as `http://127.0.0.1:8000`."""

    def __init__(self, url: str, timeout: float = 30, headers: dict[str, str] | None = None):
        self._address = urlsplit(url)
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json", **(headers or {})}

    def get(self, path: str) -> Any:
        """The JSON answer to a GET; raises `CallError`."""
        return self._ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON answer to a POST; raises `CallError`."""
        return self._ask("POST", path, json.dumps(body))

    def _ask(self, method: str, path: str, body: str | None) -> Any:
        host, port = self._address.hostname, self._address.port
        connection = HTTPConnection(host, port, timeout=self._timeout)
        try:
            connection.request(method, path, body, self._headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, HTTPException) as error:
            raise CallError(f"{method} {path} on port {port}: {type(error).__name__}") from error
        finally:
            connection.close()
        answer = _decode(text, path)
        if not 200 <= response.status < 300:
            raise _refusal(response.status, answer)
        return answer


def _decode(text: bytes, path: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise CallError(f"{path}: the answer is not JSON") from error


def _refusal(status: int, answer: Any) -> CallError:
    message = answer.get("error") if isinstance(answer, dict) else None
    # Statuses past 499 are the other program's trouble, not the request's.
    return CallError(message or f"status {status}", status if 400 <= status < 500 else None)
