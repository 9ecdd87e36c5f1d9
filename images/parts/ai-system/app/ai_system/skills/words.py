"""Sentences and words of a text; pure."""

import re
from collections import Counter

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# Words this short carry grammar, not topic.
_SHORTEST_TOPIC = 5


def sentences(text: str) -> list[str]:
    """Sentences in their order, white space normalised."""
    return [part for part in _SENTENCE_END.split(" ".join(text.split())) if part]


def words(text: str) -> list[str]:
    """Words in lower case, in their order."""
    return [word.lower() for word in _WORD.findall(text)]


def topics(text: str, most: int) -> list[str]:
    """The words that say what it is about, most frequent first, then by the alphabet."""
    counts = Counter(word for word in words(text) if len(word) >= _SHORTEST_TOPIC)
    return sorted(counts, key=lambda word: (-counts[word], word))[:most]
