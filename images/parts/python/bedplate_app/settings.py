"""What a program is told: environment variables. Passwords are kept out of every `repr`."""

from dataclasses import dataclass, field
from typing import Mapping


class SettingsError(Exception):
    """A variable that is missing or cannot be read."""


@dataclass(frozen=True)
class Database:
    """Where PostgreSQL is, and how many connections (each program of its own) are kept to it."""

    host: str
    name: str
    user: str
    password: str = field(repr=False)
    port: int = 5432
    pool_min: int = 1
    pool_max: int = 10
    # Seconds.
    connect_timeout: int = 10


def database(environment: Mapping[str, str]) -> Database:
    """Reads `POSTGRES_HOST`, `_PORT`, `_DB`, `_USER`, `_PASSWORD`, `_POOL_MIN` and `_POOL_MAX`."""
    return Database(
        host=environment.get("POSTGRES_HOST", "127.0.0.1"),
        port=number(environment, "POSTGRES_PORT", "5432"),
        name=text(environment, "POSTGRES_DB"),
        user=text(environment, "POSTGRES_USER"),
        password=text(environment, "POSTGRES_PASSWORD"),
        pool_min=number(environment, "POSTGRES_POOL_MIN", "1"),
        pool_max=number(environment, "POSTGRES_POOL_MAX", "10"),
    )


def text(environment: Mapping[str, str], variable: str, default: str = "") -> str:
    """A text that is not empty; raises `SettingsError`."""
    value = environment.get(variable, "") or default
    if not value:
        raise SettingsError(f"`{variable}` is not set")
    return value


def number(environment: Mapping[str, str], variable: str, default: str = "") -> int:
    """A whole number, not negative; raises `SettingsError`."""
    value = environment.get(variable, default)
    if not value.isdecimal():
        raise SettingsError(f"`{variable}`: expected a number, found `{value}`")
    return int(value)


def flag(environment: Mapping[str, str], variable: str, default: str = "false") -> bool:
    """`true` or `false`; raises `SettingsError`."""
    value = environment.get(variable, default).lower()
    if value not in ("true", "false"):
        raise SettingsError(f"`{variable}`: expected true or false, found `{value}`")
    return value == "true"
