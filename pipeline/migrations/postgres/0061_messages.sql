-- Messages that can be searched by meaning and by words. Vectors are also in the index, which is a copy. access: who may find it.
CREATE TABLE messages (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    conversation text    COLLATE "C" NOT NULL,
    author       text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    access       text    NOT NULL,
    body         text    NOT NULL,
    text_sha256  text    NOT NULL,
    vector       bytea   NOT NULL,
    words        tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX messages_by_author ON messages (tenant, author, id);
CREATE INDEX messages_by_age ON messages (at);
CREATE INDEX messages_words ON messages USING gin (words);

-- One row for each who may find a message.
CREATE TABLE message_readers (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    reader       text    COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, id, reader)
);
