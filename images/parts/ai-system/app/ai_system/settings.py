"""What an agent is told: environment variables with the names of the deployment document."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

from bedplate_app.settings import SettingsError, flag, number, text

from .catalogue import MACHINES

ENVIRONMENTS = ("dev", "staging", "prod")


@dataclass(frozen=True)
class Settings:
    """The settings of one agent. Secrets are kept out of every `repr`."""

    environment: str
    machine: str
    config: Path
    main_host: str
    pc2_host: str
    redis_host: str
    redis_port: int
    auth: bool
    encrypted: bool
    log_level: str
    debug: bool
    loki_url: str = ""
    redis_password: str = field(default="", repr=False)
    auth_token: str = field(default="", repr=False)
    curve_key: str = field(default="", repr=False)

    def __post_init__(self):
        for problem in problems_of(self):
            raise SettingsError(problem)


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Reads the settings; raises `SettingsError` for the first bad variable."""
    debug = flag(environment, "AI_SYSTEM_DEBUG")
    return Settings(
        environment=_one_of(environment, "AI_SYSTEM_ENV", ENVIRONMENTS),
        machine=_one_of(environment, "AI_SYSTEM_MACHINE", MACHINES),
        config=Path(environment.get("AI_SYSTEM_CONFIG", "/opt/ai_system/config")),
        main_host=text(environment, "AI_MAIN_PC_HOST", "localhost"),
        pc2_host=text(environment, "AI_PC2_HOST", "localhost"),
        redis_host=text(environment, "AI_REDIS_HOST", "localhost"),
        redis_port=number(environment, "AI_REDIS_PORT", "6379"),
        auth=flag(environment, "AI_SECURITY_ENABLE_AUTH", "true"),
        encrypted=flag(environment, "AI_SECURITY_SSL_ENABLED", "true"),
        log_level="DEBUG" if debug else text(environment, "AI_LOGGING_LEVEL", "INFO"),
        debug=debug,
        loki_url=environment.get("AI_LOGGING_LOKI_URL", ""),
        redis_password=environment.get("AI_REDIS_PASSWORD", ""),
        auth_token=environment.get("AI_SECURITY_AUTH_TOKEN", ""),
        curve_key=environment.get("AI_SECURITY_CURVE_KEY", ""),
    )


def problems_of(settings: Settings) -> list[str]:
    """What contradicts what; in production nothing may be left open."""
    problems = []
    if settings.environment == "prod" and not settings.auth:
        problems.append("`AI_SECURITY_ENABLE_AUTH`: expected true in production")
    if settings.environment == "prod" and not settings.encrypted:
        problems.append("`AI_SECURITY_SSL_ENABLED`: expected true in production")
    if settings.environment == "prod" and settings.debug:
        problems.append("`AI_SYSTEM_DEBUG`: expected false in production")
    return problems


def _one_of(environment: Mapping[str, str], variable: str, names: tuple[str, ...]) -> str:
    value = text(environment, variable)
    if value not in names:
        raise SettingsError(f"`{variable}`: expected one of {', '.join(names)}, found `{value}`")
    return value
