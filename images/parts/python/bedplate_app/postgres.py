"""Connections to PostgreSQL, and the migrations of a database."""

import select
import threading
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.pool import ThreadedConnectionPool

from .settings import Database, SettingsError

# Any number will do, as long as nothing else in the database locks on it.
_LOCK = 4001


def connect(database: Database):
    """One connection; the caller closes it."""
    return psycopg2.connect(**_parameters(database))


class Pool:
    """The connections of one program; safe to use from many threads."""

    def __init__(self, database: Database):
        # None is made yet: a program that starts while its database is away says so in `/health`, and
        # is not restarted for it. From then on as many are kept as `minconn` says.
        self._pool = ThreadedConnectionPool(0, database.pool_max, **_parameters(database))
        self._pool.minconn = database.pool_min
        # The pool raises when it is empty; waiting is what callers want.
        self._free = threading.BoundedSemaphore(database.pool_max)

    def ping(self) -> None:
        """Raises unless the database answers."""
        with self.cursor() as cursor:
            cursor.execute("SELECT 1")

    @contextmanager
    def cursor(self):
        """A cursor in a transaction of its own."""
        with self._free:
            connection = self._connection()
            try:
                with connection, connection.cursor() as cursor:
                    yield cursor
            finally:
                # A connection that broke is closed by now, and the pool drops it.
                self._pool.putconn(connection)

    def _connection(self):
        """A connection that the server has not closed: after its restart all kept ones are dead."""
        while _hung_up(connection := self._pool.getconn()):
            self._pool.putconn(connection, close=True)
        return connection


def migrate(database: Database, migrations: list[str]) -> list[int]:
    """Runs the migrations that are not done yet; returns their numbers, from 1.

    Safe to run at every boot and by two programs at once: what is done stands in
    `schema_migrations`, and the rest runs in one transaction that holds a lock.
    """
    connection = connect(database)
    try:
        with connection, connection.cursor() as cursor:
            return run_migrations(cursor, migrations)
    finally:
        connection.close()


def run_migrations(cursor, migrations: list[str]) -> list[int]:
    """As `migrate`, in the transaction of `cursor`."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "version integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now())"
    )
    cursor.execute("SELECT coalesce(max(version), 0) FROM schema_migrations")
    done = cursor.fetchone()[0]
    if done > len(migrations):
        raise SettingsError(f"the database is at version {done}, newer than {len(migrations)}")
    for version in range(done + 1, len(migrations) + 1):
        cursor.execute(migrations[version - 1])
        cursor.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (version,))
    return list(range(done + 1, len(migrations) + 1))


def _hung_up(connection) -> bool:
    """Whether the server has said good-bye: an idle connection has nothing else to read."""
    # Not `select`: it knows no file descriptor past 1023.
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _parameters(database: Database) -> dict[str, Any]:
    return {
        "host": database.host,
        "port": database.port,
        "dbname": database.name,
        "user": database.user,
        "password": database.password,
        "connect_timeout": database.connect_timeout,
        "options": "-c statement_timeout=20000",
    }
