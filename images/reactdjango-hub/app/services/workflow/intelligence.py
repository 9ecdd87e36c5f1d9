"""What a run finds out about a text. Small on purpose: the real service has its models here."""

import re
from collections import Counter
from typing import Any

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"\w+")
# Words as short as these say little.
_SHORT = 3
_TOPICS = 5


def examine(text: str) -> dict[str, Any]:
    """Number of words, the topics, and the sentence that says most about them."""
    counts = Counter(_words(text))
    topics = [word for word, _ in counts.most_common(_TOPICS)]
    sentences = [sentence for sentence in _SENTENCE.split(text.strip()) if sentence]
    summary = max(sentences, key=lambda sentence: _weight(sentence, counts), default="")
    return {"words": len(_WORD.findall(text)), "topics": topics, "summary": summary}


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) > _SHORT]


def _weight(sentence: str, counts: Counter) -> int:
    return sum(counts[word] for word in set(_words(sentence)))
