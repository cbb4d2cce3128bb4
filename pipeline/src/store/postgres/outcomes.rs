//! Judged items: many callers' outcomes in one transaction.

use std::{
    collections::{BTreeMap, HashSet},
    time::Instant,
};

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::{
    Database,
    database::measure,
    enforcement,
    events::Appended,
    text::{escape, escaped, unescape},
};
use crate::{
    bank::SeenPicture,
    enforcement::{entry::ActionEntry, person::PersonChange},
    error::PipelineError,
    item::{ItemId, TenantId},
    review::{audit::AuditDraft, case::ItemExhibit},
    store::{
        CaseOpening, ItemRecord, OutcomeRecord, ParticipantChange, Recorded, desk,
        link::{Link, Told},
        row::{carried, decode, encode, stamp, time},
    },
};

/// Outcomes in one transaction at most.
pub(super) const MOST: usize = 512;
/// Tries of a transaction that another process got in the way of.
const RACES: usize = 5;

/// One outcome as its columns hold it. Made by the caller, so that the writing task does nothing but write.
pub(super) struct OutcomeRow {
    id: Uuid,
    tenant: String,
    kind: &'static str,
    action: &'static str,
    decided_at: i64,
    outcome: String,
    /// Conversation, author, time and text.
    context: Option<(String, String, i64, String)>,
    participant: Option<ParticipantRow>,
    /// Whose tenant, and the person's new state.
    person: Option<(TenantId, PersonChange)>,
    entries: Vec<ActionEntry>,
    events: Appended,
    actor: Option<String>,
    audited: Option<AuditDraft>,
    case: Option<Box<CaseOpening>>,
    version: Option<Box<ItemExhibit>>,
    picture: Option<Box<SeenPicture>>,
}

struct ParticipantRow {
    call: String,
    actor: String,
    state: String,
    seen: i64,
}

impl OutcomeRow {
    pub(super) fn new(record: OutcomeRecord) -> Result<Self, PipelineError> {
        let audited = record.audited();
        let OutcomeRecord {
            outcome,
            participant,
            context_text,
            person,
            entries,
            events,
            webhooks,
            case,
            version,
            picture,
        } = record;
        let events = Appended::new(&events, &webhooks)?;
        let body = encode(&outcome)?;
        let envelope = outcome.envelope;
        let whose = envelope.tenant.clone();
        let actor = envelope.actor.as_ref().map(|actor| escape(actor.as_str()).into_owned());
        let context = match (context_text, envelope.conversation, envelope.actor) {
            (Some(text), Some(conversation), Some(actor)) => {
                Some((escaped(conversation.0), escaped(actor.0), stamp(envelope.occurred_at), escaped(text)))
            }
            _ => None,
        };
        Ok(Self {
            id: envelope.id.0,
            tenant: escaped(envelope.tenant.0),
            kind: envelope.kind.as_str(),
            action: outcome.verdict.action.as_str(),
            decided_at: stamp(outcome.decided_at),
            outcome: body,
            actor,
            audited,
            case,
            version,
            picture,
            context,
            participant: participant.map(ParticipantRow::new).transpose()?,
            person: person.map(|change| (whose, change)),
            entries,
            events,
        })
    }
}

impl OutcomeRow {
    /// What rows are locked by.
    fn place(&self) -> (&str, Option<&str>) {
        (&self.tenant, self.case.as_ref().map(|case| case.draft.subject.as_str()))
    }
}

impl ParticipantRow {
    fn new(change: ParticipantChange) -> Result<Self, PipelineError> {
        Ok(Self {
            state: encode(&change.state)?,
            call: escaped(change.call.0),
            actor: escaped(change.actor.0),
            seen: i64::try_from(change.seen).unwrap_or(i64::MAX),
        })
    }
}

/// Items that are new, with what belongs to them. An item that is there already writes nothing.
const INSERT: &str = "
    WITH given AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
                             $8::text[], $9::text[], $10::bigint[], $11::text[])
            AS g (id, tenant, kind, action, decided_at, outcome, whose, conversation, actor, at, body_text)),
    fresh AS (
        INSERT INTO items (id, decided_at) SELECT id, decided_at FROM given
        ON CONFLICT (id) DO NOTHING RETURNING id),
    kept AS (SELECT g.* FROM given g JOIN fresh ON fresh.id = g.id),
    outcome AS (
        INSERT INTO outcomes (id, tenant, kind, action, decided_at, outcome, actor)
        SELECT id, tenant, kind, action, decided_at, outcome, whose FROM kept),
    remembered AS (
        INSERT INTO context (tenant, conversation, actor, at, body_text)
        SELECT tenant, conversation, actor, at, body_text FROM kept WHERE body_text IS NOT NULL)
    SELECT id FROM fresh";

/// Participants' states, each only over the version that it was made from. Answers the positions (from 1) of those that were
/// written.
const PARTICIPANTS: &str = "
    WITH given AS (
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
            WITH ORDINALITY AS g (tenant, call_id, actor, seen, at, state, position)),
    first AS (
        INSERT INTO participants (tenant, call_id, actor, version, updated_at, state)
        SELECT tenant, call_id, actor, 1, at, state FROM given WHERE seen = 0
        ON CONFLICT (tenant, call_id, actor) DO NOTHING RETURNING tenant, call_id, actor),
    next AS (
        UPDATE participants p SET version = p.version + 1, updated_at = g.at, state = g.state
        FROM given g WHERE g.seen > 0 AND p.tenant = g.tenant AND p.call_id = g.call_id AND p.actor = g.actor
            AND p.version = g.seen
        RETURNING g.position)
    SELECT g.position FROM first f
        JOIN given g ON g.tenant = f.tenant AND g.call_id = f.call_id AND g.actor = f.actor
    UNION ALL SELECT position FROM next";

/// Writes a batch and answers for each row. A row that the database refuses spoils no other.
pub(super) async fn write(database: &Database, rows: Vec<OutcomeRow>) -> Vec<Result<Recorded, PipelineError>> {
    let started = Instant::now();
    // In the order of their ids: two processes that write the same items wait for each other instead of locking up.
    let mut left: Vec<usize> = (0..rows.len()).collect();
    left.sort_by_key(|index| rows[*index].id);
    let mut answers: Vec<Option<Result<Recorded, PipelineError>>> = rows.iter().map(|_| None).collect();
    while !left.is_empty() {
        let (now, later) = apart(&rows, &left);
        let batch: Vec<&OutcomeRow> = now.iter().map(|index| &rows[*index]).collect();
        match commit(database, &batch).await {
            Ok(recorded) => {
                for (index, recorded) in now.iter().zip(recorded) {
                    answers[*index] = Some(Ok(recorded));
                }
            }
            // The server is away, or there is nobody to spoil.
            Err(error) if now.len() == 1 || matches!(error, PipelineError::Unavailable { .. }) => {
                for index in &now {
                    answers[*index] = Some(Err(error.clone()));
                }
            }
            Err(_) => {
                for index in &now {
                    let alone = commit(database, &[&rows[*index]]).await;
                    answers[*index] =
                        Some(alone.map(|recorded| recorded.first().copied().unwrap_or(Recorded::Already)));
                }
            }
        }
        left = later;
    }
    measure("record_outcomes", started);
    let missing = || Err(PipelineError::Internal { part: "store", message: "an outcome was not answered".into() });
    answers.into_iter().map(|answer| answer.unwrap_or_else(missing)).collect()
}

/// Divides rows into those that can go together and those that must wait: of one item, and of one participant, one at a time.
fn apart(rows: &[OutcomeRow], left: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let (mut items, mut people, mut persons) = (HashSet::new(), HashSet::new(), HashSet::new());
    left.iter().partition(|index| {
        let row = &rows[**index];
        let person = row.participant.as_ref().map(|change| (&row.tenant, &change.call, &change.actor));
        let remembered = row.person.as_ref().map(|(tenant, change)| (tenant, &change.actor));
        items.insert(row.id)
            && person.is_none_or(|person| people.insert(person))
            && remembered.is_none_or(|person| persons.insert(person))
    })
}

/// Writes rows that can go together in one transaction, again when another process got in the way. It may be done again: an
/// item that was written after all is there then.
async fn commit(database: &Database, rows: &[&OutcomeRow]) -> Result<Vec<Recorded>, PipelineError> {
    for _ in 0..RACES {
        if let Some(recorded) = database.again("commit", || Box::pin(transaction(database, rows))).await? {
            return Ok(recorded);
        }
    }
    let message = "other processes write the same items all the time".to_owned();
    Err(PipelineError::Unavailable { part: "store", message })
}

/// `None`: rolled back, because an item appeared while its participant was written, or a person while theirs was.
async fn transaction(database: &Database, rows: &[&OutcomeRow]) -> Result<Option<Vec<Recorded>>, sqlx::Error> {
    let mut transaction = database.pool.begin().await?;
    let mut recorded = persons(&mut transaction, rows).await?;
    participants(&mut transaction, rows, &mut recorded).await?;
    let fresh = insert(&mut transaction, rows, &recorded).await?;
    let (mut events, mut entries): (Vec<&Appended>, Vec<_>) = (Vec::with_capacity(rows.len()), Vec::new());
    for (row, recorded) in rows.iter().zip(&mut recorded) {
        if *recorded != Recorded::New {
            continue;
        }
        if fresh.contains(&row.id) {
            if let Some((tenant, change)) = &row.person
                && !enforcement::write_person(&mut transaction, tenant, change, time(row.decided_at)).await?
            {
                return Ok(None);
            }
            entries.extend(&row.entries);
            events.push(&row.events);
        } else if row.participant.is_some() {
            return Ok(None);
        } else {
            *recorded = Recorded::Already;
        }
    }
    enforcement::insert_actions(&mut transaction, &entries).await?;
    let more = desk_rows(&mut transaction, rows, &recorded).await?;
    events.extend(&more);
    let sequence = Appended::write(&events, &mut transaction).await?;
    transaction.commit().await?;
    if let Some(sequence) = sequence {
        database.raise(sequence);
    }
    Ok(Some(recorded))
}

/// Cases of the new rows, then their audit entries, tenant by tenant; answers the events that tell of the cases.
async fn desk_rows(
    connection: &mut PgConnection,
    rows: &[&OutcomeRow],
    recorded: &[Recorded],
) -> Result<Vec<Appended>, sqlx::Error> {
    let mut fresh: Vec<&OutcomeRow> =
        rows.iter().zip(recorded).filter(|(_, recorded)| **recorded == Recorded::New).map(|(row, _)| *row).collect();
    let mut told = Told::default();
    let written = desk_work(connection, &mut told, &mut fresh).await;
    written.map_err(|error| told.failure.take().unwrap_or_else(|| carried(error)))
}

async fn desk_work(
    connection: &mut PgConnection,
    told: &mut Told,
    fresh: &mut Vec<&OutcomeRow>,
) -> Result<Vec<Appended>, PipelineError> {
    let mut more = Vec::new();
    // Always in the same order, so that two processes do not lock each other up.
    fresh.sort_by(|one, other| one.place().cmp(&other.place()));
    for row in fresh.iter() {
        let Some(opening) = &row.case else { continue };
        let CaseOpening { draft, route, hooks } = (**opening).clone();
        desk::cases::open(&mut Link::postgres(connection, told), draft, route).await?;
        let (events, webhooks) = std::mem::take(told).split(&hooks);
        more.push(Appended::new(&events, &webhooks)?);
    }
    for row in fresh.iter() {
        if let Some(version) = &row.version {
            desk::versions::keep(&mut Link::postgres(connection, told), version, time(row.decided_at)).await?;
        }
        if let Some(picture) = &row.picture {
            desk::pictures::keep(&mut Link::postgres(connection, told), picture).await?;
        }
    }
    let mut by_tenant: BTreeMap<&str, Vec<AuditDraft>> = BTreeMap::new();
    for row in fresh.iter() {
        if let Some(draft) = &row.audited {
            by_tenant.entry(&row.tenant).or_default().push(draft.clone());
        }
    }
    for (tenant, drafts) in by_tenant {
        let tenant = TenantId(unescape(tenant.to_owned())?);
        desk::audit::append_all(&mut Link::postgres(connection, told), &tenant, drafts).await?;
    }
    Ok(more)
}

/// Locks the people whose states are written, and says what may become of each row: `New` unless its item is known or its person's
/// state stale.
async fn persons(connection: &mut PgConnection, rows: &[&OutcomeRow]) -> Result<Vec<Recorded>, sqlx::Error> {
    let mut recorded = vec![Recorded::New; rows.len()];
    let mut people: Vec<(usize, &OutcomeRow, &TenantId, &PersonChange)> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| row.person.as_ref().map(|(tenant, change)| (index, *row, tenant, change)))
        .collect();
    // Always in the same order, so that two processes do not lock each other up.
    people.sort_by(|(_, _, a, one), (_, _, b, two)| {
        (a.as_str(), one.actor.as_str()).cmp(&(b.as_str(), two.actor.as_str()))
    });
    for (index, row, tenant, change) in people {
        if enforcement::lock_person(connection, tenant, &change.actor).await? == change.seen {
            continue;
        }
        let known: Option<Uuid> = sqlx::query_scalar("SELECT id FROM items WHERE id = $1")
            .bind(row.id)
            .fetch_optional(&mut *connection)
            .await?;
        recorded[index] = if known.is_some() { Recorded::Already } else { Recorded::Stale };
    }
    Ok(recorded)
}

/// Writes the states of participants whose rows may be written, and says what may become of each: `New` unless its item is known or its
/// state stale.
async fn participants(
    connection: &mut PgConnection,
    rows: &[&OutcomeRow],
    recorded: &mut [Recorded],
) -> Result<(), sqlx::Error> {
    let mut frames: Vec<(usize, &OutcomeRow, &ParticipantRow)> =
        rows.iter().enumerate().filter_map(|(index, row)| Some((index, *row, row.participant.as_ref()?))).collect();
    frames.retain(|(index, ..)| recorded[*index] == Recorded::New);
    if frames.is_empty() {
        return Ok(());
    }
    // Always in the same order, so that two processes do not lock each other up.
    frames.sort_by_key(|(_, row, change)| (&row.tenant, &change.call, &change.actor));
    let ids: Vec<Uuid> = frames.iter().map(|(_, row, _)| row.id).collect();
    let known: Vec<Uuid> =
        sqlx::query_scalar("SELECT id FROM items WHERE id = ANY($1)").bind(ids).fetch_all(&mut *connection).await?;
    for (index, row, _) in &frames {
        recorded[*index] = if known.contains(&row.id) { Recorded::Already } else { Recorded::Stale };
    }
    frames.retain(|(_, row, _)| !known.contains(&row.id));
    let written: Vec<i64> = sqlx::query_scalar(PARTICIPANTS)
        .bind(frames.iter().map(|(_, row, _)| row.tenant.as_str()).collect::<Vec<_>>())
        .bind(frames.iter().map(|(_, _, change)| change.call.as_str()).collect::<Vec<_>>())
        .bind(frames.iter().map(|(_, _, change)| change.actor.as_str()).collect::<Vec<_>>())
        .bind(frames.iter().map(|(_, _, change)| change.seen).collect::<Vec<_>>())
        .bind(frames.iter().map(|(_, row, _)| row.decided_at).collect::<Vec<_>>())
        .bind(frames.iter().map(|(_, _, change)| change.state.as_str()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    for position in written {
        if let Some((index, ..)) = usize::try_from(position - 1).ok().and_then(|position| frames.get(position)) {
            recorded[*index] = Recorded::New;
        }
    }
    Ok(())
}

/// Writes the items that may be new; answers those that are.
async fn insert(
    connection: &mut PgConnection,
    rows: &[&OutcomeRow],
    recorded: &[Recorded],
) -> Result<HashSet<Uuid>, sqlx::Error> {
    let rows: Vec<&OutcomeRow> =
        rows.iter().zip(recorded).filter(|(_, recorded)| **recorded == Recorded::New).map(|(row, _)| *row).collect();
    if rows.is_empty() {
        return Ok(HashSet::new());
    }
    let texts = |column: fn(&OutcomeRow) -> &str| rows.iter().map(|row| column(row)).collect::<Vec<&str>>();
    let context = |column: fn(&(String, String, i64, String)) -> &str| {
        rows.iter().map(|row| row.context.as_ref().map(column)).collect::<Vec<Option<&str>>>()
    };
    let fresh: Vec<Uuid> = sqlx::query_scalar(INSERT)
        .bind(rows.iter().map(|row| row.id).collect::<Vec<_>>())
        .bind(texts(|row| &row.tenant))
        .bind(texts(|row| row.kind))
        .bind(texts(|row| row.action))
        .bind(rows.iter().map(|row| row.decided_at).collect::<Vec<_>>())
        .bind(texts(|row| &row.outcome))
        .bind(rows.iter().map(|row| row.actor.as_deref()).collect::<Vec<Option<&str>>>())
        .bind(context(|(conversation, ..)| conversation))
        .bind(context(|(_, actor, ..)| actor))
        .bind(rows.iter().map(|row| row.context.as_ref().map(|(_, _, at, _)| *at)).collect::<Vec<Option<i64>>>())
        .bind(context(|(.., text)| text))
        .fetch_all(connection)
        .await?;
    Ok(fresh.into_iter().collect())
}

/// Which of `ids` are judged, in their order.
pub(super) async fn are_judged(database: &Database, ids: Vec<ItemId>) -> Vec<Result<bool, PipelineError>> {
    let asked: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let read = || sqlx::query_scalar("SELECT id FROM items WHERE id = ANY($1)").bind(&asked).fetch_all(&database.pool);
    let known: Result<Vec<Uuid>, _> = database.again("is_judged", read).await;
    match known {
        Ok(known) => {
            let known: HashSet<Uuid> = known.into_iter().collect();
            ids.iter().map(|id| Ok(known.contains(&id.0))).collect()
        }
        Err(error) => ids.iter().map(|_| Err(error.clone())).collect(),
    }
}

pub(super) async fn load_item(
    database: &Database,
    tenant: &TenantId,
    id: ItemId,
) -> Result<Option<ItemRecord>, PipelineError> {
    let tenant = escape(tenant.as_str());
    // One statement sees one moment: an item that moves from the journal to the outcomes meanwhile is found in one of them.
    let read = || {
        let sql =
            "SELECT 1, o.outcome, NULL FROM items i JOIN outcomes o ON o.decided_at = i.decided_at AND o.id = i.id
                   WHERE i.id = $1 AND o.tenant = $2
                   UNION ALL SELECT 0, envelope, dead FROM journal WHERE id = $1 AND tenant = $2
                   ORDER BY 1 DESC LIMIT 1";
        sqlx::query(sql).bind(id.0).bind(&*tenant).fetch_optional(&database.pool)
    };
    let Some(row) = database.again("load_item", read).await? else { return Ok(None) };
    let (judged, body, dead): (i32, String, Option<String>) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok(Some(match (judged, dead) {
        (1, _) => ItemRecord::Judged(Box::new(decode(&body)?)),
        (_, Some(reason)) => ItemRecord::Dead(decode(&body)?, unescape(reason)?),
        (_, None) => ItemRecord::Queued(decode(&body)?),
    }))
}
