"""The program of synthesizer: sums an article up with its own most telling sentences."""

from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article
from agents.common.text import sentences, topics, words

_LENGTH = 2


def summarize(article: Article) -> dict[str, Any]:
    """The two sentences with the most topical words for their length, in their order."""
    found = sentences(article.text)
    weights = topics(f"{article.title} {article.text}")

    def weight(index: int) -> float:
        own = words(found[index])
        return sum(weights[word] for word in own) / (len(own) or 1)

    best = sorted(sorted(range(len(found)), key=weight, reverse=True)[:_LENGTH])
    return {"summary": " ".join(found[index] for index in best)}


if __name__ == "__main__":
    run("synthesizer", {"summarize": on_article("synthesizer", summarize)})
