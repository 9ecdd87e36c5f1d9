"""A stand-in for ZeroMQ, for machines that lack it: imports succeed, and whoever opens a socket gets a mock."""

import sys
from types import ModuleType
from unittest.mock import MagicMock


def install() -> None:
    """Makes the imports of `ai_system` succeed."""
    for name in ("zmq", "zmq.utils", "zmq.utils.z85"):
        module = ModuleType(name)
        module.__getattr__ = lambda _: MagicMock()
        sys.modules[name] = module
    sys.modules["zmq.utils"].z85 = sys.modules["zmq.utils.z85"]
