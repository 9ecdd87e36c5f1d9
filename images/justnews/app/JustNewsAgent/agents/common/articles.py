"""Articles and what the agents found out about them, in PostgreSQL."""

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg2
from psycopg2.extras import Json
from psycopg2.pool import ThreadedConnectionPool

from .settings import Database


@dataclass(frozen=True)
class Article:
    """One article; `findings` maps an agent to what it found out."""

    id: int
    url: str
    title: str
    text: str
    stored_at: datetime
    findings: dict[str, dict[str, Any]] = field(default_factory=dict)


def connect(database: Database):
    """One connection; the caller closes it."""
    return psycopg2.connect(**_parameters(database))


class Articles:
    """The articles of the database; safe to use from many threads."""

    def __init__(self, database: Database):
        self._pool = ThreadedConnectionPool(
            database.pool_min, database.pool_max, **_parameters(database)
        )
        # The pool raises when it is empty; waiting is what callers want.
        self._free = threading.BoundedSemaphore(database.pool_max)

    def ping(self) -> None:
        """Raises unless the database answers."""
        with self._cursor() as cursor:
            cursor.execute("SELECT 1")

    def store(self, url: str, title: str, text: str) -> int:
        """Stores an article and returns its id; the same URL again replaces title and text."""
        with self._cursor() as cursor:
            cursor.execute(
                "INSERT INTO articles (url, title, body) VALUES (%s, %s, %s)"
                " ON CONFLICT (url) DO UPDATE SET title = EXCLUDED.title, body = EXCLUDED.body"
                " RETURNING id",
                (url, title, text),
            )
            return cursor.fetchone()[0]

    def read(self, id: int) -> Article | None:
        """The article with its findings."""
        with self._cursor() as cursor:
            cursor.execute("SELECT id, url, title, body, stored_at FROM articles WHERE id = %s", (id,))
            row = cursor.fetchone()
            if row is None:
                return None
            cursor.execute("SELECT agent, finding FROM findings WHERE article_id = %s", (id,))
            return Article(*row, findings=dict(cursor.fetchall()))

    def add_finding(self, id: int, agent: str, finding: dict[str, Any]) -> None:
        """Stores what `agent` found out, in place of what it found out before."""
        with self._cursor() as cursor:
            cursor.execute(
                "INSERT INTO findings (article_id, agent, finding) VALUES (%s, %s, %s)"
                " ON CONFLICT (article_id, agent) DO UPDATE SET finding = EXCLUDED.finding",
                (id, agent, Json(finding)),
            )

    @contextmanager
    def _cursor(self):
        """A cursor in a transaction of its own."""
        with self._free:
            connection = self._pool.getconn()
            try:
                with connection, connection.cursor() as cursor:
                    yield cursor
            finally:
                # A connection that broke is closed by now, and the pool drops it.
                self._pool.putconn(connection)


def _parameters(database: Database) -> dict[str, Any]:
    return {
        "host": database.host,
        "dbname": database.name,
        "user": database.user,
        "password": database.password,
        "connect_timeout": 10,
        "application_name": "justnews",
        "options": "-c statement_timeout=20000",
    }
