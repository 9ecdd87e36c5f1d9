"""JSON Web Tokens (RFC 7519), signed with HS256; the gateway checks them with the same secret."""

import secrets
import time
from typing import Any

import jwt

ISSUER = "identity-service"
_ALGORITHM = "HS256"


class BadToken(Exception):
    """A token that is not ours, was changed, or has expired."""


class Tokens:
    """Issues and reads tokens; `lifetime` is in seconds."""

    def __init__(self, secret: str, lifetime: int):
        self._secret = secret
        self.lifetime = lifetime

    def issue(self, subject: str, kind: str) -> str:
        """A token for a `user` or a `service`."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "kind": kind,
            "jti": secrets.token_hex(16),
            "iat": now,
            "exp": now + self.lifetime,
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token; raises `BadToken`."""
        required = ["sub", "kind", "jti", "exp"]
        try:
            return jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                options={"require": required},
            )
        except jwt.PyJWTError as error:
            raise BadToken(f"the token is not good: {type(error).__name__}") from error
