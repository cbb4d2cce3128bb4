-- What people say that scores should have been (comments:suggestscore).
CREATE TABLE feedback (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    at           INTEGER NOT NULL,
    body         TEXT    NOT NULL
);
CREATE INDEX feedback_by_tenant ON feedback (tenant, id);
CREATE INDEX feedback_by_age ON feedback (at);
