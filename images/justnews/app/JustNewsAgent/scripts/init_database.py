"""Brings the database to the newest schema: `python3 scripts/init_database.py`.

Safe to run at every boot and by two machines at once: the migrations that are done are in
`schema_migrations`, and all the others run in one transaction that holds a lock.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agents.common.articles import connect  # noqa: E402  (the path above comes first)
from agents.common.settings import SettingsError, database  # noqa: E402

# Append only: a migration that was released never changes.
MIGRATIONS = [
    """
    CREATE TABLE articles (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        url text NOT NULL UNIQUE,
        title text NOT NULL,
        body text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE findings (
        article_id bigint NOT NULL REFERENCES articles ON DELETE CASCADE,
        agent text NOT NULL,
        finding jsonb NOT NULL,
        PRIMARY KEY (article_id, agent)
    )
    """,
]

# Any number will do, as long as nothing else in this database locks on it.
_LOCK = 4001


def migrate(cursor) -> list[int]:
    """Runs the migrations that are not done yet; returns their numbers, from 1."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
    cursor.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        "version integer PRIMARY KEY, done_at timestamptz NOT NULL DEFAULT now())"
    )
    cursor.execute("SELECT coalesce(max(version), 0) FROM schema_migrations")
    done = cursor.fetchone()[0]
    if done > len(MIGRATIONS):
        raise SettingsError(f"the database is at version {done}, newer than {len(MIGRATIONS)}")
    for version in range(done + 1, len(MIGRATIONS) + 1):
        cursor.execute(MIGRATIONS[version - 1])
        cursor.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (version,))
    return list(range(done + 1, len(MIGRATIONS) + 1))


def main() -> None:
    """Migrates the database that the environment names."""
    try:
        connection = connect(database(os.environ))
        with connection, connection.cursor() as cursor:
            ran = migrate(cursor)
        connection.close()
    except SettingsError as error:
        sys.exit(f"init_database: {error}")
    print(f"init_database: ran {len(ran)} of {len(MIGRATIONS)} migrations")


if __name__ == "__main__":
    main()
