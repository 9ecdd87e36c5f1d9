"""Which instances of which service run, and where: ephemeral nodes in ZooKeeper.

An instance is listed while its session lives, so that one that died is gone a few seconds later.
When ZooKeeper is away, what was last known is used.
"""

import json
import logging
import random
from dataclasses import asdict, dataclass
from typing import Any, Callable

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import ConnectionLoss, KazooException, NodeExistsError, NoNodeError
from kazoo.handlers.threading import KazooTimeoutError

_ROOT = "/services"
# Seconds after which ZooKeeper takes a silent instance for dead.
_SESSION = 15
# Seconds that an answer of ZooKeeper may take.
_ANSWER = 10
# ZooKeeper may come late, or come back: the client never gives up.
_RETRY = {"max_tries": -1, "delay": 0.5, "backoff": 2, "max_delay": 5}
_log = logging.getLogger(__name__)
# Each of its tries to connect; the ends of sessions are told below.
logging.getLogger("kazoo").setLevel(logging.ERROR)


class NobodyThere(Exception):
    """No instance of a service is known."""


@dataclass(frozen=True)
class Place:
    """Where one instance of a service listens."""

    service: str
    instance: str
    address: str
    port: int

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://{self.address}:{self.port}"


class Directory:
    """The registry of services; safe to use from many threads."""

    def __init__(self, hosts: str, client: Any = None):
        self._client = client or KazooClient(hosts, timeout=_SESSION, connection_retry=_RETRY)
        self._known: dict[str, list[Place]] = {}
        self._client.add_listener(_session_changed)
        # Connects in its own thread, now or whenever ZooKeeper is there.
        self._live = self._client.start_async()

    def announce(self, place: Place) -> None:
        """Lists an instance for as long as this program lives; to be called now and then.

        Does nothing while ZooKeeper is away: the session's end was logged, and the next call comes.
        """
        if not self._client.connected:
            return
        path = f"{_ROOT}/{place.service}/{place.instance}"
        value = json.dumps(asdict(place)).encode()
        try:
            self._create(path, value)
        except NodeExistsError:
            self._adopt(path, value)

    def _adopt(self, path: str, value: bytes) -> None:
        """The node may be of a session that is no more: then it is made again as this session's."""
        found, status = self._ask(self._client.get_async, path)
        session = self._client.client_id[0] if self._client.client_id else None
        if status.ephemeralOwner != session or found != value:
            self._ask(self._client.delete_async, path)
            self._create(path, value)

    def _create(self, path: str, value: bytes) -> None:
        self._ask(self._client.create_async, path, value, ephemeral=True, makepath=True)

    def services(self) -> list[str]:
        """Names of all services that were ever listed; raises when ZooKeeper is away."""
        return self._children(_ROOT)

    def places(self, service: str) -> list[Place]:
        """The running instances of a service, by name; the last known ones when ZooKeeper is away."""
        if service not in self._known:
            # Nothing to fall back on: a program that has just started waits for its session.
            self._live.wait(_ANSWER)
        try:
            found = self._read(service)
        except (KazooException, KazooTimeoutError) as error:
            _log.warning("ZooKeeper: %s; using what was known of %s", type(error).__name__, service)
            return self._known.get(service, [])
        if found:
            self._known[service] = found
        return found

    def find(self, service: str) -> Place:
        """Any running instance of a service; raises `NobodyThere`.

        When all are gone from the list, their sessions have ended sooner than they: the last known
        ones are asked, and do not answer if they are dead.
        """
        places = self.places(service) or self._known.get(service, [])
        if not places:
            raise NobodyThere(f"no `{service}` is running")
        return random.choice(places)

    def withdraw(self) -> None:
        """Takes this program off the list."""
        self._client.remove_listener(_session_changed)
        self._client.stop()
        self._client.close()

    def _read(self, service: str) -> list[Place]:
        parent = f"{_ROOT}/{service}"
        paths = [f"{parent}/{name}" for name in self._children(parent)]
        return [place for path in paths if (place := self._read_one(path))]

    def _children(self, path: str) -> list[str]:
        try:
            return sorted(self._ask(self._client.get_children_async, path))
        except NoNodeError:
            return []

    def _read_one(self, path: str) -> Place | None:
        try:
            return Place(**json.loads(self._ask(self._client.get_async, path)[0]))
        except (NoNodeError, ValueError, TypeError):
            return None  # It went away meanwhile, or somebody else's node: not an instance.

    def _ask(self, call: Callable, *arguments: Any, **more: Any) -> Any:
        """One answer in time: without a connection the client would wait for one for ever."""
        if not self._client.connected:
            raise ConnectionLoss("no connection")
        return call(*arguments, **more).get(timeout=_ANSWER)


def _session_changed(state: str) -> None:
    level = logging.INFO if state == KazooState.CONNECTED else logging.WARNING
    _log.log(level, "ZooKeeper session: %s", state.lower())
