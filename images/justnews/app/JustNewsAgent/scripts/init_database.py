"""Brings the database to the newest schema: `python3 scripts/init_database.py`."""

import os
import sys

from bedplate_app.postgres import migrate
from bedplate_app.settings import SettingsError, database

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


def main() -> None:
    """Migrates the database that the environment names."""
    try:
        ran = migrate(database(os.environ), MIGRATIONS)
    except SettingsError as error:
        sys.exit(f"init_database: {error}")
    print(f"init_database: ran {len(ran)} of {len(MIGRATIONS)} migrations")


if __name__ == "__main__":
    main()
