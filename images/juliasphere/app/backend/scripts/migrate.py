"""Brings the database to the newest schema: `python3 scripts/migrate.py`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bedplate_app.postgres import migrate  # noqa: E402  (the path above comes first)
from bedplate_app.program import run  # noqa: E402
from juliaos.settings import primary_of  # noqa: E402

# Append only: a migration that was released never changes. The indexes are made with their empty
# tables, so that nothing is locked for long and none of them needs CONCURRENTLY.
MIGRATIONS = [
    """
    CREATE TABLE agents (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
        user_id text NOT NULL,
        name text NOT NULL,
        status text NOT NULL DEFAULT 'ready' CHECK (status IN ('ready', 'running', 'failed')),
        settings jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX idx_agents_status ON agents(status);
    CREATE INDEX idx_agents_user_id ON agents(user_id);
    """,
    """
    CREATE TABLE agent_executions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        agent_id uuid NOT NULL REFERENCES agents ON DELETE CASCADE,
        instance text NOT NULL,
        status text NOT NULL DEFAULT 'running'
            CHECK (status IN ('running', 'done', 'failed', 'interrupted')),
        task jsonb NOT NULL,
        result jsonb,
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    );
    CREATE INDEX idx_agent_executions_timestamp ON agent_executions(created_at);
    """,
]


def main() -> None:
    """Migrates the database that the environment names."""
    ran = migrate(primary_of(os.environ), MIGRATIONS)
    print(f"migrate: ran {len(ran)} of {len(MIGRATIONS)} migrations")


if __name__ == "__main__":
    run("migrate", main)
