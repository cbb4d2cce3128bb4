-- Times are nanoseconds since 1970 (UTC). Ids are 16-byte UUIDs. JSON columns hold the types of crate `pipeline`.

-- Judged items: one outcome each, for ever.
CREATE TABLE items (
    id           BLOB    NOT NULL UNIQUE,
    tenant       TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    decided_at   INTEGER NOT NULL,
    outcome      TEXT    NOT NULL
);

-- Every outcome that does something. Rows are only ever added.
CREATE TABLE audit (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    tenant       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    policy       TEXT    NOT NULL,
    item         BLOB    NOT NULL,
    action       TEXT    NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, at);

-- The embedded queue's memory: accepted, not judged yet. Small columns first, so that a scan never reads content.
CREATE TABLE journal (
    sequence     INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    tenant       TEXT    NOT NULL,
    lane         INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    bytes        INTEGER NOT NULL,
    dead         TEXT,
    envelope     TEXT    NOT NULL,
    body_text    TEXT,
    body_picture BLOB,
    CHECK ((body_text IS NULL) <> (body_picture IS NULL))
);
CREATE INDEX journal_dead ON journal (sequence) WHERE dead IS NOT NULL;

-- Texts kept for the context window.
CREATE TABLE context (
    sequence     INTEGER PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    conversation TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    body_text    TEXT    NOT NULL
);
CREATE INDEX context_by_author ON context (tenant, conversation, actor, at);
CREATE INDEX context_by_age ON context (at);

CREATE TABLE calls (
    tenant       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX calls_open ON calls (tenant, started_at) WHERE ended_at IS NULL;
CREATE INDEX calls_by_end ON calls (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE participants (
    tenant       TEXT    NOT NULL,
    call_id      TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    updated_at   INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    PRIMARY KEY (tenant, call_id, actor)
);
CREATE INDEX participants_by_age ON participants (updated_at);

-- AUTOINCREMENT: a sequence number is never given twice, even when the newest event has been deleted.
CREATE TABLE events (
    sequence     INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant       TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    data         TEXT    NOT NULL
);
CREATE INDEX events_by_tenant ON events (tenant, sequence);
CREATE INDEX events_by_age ON events (at);

-- The outbox of webhooks. state: 0 due, 1 done, 2 given up.
CREATE TABLE deliveries (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    event        INTEGER NOT NULL REFERENCES events (sequence) ON DELETE CASCADE,
    webhook      TEXT    NOT NULL,
    state        INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    done_at      INTEGER,
    error        TEXT
);
CREATE INDEX deliveries_due ON deliveries (due_at, id) WHERE state = 0;
CREATE INDEX deliveries_by_event ON deliveries (event);
CREATE INDEX deliveries_settled ON deliveries (created_at) WHERE state <> 0;

CREATE TABLE profiles (
    tenant       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    text_sha256  TEXT    NOT NULL,
    interests    TEXT    NOT NULL,
    bio          TEXT    NOT NULL,
    attributes   TEXT    NOT NULL,
    vector       BLOB    NOT NULL,
    updated_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Written by the health check: proves that the database takes writes.
CREATE TABLE heartbeat (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    beats        INTEGER NOT NULL
);
INSERT INTO heartbeat VALUES (1, 0);
