"""What an agent is told: environment variables, with the names of JustNews V4.

Nothing here is read from a file, and the password is kept out of every `repr`.
"""

from dataclasses import dataclass, field
from typing import Mapping


class SettingsError(Exception):
    """A variable that is missing or cannot be read."""


@dataclass(frozen=True)
class Database:
    """Where PostgreSQL is, and how many connections (each agent of its own) are kept to it."""

    host: str
    name: str
    user: str
    password: str = field(repr=False)
    pool_min: int = 1
    pool_max: int = 10


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
        port=_number(environment, port_variable(name)),
        bus_url=environment.get("MCP_BUS_URL", "http://127.0.0.1:8000"),
        redis_url=_text(environment, "REDIS_URL"),
        log_level=environment.get("LOG_LEVEL", "INFO"),
        workers=_number(environment, "WORKERS", "2"),
        database=database(environment),
    )


def database(environment: Mapping[str, str]) -> Database:
    """Reads the part that concerns PostgreSQL."""
    return Database(
        host=environment.get("POSTGRES_HOST", "127.0.0.1"),
        name=_text(environment, "POSTGRES_DB"),
        user=_text(environment, "POSTGRES_USER"),
        password=_text(environment, "POSTGRES_PASSWORD"),
        pool_min=_number(environment, "POSTGRES_POOL_MIN", "1"),
        pool_max=_number(environment, "POSTGRES_POOL_MAX", "10"),
    )


def port_variable(name: str) -> str:
    """`MCP_BUS_PORT` for the bus, `SCOUT_AGENT_PORT` and so on for the others."""
    suffix = "PORT" if name == "mcp_bus" else "AGENT_PORT"
    return f"{name.upper()}_{suffix}"


def _text(environment: Mapping[str, str], variable: str) -> str:
    value = environment.get(variable, "")
    if not value:
        raise SettingsError(f"`{variable}` is not set")
    return value


def _number(environment: Mapping[str, str], variable: str, default: str = "") -> int:
    value = environment.get(variable, default)
    if not value.isdecimal():
        raise SettingsError(f"`{variable}`: expected a number, found `{value}`")
    return int(value)
