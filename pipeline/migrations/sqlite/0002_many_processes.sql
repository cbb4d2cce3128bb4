-- Only adds: rows of the first version stay as they are.

-- Counts the changes of a participant's state; what read an older one may not write.
ALTER TABLE participants ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- When the item was given up; NULL for those of the first version.
ALTER TABLE journal ADD COLUMN dead_at INTEGER;

-- When a claimed delivery was due before it was claimed; NULL while nobody holds it.
ALTER TABLE deliveries ADD COLUMN claimed_from INTEGER;
CREATE INDEX deliveries_claimed ON deliveries (id) WHERE claimed_from IS NOT NULL;

-- Who does a duty, and until when.
CREATE TABLE duties (
    duty         TEXT    NOT NULL PRIMARY KEY,
    holder       TEXT    NOT NULL,
    held_until   INTEGER NOT NULL
);

-- How far a relay has published the events.
CREATE TABLE relays (
    relay        TEXT    NOT NULL PRIMARY KEY,
    position     INTEGER NOT NULL
);

-- Who is connected to the platform.
CREATE TABLE presence (
    tenant       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    connected    INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (tenant, actor)
);
CREATE INDEX presence_left ON presence (at) WHERE connected = 0;

-- What people reported. Kept: reports are evidence.
CREATE TABLE reports (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    reporter     TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    body         TEXT    NOT NULL
);
CREATE INDEX reports_by_subject ON reports (tenant, subject, at);
