-- What was done to whom, and what became of it. body holds what never changes.
CREATE TABLE actions (
    id              BLOB    NOT NULL PRIMARY KEY,
    tenant          TEXT    NOT NULL,
    actor           TEXT,
    item            BLOB,
    kind            TEXT    NOT NULL,
    at              INTEGER NOT NULL,
    until           INTEGER,
    strikes         INTEGER NOT NULL,
    strikes_until   INTEGER,
    cause           BLOB,
    -- 0 unasked, 1 awaited, 2 acknowledged, 3 missing.
    receipt         INTEGER NOT NULL,
    told            INTEGER NOT NULL,
    due_at          INTEGER,
    acknowledged_at INTEGER,
    reversed_by     BLOB,
    expired         INTEGER NOT NULL DEFAULT 0,
    body            TEXT    NOT NULL
);
CREATE INDEX actions_by_actor ON actions (tenant, actor, at);
CREATE INDEX actions_by_cause ON actions (cause) WHERE cause IS NOT NULL;
CREATE INDEX actions_overturned ON actions (item) WHERE reversed_by IS NOT NULL;
CREATE INDEX actions_due ON actions (due_at) WHERE receipt = 1;
CREATE INDEX actions_ending ON actions (until) WHERE until IS NOT NULL AND reversed_by IS NULL;

-- What is remembered of people across calls and texts; version counts the changes.
CREATE TABLE persons (
    tenant       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    PRIMARY KEY (tenant, actor)
) WITHOUT ROWID;

-- Severe actions per day that nobody but the policy decided. opened_at: the cap was reached.
CREATE TABLE breakers (
    tenant       TEXT    NOT NULL,
    day          INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    opened_at    INTEGER,
    PRIMARY KEY (tenant, day, kind)
) WITHOUT ROWID;

-- What the platform says of people, and the traces by which somebody who was banned is known again: keyed digests, never what they were
-- made of.
CREATE TABLE person_facts (
    tenant       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, actor)
) WITHOUT ROWID;
CREATE TABLE traces (
    tenant       TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    PRIMARY KEY (tenant, kind, digest, actor)
) WITHOUT ROWID;
CREATE INDEX traces_by_actor ON traces (tenant, actor);
CREATE TABLE trace_keys (
    tenant       TEXT    NOT NULL PRIMARY KEY,
    secret       TEXT    NOT NULL
) WITHOUT ROWID;
