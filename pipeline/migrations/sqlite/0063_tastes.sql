-- What somebody likes beyond what everybody likes, as a direction in the space of one embedding model, of the day of their newest list: read
-- when they are a candidate for others.
CREATE TABLE tastes (
    tenant       TEXT NOT NULL,
    person       TEXT NOT NULL,
    model        TEXT NOT NULL,
    vector       BLOB NOT NULL,
    PRIMARY KEY (tenant, person)
) WITHOUT ROWID;
