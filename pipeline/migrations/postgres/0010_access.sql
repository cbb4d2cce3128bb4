-- API keys. The key itself is nowhere: `digest` is its SHA-256. Rows are revoked, never deleted.
CREATE TABLE keys (
    id           uuid    PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    name         text    NOT NULL,
    digest       bytea   NOT NULL UNIQUE,
    hint         text    NOT NULL,
    scopes       text    NOT NULL,
    require_signature boolean NOT NULL,
    limits       text    NOT NULL,
    created_at   bigint  NOT NULL,
    expires_at   bigint,
    revoked_at   bigint,
    last_used_at bigint
);
CREATE INDEX keys_by_tenant ON keys (tenant, id);

-- Rises with every change of the keys.
CREATE TABLE key_revision (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision     bigint  NOT NULL
);
INSERT INTO key_revision (revision) VALUES (0);

-- Signatures of requests that were seen, as long as they would be valid.
CREATE TABLE signatures (
    digest       bytea   PRIMARY KEY,
    until        bigint  NOT NULL
);
CREATE INDEX signatures_by_age ON signatures (until);

-- What keys have used of their limits, all processes together. Every process writes its row once a second while it is called.
CREATE TABLE limit_usage (
    bucket       text    COLLATE "C" PRIMARY KEY,
    used         bigint  NOT NULL
) WITH (fillfactor = 50);

-- Whose event a delivery tells: the log is read by it. A process of the version before writes '' while it still runs.
ALTER TABLE deliveries ADD COLUMN tenant text COLLATE "C" NOT NULL DEFAULT '';
UPDATE deliveries d SET tenant = e.tenant FROM events e WHERE e.sequence = d.event;
CREATE INDEX deliveries_by_tenant ON deliveries (tenant, id);
