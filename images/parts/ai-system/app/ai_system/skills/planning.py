"""What is to be done: steps, priorities, budgets, rules."""

import re
from typing import Any

from . import SkillError, numbers_of, text_of, texts_of
from .words import sentences, topics, words

_URGENT = {"now", "urgent", "immediately", "danger", "today"}
_FORBIDDEN = {"password", "weapon", "exploit"}
_LEVEL = re.compile(r"\b(DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_DIGITS = re.compile(r"\d{4,}")


def route(payload: dict[str, Any]) -> dict[str, Any]:
    """Which kind of task a request is."""
    if "pixels" in payload:
        return {"kind": "see"}
    first = words(text_of(payload))[:1]
    return {"kind": {"remember": "remember", "recall": "recall"}.get("".join(first), "document")}


def plan(payload: dict[str, Any]) -> dict[str, Any]:
    """One step for each sentence of a goal."""
    steps = sentences(text_of(payload))
    return {"steps": [{"step": number, "do": one} for number, one in enumerate(steps, 1)]}


def priority(payload: dict[str, Any]) -> dict[str, Any]:
    """Goals, urgent ones first."""
    goals = texts_of(payload, "goals")
    return {"goals": sorted(goals, key=lambda goal: not _URGENT & set(words(goal)))}


def model(payload: dict[str, Any]) -> dict[str, Any]:
    """Which model suits a text, by its length."""
    count = len(words(text_of(payload)))
    return {"model": "small" if count < 50 else "medium" if count < 500 else "large"}


def budget(payload: dict[str, Any]) -> dict[str, Any]:
    """What is left of a budget after some costs."""
    costs, whole = numbers_of(payload, "costs"), numbers_of({"budget": [payload.get("budget")]}, "budget")[0]
    return {"left": whole - sum(costs), "within": sum(costs) <= whole}


def policy(payload: dict[str, Any]) -> dict[str, Any]:
    """Whether a text may pass."""
    found = sorted(_FORBIDDEN & set(words(text_of(payload))))
    return {"allowed": not found, "because_of": found}


def redact(payload: dict[str, Any]) -> dict[str, Any]:
    """A text without addresses and long numbers."""
    return {"text": _DIGITS.sub("[number]", _MAIL.sub("[address]", text_of(payload)))}


def log_level(payload: dict[str, Any]) -> dict[str, Any]:
    """How many lines of a log have which level."""
    found = [match.group(1) for line in text_of(payload).splitlines() if (match := _LEVEL.search(line))]
    return {"levels": {level: found.count(level) for level in sorted(set(found))}}


def index(payload: dict[str, Any]) -> dict[str, Any]:
    """Which texts have which topic."""
    entries: dict[str, list[int]] = {}
    for number, text in enumerate(texts_of(payload, "texts")):
        for word in topics(text, 5):
            entries.setdefault(word, []).append(number)
    return {"index": entries}


def archive(payload: dict[str, Any]) -> dict[str, Any]:
    """Which memories are old enough to be put away; ages in days."""
    ages, limit = numbers_of(payload, "ages"), payload.get("limit", 30)
    if not isinstance(limit, int) or limit < 1:
        raise SkillError("`limit`: expected a number of days from 1 on")
    return {"archive": [number for number, age in enumerate(ages) if age > limit]}


SKILLS = {
    "route": route,
    "plan": plan,
    "priority": priority,
    "model": model,
    "budget": budget,
    "policy": policy,
    "redact": redact,
    "log_level": log_level,
    "index": index,
    "archive": archive,
}
