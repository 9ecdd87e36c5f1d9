"""Documents in PostgreSQL."""

from typing import Any

_SHOWN = 50


class Documents:
    """The documents of the database; `pool` is a `bedplate_app.postgres.Pool`."""

    def __init__(self, pool: Any):
        self._pool = pool

    def add(self, owner: int, title: str, text: str) -> int:
        """Stores a document and returns its number."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO documents (owner, title, body) VALUES (%s, %s, %s) RETURNING id",
                (owner, title, text),
            )
            return cursor.fetchone()[0]

    def read(self, id: int) -> dict[str, Any] | None:
        """One document, whoever owns it."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "SELECT id, owner, title, body, stored_at FROM documents WHERE id = %s", (id,)
            )
            row = cursor.fetchone()
        return dict(zip(("id", "owner", "title", "text", "stored_at"), row)) if row else None

    def of(self, owner: int) -> list[dict[str, Any]]:
        """The newest documents of an owner, without their text."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "SELECT id, title FROM documents WHERE owner = %s ORDER BY id DESC LIMIT %s",
                (owner, _SHOWN),
            )
            return [{"id": id, "title": title} for id, title in cursor.fetchall()]
