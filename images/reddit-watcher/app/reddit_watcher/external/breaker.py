"""A circuit breaker: an API that fails again and again is left alone for a while. No I/O."""

import threading
import time
from typing import Any, Callable

CLOSED, HALF_OPEN, OPEN = 0, 1, 2


class CircuitOpen(Exception):
    """The API is left alone for now."""


class CircuitBreaker:
    """Opens after `failures` in a row; after `seconds` one call may try again. Thread-safe."""

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic):
        self._failures = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._opened: float | None = None
        self._trying = False

    @property
    def state(self) -> int:
        """`CLOSED`, `HALF_OPEN` or `OPEN`."""
        with self._lock:
            return self._state()

    def call(self, work: Callable[[], Any]) -> Any:
        """What `work` returns or raises; `CircuitOpen` when it is not even tried."""
        with self._lock:
            state = self._state()
            if state == OPEN or (state == HALF_OPEN and self._trying):
                raise CircuitOpen("too many failures")
            self._trying = state == HALF_OPEN
        try:
            answer = work()
        except Exception:
            self._fail()
            raise
        with self._lock:
            self._count, self._opened, self._trying = 0, None, False
        return answer

    def _state(self) -> int:
        if self._opened is None:
            return CLOSED
        return HALF_OPEN if self._clock() - self._opened >= self._seconds else OPEN

    def _fail(self) -> None:
        with self._lock:
            self._count += 1
            self._trying = False
            if self._count >= self._failures:
                self._opened = self._clock()
