-- Through which channels posts were announced, and when posts were looked for.
CREATE TABLE alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    channel text NOT NULL,
    delivered boolean NOT NULL,
    tried_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX alerts_post ON alerts (post_id);
CREATE TABLE workflows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trigger text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz,
    result text,
    posts integer
);
