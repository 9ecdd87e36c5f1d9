"""The task that settings describe."""

from typing import Any

from .swarm import OBJECTIVES, Task

# The most that one request may ask for: together some seconds of one core.
_MOST = {"dimensions": 10, "particles": 50, "rounds": 200, "seed": (1 << 31) - 1}


class TaskError(Exception):
    """Settings of which no task can be made."""


def task_of(settings: Any) -> Task:
    """Checks `settings` and makes a task of them; raises `TaskError` for the first that is wrong."""
    if not isinstance(settings, dict):
        raise TaskError("`settings`: expected an object")
    objective = settings.get("objective", "sphere")
    if objective not in list(OBJECTIVES):
        raise TaskError(f"`objective`: expected one of {', '.join(sorted(OBJECTIVES))}")
    unknown = sorted(settings.keys() - _MOST.keys() - {"objective"})
    if unknown:
        raise TaskError(f"`{unknown[0]}`: there is no such setting")
    numbers = {key: _number(key, settings[key]) for key in _MOST if key in settings}
    return Task(objective, **numbers)


def _number(key: str, value: Any) -> int:
    least = 0 if key == "seed" else 1
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= _MOST[key]:
        raise TaskError(f"`{key}`: expected a number from {least} to {_MOST[key]}")
    return value
