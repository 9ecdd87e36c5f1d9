"""Brings a service's database to the newest schema: `python3 migrate.py identity`.

Safe to run at every boot; the environment names the database.
"""

import importlib
import os
import sys

from bedplate_app import postgres
from bedplate_app.program import run
from common.settings import database


def main(service: str) -> None:
    """Runs the migrations that are not done yet."""
    migrations = importlib.import_module(f"{service}.migrations").MIGRATIONS
    ran = postgres.migrate(database(os.environ), migrations)
    print(f"{service}: ran {len(ran)} of {len(migrations)} migrations")


if __name__ == "__main__":
    run("migrate", lambda: main(sys.argv[1]))
