"""The retrieval agent: takes posts from Reddit or from whoever sends them, each once."""

from typing import Any

from bedplate_app import settings
from bedplate_app.web import Route

from ..a2a.card import Skill
from ..a2a.message import INTERNAL_ERROR, INVALID_PARAMS, ProtocolError
from ..agent import Agent, Stores
from ..external.api import HELPS, ExternalApi, ExternalError
from ..external.reddit import Reddit
from ..posts import NewPost
from ..queue import Queue
from ..settings import Environment, Settings
from .common import run

_HELPS = {
    **HELPS,
    "reddit_posts_retrieved_total": "New posts, by where they came from.",
    "reddit_posts_duplicate_total": "Posts that were known.",
}
_LONGEST = {"reddit_id": 64, "subreddit": 64, "title": 300, "body": 40_000, "url": 2_000, "author": 64}


class Retrieval:
    """The skills of the agent."""

    def __init__(self, agent: Agent, environment: Environment):
        self._agent = agent
        self._posts = agent.stores.posts
        self._queue = Queue(agent.stores.redis)
        self._reddit = Reddit(environment)
        self._remember_seconds = settings.number(environment, "DEDUPLICATION_SECONDS", "604800")
        configured = self._reddit.source != "none"
        self._api = ExternalApi("reddit", environment, agent.metrics, self._queue, configured)
        agent.facts["source"] = self._reddit.source

    def fetch(self, _: dict[str, Any]) -> dict[str, Any]:
        """Stores the new posts of the source; none without a source."""
        if not self._api.configured:
            return {"source": "none", "new": [], "known": []}
        try:
            posts = self._api.call(self._reddit.fetch)
        except ExternalError as error:
            raise ProtocolError(INTERNAL_ERROR, str(error)) from error
        return self._store(posts, self._reddit.source)

    def store(self, data: dict[str, Any]) -> dict[str, Any]:
        """Stores posts that somebody sent."""
        posts = data.get("posts")
        if not isinstance(posts, list) or not 1 <= len(posts) <= 100:
            raise ProtocolError(INVALID_PARAMS, "`posts`: expected 1 to 100 posts")
        return self._store([read_post(post) for post in posts], "front_door")

    def _store(self, posts: list[NewPost], source: str) -> dict[str, Any]:
        new, known = [], []
        for post in posts:
            id, is_new = self._keep(post)
            (new if is_new else known).append(id)
        self._agent.metrics.add("reddit_posts_retrieved_total", len(new), source=source)
        self._agent.metrics.add("reddit_posts_duplicate_total", len(known), source=source)
        return {"source": source, "new": new, "known": known}

    def _keep(self, post: NewPost) -> tuple[int, bool]:
        """The database decides; Redis spares it writes for the posts that each listing shows again."""
        if self._queue.seen(post.reddit_id):
            known = self._posts.find(post.reddit_id)
            # None after the database was restored from before that post.
            if known is not None:
                return known, False
        id, is_new = self._posts.add(post)
        # A crash before this leaves a post in the database that the coordinator finds unfinished.
        if is_new:
            self._queue.push(id)
        self._queue.remember(post.reddit_id, self._remember_seconds)
        return id, is_new


def read_post(data: Any) -> NewPost:
    """A post as it is sent; raises `ProtocolError`."""
    if not isinstance(data, dict):
        raise ProtocolError(INVALID_PARAMS, "expected an object for a post")
    texts = {key: _text(data, key, longest) for key, longest in _LONGEST.items()}
    score = data.get("score", 0)
    if not isinstance(score, int) or isinstance(score, bool) or abs(score) >= 1 << 31:
        raise ProtocolError(INVALID_PARAMS, "`score`: expected a number")
    return NewPost(**texts, score=score)


def _text(data: dict[str, Any], key: str, longest: int) -> str:
    value = data.get(key, "")
    needed = key in ("reddit_id", "subreddit", "title")
    if not isinstance(value, str) or len(value) > longest or (needed and not value.strip()) or "\0" in value:
        kind = "a text" if needed else "a text or nothing"
        raise ProtocolError(INVALID_PARAMS, f"`{key}`: expected {kind} of at most {longest} characters")
    return value


def build(settings: Settings, stores: Stores, environment: Environment) -> tuple[Agent, list[Route]]:
    """The agent, with its skills."""
    agent = Agent(settings, stores, "Takes posts from Reddit, each once.", helps=_HELPS)
    retrieval = Retrieval(agent, environment)
    agent.skills += [
        Skill("fetch_posts", "Stores the new posts of the configured source.", retrieval.fetch),
        Skill("store_posts", "Stores posts that are sent along.", retrieval.store),
    ]
    return agent, []


if __name__ == "__main__":
    run("retrieval", build)
