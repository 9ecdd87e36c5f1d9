"""Articles and what the agents found out about them, in PostgreSQL."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bedplate_app.postgres import Pool
from bedplate_app.settings import Database
from psycopg2.extras import Json


@dataclass(frozen=True)
class Article:
    """One article; `findings` maps an agent to what it found out."""

    id: int
    url: str
    title: str
    text: str
    stored_at: datetime
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)


class Articles:
    """The articles of the database; safe to use from many threads."""

    def __init__(self, database: Database):
        self._pool = Pool(database)

    def ping(self) -> None:
        """Raises unless the database answers."""
        self._pool.ping()

    def store(self, url: str, title: str, text: str) -> int:
        """Stores an article and returns its id; the same URL again replaces title and text."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO articles (url, title, body) VALUES (%s, %s, %s)"
                " ON CONFLICT (url) DO UPDATE SET title = EXCLUDED.title, body = EXCLUDED.body"
                " RETURNING id",
                (url, title, text),
            )
            return cursor.fetchone()[0]

    def read(self, id: int) -> Article | None:
        """The article with its findings."""
        with self._pool.cursor() as cursor:
            cursor.execute("SELECT id, url, title, body, stored_at FROM articles WHERE id = %s", (id,))
            row = cursor.fetchone()
            if row is None:
                return None
            cursor.execute("SELECT agent, finding FROM findings WHERE article_id = %s", (id,))
            return Article(*row, findings=dict(cursor.fetchall()))

    def add_finding(self, id: int, agent: str, finding: dict[str, Any]) -> None:
        """Stores what `agent` found out, in place of what it found out before."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "INSERT INTO findings (article_id, agent, finding) VALUES (%s, %s, %s)"
                " ON CONFLICT (article_id, agent) DO UPDATE SET finding = EXCLUDED.finding",
                (id, agent, Json(finding)),
            )
