-- Posts, each once, and how far they have come.
CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reddit_id text NOT NULL UNIQUE,
    subreddit text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    url text NOT NULL,
    author text NOT NULL,
    score integer NOT NULL,
    state text NOT NULL DEFAULT 'retrieved'
        CHECK (state IN ('retrieved', 'filtered', 'summarised', 'alerted', 'rejected', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX posts_unfinished ON posts (id) WHERE state NOT IN ('alerted', 'rejected', 'failed');
CREATE INDEX posts_stored_at ON posts (stored_at);
