"""Agents and a cache that keep everything in memory, with the methods of the real ones."""

from contextlib import contextmanager
from uuid import uuid4

from bedplate_app.settings import Database
from juliaos.backend import Parts
from juliaos.cache import AGENT_SECONDS, Busy
from juliaos.settings import Settings

KEY, OTHER_KEY = "first-key", "second-key"


class Pings:
    """A part that is well until it is broken."""

    def __init__(self):
        self.broken = False

    def ping(self):
        """Raises when broken."""
        if self.broken:
            raise ConnectionError("password=hunter2")


class FakeAgents:
    """Agents and executions in dictionaries."""

    def __init__(self):
        self.primary, self.standby = Pings(), Pings()
        self.rows, self.runs, self.reads = {}, {}, 0

    def create(self, user, name, settings):
        """A new agent."""
        id = str(uuid4())
        self.rows[id] = {
            "id": id, "user_id": user, "name": name, "status": "ready", "settings": settings,
        }
        return dict(self.rows[id])

    def read(self, id):
        """One agent."""
        self.reads += 1
        return dict(self.rows[id]) if id in self.rows else None

    def newest(self, user, status):
        """By user and status."""
        wanted = {"user_id": user, "status": status}.items()
        return [row for row in self.rows.values() if all(v in (None, row[k]) for k, v in wanted)]

    def executions(self, id):
        """Of one agent."""
        return [run for run in self.runs.values() if run["agent_id"] == id]

    def begin(self, id, instance, task):
        """Notes a run."""
        number = len(self.runs) + 1
        self.runs[number] = {"id": number, "agent_id": id, "instance": instance, "status": "running"}
        return self._set(id, "running"), number

    def finish(self, id, execution, found):
        """Notes its end."""
        value = found.value if found else None
        self.runs[execution] |= {"status": "done" if found else "failed", "value": value}
        return self._set(id, "ready" if found else "failed"), self.runs[execution]

    def interrupt(self, instance):
        """Ends the runs of an instance."""
        mine = [r for r in self.runs.values() if (r["instance"], r["status"]) == (instance, "running")]
        for run in mine:
            run["status"] = "interrupted"
            self._set(run["agent_id"], "ready")
        return sorted({run["agent_id"] for run in mine})

    def _set(self, id, status):
        self.rows[id]["status"] = status
        return dict(self.rows[id])


class FakeCache(Pings):
    """Keys in dictionaries."""

    def __init__(self):
        super().__init__()
        self.kept, self.locks, self.numbers = {}, set(), []

    def agent(self, id):
        """What is kept."""
        return self.kept.get(id)

    def fill(self, agent):
        """Keeps unless kept."""
        self.kept.setdefault(agent["id"], agent)

    def put(self, agent):
        """Keeps."""
        self.kept[agent["id"]] = agent

    def forget(self, id):
        """Keeps no longer."""
        self.kept.pop(id, None)

    def seconds_left(self, id):
        """For ever young."""
        return AGENT_SECONDS if id in self.kept else None

    @contextmanager
    def locked(self, id):
        """Once at a time."""
        if id in self.locks:
            raise Busy
        self.locks.add(id)
        try:
            yield
        finally:
            self.locks.discard(id)

    def queue(self, execution):
        """Newest first."""
        self.numbers.insert(0, execution)

    def recent(self):
        """All of them."""
        return self.numbers


def parts():
    """Empty parts."""
    return Parts(FakeAgents(), FakeCache())


def settings(**changes):
    """Settings of a back end on a port that the kernel chooses."""
    database = Database("127.0.0.1", "juliaos", "juliaos", "unused")
    values = {
        "instance": "backend-1", "environment": "production", "version": "1.0.0",
        "address": ("127.0.0.1", 0), "threads": 2, "primary": database, "standby": database,
        "redis_host": "127.0.0.1", "redis_port": 6379, "redis_password": "unused",
        "api_keys": f"{KEY} {OTHER_KEY}", "jwt_secret": "unused",
    }
    return Settings(**(values | changes))

