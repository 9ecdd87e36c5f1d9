"""Stores that keep everything in memory, with the methods of the real ones."""

import threading
from http.client import HTTPConnection
from typing import Any

from bedplate_app.settings import Database
from bedplate_app.web import Server
from common.directory import NobodyThere, Place
from common.peers import Peers
from common.service import Service, Stores
from common.settings import Settings
from identity.accounts import Account

TEXT = (
    "The city council voted on the harbour plan. "
    "According to the mayor, the harbour plan costs 40 million euros. "
    "It rained."
)


class FakeDatabase:
    """Answers, unless told to be broken."""

    broken = False

    def ping(self):
        """Raises when told to."""
        if self.broken:
            raise ConnectionError("password=hunter2")


class FakeCache:
    """A dictionary that forgets only when told to."""

    def __init__(self):
        self.kept: dict[str, Any] = {}

    def ping(self):
        """Always well."""

    def get(self, key):
        """A value or `None`."""
        return self.kept.get(key)

    def set(self, key, value, seconds):
        """Keeps it."""
        self.kept[key] = value

    def count(self, key, seconds):
        """Counts up."""
        self.kept[key] = self.kept.get(key, 0) + 1
        return self.kept[key]

    def forget(self, key):
        """Drops it."""
        self.kept.pop(key, None)


class FakeDirectory:
    """A list of places."""

    def __init__(self):
        self.listed: dict[str, Place] = {}

    def find(self, service):
        """The one place of a service."""
        if service not in self.listed:
            raise NobodyThere(f"no `{service}` is running")
        return self.listed[service]


class Rows:
    """Documents, runs or messages in a list; their number is their place in it, from 1."""

    def __init__(self, *names):
        self.names, self.kept = names, []

    def add(self, *values):
        """A new row."""
        self.kept.append(dict(zip(self.names, values)))
        return len(self.kept)

    def read(self, id):
        """A row with its number."""
        return {"id": id, **self.kept[id - 1]} if id <= len(self.kept) else None

    def of(self, account):
        """The rows whose owner or recipient is `account`, newest first."""
        owner = "owner" if "owner" in self.names else "recipient"
        rows = [{"id": place, **row} for place, row in enumerate(self.kept, 1)]
        return [row for row in reversed(rows) if row[owner] == account]

    def told(self, id, message):
        """Notes the message of a run."""
        self.kept[id - 1]["message"] = message


class FakeAccounts:
    """Accounts in a list."""

    def __init__(self):
        self.kept, self.gone = [], set()

    def add(self, email, name, password):
        """A new account, if the address is free."""
        if self.by_email(email):
            return None
        self.kept.append(Account(len(self.kept) + 1, email, name, password))
        return self.kept[-1]

    def by_email(self, email):
        """By address."""
        return next((account for account in self.kept if account.email == email), None)

    def by_id(self, id):
        """By number."""
        return next((account for account in self.kept if account.id == id), None)

    def revoke(self, id, expires_at):
        """Notes it."""
        self.gone.add(id)

    def revoked(self, id):
        """Whether it was noted."""
        return id in self.gone


def settings(name: str) -> Settings:
    """Settings of a service on a port that the kernel chooses."""
    database = Database("127.0.0.1", "d", "u", "unused")
    return Settings(
        name, name, "127.0.0.1", 0, 4, 10, database, "unix:///unused", 5, "unused", f"key of {name}"
    )


class Running:
    """A service that answers on a port of its own and is listed in `directory`."""

    def __init__(self, name, directory, build):
        found = settings(name)
        peers = Peers(directory, name, found.key, 10)
        self.stores = Stores(FakeDatabase(), FakeCache(), peers)
        self.service = Service(found, self.stores)
        routes = self.service.with_docs(build(self.service))
        self.server = Server(
            ("127.0.0.1", 0), self.service.program.routes() + routes, self.service.program.observe
        )
        directory.listed[name] = Place(name, name, "127.0.0.1", self.server.server_port)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def ask(self, method, path, body=None, headers=None):
        """Status and text of an answer."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, text

    def stop(self):
        """Ends the server."""
        self.server.shutdown()
        self.server.server_close()
