-- What filter and summarise found.
CREATE TABLE relevances (
    post_id bigint PRIMARY KEY REFERENCES posts ON DELETE CASCADE,
    relevance double precision NOT NULL CHECK (relevance BETWEEN 0 AND 1),
    topics jsonb NOT NULL,
    method text NOT NULL
);
CREATE TABLE summaries (
    post_id bigint PRIMARY KEY REFERENCES posts ON DELETE CASCADE,
    summary text NOT NULL,
    method text NOT NULL
);
