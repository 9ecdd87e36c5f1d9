"""The tables of content-service. Append only: a migration that was released never changes."""

MIGRATIONS = [
    """
    CREATE TABLE documents (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner bigint NOT NULL,
        title text NOT NULL,
        body text NOT NULL,
        stored_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX documents_of_owner ON documents (owner, id DESC)",
]
