"""Unit tests of the agents; no database, no cache, no package beyond the standard library.

Run from `app`: `python3 -m unittest`.
"""

import sys
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

# The trees are copied into the image as they are: no byte code may be left in them.
sys.dont_write_bytecode = True
IMAGE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(IMAGE / "app"), str(IMAGE.parent / "parts" / "python")]

try:
    import psycopg2  # noqa: F401
    import redis  # noqa: F401
except ImportError:
    # Stand-ins for the drivers, on machines that lack them: whoever connects gets a mock.
    for name in ("psycopg2", "psycopg2.extras", "psycopg2.pool", "redis"):
        module = ModuleType(name)
        module.__getattr__ = lambda _: MagicMock()
        sys.modules[name] = module
