"""Runs in PostgreSQL."""

from typing import Any

from psycopg2.extras import Json


class Runs:
    """The runs of the database; `pool` is a `bedplate_app.postgres.Pool`."""

    def __init__(self, pool: Any):
        self._pool = pool

    def add(self, owner: int, document: int, result: dict[str, Any]) -> int:
        """Stores what a run found out, and returns its number."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO runs (owner, document, result) VALUES (%s, %s, %s) RETURNING id",
                (owner, document, Json(result)),
            )
            return cursor.fetchone()[0]

    def told(self, id: int, message: int) -> None:
        """Notes which message told the owner of a run."""
        with self._pool.cursor() as cursor:
            cursor.execute("UPDATE runs SET message = %s WHERE id = %s", (message, id))

    def read(self, id: int) -> dict[str, Any] | None:
        """One run, whoever owns it."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "SELECT id, owner, document, result, message FROM runs WHERE id = %s", (id,)
            )
            row = cursor.fetchone()
        return dict(zip(("id", "owner", "document", "result", "message"), row)) if row else None
