"""HS256 as RFC 7515 and 7519 say, with the two functions of PyJWT that the services call.

For machines without PyJWT; where it is installed, the tests check the services with it.
"""

import base64
import hashlib
import hmac
import json
import time


class PyJWTError(Exception):
    """Any token that is not good."""


def encode(claims, secret, algorithm):
    """A signed token."""
    head = _encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    body = _encode(json.dumps(claims).encode())
    return f"{head}.{body}.{_sign(f'{head}.{body}', secret)}"


def decode(token, secret, algorithms, issuer, options):
    """The claims of a token, all checked."""
    try:
        head, body, signature = token.split(".")
        claims = json.loads(_decode(body))
        good = json.loads(_decode(head))["alg"] in algorithms
    except ValueError as error:
        raise PyJWTError("malformed") from error
    good = good and hmac.compare_digest(signature, _sign(f"{head}.{body}", secret))
    good = good and claims.get("iss") == issuer and set(options["require"]) <= set(claims)
    if not good or claims["exp"] <= time.time():
        raise PyJWTError("refused")
    return claims


def _sign(text, secret):
    return _encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())


def _encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def _decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
