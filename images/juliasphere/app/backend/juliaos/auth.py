"""Who may ask: API keys in `X-API-Key`, and tokens (JWT, RFC 7519, HS256) that a key buys."""

import base64
import hmac
import json
import re
import time
from hashlib import sha256
from typing import Any, Callable

_HEADER = {"alg": "HS256", "typ": "JWT"}


class AuthError(Exception):
    """A key or token that is missing, wrong or too old; never says which part of it."""


class Keys:
    """The valid API keys: words between spaces, commas or line ends."""

    def __init__(self, text: str):
        self._keys = [word.encode() for word in re.split(r"[\s,]+", text) if word]

    def accept(self, key: str) -> bool:
        """Whether `key` is valid; takes as long for each key, so that time tells nothing."""
        matches = [hmac.compare_digest(known, key.encode()) for known in self._keys]
        return any(matches)


class Tokens:
    """Makes and reads tokens; `expiry` in seconds, `clock` in seconds since 1970."""

    def __init__(self, secret: str, expiry: int, clock: Callable[[], float] = time.time):
        self._secret = secret.encode()
        self.expiry = expiry
        self._clock = clock

    def issue(self, user: str) -> str:
        """A token for `user`, good for `expiry` seconds."""
        now = int(self._clock())
        claims = {"sub": user, "iat": now, "exp": now + self.expiry}
        text = f"{_encode(_HEADER)}.{_encode(claims)}"
        return f"{text}.{self._sign(text)}"

    def user_of(self, token: str) -> str:
        """The user that `token` was made for; raises `AuthError`."""
        text, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._sign(text).encode(), signature.encode()):
            raise AuthError("the token is not valid")
        # What is signed was made by `issue`, so that only its age is left to ask.
        claims = _decode(text.partition(".")[2])
        if claims["exp"] <= self._clock():
            raise AuthError("the token is too old")
        return claims["sub"]

    def _sign(self, text: str) -> str:
        return _base64(hmac.new(self._secret, text.encode(), sha256).digest())


def _encode(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decode(text: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
