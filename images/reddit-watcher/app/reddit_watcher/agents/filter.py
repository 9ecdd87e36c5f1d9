"""The filter agent: decides whether a post is about what is watched."""

import re
from typing import Any

from bedplate_app import settings as base
from bedplate_app.web import Route

from ..a2a.card import Skill
from ..agent import Agent, Stores, number_of
from ..external.api import HELPS, ExternalApi, ExternalError
from ..external.gemini import Gemini
from ..posts import Post
from ..queue import Queue
from ..settings import Environment, Settings, fraction, words
from ..text import relevance
from .common import run
from .stored import stored

_HELPS = {**HELPS, "reddit_posts_filtered_total": "Posts that were judged, by decision and method."}
_LONGEST_PROMPT = 6_000


class Filter:
    """The skill of the agent."""

    def __init__(self, agent: Agent, environment: Environment):
        self._agent = agent
        self._posts = agent.stores.posts
        self._topics = words(environment, "FILTER_TOPICS")
        self._threshold = fraction(environment, "FILTER_RELEVANCE_THRESHOLD", "0.5")
        self._lowest_score = base.number(environment, "FILTER_LOWEST_SCORE", "0")
        self._gemini = Gemini(environment)
        queue = Queue(agent.stores.redis)
        self._api = ExternalApi("gemini", environment, agent.metrics, queue, self._gemini.configured)
        agent.facts["method"] = "gemini" if self._gemini.configured else "keywords"

    def filter(self, data: dict[str, Any]) -> dict[str, Any]:
        """Stores the relevance of a post, and says whether it is relevant."""
        post = stored(self._posts, number_of(data))
        found, topics, method = self._judge(post)
        relevant = found >= self._threshold and post.score >= self._lowest_score
        self._posts.set_relevance(post.id, found, topics, method)
        decision = "relevant" if relevant else "rejected"
        self._agent.metrics.add("reddit_posts_filtered_total", decision=decision, method=method)
        return {"relevant": relevant, "relevance": found, "topics": topics, "method": method}

    def _judge(self, post: Post) -> tuple[float, list[str], str]:
        found, topics = relevance(post.title, post.body, self._topics)
        if self._api.configured:
            try:
                answer = self._api.call(lambda: self._gemini.generate(self._prompt(post)))
                return read_relevance(answer), topics, "gemini"
            except (ExternalError, ValueError):
                pass  # Counted by the API; keywords are what is left.
        return found, topics, "keywords"

    def _prompt(self, post: Post) -> str:
        topics = ", ".join(self._topics)
        text = f"{post.title}\n\n{post.body}"[:_LONGEST_PROMPT]
        return f"How relevant is this post to {topics}? Answer with one number from 0 to 1.\n\n{text}"


def read_relevance(answer: str) -> float:
    """The first number of an answer, from 0 to 1; raises `ValueError`."""
    found = re.search(r"\d+(\.\d+)?", answer)
    if found is None or not 0 <= float(found.group()) <= 1:
        raise ValueError("expected a number from 0 to 1")
    return float(found.group())


def build(settings: Settings, stores: Stores, environment: Environment) -> tuple[Agent, list[Route]]:
    """The agent, with its skill."""
    agent = Agent(settings, stores, "Decides whether a post is about what is watched.", helps=_HELPS)
    skill = Filter(agent, environment)
    agent.skills.append(Skill("filter_post", "Judges the relevance of a stored post.", skill.filter))
    return agent, []


if __name__ == "__main__":
    run("filter", build)
