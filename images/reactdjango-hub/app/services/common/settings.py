"""What a service is told: environment variables, with the names of the deployment document.

Secrets are kept out of every `repr`.
"""

from dataclasses import dataclass, field
from typing import Mapping

from bedplate_app.settings import Database, SettingsError, flag, number, text

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class Settings:
    """The settings of one instance of a service."""

    name: str
    instance: str
    host: str
    port: int
    # Requests that are worked on at the same time; more wait.
    workers: int
    # Seconds until another service must have answered.
    request_timeout: int
    database: Database
    redis_url: str
    redis_max_connections: int
    zookeeper: str
    # The service's own key, by which it gets its service token.
    key: str = field(repr=False)
    log_level: str = "WARNING"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Reads the settings; raises `SettingsError` for the first bad variable."""
    name = text(environment, "SERVICE_NAME")
    return Settings(
        name=name,
        instance=text(environment, "SERVICE_INSTANCE", name),
        host=text(environment, "HOST", "127.0.0.1"),
        port=number(environment, "PORT"),
        workers=number(environment, "WORKERS", "4"),
        request_timeout=number(environment, "REQUEST_TIMEOUT", "30"),
        database=database(environment),
        redis_url=text(environment, "REDIS_URL"),
        redis_max_connections=number(environment, "REDIS_MAX_CONNECTIONS", "50"),
        zookeeper=text(environment, "ZOOKEEPER_HOSTS"),
        key=text(environment, "SERVICE_KEY"),
        log_level=log_level(environment),
    )


def database(environment: Mapping[str, str]) -> Database:
    """The service's own database; `MAX_CONNECTIONS` is the size of its pool."""
    return Database(
        host=text(environment, "POSTGRES_HOST", "127.0.0.1"),
        port=number(environment, "POSTGRES_PORT", "5432"),
        name=text(environment, "POSTGRES_DB"),
        user=text(environment, "POSTGRES_USER"),
        password=text(environment, "POSTGRES_PASSWORD"),
        pool_max=number(environment, "MAX_CONNECTIONS", "100"),
    )


def log_level(environment: Mapping[str, str]) -> str:
    """`LOG_LEVEL`, or the most there is when `DEBUG` is true; raises `SettingsError`."""
    if flag(environment, "DEBUG"):
        return "DEBUG"
    level = text(environment, "LOG_LEVEL", "warning")
    if level.lower() not in LEVELS:
        raise SettingsError(f"`LOG_LEVEL`: expected one of {', '.join(LEVELS)}, found `{level}`")
    return level.upper()
