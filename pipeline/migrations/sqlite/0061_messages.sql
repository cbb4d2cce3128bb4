-- Messages that can be searched by meaning and by words. Vectors are also in the index, which is a copy. access: who may find it.
CREATE TABLE messages (
    number       INTEGER NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    conversation TEXT    NOT NULL,
    author       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    access       TEXT    NOT NULL,
    body         TEXT    NOT NULL,
    text_sha256  TEXT    NOT NULL,
    vector       BLOB    NOT NULL,
    UNIQUE (tenant, id)
);
CREATE INDEX messages_by_author ON messages (tenant, author, id);
CREATE INDEX messages_by_age ON messages (at);

-- One row for each who may find a message.
CREATE TABLE message_readers (
    tenant       TEXT    NOT NULL,
    id           TEXT    NOT NULL,
    reader       TEXT    NOT NULL,
    PRIMARY KEY (tenant, id, reader)
) WITHOUT ROWID;

-- The words alone, by the message's number.
CREATE VIRTUAL TABLE message_words USING fts5 (body, content = '', contentless_delete = 1, tokenize = 'unicode61 remove_diacritics 2');
