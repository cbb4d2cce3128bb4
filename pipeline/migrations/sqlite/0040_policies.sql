-- Policies of tenants: every text that was ever handed in, and what was put into force when. Rows are only ever added.
CREATE TABLE policies (
    tenant       TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    digest       TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, number)
) WITHOUT ROWID;
CREATE UNIQUE INDEX policies_by_digest ON policies (tenant, digest);

-- The highest revision of a tenant is what is in force.
CREATE TABLE rollouts (
    tenant       TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, revision)
) WITHOUT ROWID;

-- How many items a revision judged and let pass. side: 0 live, 1 canary.
CREATE TABLE rollout_tallies (
    tenant       TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    side         INTEGER NOT NULL,
    judged       INTEGER NOT NULL,
    passed       INTEGER NOT NULL,
    PRIMARY KEY (tenant, revision, side)
) WITHOUT ROWID;

-- Backtests: body says what was asked, how far it is, and what came of it. done: 1 when it came to its end.
CREATE TABLE backtests (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    digest       TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    done         INTEGER NOT NULL,
    body         TEXT    NOT NULL
);
CREATE INDEX backtests_by_tenant ON backtests (tenant, started_at);
