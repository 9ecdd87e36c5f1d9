"""`/docs`: what a service answers, as a page for people."""

from html import escape

from bedplate_app.web import Route

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{name}</title></head>
<body><h1>{name}</h1><table>
{rows}
</table></body></html>
"""


def page(name: str, routes: list[Route]) -> str:
    """A table of the routes with the first line of what each says of itself."""
    rows = "\n".join(_row(route) for route in routes)
    return _PAGE.format(name=escape(name), rows=rows)


def _row(route: Route) -> str:
    summary = (route.answer.__doc__ or "").strip().partition("\n")[0]
    cells = (route.method, f"<code>{escape(route.path)}</code>", escape(summary))
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
