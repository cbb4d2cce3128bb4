//! Statements of reasons on their way to the transparency database: one for each decision that restricted something, from the draft to the database's
//! own id. A person lets each of them go; what is sent is what they saw.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, Page, audit, event, not_found};
use crate::{
    error::PipelineError,
    hash::sha256_hex,
    item::{DecisionId, TenantId},
    review::{
        decision::{Decision, Ruling},
        staff::Staff,
        statement::{Statement, StatementState},
    },
    store::{
        link::{Link, Row, json as json_value, values},
        row::limit,
    },
};

/// Event kind: a statement of reasons may go out; it holds the official fields.
pub const STATEMENT_QUEUED: &str = "statement.queued";
/// Longest answer of the database that is kept, in bytes.
const MAX_ERROR: usize = 500;

const COLUMNS: &str = "tenant, decision, at, state, body, tries, sent_at, error, remote, by_staff";

/// A statement as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptStatement {
    /// Whose.
    pub tenant: TenantId,
    /// Of which decision.
    pub decision: DecisionId,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// Where it stands.
    pub state: StatementState,
    /// What is sent; absent until somebody has let it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Statement>,
    /// Tries to send it.
    pub tries: u32,
    /// When the database took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<DateTime<Utc>>,
    /// Why it could not be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The database's id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Who let it go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// How a try to send one ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sending {
    /// The database took it, under this id.
    Taken(String),
    /// It did not: again, then.
    Again(DateTime<Utc>, String),
    /// It never will, as it is.
    Refused(String),
}

fn kept(row: &Row) -> Result<KeptStatement, PipelineError> {
    let odd = || PipelineError::Internal { part: "store", message: "a statement is in an odd state".into() };
    Ok(KeptStatement {
        tenant: TenantId(row.string(0)?),
        decision: row.parse(1)?,
        at: row.time(2)?,
        state: StatementState::named(row.text(3)?).ok_or_else(odd)?,
        statement: row.maybe_text(4)?.is_some().then(|| row.json(4)).transpose()?,
        tries: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
        sent_at: row.maybe_time(6)?,
        error: row.maybe_string(7)?,
        remote: row.maybe_string(8)?,
        by: row.maybe_string(9)?,
    })
}

/// Notes that a decision wants a statement, in its transaction.
pub(super) async fn expect(link: &mut Link<'_>, tenant: &TenantId, decision: &Decision) -> Result<(), PipelineError> {
    if decision.ruling == Ruling::Dismiss {
        return Ok(());
    }
    let sql = "INSERT INTO statements (tenant, decision, at, state) VALUES ($1, $2, $3, $4) ON CONFLICT (tenant, decision) DO NOTHING";
    let state = StatementState::Draft.as_str();
    link.run(sql, values![tenant.as_str(), decision.id.to_string(), decision.at, state]).await.map(drop)
}

/// The decision no longer holds: what has not been sent is not sent.
pub(super) async fn withdraw(link: &mut Link<'_>, tenant: &TenantId, id: DecisionId) -> Result<u64, PipelineError> {
    let sql = "UPDATE statements SET state = 'withdrawn', due_at = NULL WHERE tenant = $1 AND decision = $2
                   AND state IN ('draft', 'queued', 'failed')";
    link.run(sql, values![tenant.as_str(), id.to_string()]).await
}

async fn load(link: &mut Link<'_>, tenant: &TenantId, id: DecisionId) -> Result<Option<KeptStatement>, PipelineError> {
    let sql = format!("SELECT {COLUMNS} FROM statements WHERE tenant = $1 AND decision = $2{}", link.lock());
    link.row(sql, values![tenant.as_str(), id.to_string()]).await?.as_ref().map(kept).transpose()
}

impl Desk {
    /// Statements, the newest decision first.
    pub async fn statements(
        &self,
        tenant: &TenantId,
        state: Option<StatementState>,
        before: Option<DecisionId>,
        count: usize,
    ) -> Result<Page<KeptStatement>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("statement_page", move |mut link| {
                Box::pin(async move {
                    let mut sql = format!("SELECT {COLUMNS} FROM statements WHERE tenant = $1");
                    let mut values = values![tenant.as_str(), limit(count + 1)];
                    if let Some(state) = state {
                        values.extend(values![state.as_str()]);
                        sql.push_str(&format!(" AND state = ${}", values.len()));
                    }
                    if let Some(before) = before {
                        values.extend(values![before.to_string()]);
                        sql.push_str(&format!(" AND decision < ${}", values.len()));
                    }
                    sql.push_str(" ORDER BY decision DESC LIMIT $2");
                    link.rows(sql, values).await
                })
            })
            .await?;
        let statements = rows.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(statements, count, |statement| statement.decision.to_string()))
    }

    /// Lets a statement go: as it was drafted, or as somebody corrected it. Again, when it was refused.
    pub async fn queue_statement(
        &self,
        staff: &Staff,
        id: DecisionId,
        corrected: Option<Statement>,
    ) -> Result<KeptStatement, PipelineError> {
        let decision = self.decision(&staff.tenant, id).await?;
        if decision.overturned_at.is_some() {
            let message = "this decision no longer holds: there is nothing to state reasons for".to_owned();
            return Err(PipelineError::Conflict { code: "decision_over", message });
        }
        let draft = self.statement(&staff.tenant, id).await?;
        let statement = corrected.unwrap_or_else(|| draft.clone());
        statement.check()?;
        if statement.puid != draft.puid {
            let message = format!("`puid` is the decision's id, `{}`: leave it as the draft has it", draft.puid);
            return Err(PipelineError::invalid("statement_invalid", message));
        }
        let (now, staff) = (self.now(), staff.clone());
        self.write("queue_statement", move |mut link| {
            Box::pin(async move {
                let known = load(&mut link, &staff.tenant, id).await?;
                if let Some(known) = known.filter(|known| !known.state.may_go()) {
                    let message = format!("this statement is `{}` already", known.state.as_str());
                    return Err(PipelineError::Conflict { code: "statement_state", message });
                }
                let sql = "INSERT INTO statements (tenant, decision, at, state, body, tries, due_at, by_staff)
                           VALUES ($1, $2, $3, 'queued', $4, 0, $5, $6)
                           ON CONFLICT (tenant, decision) DO UPDATE SET state = 'queued', body = excluded.body, tries = 0,
                               due_at = excluded.due_at, by_staff = excluded.by_staff, error = NULL";
                let body = json_value(&statement)?;
                // The chain keeps for ever what it holds: not the words for the person concerned.
                let digest = sha256_hex(&serde_json::to_vec(&statement).unwrap_or_default());
                let tenant = staff.tenant.as_str();
                link.run(sql, values![tenant, id.to_string(), decision.at, body, now, staff.name.as_str()]).await?;
                let data = json!({ "decision": id, "statement": statement });
                link.tell(event(&staff.tenant, STATEMENT_QUEUED, format!("{id}:statement:{}", now.timestamp_millis()), now, data));
                let entry = staff.entry(now, "statement.queued", format!("decision:{id}"), json!({ "sha256": digest }));
                audit::append(&mut link, &staff.tenant, entry).await?;
                load(&mut link, &staff.tenant, id).await?.ok_or_else(|| not_found("statement", id))
            })
        })
        .await
    }

    /// Notes that a statement was sent by other means (`remote`: the database's id), or, without one, that it is not to be sent.
    pub async fn settle_statement(
        &self,
        staff: &Staff,
        id: DecisionId,
        remote: Option<&str>,
    ) -> Result<(), PipelineError> {
        let remote = remote.map(|remote| remote.chars().take(200).collect::<String>());
        let (now, staff) = (self.now(), staff.clone());
        self.write("settle_statement", move |mut link| {
            Box::pin(async move {
                let known = load(&mut link, &staff.tenant, id).await?.ok_or_else(|| not_found("statement", id))?;
                let may = match &remote {
                    Some(_) => known.state == StatementState::Queued || known.state == StatementState::Failed,
                    None => known.state != StatementState::Sent && known.state != StatementState::Withdrawn,
                };
                if !may {
                    let message = format!(
                        "this statement is `{}`: only what is queued can be sent, and what is sent stays",
                        known.state.as_str()
                    );
                    return Err(PipelineError::Conflict { code: "statement_state", message });
                }
                match &remote {
                    Some(remote) => taken(&mut link, &staff.tenant, id, now, remote).await?,
                    None => withdraw(&mut link, &staff.tenant, id).await.map(drop)?,
                }
                let kind = if remote.is_some() { "statement.sent" } else { "statement.withdrawn" };
                let entry = staff.entry(now, kind, format!("decision:{id}"), json!({ "remote": remote }));
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }

    /// Statements of a tenant that are to be sent now, oldest first.
    pub async fn due_statements(&self, tenant: &TenantId, count: usize) -> Result<Vec<KeptStatement>, PipelineError> {
        let (now, tenant) = (self.now(), tenant.clone());
        let rows = self
            .read("due_statements", move |mut link| {
                Box::pin(async move {
                    let sql = format!(
                        "SELECT {COLUMNS} FROM statements WHERE tenant = $1 AND state = 'queued' AND due_at <= $2
                         ORDER BY due_at, decision LIMIT $3"
                    );
                    link.rows(sql, values![tenant.as_str(), now, limit(count)]).await
                })
            })
            .await?;
        rows.iter().map(kept).collect()
    }

    /// Writes down how a try to send one ended. What was withdrawn meanwhile stays so, unless the database has it.
    pub async fn statement_tried(
        &self,
        tenant: &TenantId,
        id: DecisionId,
        sending: Sending,
    ) -> Result<(), PipelineError> {
        let (now, tenant) = (self.now(), tenant.clone());
        self.write("statement_tried", move |mut link| {
            Box::pin(async move {
                let which = || values![tenant.as_str(), id.to_string()];
                match sending {
                    Sending::Taken(remote) => taken(&mut link, &tenant, id, now, &remote).await,
                    Sending::Again(at, error) => {
                        let sql = "UPDATE statements SET tries = tries + 1, due_at = $3, error = $4 WHERE tenant = $1 AND decision = $2
                                       AND state = 'queued'";
                        let mut row = which();
                        row.extend(values![at, cut(error)]);
                        link.run(sql, row).await.map(drop)
                    }
                    Sending::Refused(error) => {
                        let sql = "UPDATE statements SET state = 'failed', tries = tries + 1, due_at = NULL, error = $3
                                   WHERE tenant = $1 AND decision = $2 AND state = 'queued'";
                        let mut row = which();
                        row.extend(values![cut(error)]);
                        link.run(sql, row).await.map(drop)
                    }
                }
            })
        })
        .await
    }
}

async fn taken(
    link: &mut Link<'_>,
    tenant: &TenantId,
    id: DecisionId,
    at: DateTime<Utc>,
    remote: &str,
) -> Result<(), PipelineError> {
    let sql = "UPDATE statements SET state = 'sent', tries = tries + 1, sent_at = $3, remote = $4, due_at = NULL, error = NULL
               WHERE tenant = $1 AND decision = $2";
    link.run(sql, values![tenant.as_str(), id.to_string(), at, remote]).await.map(drop)
}

fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_ERROR) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}
