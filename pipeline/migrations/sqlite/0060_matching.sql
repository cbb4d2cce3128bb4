-- Matching: what people say of themselves and seek, what is remembered of them, who liked whom, who met, who waits.
ALTER TABLE profiles ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';

-- What is remembered of a person; version counts the changes. Stays when the profile goes: a ban must outlive it. marked: moderation or
-- staff said something of them.
CREATE TABLE match_people (
    tenant       TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    marked       INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, person)
) WITHOUT ROWID;
CREATE INDEX match_people_marked ON match_people (tenant, person) WHERE marked = 1;

-- Likes and passes (block 0, one each way, the newest) and blocks (block 1).
CREATE TABLE ties (
    tenant       TEXT    NOT NULL,
    viewer       TEXT    NOT NULL,
    other        TEXT    NOT NULL,
    block        INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (tenant, viewer, other, block)
) WITHOUT ROWID;
CREATE INDEX ties_by_other ON ties (tenant, other, viewer);

CREATE TABLE matches (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    one          TEXT    NOT NULL,
    other        TEXT    NOT NULL,
    live         INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    ended_at     INTEGER,
    body         TEXT    NOT NULL
);
CREATE INDEX matches_by_one ON matches (tenant, one, created_at);
CREATE INDEX matches_by_other ON matches (tenant, other, created_at);
CREATE INDEX matches_live ON matches (tenant, created_at) WHERE live = 1;
CREATE INDEX matches_by_end ON matches (ended_at) WHERE ended_at IS NOT NULL;

-- Who waits for a partner now.
CREATE TABLE tickets (
    tenant       TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    id           BLOB    NOT NULL UNIQUE,
    tier         INTEGER NOT NULL,
    since        INTEGER NOT NULL,
    until        INTEGER NOT NULL,
    PRIMARY KEY (tenant, person)
);

-- The recommendations of a day (days since 1970).
CREATE TABLE daily_lists (
    tenant       TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    day          INTEGER NOT NULL,
    body         TEXT    NOT NULL,
    PRIMARY KEY (tenant, person)
);
CREATE INDEX daily_lists_by_day ON daily_lists (day);

-- How much attention a person got in the lists of a week (weeks since 1970).
CREATE TABLE exposures (
    tenant       TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    week         INTEGER NOT NULL,
    shown        REAL    NOT NULL,
    PRIMARY KEY (tenant, person)
) WITHOUT ROWID;

-- The learned combination of a tenant's scores.
CREATE TABLE score_models (
    tenant       TEXT    NOT NULL PRIMARY KEY,
    version      INTEGER NOT NULL,
    body         TEXT    NOT NULL
);
