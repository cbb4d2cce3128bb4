-- What is remembered of people's pictures, to know the same one again: 256 bits, no picture.
CREATE TABLE avatars (
    tenant       text COLLATE "C" NOT NULL,
    person       text COLLATE "C" NOT NULL,
    bits         bytea NOT NULL,
    PRIMARY KEY (tenant, person)
);
