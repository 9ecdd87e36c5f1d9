"""The program of scout: stores the articles that come in."""

from typing import Any

from agents.common.agent import Stores, run
from bedplate_app.web import text_of


def store(stores: Stores, arguments: dict[str, Any]) -> dict[str, Any]:
    """Stores `url`, `title` and `text`; the same URL again replaces the article."""
    url, title, text = (text_of(arguments, key) for key in ("url", "title", "text"))
    return {"id": stores.articles.store(url, title, text)}


if __name__ == "__main__":
    run("scout", {"store": store})
