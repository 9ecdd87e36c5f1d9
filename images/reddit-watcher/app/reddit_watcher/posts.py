"""Posts and what became of them, in PostgreSQL."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bedplate_app.postgres import Pool
from psycopg2.extras import Json

# The way of a post; the last three are ends.
RETRIEVED, FILTERED, SUMMARISED = "retrieved", "filtered", "summarised"
ALERTED, REJECTED, FAILED = "alerted", "rejected", "failed"
ENDS = (ALERTED, REJECTED, FAILED)


@dataclass(frozen=True)
class NewPost:
    """A post as it comes from Reddit or from `POST /posts`; `reddit_id` says which one it is."""

    reddit_id: str
    subreddit: str
    title: str
    body: str
    url: str
    author: str
    score: int


@dataclass(frozen=True)
class Post:
    """A post that is stored, with what the agents added."""

    id: int
    reddit_id: str
    subreddit: str
    title: str
    body: str
    url: str
    author: str
    score: int
    state: str
    stored_at: datetime
    relevance: float | None = None
    topics: list[str] | None = None
    summary: str | None = None
    summary_method: str | None = None
    alerted_by: list[str] | None = None


_SELECT = """
    SELECT p.id, p.reddit_id, p.subreddit, p.title, p.body, p.url, p.author, p.score, p.state, p.stored_at,
           r.relevance, r.topics, s.summary, s.method,
           (SELECT array_agg(a.channel ORDER BY a.id) FROM alerts a WHERE a.post_id = p.id AND a.delivered)
    FROM posts p
    LEFT JOIN relevances r ON r.post_id = p.id
    LEFT JOIN summaries s ON s.post_id = p.id
"""


class Posts:
    """The posts of the database; safe to use from many threads."""

    def __init__(self, pool: Pool):
        self._pool = pool

    def ping(self) -> None:
        """Raises unless the database answers."""
        self._pool.ping()

    def add(self, post: NewPost) -> tuple[int, bool]:
        """Stores a post; returns its number, and whether it is new."""
        fields = vars(post)
        columns = ", ".join(fields)
        places = ", ".join(["%s"] * len(fields))
        with self._pool.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO posts ({columns}) VALUES ({places})"
                " ON CONFLICT (reddit_id) DO NOTHING RETURNING id",
                tuple(fields.values()),
            )
            row = cursor.fetchone()
            if row is not None:
                return row[0], True
        return self.find(post.reddit_id), False

    def find(self, reddit_id: str) -> int | None:
        """The number of a post."""
        with self._pool.cursor() as cursor:
            cursor.execute("SELECT id FROM posts WHERE reddit_id = %s", (reddit_id,))
            row = cursor.fetchone()
            return row[0] if row else None

    def read(self, id: int) -> Post | None:
        """One post."""
        found = self._select("WHERE p.id = %s", (id,))
        return found[0] if found else None

    def recent(self, count: int) -> list[Post]:
        """The newest posts."""
        return self._select("ORDER BY p.id DESC LIMIT %s", (count,))

    def unfinished(self, count: int) -> list[int]:
        """Numbers of posts that are still on their way, oldest first."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM posts WHERE NOT state = ANY (%s) ORDER BY id LIMIT %s",
                (list(ENDS), count),
            )
            return [id for (id,) in cursor.fetchall()]

    def set_state(self, id: int, state: str) -> None:
        """Notes how far a post has come."""
        self._execute("UPDATE posts SET state = %s WHERE id = %s", (state, id))

    def count_attempt(self, id: int) -> int:
        """Counts that an agent refused a post; returns how often that was."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "UPDATE posts SET attempts = attempts + 1 WHERE id = %s RETURNING attempts", (id,)
            )
            return cursor.fetchone()[0]

    def set_relevance(self, id: int, relevance: float, topics: list[str], method: str) -> None:
        """Stores what filter found, in place of what it found before."""
        self._execute(
            "INSERT INTO relevances (post_id, relevance, topics, method) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (post_id) DO UPDATE SET relevance = EXCLUDED.relevance,"
            " topics = EXCLUDED.topics, method = EXCLUDED.method",
            (id, relevance, Json(topics), method),
        )

    def set_summary(self, id: int, summary: str, method: str) -> None:
        """Stores a summary, in place of the one before."""
        self._execute(
            "INSERT INTO summaries (post_id, summary, method) VALUES (%s, %s, %s)"
            " ON CONFLICT (post_id) DO UPDATE SET summary = EXCLUDED.summary, method = EXCLUDED.method",
            (id, summary, method),
        )

    def add_alert(self, id: int, channel: str, delivered: bool) -> None:
        """Notes that a post was announced, or could not be."""
        self._execute(
            "INSERT INTO alerts (post_id, channel, delivered) VALUES (%s, %s, %s)",
            (id, channel, delivered),
        )

    def delivered_by(self, id: int) -> set[str]:
        """The channels that a post went through."""
        with self._pool.cursor() as cursor:
            cursor.execute("SELECT channel FROM alerts WHERE post_id = %s AND delivered", (id,))
            return {channel for (channel,) in cursor.fetchall()}

    def start_workflow(self, trigger: str) -> int:
        """Notes that posts were looked for; returns the number of the workflow."""
        with self._pool.cursor() as cursor:
            cursor.execute("INSERT INTO workflows (trigger) VALUES (%s) RETURNING id", (trigger,))
            return cursor.fetchone()[0]

    def end_workflow(self, id: int, result: str, posts: int) -> None:
        """Notes how a workflow ended, and how many new posts it had."""
        self._execute(
            "UPDATE workflows SET ended_at = now(), result = %s, posts = %s WHERE id = %s",
            (result, posts, id),
        )

    def workflows(self, count: int) -> list[dict[str, Any]]:
        """The newest workflows."""
        keys = ("id", "trigger", "started_at", "ended_at", "result", "posts")
        with self._pool.cursor() as cursor:
            cursor.execute(
                f"SELECT {', '.join(keys)} FROM workflows ORDER BY id DESC LIMIT %s", (count,)
            )
            return [dict(zip(keys, row)) for row in cursor.fetchall()]

    def newest(self) -> float:
        """When the newest post was stored, in seconds since 1970; 0 for never."""
        with self._pool.cursor() as cursor:
            cursor.execute("SELECT coalesce(extract(epoch FROM max(stored_at)), 0) FROM posts")
            return float(cursor.fetchone()[0])

    def prune(self, days: int) -> int:
        """Forgets posts that ended more than `days` days ago; returns how many."""
        with self._pool.cursor() as cursor:
            cursor.execute(
                "DELETE FROM posts WHERE state = ANY (%s) AND stored_at < now() - make_interval(days => %s)",
                (list(ENDS), days),
            )
            return cursor.rowcount

    def _select(self, clause: str, values: tuple) -> list[Post]:
        with self._pool.cursor() as cursor:
            cursor.execute(_SELECT + clause, values)
            return [Post(*row) for row in cursor.fetchall()]

    def _execute(self, statement: str, values: tuple) -> None:
        with self._pool.cursor() as cursor:
            cursor.execute(statement, values)
