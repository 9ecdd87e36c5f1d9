"""What a back end is told: environment variables, with the names of the deployment document."""

from dataclasses import dataclass, field, replace
from typing import Mapping

from bedplate_app.settings import Database, number, text


@dataclass(frozen=True)
class Settings:
    """The settings of one back end; secrets are kept out of every `repr`."""

    instance: str
    environment: str
    version: str
    address: tuple[str, int]
    threads: int
    primary: Database
    standby: Database
    redis_host: str
    redis_port: int
    redis_password: str = field(repr=False)
    api_keys: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    jwt_expiry: int = 3600


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Reads the settings; raises `SettingsError` for the first bad variable."""
    primary = primary_of(environment)
    return Settings(
        instance=text(environment, "INSTANCE_ID"),
        environment=text(environment, "ENVIRONMENT", "production"),
        version=text(environment, "VERSION", "unknown"),
        address=(text(environment, "HOST", "127.0.0.1"), number(environment, "PORT", "8052")),
        threads=max(1, number(environment, "JULIA_NUM_THREADS", "4")),
        primary=primary,
        standby=standby_of(environment, primary),
        redis_host=text(environment, "REDIS_HOST", "127.0.0.1"),
        redis_port=number(environment, "REDIS_PORT", "6379"),
        redis_password=text(environment, "REDIS_PASSWORD"),
        api_keys=text(environment, "VALID_API_KEYS"),
        jwt_secret=text(environment, "JWT_SECRET"),
        jwt_expiry=number(environment, "JWT_EXPIRY", "3600"),
    )


def primary_of(environment: Mapping[str, str]) -> Database:
    """The database that is written to; the pool keeps its idle connections and no more."""
    return Database(
        host=text(environment, "DB_HOST", "127.0.0.1"),
        port=number(environment, "DB_PORT", "5432"),
        name=text(environment, "DB_NAME"),
        user=text(environment, "DB_USER"),
        password=text(environment, "DB_PASSWORD"),
        pool_min=number(environment, "DB_POOL_MAX_IDLE_CONNECTIONS", "5"),
        pool_max=number(environment, "DB_POOL_MAX_CONNECTIONS", "20"),
        connect_timeout=number(environment, "DB_POOL_CONNECTION_TIMEOUT", "30"),
    )


def standby_of(environment: Mapping[str, str], primary: Database) -> Database:
    """The copy that is read from; not waited for as long, for the primary can answer too."""
    return replace(
        primary,
        host=text(environment, "DB_STANDBY_HOST", primary.host),
        port=number(environment, "DB_STANDBY_PORT", str(primary.port)),
        connect_timeout=2,
    )
