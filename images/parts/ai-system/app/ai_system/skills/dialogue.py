"""What is said to people and by them."""

from html import escape as escape_html
from typing import Any

from . import SkillError, numbers_of, text_of, texts_of
from .words import sentences, words

_INTENTS = {
    "greeting": {"hello", "hi", "morning"},
    "question": {"what", "who", "when", "where", "why", "how"},
    "command": {"start", "stop", "open", "close", "show", "remember"},
}
_VOWELS = "aeiouy"


def intent(payload: dict[str, Any]) -> dict[str, Any]:
    """What somebody wants; `statement` when no word says so."""
    found = set(words(text_of(payload)))
    named = [name for name, known in _INTENTS.items() if found & known]
    return {"intent": named[0] if named else "statement"}


def chat(payload: dict[str, Any]) -> dict[str, Any]:
    """A polite answer."""
    kind = intent(payload)["intent"]
    answers = {"greeting": "Hello.", "question": "I shall find out.", "command": "It will be done."}
    return {"intent": kind, "reply": answers.get(kind, "I see.")}


def envelope(payload: dict[str, Any]) -> dict[str, Any]:
    """A message with its length."""
    text = text_of(payload)
    return {"message": {"text": text, "bytes": len(text.encode())}}


def transcript(payload: dict[str, Any]) -> dict[str, Any]:
    """What was heard, with one full stop a sentence."""
    parts = [part.strip().rstrip(".") for part in texts_of(payload, "heard") if part.strip()]
    return {"text": " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts)}


def phonemes(payload: dict[str, Any]) -> dict[str, Any]:
    """Syllables to speak, about: groups of vowels."""
    found = words(text_of(payload))
    return {"syllables": sum(_syllables(word) for word in found), "words": len(found)}


def notice(payload: dict[str, Any]) -> dict[str, Any]:
    """A text short enough for a notification."""
    text = " ".join(text_of(payload).split())
    return {"notice": text if len(text) <= 80 else text[:79] + "…"}


def report(payload: dict[str, Any]) -> dict[str, Any]:
    """Lines as a numbered report."""
    lines = texts_of(payload, "lines")
    return {"report": "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))}


def rating(payload: dict[str, Any]) -> dict[str, Any]:
    """The mean of ratings from 1 to 5."""
    found = numbers_of(payload, "ratings")
    if not all(1 <= one <= 5 for one in found):
        raise SkillError("`ratings`: expected numbers from 1 to 5")
    return {"rating": round(sum(found) / len(found), 2), "count": len(found)}


def command(payload: dict[str, Any]) -> dict[str, Any]:
    """A line as a command and its arguments."""
    name, *arguments = text_of(payload).split()
    return {"command": name, "arguments": arguments}


def escape(payload: dict[str, Any]) -> dict[str, Any]:
    """A text that is safe in a page."""
    return {"html": "".join(f"<p>{escape_html(one)}</p>" for one in sentences(text_of(payload)))}


def _syllables(word: str) -> int:
    return sum(
        letter in _VOWELS and (at == 0 or word[at - 1] not in _VOWELS) for at, letter in enumerate(word)
    )


SKILLS = {
    "intent": intent,
    "chat": chat,
    "envelope": envelope,
    "transcript": transcript,
    "phonemes": phonemes,
    "notice": notice,
    "report": report,
    "rating": rating,
    "command": command,
    "escape": escape,
}
