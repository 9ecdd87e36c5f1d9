"""Service discovery: where the agents are, in Redis.

Agents say so again and again. One that has been silent for too long is known, and not alive: it is
still scraped, so that its absence is seen.
"""

import json
import time
from dataclasses import dataclass
from typing import Any, Callable

_AGENTS = "a2a:agents"


@dataclass(frozen=True)
class Entry:
    """An agent that registered; `seen` is in seconds since 1970."""

    card: dict[str, Any]
    seen: float

    @property
    def url(self) -> str:
        """Where its messages go."""
        return self.card["url"]


class Registry:
    """The agents of one Redis; `redis` has the methods of `redis.Redis`."""

    def __init__(self, redis, seconds: float, clock: Callable[[], float] = time.time):
        self._redis = redis
        self._seconds = seconds
        self._clock = clock

    def register(self, card: dict[str, Any]) -> None:
        """Notes an agent, or that it is still there."""
        entry = {"card": card, "seen": self._clock()}
        self._redis.hset(_AGENTS, card["name"], json.dumps(entry))

    def known(self) -> dict[str, Entry]:
        """Every agent that ever registered."""
        found = self._redis.hgetall(_AGENTS)
        return {name: Entry(**json.loads(entry)) for name, entry in found.items()}

    def alive(self) -> dict[str, Entry]:
        """The agents that registered lately."""
        oldest = self._clock() - self._seconds
        return {name: entry for name, entry in self.known().items() if entry.seen >= oldest}
