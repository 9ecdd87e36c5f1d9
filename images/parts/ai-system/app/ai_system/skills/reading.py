"""What a text says: words, topics, a summary, how it reads."""

import re
from collections import Counter
from typing import Any

from . import text_of
from .words import sentences, topics, words

_KEYWORDS = 8
_TONES = {
    "positive": {"good", "great", "glad", "happy", "excellent", "love", "win", "success", "like", "calm"},
    "negative": {"bad", "sad", "angry", "poor", "hate", "lose", "fail", "failure", "broken", "fear"},
}
_EMOTIONS = {
    "joy": {"happy", "glad", "love", "great", "laugh"},
    "anger": {"angry", "hate", "furious", "unfair"},
    "fear": {"fear", "afraid", "danger", "worry"},
    "sadness": {"sad", "lose", "lost", "alone", "cry"},
}
_STOP_WORDS = {
    "en": {"the", "and", "of", "to", "is", "in", "that", "it"},
    "de": {"der", "die", "und", "das", "ist", "nicht", "ein", "zu"},
    "fr": {"le", "la", "et", "les", "est", "un", "une", "des"},
    "es": {"el", "los", "y", "que", "es", "una", "por", "con"},
}
_ENTITY = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][a-z]+(?: [A-Z][a-z]+)*")


def language(payload: dict[str, Any]) -> dict[str, Any]:
    """The language whose small words are most frequent; `unknown` without any."""
    found = Counter(words(text_of(payload)))
    scores = {name: sum(found[word] for word in small) for name, small in _STOP_WORDS.items()}
    best = max(scores, key=lambda name: scores[name])
    return {"language": best if scores[best] else "unknown"}


def keywords(payload: dict[str, Any]) -> dict[str, Any]:
    """The words that say what it is about."""
    return {"keywords": topics(text_of(payload), _KEYWORDS)}


def digest(payload: dict[str, Any]) -> dict[str, Any]:
    """What a memory is found by."""
    text = text_of(payload)
    return {"keywords": topics(text, _KEYWORDS), "words": len(words(text))}


def summary(payload: dict[str, Any]) -> dict[str, Any]:
    """The sentence with most of the topics; the earliest of equals."""
    text = text_of(payload)
    wanted = set(topics(text, _KEYWORDS))
    return {"summary": max(sentences(text), key=lambda one: len(wanted & set(words(one))))}


def sentiment(payload: dict[str, Any]) -> dict[str, Any]:
    """From -1 to 1, and its name."""
    found = words(text_of(payload))
    good, bad = (sum(word in _TONES[tone] for word in found) for tone in ("positive", "negative"))
    score = (good - bad) / (good + bad) if good + bad else 0.0
    return {"score": score, "sentiment": "positive" if score > 0 else "negative" if score < 0 else "neutral"}


def emotion(payload: dict[str, Any]) -> dict[str, Any]:
    """How many words speak of which emotion."""
    found = words(text_of(payload))
    return {"emotions": {name: sum(word in known for word in found) for name, known in _EMOTIONS.items()}}


def entities(payload: dict[str, Any]) -> dict[str, Any]:
    """Names: capitals inside a sentence."""
    return {"entities": list(dict.fromkeys(_ENTITY.findall(text_of(payload))))}


def topic_list(payload: dict[str, Any]) -> dict[str, Any]:
    """Three topics."""
    return {"topics": topics(text_of(payload), 3)}


def readability(payload: dict[str, Any]) -> dict[str, Any]:
    """Words a sentence and letters a word."""
    text = text_of(payload)
    found = words(text)
    letters = sum(len(word) for word in found)
    return {
        "words_per_sentence": round(len(found) / max(1, len(sentences(text))), 2),
        "letters_per_word": round(letters / max(1, len(found)), 2),
    }


def outline(payload: dict[str, Any]) -> dict[str, Any]:
    """Lines that begin with `#`, with their depth."""
    lines = [line for line in text_of(payload).splitlines() if line.startswith("#")]
    return {"headings": [{"depth": len(line) - len(line.lstrip("#")), "text": line.lstrip("# ")} for line in lines]}


def code(payload: dict[str, Any]) -> dict[str, Any]:
    """Lines of a program: all, empty, comments."""
    lines = [line.strip() for line in text_of(payload).splitlines()]
    return {"lines": len(lines), "empty": lines.count(""), "comments": sum(line.startswith("#") for line in lines)}


SKILLS = {
    "language": language,
    "keywords": keywords,
    "digest": digest,
    "summary": summary,
    "sentiment": sentiment,
    "emotion": emotion,
    "entities": entities,
    "topics": topic_list,
    "readability": readability,
    "outline": outline,
    "code": code,
}
