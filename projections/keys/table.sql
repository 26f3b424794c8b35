-- Which keys are there, and how they are now?
CREATE TABLE keys (
    key_id text PRIMARY KEY,
    account text NOT NULL,
    arn text NOT NULL,
    spec text NOT NULL,
    usage text NOT NULL,
    origin text NOT NULL,
    state text NOT NULL,
    description text NOT NULL,
    tags jsonb NOT NULL,
    policy_version int NOT NULL,
    -- the service that manages it for the account; null for the account itself
    manager text,
    -- when a scheduled deletion falls due; a deleted key stays, in the state Deleted
    deletion_at timestamptz,
    -- of automatic rotation; null where there is none
    rotation_days int,
    next_rotation_at timestamptz,
    -- when the material that was imported last expires; null for never
    expires_at timestamptz,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    position bigint NOT NULL
);
-- queries.page: an account's keys in the order of their ids
CREATE INDEX keys_account ON keys (account, key_id);
