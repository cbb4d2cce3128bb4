-- Banks of known pictures. body: the bank (bank.rs).
CREATE TABLE banks (
    tenant       text    NOT NULL,
    name         text    NOT NULL,
    at           bigint  NOT NULL,
    by_staff     text    NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, name)
);

-- Their pictures: hashes (pdq.rs), never the pictures.
CREATE TABLE bank_entries (
    tenant       text    NOT NULL,
    bank         text    NOT NULL,
    hash         bytea   NOT NULL,
    at           bigint  NOT NULL,
    by_staff     text    NOT NULL,
    note         text    NOT NULL,
    case_id      text    ,
    PRIMARY KEY (tenant, bank, hash)
);
CREATE INDEX bank_entries_at ON bank_entries (tenant, bank, at, hash);

-- Counts the changes of a tenant's banks, and the entries of all of them. Its row is locked from a change to the commit.
CREATE TABLE bank_heads (
    tenant       text    PRIMARY KEY,
    version      bigint  NOT NULL,
    entries      bigint  NOT NULL
);

-- Hashes of judged pictures: by them copies are found.
CREATE TABLE picture_hashes (
    tenant       text    NOT NULL,
    item         text    NOT NULL,
    actor        text    ,
    kind         text    NOT NULL,
    at           bigint  NOT NULL,
    hash         bytea   NOT NULL,
    PRIMARY KEY (tenant, item)
);
CREATE INDEX picture_hashes_at ON picture_hashes (tenant, at, item);
CREATE INDEX picture_hashes_actor ON picture_hashes (tenant, actor) WHERE actor IS NOT NULL;
