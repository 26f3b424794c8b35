-- Which alerts were raised, and who took up each?
-- One row an alert, from `alerts`, where the same may stand several times: the first counts.
CREATE TABLE alerts (
    id text PRIMARY KEY,
    -- its place on the topic: alerts in the order in which they were raised
    number bigint NOT NULL,
    at timestamptz NOT NULL,
    rule text NOT NULL,
    severity text NOT NULL,
    -- 0 for the mildest
    rank smallint NOT NULL,
    -- whose it is: "" for one about Keytrail itself
    account text NOT NULL,
    key_id text,
    subject text NOT NULL,
    about text[] NOT NULL,
    title text NOT NULL,
    summary text NOT NULL,
    suppressed jsonb,
    evidence jsonb NOT NULL,
    source jsonb NOT NULL
);
-- queries.page and queries.after, in the order of raising
CREATE INDEX alerts_number ON alerts (number);
-- queries.page of one account
CREATE INDEX alerts_account ON alerts (account, number);
-- queries.page of one key
CREATE INDEX alerts_key ON alerts (key_id, number) WHERE key_id IS NOT NULL;
-- One row each time that somebody took up an alert, from `events`.
CREATE TABLE marks (
    alert text NOT NULL,
    position bigint NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    note text NOT NULL,
    principal text NOT NULL,
    call_id text NOT NULL
);
-- the last mark of an alert, and all of them
CREATE INDEX marks_alert ON marks (alert, position);
