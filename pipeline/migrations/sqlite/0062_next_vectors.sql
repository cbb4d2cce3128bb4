-- Vectors of profiles by the embedding model that is to come: written beside those in profiles until it takes over. source: the text_sha256 of
-- the profile that the vector was made of; digest: what text_sha256 becomes when the model has taken over.
CREATE TABLE next_vectors (
    tenant       TEXT NOT NULL,
    id           TEXT NOT NULL,
    model        TEXT NOT NULL,
    source       TEXT NOT NULL,
    digest       TEXT NOT NULL,
    vector       BLOB NOT NULL,
    PRIMARY KEY (tenant, id)
) WITHOUT ROWID;

-- Does the model to come answer? By its name and version; one row for each that ever was to come.
CREATE TABLE embedding_switch (
    model        TEXT NOT NULL PRIMARY KEY,
    serving      INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    by_key       TEXT NOT NULL
);
