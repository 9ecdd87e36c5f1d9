"""CPU, memory and disk of the machine as percentages, measured every 30 seconds."""

import os
from typing import Any

from bedplate_app.web import Request, Route

_SECONDS = 30
# What an appliance writes to; its root is read-only, and full to the last block.
_STATE = "/state"


class Usage:
    """Usage since the last look, from /proc."""

    def __init__(self):
        self._before = (0, 0)

    def cpu(self, stat: str) -> float:
        """Percent of all cores, from the first line of /proc/stat (proc(5))."""
        ticks = [int(word) for word in stat.splitlines()[0].split()[1:]]
        # Idle and waiting for a disk.
        now = (sum(ticks), ticks[3] + ticks[4])
        whole, idle = now[0] - self._before[0], now[1] - self._before[1]
        self._before = now
        return 100 * (whole - idle) / whole if whole > 0 else 0.0


def memory(meminfo: str) -> float:
    """Percent that programs cannot have any more, from /proc/meminfo."""
    lines = (line.split() for line in meminfo.splitlines())
    kib = {words[0]: int(words[1]) for words in lines if len(words) > 1}
    return 100 * (1 - kib["MemAvailable:"] / kib["MemTotal:"])


def disk(path: str = _STATE) -> float:
    """Percent of the file system of `path`; of the root where that is missing."""
    path = path if os.path.exists(path) else "/"
    found = os.statvfs(path)
    return 100 * (1 - found.f_bavail / found.f_blocks) if found.f_blocks else 0.0


def routes(agent) -> list[Route]:
    """`GET /usage`; the same as metrics."""
    usage, metrics = Usage(), agent.program.metrics
    latest: dict[str, float] = {}

    def measure() -> None:
        latest["cpu"] = usage.cpu(_read("/proc/stat"))
        latest["memory"] = memory(_read("/proc/meminfo"))
        latest["disk"] = disk()
        for name, value in latest.items():
            metrics.set(f"system_{name}_usage_percent", value)

    def show(_: Request) -> dict[str, Any]:
        return dict(latest)

    agent.program.repeat(_SECONDS, measure)
    return [Route("GET", "/usage", show)]


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()
