"""The tables of workflow-intelligence-service. Append only: a released migration never changes."""

MIGRATIONS = [
    """
    CREATE TABLE runs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        owner bigint NOT NULL,
        document bigint NOT NULL,
        result jsonb NOT NULL,
        message bigint,
        ran_at timestamptz NOT NULL DEFAULT now()
    )
    """,
]
