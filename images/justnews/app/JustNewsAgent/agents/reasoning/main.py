"""The program of reasoning: draws the conclusion from what the others found."""

from typing import Any

from agents.common.agent import on_article, run
from agents.common.articles import Article

_FEWEST_WORDS = 10
_LEAST_SCORE = 0.2


def judge(article: Article) -> dict[str, Any]:
    """`publish` or `hold`, with the reasons for holding."""
    analysis = article.findings.get("analyst", {})
    reasons = []
    if analysis.get("words", 0) < _FEWEST_WORDS:
        reasons.append(f"fewer than {_FEWEST_WORDS} words")
    if analysis.get("score", 0) < _LEAST_SCORE:
        reasons.append("mostly repetition")
    return {"verdict": "hold" if reasons else "publish", "reasons": reasons}


if __name__ == "__main__":
    run("reasoning", {"judge": on_article("reasoning", judge)})
