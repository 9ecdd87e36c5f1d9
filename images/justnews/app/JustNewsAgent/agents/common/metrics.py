"""Counters in the Prometheus text format (version 0.0.4)."""

import threading
from collections import defaultdict

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HELP = {
    "justnews_requests_total": "HTTP requests answered.",
    "justnews_request_seconds_total": "Seconds spent on answering HTTP requests.",
    "justnews_tool_calls_total": "Tools called.",
    "justnews_articles_total": "Articles that went through the pipeline.",
}


class Metrics:
    """Counters of one agent; safe to use from many threads."""

    def __init__(self, agent: str):
        self._agent = agent
        self._lock = threading.Lock()
        self._counters = defaultdict(float)

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds `amount` to the counter `name` with `labels`."""
        key = (name, tuple(sorted({"agent": self._agent, **labels}.items())))
        with self._lock:
            self._counters[key] += amount

    def render(self) -> str:
        """All counters, sorted, each family after its help."""
        with self._lock:
            counters = sorted(self._counters.items())
        lines, family = [], None
        for (name, labels), value in counters:
            if name != family:
                lines += [f"# HELP {name} {_HELP[name]}", f"# TYPE {name} counter"]
                family = name
            lines.append(f"{name}{{{_labels(labels)}}} {value:g}")
        return "\n".join(lines) + "\n"


def _labels(labels) -> str:
    return ",".join(f'{key}="{_escape(value)}"' for key, value in labels)


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
