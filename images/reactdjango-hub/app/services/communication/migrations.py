"""The tables of communication-service. Append only: a released migration never changes."""

MIGRATIONS = [
    """
    CREATE TABLE messages (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        sender text NOT NULL,
        recipient bigint NOT NULL,
        body text NOT NULL,
        sent_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    "CREATE INDEX messages_of_recipient ON messages (recipient, id DESC)",
]
