"""The program of chief_editor: publishes what reasoning found fit."""

from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article


def publish(article: Article) -> dict[str, Any]:
    """Whether the article is published."""
    return {"published": article.findings.get("reasoning", {}).get("verdict") == "publish"}


if __name__ == "__main__":
    run("chief_editor", {"publish": on_article("chief_editor", publish)})
