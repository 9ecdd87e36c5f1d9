"""Texts made by Gemini, when this host has a key for it."""

import json

from ..settings import Environment, credential
from .api import ask

_API = "https://generativelanguage.googleapis.com/v1beta"


class Gemini:
    """The model that the settings name."""

    def __init__(self, environment: Environment):
        self._key = credential(environment, "GEMINI_API_KEY")
        self._model = environment.get("GEMINI_MODEL", "gemini-2.5-flash")
        self._api = environment.get("GEMINI_API_URL", _API)

    @property
    def configured(self) -> bool:
        """Whether there is a key."""
        return bool(self._key)

    def generate(self, prompt: str) -> str:
        """What the model says to a prompt; raises what the call raises."""
        body = json.dumps({"contents": [{"parts": [{"text": prompt}]}]}).encode()
        headers = {"Content-Type": "application/json", "x-goog-api-key": self._key}
        answer = ask(f"{self._api}/models/{self._model}:generateContent", headers, body)
        return answer["candidates"][0]["content"]["parts"][0]["text"].strip()
