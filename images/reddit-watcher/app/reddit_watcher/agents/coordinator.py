"""The coordinator: the front door, and what drives posts through the other agents."""

import logging
import time
from typing import Any

from bedplate_app import settings as base
from bedplate_app.web import Request, Response, Route, WebError

from ..a2a.card import Skill
from ..a2a.message import INVALID_PARAMS, ProtocolError
from ..a2a.peers import PeerError
from ..agent import Agent, Stores
from ..posts import ENDS
from ..queue import Queue
from ..settings import AGENTS, Environment, Settings
from ..workflow import Workflow
from .common import run

_HELPS = {
    "workflow_runs_total": "Workflows, by what started them and what came of them.",
    "workflow_posts_total": "Posts that a workflow took somewhere, by state.",
    "workflow_last_success_timestamp_seconds": "When posts were last looked for without trouble.",
    "workflow_queue_length": "Posts on their way.",
    "workflow_queue_oldest_seconds": "How long the oldest post has been on its way.",
    "reddit_last_post_timestamp_seconds": "When the newest post was stored.",
}
_log = logging.getLogger(__name__)


class AgentsMissing(Exception):
    """An agent has not registered for a while."""


class Coordinator:
    """Routes and clockwork of the agent."""

    def __init__(self, agent: Agent, environment: Environment):
        self._agent = agent
        self._posts = agent.stores.posts
        self._queue = Queue(agent.stores.redis)
        self._workflow = Workflow(
            self._posts,
            self._queue,
            agent.peers,
            base.number(environment, "WORKFLOW_ATTEMPTS", "5"),
            base.number(environment, "WORKFLOW_LOCK_SECONDS", "120"),
        )
        self._batch = base.number(environment, "WORKFLOW_BATCH_SIZE", "20")
        self._keep_days = base.number(environment, "POST_RETENTION_DAYS", "90")
        self._page = base.number(environment, "POSTS_PER_PAGE", "50")
        self._interval_seconds = 60 * base.number(environment, "WORKFLOW_INTERVAL_MINUTES", "240")
        self._next_watch = 0.0
        agent.program.checks["agents"] = self.check_agents
        metrics = agent.metrics
        for state in ENDS:
            metrics.add("workflow_posts_total", 0, state=state)
        for trigger in ("front_door", "schedule"):
            metrics.add("workflow_runs_total", 0, trigger=trigger, result="failed")
        metrics.read("workflow_queue_length", self._queue.length)
        metrics.read("workflow_queue_oldest_seconds", self._queue.oldest_seconds)
        metrics.read("reddit_last_post_timestamp_seconds", self._posts.newest)

    def check_agents(self) -> None:
        """Raises unless every other agent registered lately."""
        missing = set(AGENTS) - {"coordinator"} - set(self._agent.registry.alive())
        if missing:
            raise AgentsMissing(", ".join(sorted(missing)))

    def routes(self) -> list[Route]:
        """What only the coordinator answers."""
        return [
            Route("POST", "/posts", self.take_posts),
            Route("GET", "/posts", self.list_posts),
            Route("GET", "/posts/{id}", self.show_post),
            Route("POST", "/workflows", lambda _: self.retrieve("request")),
            Route("GET", "/workflows", lambda _: {"workflows": self._posts.workflows(self._page)}),
            Route("GET", "/agents", self.list_agents),
            Route("GET", "/agents/{name}", self.show_agent),
            Route("GET", "/discovery/prometheus", self.targets),
        ]

    def take_posts(self, request: Request) -> Response:
        """Takes one post or `posts`, and sees them through; 202 when some have to wait."""
        body = request.body if "posts" in request.body else {"posts": [request.body]}
        started = self._posts.start_workflow("front_door")
        answer = self._retrieve(started, "front_door", "store_posts", body)
        ids = answer["new"] + answer["known"]
        states = {id: self._advance(id) for id in answer["new"]}
        posts = [vars(post) for id in ids if (post := self._posts.read(id)) is not None]
        waits = any(state not in ENDS for state in states.values())
        return Response({"workflow": started, "posts": posts}, 202 if waits else 200)

    def list_posts(self, _: Request) -> dict[str, Any]:
        """The newest posts."""
        return {"posts": [vars(post) for post in self._posts.recent(self._page)]}

    def show_post(self, request: Request) -> dict[str, Any]:
        """One post with what became of it."""
        id = request.parameters["id"]
        post = self._posts.read(int(id)) if id.isdecimal() and 0 < int(id) < 1 << 63 else None
        if post is None:
            raise WebError(404, "there is no such post")
        return vars(post)

    def list_agents(self, _: Request) -> dict[str, Any]:
        """Who registered, and who did lately."""
        alive = self._agent.registry.alive()
        known = self._agent.registry.known()
        return {"agents": {name: {"url": entry.url, "alive": name in alive} for name, entry in known.items()}}

    def show_agent(self, request: Request) -> dict[str, Any]:
        """The card of an agent."""
        entry = self._agent.registry.known().get(request.parameters["name"])
        if entry is None:
            raise WebError(404, "there is no such agent")
        return entry.card

    def targets(self, _: Request) -> list[dict[str, Any]]:
        """The agents as Prometheus discovers them over HTTP."""
        known = self._agent.registry.known()
        return [
            {"targets": [entry.url.split("/")[2]], "labels": {"agent": name}}
            for name, entry in sorted(known.items())
        ]

    def retrieve(self, trigger: str) -> dict[str, Any]:
        """Looks for new posts at the source, and sees them through."""
        started = self._posts.start_workflow(trigger)
        answer = self._retrieve(started, trigger, "fetch_posts", {})
        for id in answer["new"]:
            self._advance(id)
        return {"workflow": started, **answer}

    def watch(self) -> None:
        """Looks for new posts when it is time; one that fails is tried again at the next call."""
        if time.monotonic() < self._next_watch:
            return
        self.retrieve("schedule")
        self._next_watch = time.monotonic() + self._interval_seconds
        self._posts.prune(self._keep_days)

    def work(self) -> None:
        """Takes further what waits; posts that Redis forgot are put back into the queue."""
        for id in self._posts.unfinished(self._batch):
            self._queue.push(id)
        for id in self._queue.waiting(self._batch):
            self._advance(id)

    def _advance(self, id: int) -> str:
        state = self._workflow.advance(id)
        if state in ENDS:
            self._agent.metrics.add("workflow_posts_total", state=state)
        return state

    def _retrieve(self, started: int, trigger: str, skill: str, data: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._agent.peers.send("retrieval", skill, data)
        except (PeerError, ProtocolError) as error:
            self._posts.end_workflow(started, "failed", 0)
            self._agent.metrics.add("workflow_runs_total", trigger=trigger, result="failed")
            refused = isinstance(error, ProtocolError) and error.code == INVALID_PARAMS
            raise WebError(400 if refused else 502, str(error)) from error
        self._posts.end_workflow(started, "ok", len(answer["new"]))
        self._agent.metrics.add("workflow_runs_total", trigger=trigger, result="ok")
        self._agent.metrics.set("workflow_last_success_timestamp_seconds", time.time())
        return answer


def build(settings: Settings, stores: Stores, environment: Environment) -> tuple[Agent, list[Route]]:
    """The agent, with its skill, its routes and its clockwork."""
    agent = Agent(settings, stores, "Drives posts through the other agents.", helps=_HELPS)
    coordinator = Coordinator(agent, environment)
    skill = Skill("run_workflow", "Looks for new posts now.", lambda _: coordinator.retrieve("message"))
    agent.skills.append(skill)
    seconds = base.number(environment, "WORKFLOW_RETRY_SECONDS", "15")
    agent.program.repeat(seconds, coordinator.watch)
    agent.program.repeat(seconds, coordinator.work)
    return agent, coordinator.routes()


if __name__ == "__main__":
    run("coordinator", build)
