-- Admins who may be in other tenants than their own.
CREATE TABLE user_tenants (
    user_id      text    NOT NULL,
    tenant       text    NOT NULL,
    at           bigint  NOT NULL,
    by_staff     text    NOT NULL,
    PRIMARY KEY (user_id, tenant)
);

-- Where a session is; NULL: in its account's own tenant.
ALTER TABLE sessions ADD COLUMN tenant text;
