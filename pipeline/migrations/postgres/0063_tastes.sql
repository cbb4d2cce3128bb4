-- What somebody likes beyond what everybody likes, as a direction in the space of one embedding model, of the day of their newest list: read
-- when they are a candidate for others.
CREATE TABLE tastes (
    tenant       text COLLATE "C" NOT NULL,
    person       text COLLATE "C" NOT NULL,
    model        text NOT NULL,
    vector       bytea NOT NULL,
    PRIMARY KEY (tenant, person)
);
