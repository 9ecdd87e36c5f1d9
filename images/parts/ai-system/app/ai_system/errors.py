"""How agents tell of errors: to the error bus of their machine, over the loopback."""

import logging
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from bedplate_app.client import CallError, Client

SEVERITIES = ("info", "warning", "error", "critical")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """One error as it travels over the bus."""

    error_type: str
    severity: str
    message: str
    source: str
    machine: str
    context: dict[str, Any] = field(default_factory=dict)
    at: float = field(default_factory=time.time)

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(f"`severity`: expected one of {', '.join(SEVERITIES)}")
        for name in ("error_type", "message", "source", "machine"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ValueError(f"`{name}`: expected a text that is not empty")

    def encode(self) -> dict[str, Any]:
        """The JSON object."""
        return asdict(self)


def decode(body: dict[str, Any]) -> Report:
    """A report from its JSON object; raises `ValueError`."""
    try:
        return Report(**body)
    except TypeError as error:
        raise ValueError(f"expected an error report: {error}") from error


class ErrorPublisher:
    """Publishes to the bus at `url`."""

    def __init__(self, url: str, source: str, machine: str):
        self._client = Client(url, timeout=10)
        self._source = source
        self._machine = machine

    def report_error(self, error_type: str, severity: str, message: str, context: dict[str, Any] | None = None) -> bool:
        """Publishes one error; false when the bus does not take it, which is logged and no more."""
        report = Report(error_type, severity, message, self._source, self._machine, context or {})
        try:
            self._client.post("/errors", report.encode())
        except CallError as error:
            _log.warning("the error bus does not take `%s`: %s", error_type, error)
            return False
        return True
