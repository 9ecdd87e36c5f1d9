"""Log lines for Loki, where the image has it: in batches, beside what init captures.

Source: Loki documentation, "HTTP API", `POST /loki/api/v1/push`.
"""

import json
import logging
import threading
import time
from collections import deque
from http.client import HTTPConnection, HTTPException
from typing import Any, Callable, Iterable
from urllib.parse import urlsplit

_SECONDS = 5
# Lines that wait while Loki is away; older ones are dropped, init has them.
_MOST = 1000


class LokiHandler(logging.Handler):
    """Keeps lines until they are pushed; safe to use from many threads."""

    def __init__(self, send: Callable[[dict[str, Any]], bool], labels: dict[str, str]):
        super().__init__()
        self._send = send
        self._labels = labels
        self._lines: deque[tuple[str, str]] = deque(maxlen=_MOST)

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps one line, with its time in nanoseconds."""
        self._lines.append((str(int(record.created * 1e9)), self.format(record)))

    def push(self) -> bool:
        """Sends what is there; it stays when Loki does not take it."""
        with self.lock:
            lines, self._lines = self._lines, deque(maxlen=_MOST)
        if lines and not self._send(body(self._labels, lines)):
            with self.lock:
                lines.extend(self._lines)
                self._lines = lines
            return False
        return True

    def keep_pushing(self) -> None:
        """Pushes every few seconds, for as long as the program runs."""
        while True:
            time.sleep(_SECONDS)
            self.push()


def sender(url: str) -> Callable[[dict[str, Any]], bool]:
    """Sends to the Loki at `url`; whether it took it."""
    address = urlsplit(url)

    def send(batch: dict[str, Any]) -> bool:
        connection = HTTPConnection(address.hostname, address.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/loki/api/v1/push", json.dumps(batch), headers)
            # 204; the body is empty.
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    return send


def body(labels: dict[str, str], lines: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """One stream, as the API takes it."""
    return {"streams": [{"stream": labels, "values": [list(line) for line in lines]}]}


def start(url: str, labels: dict[str, str]) -> None:
    """Sends every line that is logged from now on to the Loki at `url` too."""
    handler = LokiHandler(sender(url), labels)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    threading.Thread(target=handler.keep_pushing, daemon=True).start()
