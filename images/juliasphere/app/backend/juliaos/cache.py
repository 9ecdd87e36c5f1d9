"""What the back ends share in Redis: agents for a while, locks, and the queue of executions."""

import json
from contextlib import contextmanager
from typing import Any, Iterator
from uuid import uuid4

import redis

# Seconds for which a read agent is kept.
AGENT_SECONDS = 300
# Seconds after which a lock is nobody's, however its holder ended; longer than a run takes.
LOCK_SECONDS = 60
_QUEUE = "executions"
_QUEUE_LENGTH = 100
# A lock is taken away only by who holds it: compared and deleted in one step.
_UNLOCK = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Busy(Exception):
    """Somebody else holds the lock."""


class Cache:
    """Keys of JuliaOS in Redis; safe to use from many threads."""

    def __init__(self, host: str, port: int, password: str):
        self._redis = redis.Redis(
            host=host,
            port=port,
            password=password,
            socket_timeout=10,
            socket_connect_timeout=10,
            decode_responses=True,
        )

    def ping(self) -> None:
        """Raises unless Redis answers."""
        self._redis.ping()

    def agent(self, id: str) -> dict[str, Any] | None:
        """The agent `id`, if it is kept."""
        text = self._redis.get(_key(id))
        return json.loads(text) if text else None

    def fill(self, agent: dict[str, Any]) -> None:
        """Keeps an agent that was read, unless a newer one is kept: the standby is a little late."""
        self._redis.set(_key(agent["id"]), json.dumps(agent), ex=AGENT_SECONDS, nx=True)

    def put(self, agent: dict[str, Any]) -> None:
        """Keeps an agent that was written, in place of what is kept."""
        self._redis.setex(_key(agent["id"]), AGENT_SECONDS, json.dumps(agent))

    def forget(self, id: str) -> None:
        """Keeps an agent no longer."""
        self._redis.delete(_key(id))

    def seconds_left(self, id: str) -> int | None:
        """For how long an agent will be kept."""
        left = self._redis.ttl(_key(id))
        return left if left >= 0 else None

    @contextmanager
    def locked(self, id: str) -> Iterator[None]:
        """Holds the lock of an agent, over all back ends; raises `Busy`."""
        key, holder = f"{_key(id)}:lock", uuid4().hex
        if not self._redis.set(key, holder, ex=LOCK_SECONDS, nx=True):
            raise Busy
        try:
            yield
        finally:
            self._redis.eval(_UNLOCK, 1, key, holder)

    def queue(self, execution: int) -> None:
        """Puts an execution at the head of the queue of recent ones."""
        with self._redis.pipeline() as pipeline:
            pipeline.lpush(_QUEUE, execution)
            pipeline.ltrim(_QUEUE, 0, _QUEUE_LENGTH - 1)
            pipeline.execute()

    def recent(self) -> list[int]:
        """Numbers of recent executions, newest first."""
        return [int(number) for number in self._redis.lrange(_QUEUE, 0, -1)]


def _key(id: str) -> str:
    return f"agent:{id}"
