"""Agents and their executions, in PostgreSQL: written to the primary, read from the standby."""

import logging
from dataclasses import asdict
from typing import Any
from uuid import UUID

import psycopg2
from psycopg2.extras import Json

from bedplate_app.postgres import Pool
from bedplate_app.settings import Database

from .swarm import Found, Task

_AGENT = "id::text, user_id, name, status, settings, created_at"
_EXECUTION = "id, agent_id::text, instance, status, task, result, created_at, finished_at"
_SHOWN = 50
_log = logging.getLogger(__name__)

Row = dict[str, Any]


class Standby:
    """The pool of the standby, made when it is first asked: a back end starts without it."""

    def __init__(self, database: Database):
        self._database = database
        self._pool: Pool | None = None

    def ping(self) -> None:
        """Raises unless the standby answers."""
        self.pool().ping()

    def pool(self) -> Pool:
        """The pool; raises while the standby is away. Two threads may make one each, once."""
        if self._pool is None:
            self._pool = Pool(self._database)
        return self._pool


class Agents:
    """The agents of the database; safe to use from many threads. Rows are what JSON shows."""

    def __init__(self, primary: Pool, standby: Standby):
        self.primary = primary
        self.standby = standby

    def create(self, user: str, name: str, settings: dict[str, Any]) -> Row:
        """A new agent."""
        query = f"INSERT INTO agents (user_id, name, settings) VALUES (%s, %s, %s) RETURNING {_AGENT}"
        return _rows(self.primary, query, (user, name, Json(settings)))[0]

    def read(self, id: str) -> Row | None:
        """One agent; a new one may not have reached the standby yet, so that the primary is asked too."""
        query = f"SELECT {_AGENT} FROM agents WHERE id = %s"
        rows = self._read(query, (id,)) or _rows(self.primary, query, (id,))
        return rows[0] if rows else None

    def newest(self, user: str | None, status: str | None) -> list[Row]:
        """The newest agents, of one user or status where one is named."""
        query = (
            f"SELECT {_AGENT} FROM agents WHERE (%(user)s IS NULL OR user_id = %(user)s)"
            " AND (%(status)s IS NULL OR status = %(status)s)"
            f" ORDER BY created_at DESC LIMIT {_SHOWN}"
        )
        return self._read(query, {"user": user, "status": status})

    def executions(self, id: str) -> list[Row]:
        """The newest executions of an agent."""
        query = (
            f"SELECT {_EXECUTION} FROM agent_executions WHERE agent_id = %s"
            f" ORDER BY created_at DESC LIMIT {_SHOWN}"
        )
        return self._read(query, (id,))

    def begin(self, id: str, instance: str, task: Task) -> tuple[Row, int]:
        """Notes that an agent runs; returns it and the number of the execution."""
        with self.primary.cursor() as cursor:
            agent = _set_status(cursor, id, "running")
            cursor.execute(
                "INSERT INTO agent_executions (agent_id, instance, task) VALUES (%s, %s, %s) RETURNING id",
                (id, instance, Json(asdict(task))),
            )
            return agent, cursor.fetchone()[0]

    def finish(self, id: str, execution: int, found: Found | None) -> tuple[Row, Row]:
        """Notes how an execution ended, `None` for badly; returns agent and execution."""
        status = "done" if found else "failed"
        with self.primary.cursor() as cursor:
            cursor.execute(
                "UPDATE agent_executions SET status = %s, result = %s, finished_at = now()"
                f" WHERE id = %s RETURNING {_EXECUTION}",
                (status, Json(asdict(found)) if found else None, execution),
            )
            execution_row = _fetch(cursor)[0]
            return _set_status(cursor, id, "ready" if found else "failed"), execution_row

    def interrupt(self, instance: str) -> list[str]:
        """Ends what `instance` was running when it was killed; returns the agents, which can run again."""
        with self.primary.cursor() as cursor:
            cursor.execute(
                "UPDATE agent_executions SET status = 'interrupted', finished_at = now()"
                " WHERE instance = %s AND status = 'running' RETURNING agent_id::text",
                (instance,),
            )
            ids = sorted({id for (id,) in cursor.fetchall()})
            for id in ids:
                _set_status(cursor, id, "ready")
            return ids

    def _read(self, query: str, parameters: Any) -> list[Row]:
        try:
            return _rows(self.standby.pool(), query, parameters)
        except psycopg2.Error as error:
            _log.warning("the standby does not answer (%s): asking the primary", type(error).__name__)
            return _rows(self.primary, query, parameters)


def is_id(text: str) -> bool:
    """Whether `text` can be the id of an agent."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _set_status(cursor, id: str, status: str) -> Row:
    cursor.execute(f"UPDATE agents SET status = %s WHERE id = %s RETURNING {_AGENT}", (status, id))
    return _fetch(cursor)[0]


def _rows(pool: Pool, query: str, parameters: Any) -> list[Row]:
    with pool.cursor() as cursor:
        cursor.execute(query, parameters)
        return _fetch(cursor)


def _fetch(cursor) -> list[Row]:
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, values)) for values in cursor.fetchall()]
    # As JSON shows them, so that a row of the database and one of the cache are the same.
    return [{key: _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value
