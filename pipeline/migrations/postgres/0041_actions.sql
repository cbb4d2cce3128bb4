-- What was done to whom, and what became of it. body holds what never changes.
CREATE TABLE actions (
    id              uuid    NOT NULL PRIMARY KEY,
    tenant          text    COLLATE "C" NOT NULL,
    actor           text    COLLATE "C",
    item            uuid,
    kind            text    NOT NULL,
    at              bigint  NOT NULL,
    until           bigint,
    strikes         bigint  NOT NULL,
    strikes_until   bigint,
    cause           uuid,
    -- 0 unasked, 1 awaited, 2 acknowledged, 3 missing.
    receipt         bigint  NOT NULL,
    told            bigint  NOT NULL,
    due_at          bigint,
    acknowledged_at bigint,
    reversed_by     uuid,
    expired         bigint  NOT NULL DEFAULT 0,
    body            text    NOT NULL
);
CREATE INDEX actions_by_actor ON actions (tenant, actor, at);
CREATE INDEX actions_by_cause ON actions (cause) WHERE cause IS NOT NULL;
CREATE INDEX actions_overturned ON actions (item) WHERE reversed_by IS NOT NULL;
CREATE INDEX actions_due ON actions (due_at) WHERE receipt = 1;
CREATE INDEX actions_ending ON actions (until) WHERE until IS NOT NULL AND reversed_by IS NULL;

-- What is remembered of people across calls and texts; version counts the changes.
CREATE TABLE persons (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    version      bigint  NOT NULL,
    updated_at   bigint  NOT NULL,
    state        text    NOT NULL,
    PRIMARY KEY (tenant, actor)
);

-- Severe actions per day that nobody but the policy decided. opened_at: the cap was reached.
CREATE TABLE breakers (
    tenant       text    COLLATE "C" NOT NULL,
    day          bigint  NOT NULL,
    kind         text    NOT NULL,
    count        bigint  NOT NULL,
    opened_at    bigint,
    PRIMARY KEY (tenant, day, kind)
);

-- What the platform says of people, and the traces by which somebody who was banned is known again: keyed digests, never what they were
-- made of.
CREATE TABLE person_facts (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, actor)
);
CREATE TABLE traces (
    tenant       text    COLLATE "C" NOT NULL,
    kind         text    NOT NULL,
    digest       text    NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, kind, digest, actor)
);
CREATE INDEX traces_by_actor ON traces (tenant, actor);
CREATE TABLE trace_keys (
    tenant       text    COLLATE "C" NOT NULL PRIMARY KEY,
    secret       text    NOT NULL
);
