"""The checks of the whole system, with the names of the deployment document.

`python3 -m ai_system.health_check` prints them; the agents with the role `checks` run them every
half minute.
"""

import os
import sys
from typing import Any, Callable

from bedplate_app.client import CallError, Client

from . import catalogue, wire
from .errors import ErrorPublisher
from .settings import Settings, from_environment
from .store import Store

_SECONDS = 5


class HealthChecker:
    """The six checks, as this machine sees them."""

    def __init__(self, settings: Settings, agents: catalogue.Catalogue, store: Store | None = None):
        self._settings = settings
        self._agents = agents
        self._store = store or Store(settings)
        self._hosts = {"main_pc": settings.main_host, "pc2": settings.pc2_host}
        self._hosts[settings.machine] = "127.0.0.1"
        self.checks: dict[str, Callable[[], None]] = {
            "Redis Connection": self._store.ping,
            "Main PC Agents": lambda: self._agents_of("main_pc"),
            "PC2 Agents": lambda: self._agents_of("pc2"),
            "Cross-Machine Communication": self._cross_machine,
            "Error Bus": self._error_bus,
            "Monitoring Stack": lambda: _answers(self._hosts["main_pc"], 9090, "/-/healthy"),
        }

    def run(self) -> dict[str, str]:
        """`ok`, or the kind of what went wrong, for each check."""
        return {name: _state(check) for name, check in self.checks.items()}

    def _agents_of(self, machine: str) -> None:
        _answers(self._hosts[machine], 8080, "/health")

    def _cross_machine(self) -> None:
        secret = self._settings.curve_key if self._settings.encrypted else None
        address = f"tcp://{self._hosts['pc2']}:{wire.PORT}"
        response = wire.Requester(address, secret, wire.BRIDGE).ask("health_check", _SECONDS)
        if response != "healthy":
            raise wire.WireError(f"pc2 says {response}")

    def _error_bus(self) -> None:
        role = "error_aggregator" if self._settings.machine == "main_pc" else "local_error_bus"
        url = self._agents.first(self._settings.machine, role).url
        publisher = ErrorPublisher(url, "health_checker", self._settings.machine)
        context = {"source": "health_checker"}
        if not publisher.report_error("health_check", "info", "Health check test message", context):
            raise ConnectionError("the error bus does not answer")


def _answers(host: str, port: int, path: str) -> None:
    """Raises unless a GET is answered with 200; the body may be anything."""
    from http.client import HTTPConnection

    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != 200:
        raise CallError(f"status {status}", status)


def _state(check: Callable[[], Any]) -> str:
    try:
        check()
    except Exception as error:  # Each check stands for itself; the text may hold secrets.
        return type(error).__name__
    return "ok"


def main() -> int:
    """Runs and prints all; 0 when all passed."""
    settings = from_environment(os.environ)
    checker = HealthChecker(settings, catalogue.read(settings.config / "agents.toml"))
    print("Running AI System Health Checks...")
    results = checker.run()
    for name, state in results.items():
        print(f"{name}: {state}")
    return 0 if all(state == "ok" for state in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
