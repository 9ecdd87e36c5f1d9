"""The program of memory: remembers which articles are new."""

from typing import Any

from agents.common.agent import Stores, id_of, run

_SHOWN = 20


def remember(stores: Stores, arguments: dict[str, Any]) -> dict[str, Any]:
    """Puts the article `id` at the head of the recent ones."""
    id = id_of(arguments)
    stores.cache.remember(id)
    return {"remembered": id}


def recall(stores: Stores, _: dict[str, Any]) -> dict[str, Any]:
    """Recent articles, newest first; those that are gone are left out."""
    found = (stores.articles.read(id) for id in stores.cache.recent(_SHOWN))
    return {"articles": [{"id": a.id, "url": a.url, "title": a.title} for a in found if a]}


if __name__ == "__main__":
    run("memory", {"remember": remember, "recall": recall})
