"""Who asks: tokens are validated by the identity service, and the answer is kept for a moment."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Callable

from bedplate_app.client import CallError
from bedplate_app.web import Request, WebError

from .cache import cached

# Seconds until a token that was revoked is refused everywhere.
_KEPT = 10


@dataclass(frozen=True)
class Caller:
    """A user or a service, and for whom it acts: `user` is the number of an account, or 0."""

    subject: str
    kind: str
    user: int


class Callers:
    """Finds out who asks."""

    def __init__(self, cache: Any, validate: Callable[[str], dict[str, Any]]):
        self._cache = cache
        self._validate = validate

    def of(self, request: Request) -> Caller:
        """The caller of a request; raises `WebError` 401.

        A service acts for the user whose number it names in `X-On-Behalf-Of`.
        """
        caller = self.of_token(bearer(request))
        if caller.kind == "service":
            user = request.headers.get("X-On-Behalf-Of", "0")
            return Caller(caller.subject, caller.kind, int(user) if user.isdecimal() else 0)
        return caller

    def of_token(self, token: str) -> Caller:
        """The caller that a token was issued to; raises `WebError` 401."""
        # A token is a password: it is nobody's key in a cache.
        key = f"caller:{hashlib.sha256(token.encode()).hexdigest()}"
        found = cached(self._cache, key, _KEPT, lambda: asdict(self._ask(token)))
        return Caller(**found)

    def _ask(self, token: str) -> Caller:
        try:
            claims = self._validate(token)
        except CallError as error:
            if error.status == 401:
                raise WebError(401, str(error)) from error
            raise WebError(503, f"the identity service: {error}") from error
        kind = claims["kind"]
        return Caller(claims["sub"], kind, int(claims["sub"]) if kind == "user" else 0)


def bearer(request: Request) -> str:
    """The token of a request; raises `WebError` 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise WebError(401, "expected the header `Authorization: Bearer TOKEN`")
    return token.strip()
