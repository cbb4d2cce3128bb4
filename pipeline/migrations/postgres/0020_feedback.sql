-- What people say that scores should have been (comments:suggestscore).
CREATE TABLE feedback (
    id           uuid    NOT NULL PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    body         text    NOT NULL
);
CREATE INDEX feedback_by_tenant ON feedback (tenant, id);
CREATE INDEX feedback_by_age ON feedback (at);
