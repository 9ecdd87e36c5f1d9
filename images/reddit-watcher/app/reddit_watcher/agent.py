"""What makes a program an agent: its card, its skills, and that it says where it is."""

import hmac
import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from bedplate_app.postgres import Pool
from bedplate_app.program import Program
from bedplate_app.web import Request, Response, Route, WebError

from .a2a import message, peers
from .a2a.card import Skill, card
from .a2a.message import ProtocolError
from .a2a.peers import Peers
from .a2a.registry import Registry
from .posts import Posts
from .settings import Settings

HELPS = {
    **peers.HELPS,
    "a2a_messages_received_total": "Messages received from other agents, by what came of them.",
    "a2a_auth_failures_total": "Messages without the key that agents show each other.",
    "a2a_registered_agents": "Agents that registered lately.",
    "process_start_time_seconds": "When the agent was started.",
    "process_resident_memory_bytes": "Memory that the agent has.",
}
_PATH = "/a2a"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stores:
    """Where agents keep what they know."""

    posts: Posts
    redis: Any


def connect(settings: Settings) -> Stores:
    """The stores that the settings name."""
    cache = redis.Redis.from_url(
        settings.redis_url,
        password=settings.redis_password or None,
        socket_timeout=10,
        socket_connect_timeout=10,
        decode_responses=True,
    )
    return Stores(Posts(Pool(settings.database)), cache)


@dataclass
class Agent:
    """One agent: what it offers is added by its own module before it is served."""

    settings: Settings
    stores: Stores
    description: str
    skills: list[Skill] = field(default_factory=list)
    helps: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        settings = self.settings
        checks = {"database": self.stores.posts.ping, "cache": self.stores.redis.ping}
        helps = {**HELPS, **self.helps}
        address = (settings.host, settings.port)
        # What `/health` says beside the checks; modules add to it.
        self.facts: dict[str, Any] = {}
        self.program = Program(settings.name, address, checks, helps, lambda: dict(self.facts))
        self.metrics = self.program.metrics
        self.registry = Registry(self.stores.redis, settings.registration_seconds)
        self.peers = Peers(
            self.registry, self.metrics, settings.api_key, settings.request_seconds, settings.retries
        )
        self.metrics.read("a2a_registered_agents", lambda: len(self.registry.alive()))
        # From nothing on: a rule sees no increase in what begins with the first failure.
        self.metrics.add("a2a_auth_failures_total", 0)
        self.metrics.set("process_start_time_seconds", time.time())
        self.metrics.read("process_resident_memory_bytes", resident_bytes)

    def routes(self) -> list[Route]:
        """What every agent answers beside the routes of every program."""
        return [
            Route("GET", "/.well-known/agent.json", lambda _: self.card()),
            Route("POST", _PATH, self._receive),
        ]

    def card(self) -> dict[str, Any]:
        """What the agent says of itself."""
        url = f"http://{self.settings.host}:{self.settings.port}{_PATH}"
        version = os.environ.get("SYSTEM_VERSION", "0")
        return card(self.settings.name, self.description, url, version, self.skills)

    def register(self) -> None:
        """Says where the agent is."""
        self.registry.register(self.card())

    def start(self) -> None:
        """Keeps the agent registered for as long as it runs."""
        self.program.repeat(self.settings.heartbeat_seconds, self.register)

    def _receive(self, request: Request) -> Response:
        key = request.headers.get("X-API-Key") or ""
        if not hmac.compare_digest(key.encode(), self.settings.api_key.encode()):
            self.metrics.add("a2a_auth_failures_total")
            _log.warning("a message without the agents' key was refused")
            raise WebError(401, "expected the agents' key in `X-API-Key`")
        id = request.body.get("id")
        try:
            skill, data = message.read_request(request.body)
            return Response(message.answer(id, self._work(skill, data)))
        except ProtocolError as error:
            return Response(message.failure(id, error))

    def _work(self, id: str, data: dict[str, Any]) -> dict[str, Any]:
        """Does what a message asks for; whatever goes wrong is counted."""
        skill = next((skill for skill in self.skills if skill.id == id), None)
        if skill is None:
            raise ProtocolError(message.METHOD_NOT_FOUND, f"`{self.settings.name}` has no skill `{id}`")
        result = "failed"
        try:
            answer = skill.work(data)
            result = "ok"
            return answer
        finally:
            self.metrics.add("a2a_messages_received_total", skill=id, result=result)


def number_of(data: dict[str, Any], key: str = "id") -> int:
    """The number of a post in the data of a message; raises `ProtocolError`."""
    value = data.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 63:
        raise ProtocolError(message.INVALID_PARAMS, f"`{key}`: expected the number of a post")
    return value


def resident_bytes() -> int:
    """The memory of this process: the second field of `/proc/self/statm`, in pages (proc(5))."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
