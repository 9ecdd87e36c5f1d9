"""Configuration by environment: `defaults/base.toml`, then `defaults/ENVIRONMENT.toml`, agent by agent."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import catalogue
from .settings import ENVIRONMENTS

# What every agent finds in its configuration, and what it must be.
_KEYS = {
    "heartbeat_seconds": int,
    "call_timeout_seconds": int,
    "task_retention_days": int,
    "error_history": int,
}


@dataclass(frozen=True)
class Validation:
    """What a validation found; valid without errors."""

    errors: list[str] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether the configuration can be used."""
        return not self.errors


def load(directory: Path, environment: str) -> dict[str, Any]:
    """Both files merged: tables `common` and one for each agent that differs."""
    base = _read(directory / "defaults" / "base.toml")
    return merge(base, _read(directory / "defaults" / f"{environment}.toml"))


def for_agent(config: dict[str, Any], agent: str) -> dict[str, Any]:
    """What one agent is told: `common`, then its own table."""
    return {**config.get("common", {}), **config.get("agents", {}).get(agent, {})}


def validate_environment_config(environment: str, directory: Path) -> Validation:
    """Reads everything that agents of that environment would read; never raises."""
    if environment not in ENVIRONMENTS:
        return Validation([f"expected one of {', '.join(ENVIRONMENTS)}, found `{environment}`"])
    try:
        agents = catalogue.read(directory / "agents.toml")
        config = load(directory, environment)
    except (OSError, ValueError, catalogue.CatalogueError) as error:
        return Validation([str(error)])
    return Validation(_problems(config, agents))


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with what `over` says otherwise, table by table."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def _problems(config: dict[str, Any], agents: catalogue.Catalogue) -> list[str]:
    names = {entry.name for machine in catalogue.MACHINES for entry in agents.on(machine)}
    problems = [f"unknown table `{key}`" for key in config if key not in ("common", "agents")]
    problems += [f"`agents.{name}`: there is no such agent" for name in config.get("agents", {}) if name not in names]
    for name in sorted(names):
        problems += _problems_of(name, for_agent(config, name))
    return list(dict.fromkeys(problems))


def _problems_of(name: str, values: dict[str, Any]) -> list[str]:
    problems = [f"`agents.{name}`: unknown key `{key}`" for key in values if key not in _KEYS]
    for key, kind in _KEYS.items():
        value = values.get(key)
        if not isinstance(value, kind) or isinstance(value, bool) or value < 1:
            problems.append(f"`{key}`: expected a whole number from 1 on, found `{value}`")
    return problems


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return tomllib.load(file)
