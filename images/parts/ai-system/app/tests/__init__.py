"""Unit tests of the reference agents; no cluster, no other machine, no package beyond the standard library.

Run from `app`: `python3 -m unittest`.
"""

import sys
from pathlib import Path

# The tree is copied into the image as it is: no byte code may be left in it.
sys.dont_write_bytecode = True
_HERE = Path(__file__).resolve()
PART = _HERE.parents[2]
IMAGES = _HERE.parents[4]
sys.path.insert(0, str(_HERE.parents[1]))
sys.path.insert(0, str(IMAGES / "parts/python"))

try:
    import zmq  # noqa: F401
except ImportError:
    from . import drivers

    drivers.install()
