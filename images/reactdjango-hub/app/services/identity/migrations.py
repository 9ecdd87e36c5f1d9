"""The tables of identity-service. Append only: a migration that was released never changes."""

MIGRATIONS = [
    """
    CREATE TABLE accounts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        email text NOT NULL UNIQUE,
        name text NOT NULL,
        password text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE revoked_tokens (
        id text PRIMARY KEY,
        expires_at timestamptz NOT NULL
    )
    """,
]
