"""What an agent is told: environment variables, with the names of `.env.prod`.

A credential that was not brought to the host is an empty variable or none: the agent then works
without what needs it, and says so in `/health`.
"""

from dataclasses import dataclass, field
from typing import Mapping

from bedplate_app import settings
from bedplate_app.settings import Database, SettingsError

AGENTS = ("coordinator", "retrieval", "filter", "summarise", "alert")

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Settings:
    """What every agent needs to know."""

    name: str
    host: str
    port: int
    database: Database
    redis_url: str
    redis_password: str = field(repr=False)
    # Agents show it to each other; nobody else has it.
    api_key: str = field(repr=False)
    # How often an agent says where it is, and how long it is believed.
    heartbeat_seconds: int = 15
    registration_seconds: int = 60
    request_seconds: int = 30
    retries: int = 2


def common(name: str, environment: Environment) -> Settings:
    """Reads what the agent `name` has in common with the others; raises `SettingsError`."""
    return Settings(
        name=name,
        host=settings.text(environment, "A2A_HOST", "127.0.0.1"),
        port=settings.number(environment, f"{name.upper()}_PORT"),
        database=settings.database(environment),
        redis_url=settings.text(environment, "REDIS_URL"),
        redis_password=environment.get("REDIS_PASSWORD", ""),
        api_key=settings.text(environment, "A2A_API_KEY"),
        heartbeat_seconds=settings.number(environment, "A2A_HEARTBEAT_SECONDS", "15"),
        registration_seconds=settings.number(environment, "A2A_REGISTRATION_SECONDS", "60"),
        request_seconds=settings.number(environment, "A2A_REQUEST_SECONDS", "30"),
        retries=settings.number(environment, "A2A_RETRIES", "2"),
    )


def credential(environment: Environment, variable: str) -> str:
    """A provisioned secret, or nothing when this host has none."""
    return environment.get(variable, "").strip()


def words(environment: Environment, variable: str, default: str = "") -> list[str]:
    """Texts separated by commas."""
    texts = environment.get(variable, default).split(",")
    return [text.strip() for text in texts if text.strip()]


def fraction(environment: Environment, variable: str, default: str) -> float:
    """A number from 0 to 1; raises `SettingsError`."""
    value = environment.get(variable, default)
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise SettingsError(f"`{variable}`: expected a number from 0 to 1, found `{value}`")
    return number
