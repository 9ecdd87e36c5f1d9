"""The program of workflow-intelligence-service: `python3 -m workflow.main`."""

from typing import Any

from bedplate_app.web import Request, Response, Route, WebError
from common.cache import cached
from common.callers import Caller
from common.numbers import number_of
from common.service import Service, run
from common.settings import Settings

from .intelligence import examine
from .runs import Runs

NAME = "workflow-intelligence-service"
HELPS = {"workflow_runs_total": "Runs done."}
_KEPT = 3600


class Workflow:
    """The routes of workflow-intelligence-service."""

    def __init__(self, service: Service, runs: Any = None):
        self._service = service
        self._cache = service.stores.cache
        self._peers = service.stores.peers
        self._runs = runs or Runs(service.stores.database)

    def routes(self) -> list[Route]:
        """All of them."""
        route = self._service.for_callers
        return [route("POST", "/runs", self.run), route("GET", "/runs/{id}", self.read)]

    def run(self, caller: Caller, request: Request) -> Response:
        """Examines the caller's `document`, keeps the result and sends it to the caller."""
        number = number_of(request.body.get("document"))
        document = self._peers.get("content-service", f"/documents/{number}", caller.user)
        result = examine(document["text"])
        id = self._runs.add(caller.user, number, result)
        text = f"Run {id} over “{document['title']}”: {result['summary']}"
        message = {"recipient": caller.user, "text": text}
        sent = self._peers.post("communication-service", "/messages", caller.user, message)
        self._runs.told(id, sent["id"])
        self._service.metrics.add("workflow_runs_total")
        return Response(self._find(id), 201)

    def read(self, caller: Caller, request: Request) -> dict[str, Any]:
        """One run of the caller."""
        found = self._find(number_of(request.parameters["id"]))
        if found is None or found["owner"] != caller.user:
            raise WebError(404, "there is no such run")
        return found

    def _find(self, id: int) -> dict[str, Any] | None:
        return cached(self._cache, f"workflow:run:{id}", _KEPT, lambda: self._runs.read(id))


def build(service: Service, _: Settings) -> list[Route]:
    """The routes."""
    return Workflow(service).routes()


if __name__ == "__main__":
    run(NAME, build, HELPS)
