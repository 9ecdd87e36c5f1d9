"""Stores that keep everything in memory, and agents that listen on ports the kernel chooses."""

import json
import threading
from dataclasses import replace
from datetime import datetime, timezone
from http.client import HTTPConnection

from bedplate_app.settings import Database
from bedplate_app.web import Server
from reddit_watcher.agent import Stores
from reddit_watcher.agents import alert, coordinator, filter, retrieval, summarise
from reddit_watcher.posts import ENDS, Post
from reddit_watcher.settings import Settings

BUILDS = {
    "coordinator": coordinator.build,
    "retrieval": retrieval.build,
    "filter": filter.build,
    "summarise": summarise.build,
    "alert": alert.build,
}
ENVIRONMENT = {"FILTER_TOPICS": "Rust,A2A protocol", "WORKFLOW_RETRY_SECONDS": "3600"}
KEY = "key-of-the-agents"

POST = {
    "reddit_id": "t3_1",
    "subreddit": "rust",
    "title": "Rust agents speak the A2A protocol",
    "body": "We wrote agents in Rust. The agents speak the A2A protocol over HTTP. It rained on Sunday.",
    "url": "https://example.com/1",
    "author": "someone",
    "score": 12,
}
OTHER = {**POST, "reddit_id": "t3_2", "title": "My cat", "body": "She sleeps."}


def post(**changes) -> Post:
    """A post as it is stored."""
    stored_at = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return replace(Post(id=1, state="retrieved", stored_at=stored_at, **POST), **changes)


class FakePosts:
    """Posts in a dictionary."""

    def __init__(self):
        self.kept, self.attempts, self.runs, self.broken = {}, {}, [], False

    def ping(self):
        """Raises when told to be broken."""
        if self.broken:
            raise ConnectionError("password=hunter2")

    def add(self, new):
        """Stores by Reddit's name."""
        for known in self.kept.values():
            if known.reddit_id == new.reddit_id:
                return known.id, False
        id = len(self.kept) + 1
        self.kept[id] = post(id=id, **vars(new))
        return id, True

    def find(self, reddit_id):
        """The number of a post."""
        return next((id for id, kept in self.kept.items() if kept.reddit_id == reddit_id), None)

    def read(self, id):
        """One post."""
        return self.kept.get(id)

    def recent(self, count):
        """The newest."""
        return list(reversed(self.kept.values()))[:count]

    def unfinished(self, count):
        """Those on their way."""
        return [id for id, kept in self.kept.items() if kept.state not in ENDS][:count]

    def count_attempt(self, id):
        """Counts."""
        self.attempts[id] = self.attempts.get(id, 0) + 1
        return self.attempts[id]

    def set_state(self, id, state):
        """Notes a state."""
        self._change(id, state=state)

    def set_relevance(self, id, relevance, topics, method):
        """Notes a relevance."""
        self._change(id, relevance=relevance, topics=topics)

    def set_summary(self, id, summary, method):
        """Notes a summary."""
        self._change(id, summary=summary, summary_method=method)

    def add_alert(self, id, channel, delivered):
        """Notes an announcement."""
        if delivered:
            self._change(id, alerted_by=[*(self.kept[id].alerted_by or []), channel])

    def delivered_by(self, id):
        """The channels of a post."""
        return set(self.kept[id].alerted_by or [])

    def start_workflow(self, trigger):
        """Notes a workflow."""
        self.runs.append({"trigger": trigger})
        return len(self.runs)

    def end_workflow(self, id, result, posts):
        """Notes its end."""
        self.runs[id - 1].update(result=result, posts=posts)

    def workflows(self, count):
        """All of them."""
        return self.runs

    def newest(self):
        """Always the same."""
        return 1.0

    def prune(self, days):
        """Forgets nothing."""
        return 0

    def _change(self, id, **changes):
        self.kept[id] = replace(self.kept[id], **changes)


class FakeRedis:
    """The commands that the agents use; nothing ends."""

    def __init__(self):
        self.hashes, self.sets, self.values, self.lists = {}, {}, {}, {}

    def ping(self):
        """Always well."""

    def hset(self, key, field, value):
        """Sets a field."""
        self.hashes.setdefault(key, {})[field] = value

    def hgetall(self, key):
        """All fields."""
        return dict(self.hashes.get(key, {}))

    def zadd(self, key, scores, nx=False):
        """Adds members."""
        members = self.sets.setdefault(key, {})
        for member, score in scores.items():
            if not (nx and member in members):
                members[member] = score

    def zrem(self, key, member):
        """Removes a member."""
        self.sets.get(key, {}).pop(member, None)

    def zcard(self, key):
        """How many there are."""
        return len(self.sets.get(key, {}))

    def zrange(self, key, first, last, withscores=False):
        """Members by score."""
        found = sorted(self.sets.get(key, {}).items(), key=lambda item: item[1])[first : last + 1]
        return found if withscores else [member for member, _ in found]

    def set(self, key, value, nx=False, ex=None):
        """Sets a value."""
        if nx and key in self.values:
            return None
        self.values[key] = value
        return True

    def delete(self, key):
        """Removes a value."""
        self.values.pop(key, None)

    def exists(self, key):
        """Whether there is a value."""
        return int(key in self.values)

    def incr(self, key):
        """Counts."""
        self.values[key] = int(self.values.get(key, 0)) + 1
        return self.values[key]

    def expire(self, key, seconds):
        """Nothing ends here."""

    def lpush(self, key, value):
        """Puts a value first."""
        self.lists.setdefault(key, []).insert(0, value)

    def ltrim(self, key, first, last):
        """Keeps some."""
        self.lists[key] = self.lists.get(key, [])[first : last + 1]

    def lrange(self, key, first, last):
        """Shows some."""
        return self.lists.get(key, [])[first : last + 1]


def settings(name, port=0):
    """Settings of an agent that does not wait."""
    database = Database("127.0.0.1", "reddit_watcher", "reddit_watcher_user", "unused")
    return Settings(name, "127.0.0.1", port, database, "unused", "", KEY, retries=0)


class Running:
    """An agent that answers on a port of its own."""

    def __init__(self, name, stores, environment=None):
        # The port is known when the server listens, and the card names it.
        self.server = Server(("127.0.0.1", 0), [], lambda *_: None)
        self.agent, routes = BUILDS[name](
            settings(name, self.server.server_port), stores, {**ENVIRONMENT, **(environment or {})}
        )
        self.server.routes = self.agent.program.routes() + self.agent.routes() + routes
        self.server.observe = self.agent.program.observe
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        self.agent.register()

    def ask(self, method, path, body=None, headers=None):
        """One request; returns status and text."""
        connection = HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        text = json.dumps(body) if isinstance(body, (dict, list)) else body
        connection.request(method, path, text, headers or {})
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        return response.status, answer

    def json(self, method, path, body=None, headers=None):
        """As `ask`, with the answer read."""
        status, text = self.ask(method, path, body, headers)
        return status, json.loads(text)

    def stop(self):
        """Ends the agent."""
        self.agent.program.stopping.set()
        self.server.shutdown()
        self.server.server_close()


def stores():
    """Empty stores."""
    return Stores(FakePosts(), FakeRedis())
