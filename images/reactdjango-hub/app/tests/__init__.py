"""Unit tests of the reference services; no database, no cache, no package beyond the standard library.

Run from `app`: `python3 -m unittest`. The tests of the Django back end run where Django is installed.
"""

import sys
from pathlib import Path

# The trees are copied into the image as they are: no byte code may be left in them.
sys.dont_write_bytecode = True
_APP = Path(__file__).resolve().parent.parent
for path in (_APP / "services", _APP / "backend", _APP.parents[1] / "parts" / "python"):
    sys.path.insert(0, str(path))

from . import drivers  # noqa: E402

drivers.install()
