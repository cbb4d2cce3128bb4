//! Finds become cases; reading cases and what they hold.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Desk, Page, event, not_found};
use crate::{
    error::PipelineError,
    item::{CaseId, EvidenceId, TenantId},
    record::WebhookInterest,
    review::{
        case::{Case, CaseDraft, CaseFacts, CaseState, Evidence, Exhibit, Lease, Media, Priority, Source, join},
        routing::Route,
        staff::{Role, Staff},
    },
    store::{
        Event,
        link::{Link, Row, Value, json as json_value, values},
        row::limit,
    },
};

/// Event kind: there is a new case.
pub const CASE_OPENED: &str = "case.opened";
/// Event kind: a case got more evidence, or somebody took it, gave it back, put it aside, handed it on.
pub const CASE_CHANGED: &str = "case.changed";
/// Event kind: a case was decided.
pub const CASE_DECIDED: &str = "case.decided";

/// Pieces of evidence that one case keeps; what comes after is only counted.
pub const MAX_EVIDENCE: u32 = 200;
/// Rules and labels that one case names.
const MAX_NAMES: usize = 50;
/// Tries when others open and decide the same case meanwhile.
const RACES: usize = 5;

pub(super) const COLUMNS: &str = "tenant, id, subject, source, queue, rank, state, escalated, language, opened_at, changed_at, due_at, \
     held_until, assignee, holder, leased_at, lease_until, version, decided_at, facts";

/// A find on its way into the store, with where it goes.
#[derive(Debug, Clone)]
pub struct CaseOpening {
    /// What was found.
    pub draft: CaseDraft,
    /// Where it goes.
    pub route: Route,
    /// Which webhooks are told.
    pub hooks: Arc<[WebhookInterest]>,
}

/// Which cases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CaseFilter {
    /// In this queue.
    pub queue: Option<String>,
    /// In this state.
    pub state: Option<CaseState>,
    /// About this person.
    pub subject: Option<String>,
    /// Why they are there.
    pub source: Option<Source>,
    /// As urgent as this.
    pub priority: Option<Priority>,
    /// Handed to this member of staff, or held by them now.
    pub staff: Option<String>,
    /// Handed up, or not.
    pub escalated: Option<bool>,
}

pub(super) fn case(row: &Row) -> Result<Case, PipelineError> {
    let odd = |what: &str| PipelineError::Internal { part: "store", message: format!("a case has an odd {what}") };
    let lease = match (row.maybe_string(14)?, row.maybe_time(15)?) {
        (Some(holder), Some(since)) => Some(Lease { holder, since, until: row.time(16)? }),
        _ => None,
    };
    Ok(Case {
        tenant: TenantId(row.string(0)?),
        id: row.parse(1)?,
        subject: row.string(2)?,
        source: Source::named(row.text(3)?).ok_or_else(|| odd("source"))?,
        queue: row.string(4)?,
        priority: Priority::of_rank(row.int(5)?),
        state: CaseState::named(row.text(6)?).ok_or_else(|| odd("state"))?,
        escalated: row.flag(7)?,
        language: row.maybe_string(8)?,
        opened_at: row.time(9)?,
        changed_at: row.time(10)?,
        due_at: row.time(11)?,
        held_until: row.maybe_time(12)?,
        assignee: row.maybe_string(13)?,
        lease,
        version: row.int(17)?,
        decided_at: row.maybe_time(18)?,
        facts: row.json(19)?,
    })
}

/// What the console and others are told of a case. No content, and no real name of staff.
pub(super) fn told(kind: &str, case: &Case, what: &str, at: DateTime<Utc>) -> Event {
    let holder = case.lease.as_ref().filter(|lease| lease.until > at).map(|lease| &lease.holder);
    let holder = holder.map(|holder| crate::review::decision::pseudonym(case.tenant.as_str(), holder));
    let data = json!({
        "case": case.id,
        "what": what,
        "subject": case.subject,
        "source": case.clone().disguised().source,
        "queue": case.queue,
        "priority": case.priority,
        "state": case.state,
        "escalated": case.escalated,
        "due_at": case.due_at,
        "version": case.version,
        "held_by": holder,
    });
    let key = match kind {
        CASE_CHANGED => format!("{}:{}", case.id, case.version),
        _ => format!("{}:{}", case.id, kind.trim_start_matches("case.")),
    };
    event(&case.tenant, kind, key, at, data)
}

/// Opens a case, or joins the open one about the same person. Inside a transaction. Answers the case, and whether it is new.
pub(in crate::store) async fn open(
    link: &mut Link<'_>,
    draft: CaseDraft,
    route: Route,
) -> Result<(Case, bool), PipelineError> {
    let reports = draft.exhibits.iter().filter(|exhibit| exhibit.kind() == "report").count();
    let count = u32::try_from(draft.exhibits.len()).unwrap_or(u32::MAX);
    let mut facts = CaseFacts { rules: Vec::new(), labels: Vec::new(), evidence: count, ..draft.facts.clone() };
    facts.reports = u32::try_from(reports).unwrap_or(u32::MAX);
    join(&mut facts.rules, &draft.facts.rules, MAX_NAMES);
    join(&mut facts.labels, &draft.facts.labels, MAX_NAMES);
    let merge_key = draft.source.merges().then(|| draft.subject.clone());
    for _ in 0..RACES {
        let id = CaseId::new();
        let sql = "INSERT INTO cases (tenant, id, subject, merge_key, source, queue, rank, state, escalated, language, opened_at, changed_at,
                       due_at, facts)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, 'open', 0, $8, $9, $9, $10, $11)
                   ON CONFLICT (tenant, merge_key) WHERE merge_key IS NOT NULL DO NOTHING";
        let row = values![
            draft.tenant.as_str(),
            id.to_string(),
            &draft.subject,
            merge_key.clone(),
            draft.source.as_str(),
            &route.queue,
            route.priority.rank(),
            draft.language.clone(),
            draft.at,
            route.due_at,
            json_value(&facts)?,
        ];
        if link.run(sql, row).await? == 1 {
            for staff in &draft.barred {
                bar(link, &draft.tenant, id, staff).await?;
            }
            let case = load(link, &draft.tenant, id).await?.ok_or_else(|| not_found("case", id))?;
            keep(link, &case, draft.at, &draft.exhibits, &draft.media).await?;
            link.tell(told(CASE_OPENED, &case, "opened", draft.at));
            return Ok((case, true));
        }
        let sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND merge_key = $2{}", link.lock());
        let Some(row) = link.row(sql, values![draft.tenant.as_str(), merge_key.clone()]).await? else { continue };
        let joined = joined(case(&row)?, &facts, &route, draft.at);
        let room = MAX_EVIDENCE.saturating_sub(joined.facts.evidence - count) as usize;
        let kept = &draft.exhibits[..draft.exhibits.len().min(room)];
        let case = save(link, joined).await?;
        keep(link, &case, draft.at, kept, if kept.is_empty() { &[] } else { &draft.media }).await?;
        link.tell(told(CASE_CHANGED, &case, "evidence", draft.at));
        return Ok((case, false));
    }
    let message = "the case is opened and decided by others all the time: try again".to_owned();
    Err(PipelineError::Unavailable { part: "store", message })
}

/// A case after a further find: never less urgent and never later due than it was.
fn joined(mut case: Case, more: &CaseFacts, route: &Route, at: DateTime<Utc>) -> Case {
    if route.priority < case.priority && !case.escalated {
        case.queue.clone_from(&route.queue);
    }
    case.priority = case.priority.min(route.priority);
    case.due_at = case.due_at.min(route.due_at);
    case.changed_at = at;
    join(&mut case.facts.rules, &more.rules, MAX_NAMES);
    join(&mut case.facts.labels, &more.labels, MAX_NAMES);
    case.facts.evidence = case.facts.evidence.saturating_add(more.evidence);
    case.facts.reports = case.facts.reports.saturating_add(more.reports);
    case.facts.graphic |= more.graphic;
    case.facts.score = case.facts.score.max(more.score);
    case.facts.clock = case.facts.clock.or(more.clock);
    case
}

/// Writes a case that this transaction has locked, as its next version.
pub(super) async fn save(link: &mut Link<'_>, mut case: Case) -> Result<Case, PipelineError> {
    case.version += 1;
    let open = case.state != CaseState::Decided;
    let merge_key = (open && case.source.merges()).then(|| case.subject.clone());
    let lease = case.lease.as_ref();
    let sql = "UPDATE cases SET merge_key = $3, queue = $4, rank = $5, state = $6, escalated = $7, changed_at = $8, due_at = $9, held_until = $10,
                   assignee = $11, holder = $12, leased_at = $13, lease_until = $14, version = $15, decided_at = $16, facts = $17
               WHERE tenant = $1 AND id = $2";
    let row = values![
        case.tenant.as_str(),
        case.id.to_string(),
        merge_key,
        &case.queue,
        case.priority.rank(),
        case.state.as_str(),
        case.escalated,
        case.changed_at,
        case.due_at,
        case.held_until,
        case.assignee.clone(),
        lease.map(|lease| lease.holder.clone()),
        lease.map(|lease| lease.since),
        lease.map_or(Value::from(0_i64), |lease| Value::from(lease.until)),
        case.version,
        case.decided_at,
        json_value(&case.facts)?,
    ];
    link.run(sql, row).await?;
    Ok(case)
}

/// Keeps evidence, its words and its pictures.
pub(super) async fn keep(
    link: &mut Link<'_>,
    case: &Case,
    at: DateTime<Utc>,
    exhibits: &[Exhibit],
    media: &[Media],
) -> Result<(), PipelineError> {
    let (tenant, id) = (case.tenant.as_str(), case.id.to_string());
    for exhibit in exhibits {
        let name = EvidenceId::new().to_string();
        let sql = "INSERT INTO evidence (tenant, id, case_id, subject, at, kind, item, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let row = values![tenant, &name, &id, &case.subject, at, exhibit.kind(), exhibit.item(), json_value(exhibit)?,];
        link.run(sql, row).await?;
        if let Some(words) = exhibit.words() {
            let sql = "INSERT INTO evidence_words (tenant, id, case_id, subject, body) VALUES ($1, $2, $3, $4, $5)";
            link.run(sql, values![tenant, &name, &id, &case.subject, words.replace('\0', " ")]).await?;
        }
    }
    for picture in media {
        let sql =
            "INSERT INTO evidence_media (tenant, case_id, id, at, media_type, bytes) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (tenant, case_id, id) DO NOTHING";
        let row = values![tenant, &id, &picture.id, at, &picture.media_type, picture.bytes.to_vec()];
        link.run(sql, row).await?;
    }
    Ok(())
}

pub(super) async fn bar(link: &mut Link<'_>, tenant: &TenantId, id: CaseId, staff: &str) -> Result<(), PipelineError> {
    let sql = "INSERT INTO case_barred (tenant, case_id, staff) VALUES ($1, $2, $3) ON CONFLICT (tenant, case_id, staff) DO NOTHING";
    link.run(sql, values![tenant.as_str(), id.to_string(), staff]).await.map(drop)
}

pub(super) async fn load(link: &mut Link<'_>, tenant: &TenantId, id: CaseId) -> Result<Option<Case>, PipelineError> {
    let sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND id = $2");
    link.row(sql, values![tenant.as_str(), id.to_string()]).await?.as_ref().map(case).transpose()
}

/// One case, ours until the commit.
pub(super) async fn lock(link: &mut Link<'_>, tenant: &TenantId, id: CaseId) -> Result<Case, PipelineError> {
    let sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND id = $2{}", link.lock());
    let row = link.row(sql, values![tenant.as_str(), id.to_string()]).await?;
    case(&row.ok_or_else(|| not_found("case", id))?)
}

pub(super) async fn evidence_of(
    link: &mut Link<'_>,
    tenant: &TenantId,
    id: CaseId,
) -> Result<Vec<Evidence>, PipelineError> {
    let sql = "SELECT id, at, body FROM evidence WHERE tenant = $1 AND case_id = $2 ORDER BY id LIMIT $3";
    let rows = link.rows(sql, values![tenant.as_str(), id.to_string(), limit(MAX_EVIDENCE as usize)]).await?;
    let one = |row: &Row| {
        let exhibit = row.maybe_text(2)?.is_some().then(|| row.json(2)).transpose()?;
        Ok(Evidence { id: row.parse(0)?, at: row.time(1)?, exhibit })
    };
    rows.iter().map(one).collect()
}

impl Desk {
    /// Opens a case, or joins the open one, by the tenant's routing rules.
    pub async fn open_case(&self, draft: CaseDraft) -> Result<(Case, bool), PipelineError> {
        let route = self.settings(&draft.tenant).await?.route(&draft);
        self.write("open_case", move |mut link| Box::pin(async move { open(&mut link, draft, route).await })).await
    }

    /// One case.
    pub async fn case(&self, tenant: &TenantId, id: CaseId) -> Result<Case, PipelineError> {
        let tenant = tenant.clone();
        let found =
            self.read("load_case", move |mut link| Box::pin(async move { load(&mut link, &tenant, id).await })).await?;
        found.ok_or_else(|| not_found("case", id))
    }

    /// What a case is judged by. Second reviews, appeals and golden items show that of the case that they are about, after their own.
    pub async fn evidence(&self, tenant: &TenantId, id: CaseId) -> Result<Vec<Evidence>, PipelineError> {
        let tenant = tenant.clone();
        self.read("evidence", move |mut link| {
            Box::pin(async move {
                let case = load(&mut link, &tenant, id).await?.ok_or_else(|| not_found("case", id))?;
                let mut evidence = evidence_of(&mut link, &tenant, id).await?;
                if let Some(origin) = case.facts.origin {
                    evidence.extend(evidence_of(&mut link, &tenant, origin).await?);
                }
                Ok(evidence)
            })
        })
        .await
    }

    /// One picture of a case.
    pub async fn media(&self, tenant: &TenantId, id: CaseId, media: &str) -> Result<Media, PipelineError> {
        let (tenant, name) = (tenant.clone(), media.to_owned());
        self.read("case_media", move |mut link| {
            Box::pin(async move {
                let case = load(&mut link, &tenant, id).await?.ok_or_else(|| not_found("case", id))?;
                for case in [Some(id), case.facts.origin].into_iter().flatten() {
                    let sql =
                        "SELECT media_type, bytes FROM evidence_media WHERE tenant = $1 AND case_id = $2 AND id = $3";
                    let row = link.row(sql, values![tenant.as_str(), case.to_string(), &name]).await?;
                    if let Some(row) = row {
                        let bytes = bytes::Bytes::copy_from_slice(row.bytes(1)?);
                        return Ok(Media { id: name, media_type: row.string(0)?, bytes });
                    }
                }
                Err(not_found("picture", name))
            })
        })
        .await
    }

    /// Cases in the order of work when they are open, else newest first. A reviewer does not see what is for leads.
    pub async fn cases(
        &self,
        staff: &Staff,
        filter: CaseFilter,
        cursor: Option<String>,
        count: usize,
    ) -> Result<Page<Case>, PipelineError> {
        let leads_only: Vec<String> = match staff.role {
            Role::Reviewer => self
                .settings(&staff.tenant)
                .await?
                .queues
                .iter()
                .filter(|queue| queue.leads_only)
                .map(|queue| queue.name.clone())
                .collect(),
            _ => Vec::new(),
        };
        let tenant = staff.tenant.clone();
        let by_work = filter.state == Some(CaseState::Open);
        let rows = self
            .read("case_page", move |mut link| {
                Box::pin(async move {
                    let (sql, values) = page_query(&tenant, filter, cursor, count, &leads_only)?;
                    link.rows(sql, values).await
                })
            })
            .await?;
        let cases = rows.iter().map(case).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(cases, count, |case| match by_work {
            true => format!("{}.{}.{}", case.priority.rank(), crate::store::row::stamp(case.due_at), case.id),
            false => case.id.to_string(),
        }))
    }

    /// Another cases about the same person, newest first.
    pub async fn cases_of(&self, tenant: &TenantId, subject: &str, count: usize) -> Result<Vec<Case>, PipelineError> {
        let (tenant, subject) = (tenant.clone(), subject.to_owned());
        let rows = self
            .read("cases_of", move |mut link| {
                Box::pin(async move {
                    let sql = format!(
                        "SELECT {COLUMNS} FROM cases WHERE tenant = $1 AND subject = $2 ORDER BY id DESC LIMIT $3"
                    );
                    link.rows(sql, values![tenant.as_str(), subject, limit(count)]).await
                })
            })
            .await?;
        rows.iter().map(case).collect()
    }
}

fn page_query(
    tenant: &TenantId,
    filter: CaseFilter,
    cursor: Option<String>,
    count: usize,
    hidden: &[String],
) -> Result<(String, Vec<Value>), PipelineError> {
    let mut sql = format!("SELECT {COLUMNS} FROM cases WHERE tenant = $1");
    let mut values = values![tenant.as_str()];
    let mut and = |condition: &str, value: Value| {
        values.push(value);
        let place = format!("${}", values.len());
        sql.push_str(" AND ");
        sql.push_str(&condition.replace('?', &place));
    };
    let by_work = filter.state == Some(CaseState::Open);
    match filter.state {
        // Written out: so that the index of open cases is used.
        Some(CaseState::Open) => and("(state = 'open') AND state = ?", "open".into()),
        Some(state) => and("state = ?", state.as_str().into()),
        None => {}
    }
    if let Some(queue) = filter.queue {
        and("queue = ?", queue.into());
    }
    if let Some(subject) = filter.subject {
        and("subject = ?", subject.into());
    }
    if let Some(source) = filter.source {
        and("source = ?", source.as_str().into());
    }
    if let Some(priority) = filter.priority {
        and("rank = ?", priority.rank().into());
    }
    if let Some(staff) = filter.staff {
        and("(assignee = ? OR holder = ?)", staff.into());
    }
    if let Some(escalated) = filter.escalated {
        and("escalated = ?", escalated.into());
    }
    for queue in hidden {
        and("queue <> ?", queue.as_str().into());
    }
    if let Some(cursor) = cursor {
        let wrong = || {
            PipelineError::invalid("cursor_invalid", "`cursor` is not one of ours: send the `next` of the page before")
        };
        if by_work {
            let mut parts = cursor.splitn(3, '.');
            let mut next = || parts.next().ok_or_else(wrong);
            let rank: i64 = next()?.parse().map_err(|_| wrong())?;
            let due: i64 = next()?.parse().map_err(|_| wrong())?;
            let id = next()?.to_owned();
            let first = values.len() + 1;
            values.extend(values![rank, due, id]);
            sql.push_str(&format!(" AND (rank, due_at, id) > (${first}, ${}, ${})", first + 1, first + 2));
        } else {
            cursor.parse::<CaseId>().map_err(|_| wrong())?;
            and("id < ?", cursor.into());
        }
    }
    values.push(limit(count + 1).into());
    let order = if by_work { "rank, due_at, id" } else { "id DESC" };
    sql.push_str(&format!(" ORDER BY {order} LIMIT ${}", values.len()));
    Ok((sql, values))
}
