"""Metrics in the Prometheus text format (version 0.0.4)."""

import threading
from collections import defaultdict
from typing import Callable

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Seconds: the buckets of a histogram of answers.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters, gauges and histograms with the same `labels` on each; safe to use from many threads.

    A name is a family of one kind: its first use decides which.
    """

    def __init__(self, helps: dict[str, str], **labels: str):
        self._helps = helps
        self._labels = labels
        self._lock = threading.Lock()
        self._values: dict[str, dict[_Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._kinds: dict[str, str] = {}
        self._reads: dict[tuple[str, _Labels], Callable[[], float]] = {}

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds `amount` to the counter `name` with `labels`."""
        with self._lock:
            self._kinds.setdefault(name, "counter")
            self._values[name][self._key(labels)] += amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """Sets the gauge `name` with `labels`."""
        with self._lock:
            self._kinds.setdefault(name, "gauge")
            self._values[name][self._key(labels)] = value

    def read(self, name: str, value: Callable[[], float], **labels: str) -> None:
        """Asks `value` for the gauge `name` at each rendering; one that raises is left out."""
        with self._lock:
            self._kinds.setdefault(name, "gauge")
            self._reads[name, self._key(labels)] = value

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Counts one observation of the histogram `name`."""
        with self._lock:
            self._kinds.setdefault(name, "histogram")
            for bucket in BUCKETS:
                le = self._key({**labels, "le": f"{bucket:g}"})
                self._values[f"{name}_bucket"][le] += seconds <= bucket
            self._values[f"{name}_bucket"][self._key({**labels, "le": "+Inf"})] += 1
            self._values[f"{name}_sum"][self._key(labels)] += seconds
            self._values[f"{name}_count"][self._key(labels)] += 1

    def render(self) -> str:
        """All metrics, sorted, each family after its help."""
        # Outside the lock: what is asked may count something itself.
        with self._lock:
            reads = dict(self._reads)
        found = {key: value for key, read in reads.items() if (value := _ask(read)) is not None}
        with self._lock:
            for (name, labels), value in found.items():
                self._values[name][labels] = value
            for name, labels in reads.keys() - found.keys():
                self._values[name].pop(labels, None)
            return "\n".join(self._lines()) + "\n"

    def _lines(self):
        for name, kind in sorted(self._kinds.items()):
            yield f"# HELP {name} {self._helps.get(name, name)}"
            yield f"# TYPE {name} {kind}"
            parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            for part in parts:
                for labels, value in sorted(self._values[name + part].items()):
                    yield f"{name}{part}{{{_text(labels)}}} {value:g}"

    def _key(self, labels: dict[str, str]) -> _Labels:
        return tuple(sorted({**self._labels, **labels}.items()))


def _ask(read: Callable[[], float]) -> float | None:
    try:
        return float(read())
    except Exception:  # The page shows what can be had.
        return None


def _text(labels: _Labels) -> str:
    return ",".join(f'{key}="{_escape(value)}"' for key, value in labels)


def _escape(value: str) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
