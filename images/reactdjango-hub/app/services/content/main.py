"""The program of content-service: `python3 -m content.main`."""

from typing import Any

from bedplate_app.web import Request, Response, Route, WebError, text_of
from common.cache import cached
from common.callers import Caller
from common.numbers import number_of
from common.service import Service, run
from common.settings import Settings

from .documents import Documents

NAME = "content-service"
HELPS = {"content_documents_total": "Documents stored."}
# Documents never change: the cache only has to forget them some day.
_KEPT = 3600


class Content:
    """The routes of content-service."""

    def __init__(self, service: Service, documents: Any = None):
        self._service = service
        self._cache = service.stores.cache
        self._documents = documents or Documents(service.stores.database)

    def routes(self) -> list[Route]:
        """All of them."""
        route = self._service.for_callers
        return [
            route("POST", "/documents", self.add),
            route("GET", "/documents", self.list),
            route("GET", "/documents/{id}", self.read),
        ]

    def add(self, caller: Caller, request: Request) -> Response:
        """Stores a document: `title` and `text`."""
        title, text = text_of(request.body, "title"), text_of(request.body, "text")
        id = self._documents.add(caller.user, title, text)
        self._service.metrics.add("content_documents_total")
        return Response(self._find(id), 201)

    def list(self, caller: Caller, _: Request) -> dict[str, Any]:
        """The caller's newest documents."""
        return {"documents": self._documents.of(caller.user)}

    def read(self, caller: Caller, request: Request) -> dict[str, Any]:
        """One document of the caller."""
        document = self._find(number_of(request.parameters["id"]))
        # A document of somebody else is as good as none.
        if document is None or document["owner"] != caller.user:
            raise WebError(404, "there is no such document")
        return document

    def _find(self, id: int) -> dict[str, Any] | None:
        return cached(
            self._cache, f"content:document:{id}", _KEPT, lambda: self._documents.read(id)
        )


def build(service: Service, _: Settings) -> list[Route]:
    """The routes."""
    return Content(service).routes()


if __name__ == "__main__":
    run(NAME, build, HELPS)
