"""Unit tests of the reference back end; no database, no cache, no package beyond the standard library.

Run from `app`: `python3 -m unittest`.
"""

import sys
from pathlib import Path

# The tree is copied into the image as it is: no byte code may be left in it.
sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve()
sys.path.insert(0, str(_HERE.parents[1] / "backend"))
sys.path.insert(0, str(_HERE.parents[3] / "parts/python"))

try:
    import psycopg2  # noqa: F401
    import redis  # noqa: F401
except ImportError:
    from . import drivers

    drivers.install()
