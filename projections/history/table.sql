-- What was true at any time?
-- One row a version of a key, alias, grant, account, service, identity or managed policy: true after the record at
-- `position`, until the one at `until_position` (the largest bigint where it is so still).
CREATE TABLE history (
    kind text NOT NULL,
    id text NOT NULL,
    account text NOT NULL,
    -- the key that an alias or grant is of
    about text,
    -- the ARN that an identity or managed policy is found by
    arn text,
    position bigint NOT NULL,
    at timestamptz NOT NULL,
    until_position bigint NOT NULL,
    until_at timestamptz,
    document json NOT NULL,
    -- of a key: its policy, in texts
    policy text,
    PRIMARY KEY (kind, id, position)
);
-- queries.key, and closing a version: the newest of one
CREATE UNIQUE INDEX history_still ON history (kind, id) WHERE until_position = 9223372036854775807;
-- queries.about: a key's aliases and grants
CREATE INDEX history_about ON history (about, until_position) WHERE about IS NOT NULL;
-- queries.of_accounts: everything of an account but its keys, aliases and grants
CREATE INDEX history_account ON history (account, kind, until_position);
-- queries.principal
CREATE INDEX history_arn ON history (arn, until_position) WHERE arn IS NOT NULL;
-- Texts of key policies, once each: most keys have the same one.
CREATE TABLE texts (digest text PRIMARY KEY, text text NOT NULL);
-- When the record at each position was decided; times never fall.
CREATE TABLE moments (position bigint PRIMARY KEY, at timestamptz NOT NULL);
-- queries.position_at
CREATE INDEX moments_at ON moments (at, position);
