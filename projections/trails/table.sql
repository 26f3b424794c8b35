-- What did a trail from elsewhere (AWS CloudTrail) say? One schema a trail.
-- Its records as they were read, one a call: what comes twice, or in two accounts' trails, is here once. Nothing is asked of
-- this table: `calls` is made of it, in the order of time, after each import.
CREATE TABLE records (
    id text PRIMARY KEY,
    at timestamptz NOT NULL,
    -- positions of our own log, in an export of it
    own_order bigint,
    own_seen bigint,
    -- says who called, where another record of the same call does not
    preferred bool NOT NULL,
    kind bytea NOT NULL,
    -- the record itself, where it changed something or is the first to name somebody
    raw json
);
-- What many records have in common: everything of them but their id and their time.
CREATE TABLE kinds (
    id bytea PRIMARY KEY,
    account text NOT NULL,
    principal text NOT NULL,
    access_key text NOT NULL,
    operation text NOT NULL,
    effect text NOT NULL,
    key_id text,
    about text,
    destination text,
    error text,
    message text,
    source text NOT NULL,
    agent text NOT NULL,
    via text,
    encryption_context jsonb,
    parameters jsonb NOT NULL,
    case_id bytea
);
CREATE TABLE cases (
    id bytea PRIMARY KEY,
    key_id text,
    destination text,
    account text NOT NULL,
    principal text NOT NULL,
    document json NOT NULL
);
-- What could not be read, with the reason. `id` is a digest of the source, the place and the text: the names of files have any
-- length, and another file may come later under the same name.
CREATE TABLE aside (id bytea PRIMARY KEY, source text NOT NULL, place text NOT NULL, reason text NOT NULL, raw text NOT NULL);
-- Up to where the trail's topic is in these tables: the offset of the next record.
CREATE TABLE topic_read (next bigint NOT NULL);
INSERT INTO topic_read VALUES (0);
-- The names of those who may read it: `owners` of every call.
CREATE TABLE readers (account text NOT NULL)
