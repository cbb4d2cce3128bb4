-- Vectors of profiles by the embedding model that is to come: written beside those in profiles until it takes over. source: the text_sha256 of
-- the profile that the vector was made of; digest: what text_sha256 becomes when the model has taken over.
CREATE TABLE next_vectors (
    tenant       text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    model        text NOT NULL,
    source       text NOT NULL,
    digest       text NOT NULL,
    vector       bytea NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Does the model to come answer? By its name and version; one row for each that ever was to come.
CREATE TABLE embedding_switch (
    model        text COLLATE "C" NOT NULL PRIMARY KEY,
    serving      bigint NOT NULL,
    at           bigint NOT NULL,
    by_key       text NOT NULL
);
