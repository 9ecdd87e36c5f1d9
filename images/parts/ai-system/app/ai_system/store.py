"""What agents keep in the Redis cluster. The client follows redirects from node to node."""

import json
import threading
from typing import Any

from .settings import Settings

_PREFIX = "ai_system"


class Store:
    """Keys of the AI system; connects on first use, and again after a failure."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._client = None
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Raises unless the cluster serves all its slots."""
        state = self._cluster().execute_command("CLUSTER INFO", target_nodes="random")
        if _field(state, "cluster_state") != "ok":
            raise ConnectionError("the cluster does not serve all slots")

    def put(self, key: str, value: dict[str, Any], seconds: int | None = None) -> None:
        """Keeps a JSON object, for `seconds` or for good."""
        self._cluster().set(_name(key), json.dumps(value), ex=seconds)

    def get(self, key: str) -> dict[str, Any] | None:
        """The object under `key`."""
        text = self._cluster().get(_name(key))
        return None if text is None else json.loads(text)

    def push(self, key: str, value: dict[str, Any], most: int) -> None:
        """Puts an object at the head of a list that keeps the newest `most`."""
        with self._cluster().pipeline() as pipeline:
            pipeline.lpush(_name(key), json.dumps(value))
            pipeline.ltrim(_name(key), 0, most - 1)
            pipeline.execute()

    def newest(self, key: str, count: int) -> list[dict[str, Any]]:
        """Objects of a list, newest first."""
        return [json.loads(text) for text in self._cluster().lrange(_name(key), 0, count - 1)]

    def next_number(self, key: str) -> int:
        """Counts up; unique over restarts."""
        return self._cluster().incr(_name(key))

    def _cluster(self):
        # One thread connects, and the others wait for it.
        with self._lock:
            if self._client is None:
                self._client = _connect(self._settings)
            return self._client


def _connect(settings: Settings):
    # Imported by the agents that use it alone: it is the largest module of all.
    from redis.backoff import ExponentialBackoff
    from redis.cluster import RedisCluster
    from redis.retry import Retry

    return RedisCluster(
        host=settings.redis_host,
        port=settings.redis_port,
        password=settings.redis_password or None,
        decode_responses=True,
        socket_timeout=10,
        socket_connect_timeout=10,
        # While a replica takes over, nobody serves the slots of its master.
        retry=Retry(ExponentialBackoff(cap=5, base=0.25), 6),
    )


def _name(key: str) -> str:
    return f"{_PREFIX}:{key}"


def _field(info: Any, name: str) -> str:
    if isinstance(info, dict):
        return str(info.get(name, ""))
    lines = (line.partition(":") for line in str(info).splitlines())
    return {key: value for key, _, value in lines}.get(name, "")
