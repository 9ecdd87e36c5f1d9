"""Messages in PostgreSQL."""

from typing import Any

_SHOWN = 50


class Messages:
    """The messages of the database; `pool` is a `bedplate_app.postgres.Pool`."""

    def __init__(self, pool: Any):
        self._pool = pool

    def add(self, sender: str, recipient: int, text: str) -> int:
        """Stores a message and returns its number."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO messages (sender, recipient, body) VALUES (%s, %s, %s) RETURNING id",
                (sender, recipient, text),
            )
            return cursor.fetchone()[0]

    def of(self, recipient: int) -> list[dict[str, Any]]:
        """The newest messages to a recipient."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "SELECT id, sender, body, sent_at FROM messages WHERE recipient = %s"
                " ORDER BY id DESC LIMIT %s",
                (recipient, _SHOWN),
            )
            names = ("id", "sender", "text", "sent_at")
            return [dict(zip(names, row)) for row in cursor.fetchall()]
