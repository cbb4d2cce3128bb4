-- Who is in which open call: found by the person, without reading every call.
CREATE TABLE call_members (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    call_id      text    COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, actor, call_id)
);
CREATE INDEX call_members_by_call ON call_members (tenant, call_id);

INSERT INTO call_members (tenant, actor, call_id)
    SELECT c.tenant, replace(p.value ->> 'actor', '\', '\\'), c.id
    FROM calls c, json_array_elements(c.body::json -> 'participants') p
    WHERE c.ended_at IS NULL AND p.value ->> 'left_at' IS NULL
    ON CONFLICT DO NOTHING;
