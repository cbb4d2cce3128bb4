-- Times are nanoseconds since 1970 (UTC). Texts that come from outside are escaped (store/postgres/text.rs), because
-- PostgreSQL's text type refuses NUL; columns called outcome, envelope, state, body and data hold JSON of crate `pipeline`.
-- There are no foreign keys: every writer keeps them, and a check for each row would cost more than the row.

-- What a program has to know to work on this database: the newest migration whose old form is gone. See docs/migrations.md.
CREATE TABLE schema_floor (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    version      bigint  NOT NULL
);
INSERT INTO schema_floor (version) VALUES (1);

-- Judged items: one outcome each, for ever. Small, so that once-only outlives the outcomes' months.
CREATE TABLE items (
    id           uuid    PRIMARY KEY,
    decided_at   bigint  NOT NULL
);

CREATE TABLE outcomes (
    id           uuid    NOT NULL,
    tenant       text    COLLATE "C" NOT NULL,
    kind         text    NOT NULL,
    action       text    NOT NULL,
    decided_at   bigint  NOT NULL,
    outcome      text    NOT NULL
) PARTITION BY RANGE (decided_at);
CREATE INDEX outcomes_by_time ON outcomes (decided_at);
-- Takes what has no month of its own, so that nothing can fail for want of one.
CREATE TABLE outcomes_default PARTITION OF outcomes DEFAULT;

-- Makes this month's partition and those of the next `ahead` months. A month that cannot be made now (its rows already lie in the
-- default partition, or somebody holds the table) is left out with a warning.
CREATE FUNCTION make_outcome_months(ahead integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    month timestamp;
    name  text;
    made  integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(4843205701);
    PERFORM set_config('lock_timeout', '2s', true);
    FOR n IN 0..ahead LOOP
        month := date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => n);
        name := 'outcomes_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE TABLE %I (LIKE outcomes INCLUDING ALL)', name);
            -- ATTACH, not PARTITION OF: it lets readers and writers of the other months go on.
            EXECUTE format(
                'ALTER TABLE outcomes ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name,
                extract(epoch FROM month)::bigint * 1000000000,
                extract(epoch FROM month + interval '1 month')::bigint * 1000000000);
            made := made + 1;
        EXCEPTION WHEN check_violation OR lock_not_available THEN
            RAISE WARNING 'the partition % is not made now: %', name, SQLERRM;
        END;
    END LOOP;
    RETURN made;
END $$;

-- Every outcome that does something. Rows are only ever added.
CREATE TABLE audit (
    sequence     bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           bigint  NOT NULL,
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    NOT NULL,
    policy       text    NOT NULL,
    item         uuid    NOT NULL,
    action       text    NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, at);

-- The embedded queue's memory, for one process.
CREATE TABLE journal (
    id           uuid    PRIMARY KEY,
    sequence     bigint  GENERATED ALWAYS AS IDENTITY,
    tenant       text    COLLATE "C" NOT NULL,
    lane         smallint NOT NULL,
    attempts     integer NOT NULL DEFAULT 0,
    bytes        bigint  NOT NULL,
    dead         text,
    dead_at      bigint,
    envelope     text    NOT NULL,
    picture      boolean NOT NULL,
    content      bytea   NOT NULL
);
CREATE INDEX journal_dead ON journal (sequence) WHERE dead IS NOT NULL;

-- Texts kept for the context window.
CREATE TABLE context (
    sequence     bigint  GENERATED ALWAYS AS IDENTITY,
    tenant       text    COLLATE "C" NOT NULL,
    conversation text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    body_text    text    NOT NULL
);
CREATE INDEX context_by_author ON context (tenant, conversation, actor, at, sequence);
CREATE INDEX context_by_age ON context USING brin (at);

CREATE TABLE calls (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    started_at   bigint  NOT NULL,
    ended_at     bigint,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX calls_open ON calls (tenant, started_at) WHERE ended_at IS NULL;
CREATE INDEX calls_by_end ON calls (ended_at) WHERE ended_at IS NOT NULL;

-- Written with every frame: no index on what changes, and room on each page, so that an update stays on its page.
CREATE TABLE participants (
    tenant       text    COLLATE "C" NOT NULL,
    call_id      text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    version      bigint  NOT NULL,
    updated_at   bigint  NOT NULL,
    state        text    NOT NULL,
    PRIMARY KEY (tenant, call_id, actor)
) WITH (fillfactor = 70);

-- The newest event's number. Its row is locked from the numbering until the commit: numbers become visible in their order.
CREATE TABLE counter (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    sequence     bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counter (sequence) VALUES (0);

CREATE TABLE events (
    sequence     bigint  PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    kind         text    NOT NULL,
    key          text    NOT NULL,
    at           bigint  NOT NULL,
    data         text    NOT NULL
);
CREATE INDEX events_by_tenant ON events (tenant, sequence);
CREATE INDEX events_by_age ON events USING brin (at);

-- The outbox of webhooks. state: 0 due, 1 done, 2 given up.
CREATE TABLE deliveries (
    id           bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event        bigint  NOT NULL,
    webhook      text    NOT NULL,
    state        smallint NOT NULL DEFAULT 0,
    attempts     integer NOT NULL DEFAULT 0,
    created_at   bigint  NOT NULL,
    due_at       bigint  NOT NULL,
    done_at      bigint,
    error        text
);
CREATE INDEX deliveries_due ON deliveries (due_at, id) WHERE state = 0;
CREATE INDEX deliveries_by_event ON deliveries (event);
CREATE INDEX deliveries_settled ON deliveries (created_at) WHERE state <> 0;

CREATE TABLE profiles (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    version      bigint  NOT NULL,
    text_sha256  text    NOT NULL,
    interests    text    NOT NULL,
    bio          text    NOT NULL,
    attributes   text    NOT NULL,
    vector       bytea   NOT NULL,
    updated_at   bigint  NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Who does a duty, and until when.
CREATE TABLE duties (
    duty         text    PRIMARY KEY,
    holder       text    NOT NULL,
    held_until   bigint  NOT NULL
);

-- How far a relay has published the events.
CREATE TABLE relays (
    relay        text    PRIMARY KEY,
    position     bigint  NOT NULL
);

-- Who is connected to the platform.
CREATE TABLE presence (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    connected    boolean NOT NULL,
    at           bigint  NOT NULL,
    PRIMARY KEY (tenant, actor)
);
CREATE INDEX presence_left ON presence (at) WHERE NOT connected;

-- What people reported. Kept: reports are evidence.
CREATE TABLE reports (
    id           uuid    PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    reporter     text    NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    body         text    NOT NULL
);
CREATE INDEX reports_by_subject ON reports (tenant, subject, at);

-- Written by the health check: proves that the database takes writes.
CREATE TABLE heartbeat (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    beats        bigint  NOT NULL
) WITH (fillfactor = 10);
INSERT INTO heartbeat (beats) VALUES (0);
