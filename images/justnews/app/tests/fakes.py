"""Stores that keep everything in memory, with the methods of the real ones."""

from dataclasses import replace
from datetime import datetime, timezone

from agents.common.agent import Stores
from agents.common.articles import Article
from agents.common.settings import Settings
from bedplate_app.settings import Database

TEXT = (
    "The city council voted on the harbour plan. "
    "According to the mayor, the harbour plan costs 40 million euros. "
    "Fishermen said the harbour is theirs. It rained."
)


class FakeArticles:
    """Articles in a dictionary."""

    def __init__(self):
        self.kept: dict[int, Article] = {}
        self.broken = False

    def ping(self):
        """Raises when told to be broken."""
        if self.broken:
            raise ConnectionError("password=hunter2")

    def store(self, url, title, text):
        """Stores by URL."""
        for article in self.kept.values():
            if article.url == url:
                self.kept[article.id] = replace(article, title=title, text=text)
                return article.id
        id = len(self.kept) + 1
        self.kept[id] = Article(id, url, title, text, datetime(2026, 1, 1, tzinfo=timezone.utc))
        return id

    def read(self, id):
        """One article."""
        return self.kept.get(id)

    def add_finding(self, id, agent, finding):
        """Adds to one article."""
        article = self.kept[id]
        self.kept[id] = replace(article, findings={**article.findings, agent: finding})


class FakeCache:
    """Counters, registrations and the recent list in memory."""

    def __init__(self):
        self.addresses, self.calls, self.ids = {}, {}, []

    def ping(self):
        """Always well."""

    def register(self, agent, address):
        """Notes an address."""
        self.addresses[agent] = address

    def agents(self):
        """All addresses."""
        return dict(self.addresses)

    def count_call(self, agent, tool):
        """Counts."""
        self.calls[agent, tool] = self.calls.get((agent, tool), 0) + 1

    def remember(self, id):
        """Newest first, each once."""
        self.ids = [id] + [known for known in self.ids if known != id]

    def recent(self, count):
        """The newest."""
        return self.ids[:count]


def stores() -> Stores:
    """Empty stores."""
    return Stores(FakeArticles(), FakeCache())


def settings(name: str, bus: str = "http://127.0.0.1:9") -> Settings:
    """Settings of an agent on a port that the kernel chooses."""
    database = Database("127.0.0.1", "justnews", "justnews_user", "unused")
    return Settings(name, "127.0.0.1", 0, bus, "unix:///unused", "ERROR", 2, database)


def article(text: str = TEXT, **findings) -> Article:
    """An article that no store has."""
    return Article(1, "https://example.com/1", "Harbour plan", text, datetime(2026, 1, 1), findings)
