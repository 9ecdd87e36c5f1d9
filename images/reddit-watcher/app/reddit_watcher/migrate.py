"""Brings the database to the newest schema: `python3 -m reddit_watcher.migrate DIRECTORY`.

The directory holds `0001_name.sql`, `0002_name.sql` and so on, without a gap; one that was released
never changes.
"""

import os
import re
import sys
from pathlib import Path

from bedplate_app.postgres import migrate
from bedplate_app.program import run
from bedplate_app.settings import SettingsError, database


def load(directory: Path) -> list[str]:
    """The migrations of a directory in their order; raises `SettingsError` for a gap or a stray file."""
    files = sorted(directory.iterdir())
    for number, file in enumerate(files, 1):
        if not re.fullmatch(rf"{number:04}_[a-z0-9_]+\.sql", file.name):
            raise SettingsError(f"`{file}`: expected `{number:04}_name.sql`")
    return [file.read_text() for file in files]


def main() -> None:
    """Migrates the database that the environment names."""
    migrations = load(Path(sys.argv[1]))
    ran = migrate(database(os.environ), migrations)
    print(f"migrate: ran {len(ran)} of {len(migrations)} migrations")


if __name__ == "__main__":
    run("migrate", main)
