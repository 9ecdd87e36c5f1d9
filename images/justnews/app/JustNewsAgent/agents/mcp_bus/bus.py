"""The registry of agents, and the pipeline that an article goes through."""

import threading
from typing import Any
from urllib.parse import urlsplit

from agents.common.agent import Agent, id_of
from bedplate_app.client import CallError, Client
from bedplate_app.web import Request, Route, WebError, text_of

# What is done with an article once scout has stored it, in order: later steps read the findings
# of earlier ones.
PIPELINE = [
    ("fact_checker", "check"),
    ("analyst", "score"),
    ("critic", "review"),
    ("reasoning", "judge"),
    ("synthesizer", "summarize"),
    ("chief_editor", "publish"),
    ("memory", "remember"),
]


class Bus:
    """Routes of the bus beside those that every agent has."""

    def __init__(self, agent: Agent):
        self._agent = agent
        self._stores = agent.stores
        # Articles worked on at the same time; more wait.
        self._workers = threading.BoundedSemaphore(agent.settings.workers)

    def routes(self) -> list[Route]:
        """What the bus answers that no other agent does."""
        return [
            Route("POST", "/register", self.register),
            Route("GET", "/agents", lambda _: self._stores.cache.agents()),
            Route("GET", "/agents/{name}", self.find_agent),
            Route("POST", "/call", self.call),
            Route("POST", "/articles", self.post_article),
            Route("GET", "/articles", self.recent_articles),
            Route("GET", "/articles/{id}", self.get_article),
        ]

    def register(self, request: Request) -> dict[str, Any]:
        """Notes where an agent is; only addresses on this machine are taken."""
        name, address = text_of(request.body, "name"), text_of(request.body, "address")
        if urlsplit(address).hostname != "127.0.0.1":
            raise WebError(400, "`address`: expected one on 127.0.0.1")
        self._stores.cache.register(name, address)
        return {"registered": name}

    def find_agent(self, request: Request) -> dict[str, Any]:
        """Where one agent is."""
        name = request.parameters["name"]
        return {"name": name, "address": self._address(name)}

    def call(self, request: Request) -> dict[str, Any]:
        """Passes a call on: `agent`, `tool`, `arguments`."""
        arguments = request.body.get("arguments", {})
        return self._call(text_of(request.body, "agent"), text_of(request.body, "tool"), arguments)

    def post_article(self, request: Request) -> dict[str, Any]:
        """The whole job: stores an article, has every agent look at it, and returns the result."""
        with self._workers:
            id = self._call("scout", "store", request.body)["id"]
            for agent, tool in PIPELINE:
                self._call(agent, tool, {"id": id})
        self._agent.metrics.add("justnews_articles_total")
        return self._describe(id)

    def get_article(self, request: Request) -> dict[str, Any]:
        """An article and what the agents found out."""
        id = request.parameters["id"]
        return self._describe(id_of({"id": int(id) if id.isdecimal() else None}))

    def recent_articles(self, _: Request) -> dict[str, Any]:
        """Recent articles, newest first."""
        return self._call("memory", "recall", {})

    def _describe(self, id: int) -> dict[str, Any]:
        article = self._stores.articles.read(id)
        if article is None:
            raise WebError(404, "there is no such article")
        summary = article.findings.get("synthesizer", {}).get("summary")
        return {**vars(article), "summary": summary}

    def _call(self, agent: str, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return Client(self._address(agent)).post(f"/tools/{tool}", arguments)
        except CallError as error:
            raise WebError(error.status or 502, f"{agent}.{tool}: {error}") from error

    def _address(self, agent: str) -> str:
        address = self._stores.cache.agents().get(agent)
        if address is None:
            raise WebError(404, f"`{agent}` is not registered")
        return address
