"""A memory of pc2: texts by number and by keyword, in the Redis cluster of the main PC."""

from typing import Any

from bedplate_app.web import Request, Route, WebError, text_of

# Memories that one keyword leads to; older ones are found by number alone.
_PER_KEYWORD = 100


class Memory:
    """The memories of one agent."""

    def __init__(self, store, name: str):
        self._store = store
        self._name = name

    def keep(self, request: Request) -> dict[str, Any]:
        """Keeps a text with its keywords; returns its number."""
        text, keywords = text_of(request.body, "text"), request.body.get("keywords", [])
        if not isinstance(keywords, list) or not all(isinstance(word, str) for word in keywords):
            raise WebError(400, "`keywords`: expected a list of texts")
        id = self._store.next_number(f"{self._name}:last")
        memory = {"id": id, "text": text, "keywords": keywords}
        self._store.put(f"{self._name}:{id}", memory)
        for word in keywords:
            self._store.push(f"{self._name}:keyword:{word}", {"id": id}, _PER_KEYWORD)
        return {"id": id}

    def find(self, request: Request) -> dict[str, Any]:
        """A memory by its number."""
        memory = self._store.get(f"{self._name}:{request.parameters['id']}")
        if memory is None:
            raise WebError(404, "there is no such memory")
        return memory

    def search(self, request: Request) -> dict[str, Any]:
        """Numbers of the memories with `?keyword=`, newest first."""
        word = request.query.get("keyword", "")
        found = self._store.newest(f"{self._name}:keyword:{word}", _PER_KEYWORD)
        return {"keyword": word, "ids": [one["id"] for one in found]}


def routes(agent) -> list[Route]:
    """`POST /memories`, `GET /memories`, `GET /memories/{id}`."""
    memory = Memory(agent.store, agent.entry.name)
    agent.watch("redis", agent.store.ping)
    return [
        Route("POST", "/memories", memory.keep),
        Route("GET", "/memories", memory.search),
        Route("GET", "/memories/{id}", memory.find),
    ]
