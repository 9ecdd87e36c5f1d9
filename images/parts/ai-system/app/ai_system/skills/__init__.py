"""What agents can do by themselves: functions from a JSON object to a JSON object, one for each kind of task.

They are small stand-ins, and pure: the same task has the same result.
"""

import importlib
from typing import Any, Callable

Skill = Callable[[dict[str, Any]], dict[str, Any]]
_MODULES = ("reading", "language", "dialogue", "planning", "seeing")


class SkillError(Exception):
    """A task that does not bring what the skill needs."""


def skill(kind: str) -> Skill:
    """The function for a kind of task; raises `SkillError` for one that nobody does."""
    for name in _MODULES:
        found = importlib.import_module(f"{__name__}.{name}").SKILLS.get(kind)
        if found is not None:
            return found
    raise SkillError(f"there is no skill `{kind}`")


def text_of(payload: dict[str, Any], key: str = "text") -> str:
    """A text that is not empty; raises `SkillError`."""
    value = payload.get(key)
    if not isinstance(value, str) or not value.strip():
        raise SkillError(f"`{key}`: expected a text that is not empty")
    return value


def numbers_of(payload: dict[str, Any], key: str) -> list[float]:
    """A list of numbers that is not empty; raises `SkillError`."""
    value = payload.get(key)
    good = isinstance(value, list) and value and all(_is_number(one) for one in value)
    if not good:
        raise SkillError(f"`{key}`: expected a list of numbers that is not empty")
    return value


def texts_of(payload: dict[str, Any], key: str) -> list[str]:
    """A list of texts that is not empty; raises `SkillError`."""
    value = payload.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(one, str) for one in value):
        raise SkillError(f"`{key}`: expected a list of texts that is not empty")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
