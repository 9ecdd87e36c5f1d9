"""Passwords as they are stored: scrypt (RFC 7914) with a salt of its own for each."""

import hashlib
import hmac
import os

_COST, _BLOCK, _LANES = 1 << 14, 8, 1


def store(password: str) -> str:
    """What is stored of a password."""
    salt = os.urandom(16)
    return f"scrypt${salt.hex()}${_derive(password, salt).hex()}"


def matches(password: str, stored: str) -> bool:
    """Whether a password is the stored one."""
    kind, salt, derived = stored.split("$")
    if kind != "scrypt":
        return False
    return hmac.compare_digest(_derive(password, bytes.fromhex(salt)), bytes.fromhex(derived))


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_LANES, dklen=32)
