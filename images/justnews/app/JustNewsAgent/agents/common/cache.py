"""What the agents keep in Redis: who is registered, how often tools ran, which articles are new."""

import redis

_AGENTS = "justnews:agents"
_CALLS = "justnews:calls"
_RECENT = "justnews:recent"
_RECENT_LENGTH = 100


class Cache:
    """Keys of JustNews in Redis; safe to use from many threads."""

    def __init__(self, url: str):
        self._redis = redis.Redis.from_url(
            url, socket_timeout=10, socket_connect_timeout=10, decode_responses=True
        )

    def ping(self) -> None:
        """Raises unless Redis answers."""
        self._redis.ping()

    def register(self, agent: str, address: str) -> None:
        """Notes where an agent is; survives a restart of the bus."""
        self._redis.hset(_AGENTS, agent, address)

    def agents(self) -> dict[str, str]:
        """Addresses of the registered agents."""
        return self._redis.hgetall(_AGENTS)

    def count_call(self, agent: str, tool: str) -> int:
        """Counts a call of a tool, over restarts; returns the count."""
        return self._redis.hincrby(_CALLS, f"{agent}.{tool}", 1)

    def remember(self, id: int) -> None:
        """Puts an article at the head of the queue of recent ones, each once."""
        with self._redis.pipeline() as pipeline:
            pipeline.lrem(_RECENT, 0, id)
            pipeline.lpush(_RECENT, id)
            pipeline.ltrim(_RECENT, 0, _RECENT_LENGTH - 1)
            pipeline.execute()

    def recent(self, count: int) -> list[int]:
        """Ids of recent articles, newest first."""
        return [int(id) for id in self._redis.lrange(_RECENT, 0, count - 1)]
