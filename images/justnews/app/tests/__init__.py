"""Unit tests of the reference agents; no database, no cache, no package beyond the standard library.

Run from `app`: `python3 -m unittest`.
"""

import sys
from pathlib import Path

# The tree is copied into the image as it is: no byte code may be left in it.
sys.dont_write_bytecode = True
_APP = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_APP / "JustNewsAgent"), str(_APP.parents[1] / "parts" / "python")]

try:
    import psycopg2  # noqa: F401
    import redis  # noqa: F401
except ImportError:
    from . import drivers

    drivers.install()
