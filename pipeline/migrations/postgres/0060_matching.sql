-- Matching: what people say of themselves and seek, what is remembered of them, who liked whom, who met, who waits.
ALTER TABLE profiles ADD COLUMN terms text NOT NULL DEFAULT '{}';

-- What is remembered of a person; version counts the changes. Stays when the profile goes: a ban must outlive it. marked: moderation or
-- staff said something of them.
CREATE TABLE match_people (
    tenant       text    COLLATE "C" NOT NULL,
    person       text    COLLATE "C" NOT NULL,
    version      bigint NOT NULL,
    body         text    NOT NULL,
    marked       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, person)
);
CREATE INDEX match_people_marked ON match_people (tenant, person) WHERE marked = 1;

-- Likes and passes (block 0, one each way, the newest) and blocks (block 1).
CREATE TABLE ties (
    tenant       text    COLLATE "C" NOT NULL,
    viewer       text    COLLATE "C" NOT NULL,
    other        text    COLLATE "C" NOT NULL,
    block        bigint NOT NULL,
    kind         text    NOT NULL,
    at           bigint NOT NULL,
    PRIMARY KEY (tenant, viewer, other, block)
);
CREATE INDEX ties_by_other ON ties (tenant, other, viewer);

CREATE TABLE matches (
    id           uuid    NOT NULL PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    one          text    COLLATE "C" NOT NULL,
    other        text    COLLATE "C" NOT NULL,
    live         bigint NOT NULL,
    created_at   bigint NOT NULL,
    ended_at     bigint,
    body         text    NOT NULL
);
CREATE INDEX matches_by_one ON matches (tenant, one, created_at);
CREATE INDEX matches_by_other ON matches (tenant, other, created_at);
CREATE INDEX matches_live ON matches (tenant, created_at) WHERE live = 1;
CREATE INDEX matches_by_end ON matches (ended_at) WHERE ended_at IS NOT NULL;

-- Who waits for a partner now.
CREATE TABLE tickets (
    tenant       text    COLLATE "C" NOT NULL,
    person       text    COLLATE "C" NOT NULL,
    id           uuid    NOT NULL UNIQUE,
    tier         bigint NOT NULL,
    since        bigint NOT NULL,
    until        bigint NOT NULL,
    PRIMARY KEY (tenant, person)
);

-- The recommendations of a day (days since 1970).
CREATE TABLE daily_lists (
    tenant       text    COLLATE "C" NOT NULL,
    person       text    COLLATE "C" NOT NULL,
    day          bigint NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, person)
);
CREATE INDEX daily_lists_by_day ON daily_lists (day);

-- How much attention a person got in the lists of a week (weeks since 1970).
CREATE TABLE exposures (
    tenant       text    COLLATE "C" NOT NULL,
    person       text    COLLATE "C" NOT NULL,
    week         bigint NOT NULL,
    shown        double precision NOT NULL,
    PRIMARY KEY (tenant, person)
);

-- The learned combination of a tenant's scores.
CREATE TABLE score_models (
    tenant       text    COLLATE "C" NOT NULL PRIMARY KEY,
    version      bigint NOT NULL,
    body         text    NOT NULL
);
