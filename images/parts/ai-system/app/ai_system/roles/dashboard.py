"""The monitoring dashboard: one page with every agent of the machine."""

from html import escape
from typing import Any

from bedplate_app.client import CallError, Client
from bedplate_app.web import Request, Response, Route, WebError

_PAGE = """<!doctype html>
<meta charset="utf-8"><meta http-equiv="refresh" content="30">
<title>{machine}</title>
<style>body {{ font: 1rem sans-serif }} td, th {{ padding: 0 1em; text-align: left }}
.healthy {{ color: green }} .unhealthy, .silent {{ color: red }}</style>
<h1>{machine}: {healthy} of {expected} agents healthy</h1>
<table><tr><th>agent<th>state{rows}
</table>
"""


def page(agents: dict[str, Any]) -> str:
    """The page for what a registry says."""
    rows = (
        f'\n<tr><td>{escape(name)}<td class="{escape(state)}">{escape(state)}'
        for name, state in agents["agents"].items()
    )
    counts = {key: escape(str(agents[key])) for key in ("machine", "healthy", "expected")}
    return _PAGE.format(rows="".join(rows), **counts)


def routes(agent) -> list[Route]:
    """`GET /`."""
    registry = Client(agent.agents.first(agent.settings.machine, "registry").url, timeout=10)

    def show(_: Request) -> Response:
        try:
            return Response(page(registry.get("/agents")), content_type="text/html; charset=utf-8")
        except CallError as error:
            raise WebError(502, str(error)) from error

    return [Route("GET", "/", show)]
