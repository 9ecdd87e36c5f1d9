"""Sentences and words of an article; pure."""

import re
from collections import Counter

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Words this short carry grammar, not topic.
_SHORTEST_TOPIC = 4


def sentences(text: str) -> list[str]:
    """Sentences in their order, white space normalised."""
    parts = _SENTENCE_END.split(" ".join(text.split()))
    return [part for part in parts if part]


def words(text: str) -> list[str]:
    """Words in lower case, in their order."""
    return [word.lower() for word in _WORD.findall(text)]


def topics(text: str) -> Counter:
    """How often each word that may carry a topic occurs."""
    return Counter(word for word in words(text) if len(word) >= _SHORTEST_TOPIC)
