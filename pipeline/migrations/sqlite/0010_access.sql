-- API keys. The key itself is nowhere: `digest` is its SHA-256. Rows are revoked, never deleted.
CREATE TABLE keys (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    digest       BLOB    NOT NULL UNIQUE,
    hint         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    require_signature INTEGER NOT NULL,
    limits       TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER,
    last_used_at INTEGER
);
CREATE INDEX keys_by_tenant ON keys (tenant, id);

-- Rises with every change of the keys.
CREATE TABLE key_revision (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    revision     INTEGER NOT NULL
);
INSERT INTO key_revision VALUES (1, 0);

-- Signatures of requests that were seen, as long as they would be valid.
CREATE TABLE signatures (
    digest       BLOB    NOT NULL PRIMARY KEY,
    until        INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX signatures_by_age ON signatures (until);

-- What keys have used of their limits, all processes together.
CREATE TABLE limit_usage (
    bucket       TEXT    NOT NULL PRIMARY KEY,
    used         INTEGER NOT NULL
) WITHOUT ROWID;

-- Whose event a delivery tells: the log is read by it.
ALTER TABLE deliveries ADD COLUMN tenant TEXT NOT NULL DEFAULT '';
UPDATE deliveries SET tenant = coalesce((SELECT e.tenant FROM events e WHERE e.sequence = deliveries.event), '');
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, id);
