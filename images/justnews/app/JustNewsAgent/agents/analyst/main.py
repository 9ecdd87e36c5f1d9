"""The program of analyst: measures an article and scores how much it says."""

from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article
from agents.common.text import sentences, topics, words


def score(article: Article) -> dict[str, Any]:
    """Counts, main topics, and a score from 0 to 1: the share of words that are not repeated."""
    found = words(article.text)
    distinct = len(set(found))
    return {
        "words": len(found),
        "sentences": len(sentences(article.text)),
        "topics": [word for word, _ in topics(article.text).most_common(5)],
        "score": round(distinct / len(found), 3) if found else 0.0,
    }


if __name__ == "__main__":
    run("analyst", {"score": on_article("analyst", score)})
