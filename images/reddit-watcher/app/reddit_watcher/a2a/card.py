"""Agent cards: what an agent says of itself at `/.well-known/agent.json`.

Source: Agent2Agent protocol 0.2, section 5.5.
"""

from dataclasses import dataclass
from typing import Any, Callable

VERSION = "0.2.5"
_JSON = "application/json"


@dataclass(frozen=True)
class Skill:
    """Something an agent can do: `work` takes the data of a message and gives the data of the answer."""

    id: str
    description: str
    work: Callable[[dict[str, Any]], dict[str, Any]]


def card(name: str, description: str, url: str, version: str, skills: list[Skill]) -> dict[str, Any]:
    """The card of an agent whose messages go to `url`."""
    return {
        "protocolVersion": VERSION,
        "name": name,
        "description": description,
        "url": url,
        "version": version,
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": False, "pushNotifications": False},
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        "security": [{"key": []}],
        "defaultInputModes": [_JSON],
        "defaultOutputModes": [_JSON],
        "skills": [_described(skill) for skill in skills],
    }


def _described(skill: Skill) -> dict[str, Any]:
    name = skill.id.replace("_", " ")
    return {"id": skill.id, "name": name, "description": skill.description, "tags": [skill.id.split("_")[0]]}
