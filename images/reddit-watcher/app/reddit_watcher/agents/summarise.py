"""The summarise agent: says in short what a post says; with Gemini, or by its own sentences."""

from typing import Any

from bedplate_app import settings as base
from bedplate_app.web import Route

from ..a2a.card import Skill
from ..agent import Agent, Stores, number_of
from ..external.api import HELPS, ExternalApi, ExternalError
from ..external.gemini import Gemini
from ..posts import Post
from ..queue import Queue
from ..settings import Environment, Settings
from ..text import summary
from .common import run
from .stored import stored

_HELPS = {**HELPS, "reddit_summaries_total": "Summaries, by how they were made."}
_LONGEST_PROMPT = 20_000


class Summarise:
    """The skill of the agent."""

    def __init__(self, agent: Agent, environment: Environment):
        self._agent = agent
        self._posts = agent.stores.posts
        self._sentences = base.number(environment, "SUMMARY_SENTENCES", "2")
        self._longest = base.number(environment, "SUMMARY_MAX_CHARACTERS", "600")
        self._gemini = Gemini(environment)
        queue = Queue(agent.stores.redis)
        self._api = ExternalApi("gemini", environment, agent.metrics, queue, self._gemini.configured)
        agent.facts["method"] = "gemini" if self._gemini.configured else "extractive"

    def summarise(self, data: dict[str, Any]) -> dict[str, Any]:
        """Stores the summary of a post."""
        post = stored(self._posts, number_of(data))
        text, method = self._write(post)
        self._posts.set_summary(post.id, text, method)
        self._agent.metrics.add("reddit_summaries_total", method=method)
        return {"summary": text, "method": method}

    def _write(self, post: Post) -> tuple[str, str]:
        if self._api.configured:
            try:
                text = self._api.call(lambda: self._gemini.generate(self._prompt(post)))
                return text[: self._longest], "gemini"
            except ExternalError:
                pass  # Counted by the API; the post's own sentences are what is left.
        return summary(post.title, post.body, self._sentences, self._longest), "extractive"

    def _prompt(self, post: Post) -> str:
        text = f"{post.title}\n\n{post.body}"[:_LONGEST_PROMPT]
        return f"Summarise this post for an engineer in {self._sentences} sentences.\n\n{text}"


def build(settings: Settings, stores: Stores, environment: Environment) -> tuple[Agent, list[Route]]:
    """The agent, with its skill."""
    agent = Agent(settings, stores, "Says in short what a post says.", helps=_HELPS)
    skill = Summarise(agent, environment)
    agent.skills.append(Skill("summarise_post", "Summarises a stored post.", skill.summarise))
    return agent, []


if __name__ == "__main__":
    run("summarise", build)
