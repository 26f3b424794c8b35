-- Who asked for what, what was answered, and which statement or rule decided it?
-- One row a call, from `events` (changing calls: `position` is set) and from `decisions` (all others).
CREATE TABLE decisions (
    at timestamptz NOT NULL,
    -- where the record stands: its partition of `decisions`, or -1 for `events`; and its offset there
    origin smallint NOT NULL,
    record bigint NOT NULL,
    position bigint,
    seen bigint NOT NULL,
    call_id text NOT NULL,
    account text NOT NULL,
    principal text NOT NULL,
    access_key text NOT NULL,
    operation text NOT NULL,
    effect text NOT NULL,
    key_id text,
    -- of a changing call: the ARN of what it changes first
    about text,
    -- of a call that concerns two keys, the ARN of the second: of ReEncrypt, the one that it encrypts with; of UpdateAlias, the
    -- other one of those that lose and get the alias
    destination text,
    -- who may read of it: of a call across accounts that was denied, its caller's account alone
    owners text[] NOT NULL,
    -- what decided, in a word; the policy or grant; and the policy's version (of an inline policy, its position)
    kind text,
    decided_by text,
    policy_version text,
    sid text,
    statement int,
    rule text,
    error text,
    message text,
    source text NOT NULL,
    agent text NOT NULL,
    -- the service whose credential signed it, for itself or for the principal
    via text,
    encryption_context jsonb,
    event_type text,
    summary text NOT NULL,
    parameters jsonb NOT NULL,
    event jsonb,
    -- everything that the evaluator read and answered, and the key material that was used; null for what Keytrail did itself
    case_id bytea
);
-- What calls have in common: who asked, every input of the evaluator but the time, every permission and its reason, the
-- resources and the key material. Arrays and documents are kept once, not in every row.
CREATE TABLE cases (
    id bytea PRIMARY KEY,
    -- the key concerned, and the ARN of the second one
    key_id text,
    destination text,
    -- who asked
    account text NOT NULL,
    principal text NOT NULL,
    document json NOT NULL
);
-- The first decision that was read of each partition of `decisions`. A retention may have removed those before it.
CREATE TABLE firsts (
    origin smallint PRIMARY KEY,
    record bigint NOT NULL,
    at timestamptz NOT NULL
);
-- When these tables were made. What a retention had removed by then was decided before.
CREATE TABLE made (at timestamptz NOT NULL);
INSERT INTO made VALUES (now());
-- what a draft could change: the cases of a key, or of a principal; and queries.names_key, for which another account's use of a key
-- must make no difference, in its time either
CREATE INDEX cases_key ON cases (key_id, account) WHERE key_id IS NOT NULL;
CREATE INDEX cases_destination ON cases (destination) WHERE destination IS NOT NULL;
CREATE INDEX cases_principal ON cases (principal);
-- queries.page in the order of time, over all
CREATE INDEX decisions_at ON decisions (at, origin, record);
-- queries.page of one key
CREATE INDEX decisions_key ON decisions (key_id, at) WHERE key_id IS NOT NULL;
-- queries.page of one key's history: its few changes among perhaps a million uses
CREATE INDEX decisions_history ON decisions (key_id, at, origin, record) WHERE key_id IS NOT NULL AND position IS NOT NULL;
-- queries.page of what was changed
CREATE INDEX decisions_about ON decisions (about, at) WHERE about IS NOT NULL;
-- queries.page of one principal
CREATE INDEX decisions_principal ON decisions (principal, at);
-- uses.last_logins: the few sign-ins of users with perhaps a million calls
CREATE INDEX decisions_login ON decisions (principal, at) WHERE operation = 'ConsoleLogin' AND effect = 'allowed';
-- queries.events: the log's records by position
CREATE INDEX decisions_position ON decisions (position) WHERE position IS NOT NULL;
-- deciding again, in the order of the state that each was decided on; by itself it answers which case, how often and when
CREATE INDEX decisions_seen ON decisions (seen, case_id, at);
-- uses.last_use and queries.page: the second key of a call
CREATE INDEX decisions_destination ON decisions (destination, at) WHERE destination IS NOT NULL;
-- queries.one: a call by its id. A hash, since an id is long and nothing is asked of its order
CREATE INDEX decisions_call ON decisions USING hash (call_id);
