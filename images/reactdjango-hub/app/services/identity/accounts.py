"""Accounts and revoked tokens, in PostgreSQL."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Account:
    """One person."""

    id: int
    email: str
    name: str
    password: str = field(repr=False)

    def public(self) -> dict[str, Any]:
        """What may be shown."""
        return {"id": self.id, "email": self.email, "name": self.name}


class Accounts:
    """The accounts of the database; `pool` is a `bedplate_app.postgres.Pool`."""

    def __init__(self, pool: Any):
        self._pool = pool

    def add(self, email: str, name: str, password: str) -> Account | None:
        """A new account, or `None` when the address is taken."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts (email, name, password) VALUES (%s, %s, %s)"
                " ON CONFLICT (email) DO NOTHING RETURNING id, email, name, password",
                (email, name, password),
            )
            return _account(cursor.fetchone())

    def by_email(self, email: str) -> Account | None:
        """The account of an address."""
        return self._find("email", email)

    def by_id(self, id: int) -> Account | None:
        """The account of a number."""
        return self._find("id", id)

    def revoke(self, id: str, expires_at: datetime) -> None:
        """Notes that a token is not good any more, and drops what has expired by itself."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO revoked_tokens (id, expires_at) VALUES (%s, %s)"
                " ON CONFLICT (id) DO NOTHING",
                (id, expires_at),
            )
            cursor.execute("DELETE FROM revoked_tokens WHERE expires_at < now() - interval '1 day'")

    def revoked(self, id: str) -> bool:
        """Whether a token was revoked."""
        with self._pool.cursor() as cursor:
            cursor.execute("SELECT 1 FROM revoked_tokens WHERE id = %s", (id,))
            return cursor.fetchone() is not None

    def _find(self, column: str, value: Any) -> Account | None:
        with self._pool.cursor() as cursor:
            cursor.execute(
                f"SELECT id, email, name, password FROM accounts WHERE {column} = %s", (value,)
            )
            return _account(cursor.fetchone())


def _account(row: tuple | None) -> Account | None:
    return Account(*row) if row else None
