"""A small JSON web server: routes, requests, errors."""

import json
import logging
import re
import sys
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Mapping
from urllib.parse import parse_qsl

LARGEST_BODY = 1 << 20
_JSON = "application/json"
_log = logging.getLogger(__name__)


class WebError(Exception):
    """A request that is answered with a status other than 200."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Request:
    """What a route is given: the parts of the path that it names, and the JSON object sent."""

    parameters: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    # Names in any case, as `email.message.Message` has them.
    headers: Mapping[str, str] = field(default_factory=dict)
    # Numeric address of who asks.
    peer: str = ""


@dataclass(frozen=True)
class Response:
    """What a route gives back; anything else stands for a JSON answer with status 200.

    `after` is called when the answer has been sent.
    """

    body: Any
    status: int = 200
    content_type: str = _JSON
    after: Callable[[], None] | None = None

    def encode(self) -> bytes:
        """The bytes of the body."""
        if self.content_type == _JSON:
            return json.dumps(self.body, default=str).encode() + b"\n"
        return self.body.encode()


class Route:
    """A method and a path such as `/articles/{id}`, and the function that answers it."""

    def __init__(self, method: str, path: str, answer: Callable[[Request], Any]):
        self.method = method
        self.path = path
        self.answer = answer
        self._pattern = re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[\\w.@-]+)", path))

    def match(self, path: str) -> dict[str, str] | None:
        """The named parts of `path`, or `None` when this route has another path."""
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None


class Server(ThreadingHTTPServer):
    """Answers requests by its routes, one thread each."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], routes: list[Route], observe: Callable):
        super().__init__(address, _Handler)
        self.routes = routes
        self.observe = observe

    def handle_error(self, request, client_address):
        """A client that went away before its answer is no news; the rest is the base class's."""
        if isinstance(sys.exc_info()[1], ConnectionError):
            _log.debug("a client went away")
        else:
            super().handle_error(request, client_address)

    def handle_error(self, request, client_address):
        """A client that has gone without its answer is not worth a page of the log."""
        error = sys.exc_info()[1]
        if isinstance(error, (ConnectionError, TimeoutError)):
            _log.debug("a client went away: %s", type(error).__name__)
        else:
            super().handle_error(request, client_address)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """The route for a request; raises `WebError` 404 or 405."""
        found = [(route, match) for route in self.routes if (match := route.match(path)) is not None]
        if not found:
            raise WebError(404, "there is no such path")
        for route, parameters in found:
            if route.method == method:
                return route, parameters
        raise WebError(405, "there is no such method for this path")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        """Answers a GET request."""
        self._answer()

    def do_POST(self):
        """Answers a POST request."""
        self._answer()

    def do_PUT(self):
        """Answers a PUT request."""
        self._answer()

    def do_DELETE(self):
        """Answers a DELETE request."""
        self._answer()

    def _answer(self):
        start = time.monotonic()
        name, response = self._respond()
        # Counted first: whoever has the answer finds it in the metrics.
        self.server.observe(self.command, name, response.status, time.monotonic() - start)
        self._send(response)
        if response.after:
            response.after()

    def _respond(self) -> tuple[str, Response]:
        name = "none"
        try:
            body = self._read_body()
            path, _, query = self.path.partition("?")
            route, parameters = self.server.find(self.command, path)
            name = route.path
            queries, peer = dict(parse_qsl(query)), self.client_address[0]
            request = Request(parameters, body, queries, self.headers, peer)
            answer = route.answer(request)
            return name, answer if isinstance(answer, Response) else Response(answer)
        except WebError as error:
            return name, Response({"error": str(error)}, error.status)
        except Exception as error:  # The boundary: one bad request must not end the program.
            _log.error("cannot answer %s %s: %s", self.command, name, type(error).__name__)
            _log.debug("because", exc_info=True)
            return name, Response({"error": "internal error"}, 500)

    def _read_body(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            raise WebError(413, f"expected a body of at most {LARGEST_BODY} bytes")
        text = self.rfile.read(int(length))
        try:
            body = json.loads(text) if text else {}
        except ValueError as error:
            raise WebError(400, "expected a JSON object") from error
        if not isinstance(body, dict):
            raise WebError(400, "expected a JSON object")
        return body

    def _send(self, response: Response):
        body = response.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        """Requests are counted, and logged only when debugging."""
        _log.debug(format, *args)


def text_of(body: dict[str, Any], key: str) -> str:
    """The non-empty string `key` of a body; raises `WebError` 400."""
    value = body.get(key)
    if not isinstance(value, str) or not value.strip():
        raise WebError(400, f"`{key}`: expected a text that is not empty")
    return value
