"""Stand-ins for the drivers, for machines that lack them."""

import importlib.util
import sys
from types import ModuleType
from unittest.mock import MagicMock

# A package, and what of it is imported.
_NAMES = {
    "psycopg2": ["psycopg2", "psycopg2.extras", "psycopg2.pool"],
    "redis": ["redis"],
    "kazoo": [
        "kazoo",
        "kazoo.client",
        "kazoo.exceptions",
        "kazoo.handlers",
        "kazoo.handlers.threading",
    ],
}


def install() -> None:
    """Makes the imports of the services succeed; whoever connects gets a mock."""
    for package, names in _NAMES.items():
        if importlib.util.find_spec(package) is None:
            for name in names:
                sys.modules[name] = _module(name)
    if importlib.util.find_spec("jwt") is None:
        from . import small_jwt

        sys.modules["jwt"] = small_jwt


def _module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__getattr__ = lambda attribute: _stand_in(attribute)
    return module


def _stand_in(attribute: str):
    # What is raised and caught must be a class of exceptions, and each its own.
    if attribute.endswith(("Error", "Exception", "Loss")):
        return _EXCEPTIONS.setdefault(attribute, type(attribute, (_Raised,), {}))
    return MagicMock()


class _Raised(Exception):
    """What all stand-in exceptions are."""


_EXCEPTIONS: dict[str, type] = {"KazooException": _Raised}
