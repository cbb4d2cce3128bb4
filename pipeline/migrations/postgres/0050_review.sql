-- The reviewers' rows: cases, evidence, decisions, appeals, accounts, the audit's chain. Only adds (docs/migrations.md). Ids are UUIDs as text,
-- times nanoseconds since 1970, truth 0 or 1; so that one set of statements serves both databases (store/link.rs).

-- One piece of work. What is open and about the same person has the same merge_key, once.
CREATE TABLE cases (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    merge_key    text    COLLATE "C",
    source       text    COLLATE "C" NOT NULL,
    queue        text    COLLATE "C" NOT NULL,
    rank         bigint  NOT NULL,
    state        text    COLLATE "C" NOT NULL,
    escalated    bigint  NOT NULL,
    language     text    COLLATE "C",
    opened_at    bigint  NOT NULL,
    changed_at   bigint  NOT NULL,
    due_at       bigint  NOT NULL,
    held_until   bigint,
    assignee     text    COLLATE "C",
    holder       text    COLLATE "C",
    leased_at    bigint,
    lease_until  bigint  NOT NULL DEFAULT 0,
    version      bigint  NOT NULL DEFAULT 1,
    decided_at   bigint,
    facts        text    NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX cases_merge ON cases (tenant, merge_key) WHERE merge_key IS NOT NULL;
CREATE INDEX cases_next ON cases (tenant, rank, due_at, id) WHERE state = 'open';
CREATE INDEX cases_queue ON cases (tenant, queue, rank, due_at, id) WHERE state = 'open';
-- What counting the queues reads, without the rows.
CREATE INDEX cases_counts ON cases (tenant, queue, rank, due_at, lease_until, holder, opened_at) WHERE state = 'open';
CREATE INDEX cases_state ON cases (tenant, state, id);
CREATE INDEX cases_subject ON cases (tenant, subject, id);
CREATE INDEX cases_assignee ON cases (tenant, assignee, rank, due_at, id) WHERE assignee IS NOT NULL AND state = 'open';
CREATE INDEX cases_holder ON cases (tenant, holder) WHERE holder IS NOT NULL;
CREATE INDEX cases_held ON cases (tenant, held_until) WHERE state = 'held';

-- Staff who must not get a case: who decided it before.
CREATE TABLE case_barred (
    tenant       text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    staff        text    COLLATE "C" NOT NULL,
    PRIMARY KEY (tenant, case_id, staff)
);

-- What is looked at, as it was. body is NULL once its retention is over.
CREATE TABLE evidence (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    kind         text    COLLATE "C" NOT NULL,
    item         text    COLLATE "C",
    body         text,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX evidence_case ON evidence (tenant, case_id, id);
CREATE INDEX evidence_subject ON evidence (tenant, subject, id);

-- Pictures of the evidence.
CREATE TABLE evidence_media (
    tenant       text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    media_type   text    NOT NULL,
    bytes        bytea   NOT NULL,
    PRIMARY KEY (tenant, case_id, id)
);

-- What was decided. Rows are only added; of them only overturned_at is set later.
CREATE TABLE decisions (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    key          text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    reviewer     text    COLLATE "C" NOT NULL,
    queue        text    COLLATE "C" NOT NULL,
    source       text    COLLATE "C" NOT NULL,
    ruling       text    COLLATE "C" NOT NULL,
    action       text    COLLATE "C",
    rule         text    COLLATE "C",
    waited_ms    bigint  NOT NULL,
    looked_s     bigint  NOT NULL,
    about        text    COLLATE "C",
    expected     text    COLLATE "C",
    overturned_at bigint,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX decisions_key ON decisions (tenant, key);
CREATE INDEX decisions_case ON decisions (tenant, case_id, id);
CREATE INDEX decisions_at ON decisions (tenant, at);
CREATE INDEX decisions_subject ON decisions (tenant, subject, id);
CREATE INDEX decisions_reviewer ON decisions (tenant, reviewer, at);
CREATE INDEX decisions_about ON decisions (tenant, about) WHERE about IS NOT NULL;

-- Cases whose answer is known.
CREATE TABLE golden (
    tenant       text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    added_by     text    NOT NULL,
    expected     text    NOT NULL,
    note         text    NOT NULL,
    PRIMARY KEY (tenant, case_id)
);

-- Where a report stands. 'open' is what an older program's reports are.
ALTER TABLE reports ADD COLUMN state text NOT NULL DEFAULT 'open';
ALTER TABLE reports ADD COLUMN case_id text;
ALTER TABLE reports ADD COLUMN assignee text;
ALTER TABLE reports ADD COLUMN outcome text;
ALTER TABLE reports ADD COLUMN resolved_at bigint;
CREATE INDEX reports_state ON reports (tenant, state, at);
CREATE INDEX reports_reporter ON reports (tenant, reporter, at);
CREATE INDEX reports_case ON reports (tenant, case_id) WHERE case_id IS NOT NULL;

-- What is known about a reporter; upheld and dismissed fade (review/reporter.rs), in thousandths.
CREATE TABLE reporters (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    upheld       bigint  NOT NULL,
    dismissed    bigint  NOT NULL,
    at           bigint  NOT NULL,
    muted_until  bigint,
    PRIMARY KEY (tenant, actor)
);

CREATE TABLE appeals (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    state        text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C",
    about        text    COLLATE "C" NOT NULL,
    resolved_at  bigint,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX appeals_state ON appeals (tenant, state, id);
CREATE INDEX appeals_actor ON appeals (tenant, actor, id);
-- One open appeal about one thing.
CREATE UNIQUE INDEX appeals_once ON appeals (tenant, about);

-- The audit's chain (review/audit.rs). Rows are only ever added. The table `audit` of before stays as it is; nothing writes it any more.
CREATE TABLE audit_entries (
    tenant       text    COLLATE "C" NOT NULL,
    number       bigint  NOT NULL,
    at           bigint  NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    kind         text    COLLATE "C" NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    detail       text    NOT NULL,
    previous     text    NOT NULL,
    hash         text    NOT NULL,
    PRIMARY KEY (tenant, number)
);
CREATE INDEX audit_entries_subject ON audit_entries (tenant, subject, number);
CREATE INDEX audit_entries_actor ON audit_entries (tenant, actor, number);
CREATE INDEX audit_entries_at ON audit_entries (tenant, at);
-- The newest entry. Its row is locked from the numbering to the commit.
CREATE TABLE audit_heads (
    tenant       text    COLLATE "C" PRIMARY KEY,
    number       bigint  NOT NULL,
    hash         text    NOT NULL
);

CREATE TABLE review_settings (
    tenant       text    COLLATE "C" PRIMARY KEY,
    version      bigint  NOT NULL,
    at           bigint  NOT NULL,
    by_staff     text    NOT NULL,
    body         text    NOT NULL
);

-- Accounts of the console. password is an Argon2id string; totp a base32 secret.
CREATE TABLE users (
    id           text    COLLATE "C" PRIMARY KEY,
    tenant       text    COLLATE "C" NOT NULL,
    login        text    COLLATE "C" NOT NULL,
    role         text    COLLATE "C" NOT NULL,
    disabled     bigint  NOT NULL,
    created_at   bigint  NOT NULL,
    password     text    NOT NULL,
    totp         text,
    totp_used    bigint  NOT NULL DEFAULT 0,
    body         text    NOT NULL
);
CREATE UNIQUE INDEX users_login ON users (login);
CREATE INDEX users_tenant ON users (tenant, login);

-- Sessions by the SHA-256 of their cookie.
CREATE TABLE sessions (
    digest       text    COLLATE "C" PRIMARY KEY,
    user_id      text    COLLATE "C" NOT NULL,
    csrf         text    NOT NULL,
    created_at   bigint  NOT NULL,
    seen_at      bigint  NOT NULL,
    expires_at   bigint  NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Failed sign-ins, by login and by address, shared by all processes.
CREATE TABLE sign_ins (
    name         text    COLLATE "C" PRIMARY KEY,
    failures     bigint  NOT NULL,
    since        bigint  NOT NULL
);
CREATE INDEX sign_ins_age ON sign_ins (since);

-- Secrets that the installation makes for itself: the key of signed URLs.
CREATE TABLE secrets (
    name         text    COLLATE "C" PRIMARY KEY,
    secret       bytea   NOT NULL
);

-- What somebody looked at on a day (days since 1970).
CREATE TABLE exposure (
    tenant       text    COLLATE "C" NOT NULL,
    staff        text    COLLATE "C" NOT NULL,
    day          bigint  NOT NULL,
    items        bigint  NOT NULL,
    seconds      bigint  NOT NULL,
    PRIMARY KEY (tenant, staff, day)
);

-- Nothing of these people is deleted, whoever asks.
CREATE TABLE holds (
    tenant       text    COLLATE "C" NOT NULL,
    actor        text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    by_staff     text    NOT NULL,
    reason       text    NOT NULL,
    PRIMARY KEY (tenant, actor)
);

-- What was erased, without saying of whom: the person's name only as a digest.
CREATE TABLE receipts (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    at           bigint  NOT NULL,
    person       text    COLLATE "C" NOT NULL,
    body         text    NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Words of the evidence, for search.
CREATE TABLE evidence_words (
    tenant       text    COLLATE "C" NOT NULL,
    id           text    COLLATE "C" NOT NULL,
    case_id      text    COLLATE "C" NOT NULL,
    subject      text    COLLATE "C" NOT NULL,
    body         text    NOT NULL,
    words        tsvector GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX evidence_words_subject ON evidence_words (tenant, subject);
CREATE INDEX evidence_words_words ON evidence_words USING gin (words);

-- Whose item it was: found by the person, for export and erasure. Rows of before have none until they are moved (docs/migrations.md).
ALTER TABLE outcomes ADD COLUMN actor text COLLATE "C";
CREATE INDEX outcomes_by_actor ON outcomes (tenant, actor) WHERE actor IS NOT NULL;
