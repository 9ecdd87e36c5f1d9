"""What a post is about, and what it says in short. Pure."""

import re
from collections import Counter

_STOP = frozenset(
    "a an and are as at be but by can for from has have i in is it its not of on or our that the their there"
    " they this to was we were what when which will with you your".split()
)


def sentences(text: str) -> list[str]:
    """The sentences of a text."""
    parts = re.split(r"(?<=[.!?])\s+|\n{2,}", text.strip())
    return [part.strip() for part in parts if part.strip()]


def words(text: str) -> list[str]:
    """The words of a text that mean something, in small letters."""
    found = re.findall(r"[^\W\d_][\w'+#.-]*[\w+#]|[^\W\d_]", text.lower())
    return [word for word in found if word not in _STOP]


def matches(text: str, topics: list[str]) -> list[str]:
    """The topics that a text names, as whole words."""
    return [topic for topic in topics if re.search(rf"(?<!\w){re.escape(topic)}(?!\w)", text, re.IGNORECASE)]


def relevance(title: str, body: str, topics: list[str]) -> tuple[float, list[str]]:
    """From 0 to 1: a topic in the title counts 0.6, one in the text 0.3; and which topics they are."""
    in_title, in_body = matches(title, topics), matches(body, topics)
    found = [topic for topic in topics if topic in in_title or topic in in_body]
    return min(1.0, round(0.6 * len(in_title) + 0.3 * len(in_body), 2)), found


def summary(title: str, body: str, count: int, longest: int) -> str:
    """The `count` sentences whose words are the most frequent, in their order, cut at `longest` characters."""
    all_sentences = sentences(body) or [title]
    weights = Counter(words(f"{title} {body}"))

    def weight(index: int) -> tuple[float, int]:
        found = words(all_sentences[index])
        return sum(weights[word] for word in found) / (len(found) or 1), -index

    best = sorted(range(len(all_sentences)), key=weight, reverse=True)[:count]
    return _cut(" ".join(all_sentences[index] for index in sorted(best)), longest)


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return text[: longest - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
