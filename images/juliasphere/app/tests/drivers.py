"""Stand-ins for the drivers of PostgreSQL and Redis, for machines that lack them."""

import sys
from types import ModuleType
from unittest.mock import MagicMock

_NAMES = ["psycopg2", "psycopg2.extras", "psycopg2.pool", "redis"]


class Error(Exception):
    """What the driver of PostgreSQL raises."""


def install() -> None:
    """Makes the imports of `juliaos` succeed; whoever connects gets a mock."""
    for name in _NAMES:
        module = ModuleType(name)
        module.__getattr__ = lambda _: MagicMock()
        sys.modules[name] = module
    sys.modules["psycopg2"].Error = Error
