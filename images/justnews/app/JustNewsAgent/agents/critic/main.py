"""The program of critic: judges how an article reads."""

from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article
from agents.common.text import sentences, words

# Words per sentence past which prose is called dense.
_DENSE = 25


def review(article: Article) -> dict[str, Any]:
    """Words per sentence, and what that means."""
    count = len(sentences(article.text)) or 1
    length = len(words(article.text)) / count
    return {"words_per_sentence": round(length, 1), "style": "dense" if length > _DENSE else "plain"}


if __name__ == "__main__":
    run("critic", {"review": on_article("critic", review)})
