"""Unit tests of the shared library. Run from `images/parts/python`: `python3 -m unittest`."""

import sys

# The tree is copied into images as it is: no byte code may be left in it.
sys.dont_write_bytecode = True
