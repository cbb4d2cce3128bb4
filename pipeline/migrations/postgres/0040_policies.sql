-- Policies of tenants: every text that was ever handed in, and what was put into force when. Rows are only ever added.
CREATE TABLE policies (
    tenant       text    COLLATE "C" NOT NULL,
    number       bigint  NOT NULL,
    digest       text    NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, number)
);
CREATE UNIQUE INDEX policies_by_digest ON policies (tenant, digest);

-- The highest revision of a tenant is what is in force.
CREATE TABLE rollouts (
    tenant       text    COLLATE "C" NOT NULL,
    revision     bigint  NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, revision)
);

-- How many items a revision judged and let pass. side: 0 live, 1 canary.
CREATE TABLE rollout_tallies (
    tenant       text    COLLATE "C" NOT NULL,
    revision     bigint  NOT NULL,
    side         smallint NOT NULL,
    judged       bigint  NOT NULL,
    passed       bigint  NOT NULL,
    PRIMARY KEY (tenant, revision, side)
);

-- Backtests: body says what was asked, how far it is, and what came of it. done: 1 when it came to its end.
CREATE TABLE backtests (
    id           uuid    NOT NULL PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    digest       text    NOT NULL,
    started_at   bigint  NOT NULL,
    done         bigint  NOT NULL,
    body         text    NOT NULL
);
CREATE INDEX backtests_by_tenant ON backtests (tenant, started_at);
