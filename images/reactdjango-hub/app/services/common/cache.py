"""The Redis of one service: a cache that may forget anything at any time."""

import json
from typing import Any, Callable

import redis


class Cache:
    """Keys of one service; safe to use from many threads."""

    def __init__(self, url: str, connections: int):
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=connections,
            timeout=10,
            socket_timeout=10,
            socket_connect_timeout=10,
            decode_responses=True,
        )
        self._redis = redis.Redis(connection_pool=pool)

    def ping(self) -> None:
        """Raises unless Redis answers."""
        self._redis.ping()

    def get(self, key: str) -> Any:
        """The JSON value of a key, or `None`."""
        text = self._redis.get(key)
        return None if text is None else json.loads(text)

    def set(self, key: str, value: Any, seconds: int) -> None:
        """Keeps a JSON value for so many seconds."""
        self._redis.set(key, json.dumps(value, default=str), ex=seconds)

    def count(self, key: str, seconds: int) -> int:
        """Counts up, and forgets the count so many seconds after the last time."""
        with self._redis.pipeline() as pipeline:
            pipeline.incr(key)
            pipeline.expire(key, seconds)
            return pipeline.execute()[0]

    def forget(self, key: str) -> None:
        """Drops a key."""
        self._redis.delete(key)


def cached(cache: Any, key: str, seconds: int, find: Callable[[], Any]) -> Any:
    """The value of `key`, or what `find` finds, kept for the next time unless it is `None`."""
    value = cache.get(key)
    if value is None and (value := find()) is not None:
        cache.set(key, value, seconds)
    return value
