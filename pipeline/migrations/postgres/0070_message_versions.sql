-- Texts of messages that the platform names (`message`): every version of them, as it was judged. body: the exhibit (review/case.rs).
CREATE TABLE message_versions (
    tenant       text    NOT NULL,
    actor        text    NOT NULL,
    message      text    NOT NULL,
    item         text    NOT NULL,
    at           bigint  NOT NULL,
    kept_at      bigint  NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, actor, message, item)
);
CREATE INDEX message_versions_item ON message_versions (tenant, item);
CREATE INDEX message_versions_age ON message_versions (tenant, kept_at);
