-- Which policies has a key had, and who put each?
CREATE TABLE policy_versions (
    key_id text NOT NULL,
    version int NOT NULL,
    document text NOT NULL,
    at timestamptz NOT NULL,
    position bigint NOT NULL,
    principal text NOT NULL,
    access_key text NOT NULL,
    call_id text NOT NULL,
    bypassed_lockout_check bool NOT NULL,
    locked_out bool NOT NULL,
    PRIMARY KEY (key_id, version)
);
