-- What is remembered of people's pictures, to know the same one again: 256 bits, no picture.
CREATE TABLE avatars (
    tenant       TEXT NOT NULL,
    person       TEXT NOT NULL,
    bits         BLOB NOT NULL,
    PRIMARY KEY (tenant, person)
) WITHOUT ROWID;
