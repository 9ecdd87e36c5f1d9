"""What the agents keep in Redis beside the registry: posts on their way, posts seen, rates."""

import time
from typing import Callable

_QUEUE = "reddit:queue"
_SEEN = "reddit:seen:"
_LOCK = "reddit:lock:"
_RATE = "reddit:rate:"


class Queue:
    """Keys of the watcher; `redis` has the methods of `redis.Redis`."""

    def __init__(self, redis, clock: Callable[[], float] = time.time):
        self._redis = redis
        self._clock = clock

    def push(self, id: int) -> None:
        """Puts a post into the queue; one that is there keeps its place."""
        self._redis.zadd(_QUEUE, {str(id): self._clock()}, nx=True)

    def pop(self, id: int) -> None:
        """Takes a post out of the queue."""
        self._redis.zrem(_QUEUE, str(id))

    def waiting(self, count: int) -> list[int]:
        """Posts of the queue, the oldest first."""
        return [int(id) for id in self._redis.zrange(_QUEUE, 0, count - 1)]

    def length(self) -> int:
        """How many posts are on their way."""
        return int(self._redis.zcard(_QUEUE))

    def oldest_seconds(self) -> float:
        """How long the oldest post has been on its way; 0 when there is none."""
        found = self._redis.zrange(_QUEUE, 0, 0, withscores=True)
        return max(0.0, self._clock() - found[0][1]) if found else 0.0

    def take(self, id: int, seconds: int) -> bool:
        """Whether this agent may work on a post now: nobody else does until `give`, or for so long."""
        return bool(self._redis.set(f"{_LOCK}{id}", "1", nx=True, ex=seconds))

    def give(self, id: int) -> None:
        """Lets others work on a post."""
        self._redis.delete(f"{_LOCK}{id}")

    def seen(self, reddit_id: str) -> bool:
        """Whether a post was stored lately."""
        return bool(self._redis.exists(_SEEN + reddit_id))

    def remember(self, reddit_id: str, seconds: int) -> None:
        """Notes that a post is stored, for so long."""
        self._redis.set(_SEEN + reddit_id, "1", ex=seconds)

    def may_call(self, api: str, per_minute: int) -> bool:
        """Counts a call of an external API; false when it would be one too many in this minute."""
        key = f"{_RATE}{api}:{int(self._clock()) // 60}"
        count = self._redis.incr(key)
        self._redis.expire(key, 120)
        return int(count) <= per_minute
