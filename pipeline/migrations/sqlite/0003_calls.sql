-- Who is in which open call: found by the person, without reading every call.
CREATE TABLE call_members (
    tenant       TEXT    NOT NULL,
    actor        TEXT    NOT NULL,
    call_id      TEXT    NOT NULL,
    PRIMARY KEY (tenant, actor, call_id)
) WITHOUT ROWID;
CREATE INDEX call_members_by_call ON call_members (tenant, call_id);

INSERT OR IGNORE INTO call_members
    SELECT c.tenant, json_extract(p.value, '$.actor'), c.id FROM calls c, json_each(c.body, '$.participants') p
    WHERE c.ended_at IS NULL AND json_extract(p.value, '$.left_at') IS NULL;
