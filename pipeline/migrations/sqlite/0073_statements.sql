-- Statements of reasons on their way to the transparency database. body: what is sent, once somebody let it go.
CREATE TABLE statements (
    tenant       text    NOT NULL,
    decision     text    NOT NULL,
    at           bigint  NOT NULL,
    state        text    NOT NULL,
    body         text    ,
    tries        bigint  NOT NULL DEFAULT 0,
    due_at       bigint  ,
    sent_at      bigint  ,
    error        text    ,
    remote       text    ,
    by_staff     text    ,
    PRIMARY KEY (tenant, decision)
);
CREATE INDEX statements_state ON statements (tenant, state, decision);
CREATE INDEX statements_due ON statements (tenant, due_at, decision) WHERE state = 'queued';
