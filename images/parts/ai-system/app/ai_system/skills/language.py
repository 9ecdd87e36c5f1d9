"""What can be done with a text: tokens, spelling, style, another language, another text beside it."""

import unicodedata
from typing import Any

from . import numbers_of, text_of, texts_of
from .words import sentences, words

_DICTIONARY = {"hello": "hallo", "world": "welt", "good": "gut", "city": "stadt", "harbour": "hafen", "plan": "plan"}
_MISSPELT = {"teh": "the", "recieve": "receive", "seperate": "separate", "adress": "address", "definately": "definitely"}
_LONG_SENTENCE = 25


def normalize(payload: dict[str, Any]) -> dict[str, Any]:
    """One space between words, and characters in their usual form."""
    return {"text": " ".join(unicodedata.normalize("NFKC", text_of(payload)).split())}


def tokens(payload: dict[str, Any]) -> dict[str, Any]:
    """The words."""
    found = words(text_of(payload))
    return {"tokens": found, "count": len(found)}


def translate(payload: dict[str, Any]) -> dict[str, Any]:
    """Word by word into German; those that are not known stay."""
    return {"text": " ".join(_DICTIONARY.get(word, word) for word in words(text_of(payload)))}


def spelling(payload: dict[str, Any]) -> dict[str, Any]:
    """Frequent misspellings and what was meant."""
    return {"corrections": {word: _MISSPELT[word] for word in words(text_of(payload)) if word in _MISSPELT}}


def style(payload: dict[str, Any]) -> dict[str, Any]:
    """Sentences that are too long."""
    long = [one for one in sentences(text_of(payload)) if len(words(one)) > _LONG_SENTENCE]
    return {"long_sentences": long}


def similarity(payload: dict[str, Any]) -> dict[str, Any]:
    """Words in common of all words of two texts."""
    one, other = set(words(text_of(payload, "text"))), set(words(text_of(payload, "other")))
    return {"similarity": round(len(one & other) / len(one | other), 3) if one | other else 1.0}


def compare(payload: dict[str, Any]) -> dict[str, Any]:
    """Words that a text has and another has not."""
    known = set(words(text_of(payload, "other")))
    return {"new": sorted(set(words(text_of(payload))) - known)}


def answer(payload: dict[str, Any]) -> dict[str, Any]:
    """The sentence of a text with most words of a question."""
    asked = set(words(text_of(payload, "question")))
    return {"answer": max(sentences(text_of(payload)), key=lambda one: len(asked & set(words(one))))}


def rank(payload: dict[str, Any]) -> dict[str, Any]:
    """Answers by how many words of a question they have; the earlier of equals first."""
    asked = set(words(text_of(payload, "question")))
    ranked = sorted(texts_of(payload, "answers"), key=lambda one: -len(asked & set(words(one))))
    return {"ranked": ranked}


def statistics(payload: dict[str, Any]) -> dict[str, Any]:
    """Least, greatest, mean and median of numbers."""
    found = sorted(numbers_of(payload, "numbers"))
    half = len(found) // 2
    median = found[half] if len(found) % 2 else (found[half - 1] + found[half]) / 2
    return {"least": found[0], "greatest": found[-1], "mean": sum(found) / len(found), "median": median}


SKILLS = {
    "normalize": normalize,
    "tokens": tokens,
    "translate": translate,
    "spelling": spelling,
    "style": style,
    "similarity": similarity,
    "compare": compare,
    "answer": answer,
    "rank": rank,
    "statistics": statistics,
}
