"""What an agent is told: environment variables, with the names of JustNews V4.

Nothing here is read from a file, and the password is kept out of every `repr`.
"""

from dataclasses import dataclass
from typing import Mapping

from bedplate_app.settings import Database, database, number, text


@dataclass(frozen=True)
class Settings:
    """The settings of one agent."""

    name: str
    host: str
    port: int
    bus_url: str
    redis_url: str
    log_level: str
    workers: int
    database: Database


def from_environment(name: str, environment: Mapping[str, str]) -> Settings:
    """Reads the settings of the agent `name`; raises `SettingsError` for the first bad variable."""
    return Settings(
        name=name,
        host=environment.get("AGENT_HOST", "127.0.0.1"),
        port=number(environment, port_variable(name)),
        bus_url=environment.get("MCP_BUS_URL", "http://127.0.0.1:8000"),
        redis_url=text(environment, "REDIS_URL"),
        log_level=environment.get("LOG_LEVEL", "INFO"),
        workers=number(environment, "WORKERS", "2"),
        database=database(environment),
    )


def port_variable(name: str) -> str:
    """`MCP_BUS_PORT` for the bus, `SCOUT_AGENT_PORT` and so on for the others."""
    suffix = "PORT" if name == "mcp_bus" else "AGENT_PORT"
    return f"{name.upper()}_{suffix}"
