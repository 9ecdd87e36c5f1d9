"""The memory orchestrator of pc2: digests what it is to remember, and has it kept. `/health` sums pc2 up."""

from typing import Any

from bedplate_app.client import CallError, Client
from bedplate_app.web import Request, Route, WebError, text_of

_LOOK_SECONDS = 10


class Memories:
    """The memory agents of this machine as one."""

    def __init__(self, agent):
        self._agent = agent
        self._digester = agent.agents.doing("pc2", "digest")
        self._keeper = agent.agents.find("episodic_memory")
        self._registry = agent.agents.first("pc2", "registry")
        self.latest: dict[str, Any] = {"status": "starting"}

    def look(self) -> None:
        """Sums the machine up again, for `/health`."""
        self.latest = self.summary()

    def do(self, request: Request) -> dict[str, Any]:
        """The tasks `remember` and `recall`."""
        kind, payload = text_of(request.body, "kind"), request.body.get("payload", {})
        try:
            return {"remember": self._remember, "recall": self._recall}[kind](payload)
        except KeyError as error:
            raise WebError(404, f"there is no task `{kind}`") from error
        except CallError as error:
            raise WebError(error.status or 502, str(error)) from error

    def summary(self) -> dict[str, Any]:
        """The agents of this machine in a few words; never raises."""
        try:
            agents = Client(self._registry.url, timeout=5).get("/agents")
        except CallError:
            agents = {}
        whole = bool(agents) and agents["healthy"] == agents["expected"]
        return {
            "status": "healthy" if whole else "degraded",
            "agents": {key: agents.get(key) for key in ("expected", "healthy")},
        }

    def _remember(self, payload: dict[str, Any]) -> dict[str, Any]:
        text = text_of(payload, "text")
        digest = self._agent.ask(self._digester, "/tasks", {"kind": "digest", "payload": {"text": text}})
        kept = self._agent.ask(self._keeper, "/memories", {"text": text, **digest})
        return {"id": kept["id"], "agent": self._keeper.name, **digest}

    def _recall(self, payload: dict[str, Any]) -> dict[str, Any]:
        id, keyword = payload.get("id"), payload.get("keyword")
        client = Client(self._keeper.url)
        if isinstance(id, int):
            return client.get(f"/memories/{id}")
        if isinstance(keyword, str) and keyword.isalnum() and keyword.isascii():
            return client.get(f"/memories?keyword={keyword}")
        raise WebError(400, "expected the `id` of a memory, or a `keyword` of ASCII letters")


def routes(agent) -> list[Route]:
    """`POST /tasks`."""
    memories = Memories(agent)
    agent.summary = lambda: memories.latest
    agent.program.repeat(_LOOK_SECONDS, memories.look)
    return [Route("POST", "/tasks", memories.do)]
