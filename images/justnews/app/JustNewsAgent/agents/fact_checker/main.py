"""The program of fact_checker: counts what an article claims, and how much of it has a source."""

import re
from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article
from agents.common.text import sentences

_FIGURE = re.compile(r"\d")
_SOURCE = re.compile(r"\b(according to|said|says|reported|reports)\b|[\"“”]", re.IGNORECASE)


def check(article: Article) -> dict[str, Any]:
    """Claims are sentences with a figure or a source; sourced are those with a source."""
    found = sentences(article.text)
    sourced = [sentence for sentence in found if _SOURCE.search(sentence)]
    claims = [s for s in found if _FIGURE.search(s) or _SOURCE.search(s)]
    return {"claims": len(claims), "sourced": len(sourced)}


if __name__ == "__main__":
    run("fact_checker", {"check": on_article("fact_checker", check)})
