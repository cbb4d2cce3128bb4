//! What people report of each other: taken in as a case, listed, closed; and who is believed.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, Page, audit, cases, event, not_found, versions};
use crate::{
    error::PipelineError,
    item::{ActorId, CaseId, ReportId, TenantId},
    report::{REPORT_RESOLVED, Report},
    review::{
        audit::person,
        case::{CaseDraft, CaseFacts, Exhibit, ItemExhibit, Source},
        reporter::{Credibility, ReportState},
        routing::ReviewSettings,
        staff::Staff,
    },
    store::{
        Recorded,
        link::{Link, Row, Value, json as json_value, values},
        row::limit,
    },
};

/// Open reports of one person that one decision closes at most.
const MOST: usize = 500;

/// A report with where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptReport {
    /// As it came in.
    #[serde(flatten)]
    pub report: Report,
    /// Where it stands.
    pub state: ReportState,
    /// The case that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// `upheld`, `dismissed`, `muted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<DateTime<Utc>>,
}

/// What is known about a reporter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reporter {
    /// Who.
    pub actor: String,
    /// How far they are believed, 0 to 1.
    pub credibility: f64,
    /// Reports that were upheld, faded.
    pub upheld: f64,
    /// Reports that were dismissed, faded.
    pub dismissed: f64,
    /// Their reports make no cases until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<DateTime<Utc>>,
}

/// Which reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportFilter {
    /// In this state.
    pub state: Option<ReportState>,
    /// About this person.
    pub subject: Option<String>,
    /// By this person.
    pub reporter: Option<String>,
}

const COLUMNS: &str = "r.body, r.state, r.case_id, r.outcome, r.resolved_at";

fn kept(row: &Row) -> Result<KeptReport, PipelineError> {
    let odd = || PipelineError::Internal { part: "store", message: "a report is in an odd state".into() };
    Ok(KeptReport {
        report: row.json(0)?,
        state: ReportState::named(row.text(1)?).ok_or_else(odd)?,
        case: row.maybe_text(2)?.is_some().then(|| row.parse(2)).transpose()?,
        outcome: row.maybe_string(3)?,
        resolved_at: row.maybe_time(4)?,
    })
}

/// The id column is a BLOB in SQLite and a uuid in PostgreSQL.
fn id_is(link: &Link<'_>, place: &str) -> String {
    link.choose("r.id = unhex(replace(?, '-', ''))", "r.id = (?)::uuid").replace('?', place)
}

pub(super) async fn of_case(
    link: &mut Link<'_>,
    tenant: &TenantId,
    case: CaseId,
) -> Result<Vec<KeptReport>, PipelineError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reports r WHERE r.tenant = $1 AND r.case_id = $2 AND r.state <> 'closed' LIMIT $3"
    );
    let rows = link.rows(sql, values![tenant.as_str(), case.to_string(), limit(MOST)]).await?;
    rows.iter().map(kept).collect()
}

pub(super) async fn open_of(
    link: &mut Link<'_>,
    tenant: &TenantId,
    subject: &str,
) -> Result<Vec<KeptReport>, PipelineError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM reports r WHERE r.tenant = $1 AND r.subject = $2 AND r.state <> 'closed' LIMIT $3"
    );
    let rows = link.rows(sql, values![tenant.as_str(), subject, limit(MOST)]).await?;
    rows.iter().map(kept).collect()
}

async fn set_state(
    link: &mut Link<'_>,
    tenant: &TenantId,
    id: ReportId,
    state: ReportState,
    case: Option<CaseId>,
    outcome: Option<&str>,
    resolved_at: Option<DateTime<Utc>>,
) -> Result<(), PipelineError> {
    let sql = format!(
        "UPDATE reports AS r SET state = $2, case_id = coalesce($3, case_id), outcome = $4, resolved_at = $5
         WHERE r.tenant = $1 AND {}",
        id_is(link, "$6")
    );
    let values = values![
        tenant.as_str(),
        state.as_str(),
        case.map(|case| case.to_string()),
        outcome,
        resolved_at,
        id.to_string(),
    ];
    link.run(sql, values).await.map(drop)
}

/// Closes a report: its reporter is credited and told.
pub(super) async fn close(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    report: KeptReport,
    upheld: bool,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let outcome = if upheld { "upheld" } else { "dismissed" };
    let report = report.report;
    set_state(link, &staff.tenant, report.id, ReportState::Closed, None, Some(outcome), Some(at)).await?;
    credit(link, settings, &staff.tenant, &report.reporter, upheld, at).await?;
    let data = json!({
        "report": report.id, "reporter": report.reporter, "subject": report.subject, "outcome": outcome, "reason": report.reason,
    });
    link.tell(event(&staff.tenant, REPORT_RESOLVED, format!("{}:resolved", report.id), at, data));
    Ok(())
}

fn half_life(settings: &ReviewSettings) -> TimeDelta {
    TimeDelta::days(i64::from(settings.credibility_half_life_days.max(1)))
}

async fn known(
    link: &mut Link<'_>,
    tenant: &TenantId,
    actor: &str,
    at: DateTime<Utc>,
) -> Result<(Credibility, Option<DateTime<Utc>>), PipelineError> {
    let sql = format!(
        "SELECT upheld, dismissed, at, muted_until FROM reporters WHERE tenant = $1 AND actor = $2{}",
        link.lock()
    );
    let Some(row) = link.row(sql, values![tenant.as_str(), actor]).await? else {
        return Ok((Credibility::unknown(at), None));
    };
    let thousandths = |column| row.int(column).map(|value| value as f64 / 1000.0);
    let known = Credibility { upheld: thousandths(0)?, dismissed: thousandths(1)?, at: row.time(2)? };
    Ok((known, row.maybe_time(3)?))
}

async fn put(
    link: &mut Link<'_>,
    tenant: &TenantId,
    actor: &str,
    known: Credibility,
    muted_until: Option<DateTime<Utc>>,
) -> Result<(), PipelineError> {
    let sql = "INSERT INTO reporters (tenant, actor, upheld, dismissed, at, muted_until) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (tenant, actor) DO UPDATE SET upheld = excluded.upheld, dismissed = excluded.dismissed, at = excluded.at,
                   muted_until = excluded.muted_until";
    let thousandths = |value: f64| (value * 1000.0).round() as i64;
    let row = values![
        tenant.as_str(),
        actor,
        thousandths(known.upheld),
        thousandths(known.dismissed),
        known.at,
        muted_until,
    ];
    link.run(sql, row).await.map(drop)
}

async fn credit(
    link: &mut Link<'_>,
    settings: &ReviewSettings,
    tenant: &TenantId,
    reporter: &ActorId,
    upheld: bool,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let (credibility, muted) = known(link, tenant, reporter.as_str(), at).await?;
    put(link, tenant, reporter.as_str(), credibility.after(upheld, at, half_life(settings)), muted).await
}

/// What a report asks for.
fn draft(report: &Report, settings: &ReviewSettings, credibility: &Credibility) -> CaseDraft {
    let mut draft = CaseDraft::new(report.tenant.clone(), report.subject.as_str(), Source::Report, report.at);
    let clock = settings.starts_clock(&report.reason);
    draft.at_most = if clock.is_some() { None } else { credibility.at_most() };
    draft.facts = CaseFacts {
        labels: vec![report.reason.clone()],
        summary: format!("Reported: {}", report.reason),
        graphic: settings.is_graphic(std::iter::once(report.reason.as_str())),
        clock,
        ..CaseFacts::default()
    };
    draft.exhibits = vec![Exhibit::Report {
        report: report.id,
        reporter: report.reporter.to_string(),
        reason: report.reason.clone(),
        note: report.note.clone(),
        credibility: (credibility.mean() * 1000.0).round() / 1000.0,
        call: report.call.as_ref().map(ToString::to_string),
        conversation: report.conversation.as_ref().map(ToString::to_string),
        item: report.item.as_ref().map(ToString::to_string),
    }];
    draft
}

/// What was seen becomes evidence, whatever its author makes of it later: named by the report, and there once.
async fn pin(link: &mut Link<'_>, draft: &mut CaseDraft, seen: ItemExhibit) -> Result<(), PipelineError> {
    let id = seen.envelope.id;
    for exhibit in &mut draft.exhibits {
        if let Exhibit::Report { item, .. } = exhibit {
            *item = Some(id.to_string());
        }
    }
    if !versions::is_evidence(link, &draft.tenant, &draft.subject, id).await? {
        draft.exhibits.push(Exhibit::Item(Box::new(seen)));
    }
    Ok(())
}

impl Desk {
    /// Keeps a report, with its events, and makes it a case or part of one; of a muted reporter it is only kept.
    /// [`Recorded::Already`] when its id is known.
    pub async fn take_report(&self, report: &Report) -> Result<Recorded, PipelineError> {
        let settings = self.settings(&report.tenant).await?;
        let (now, report) = (self.now(), report.clone());
        self.write("take_report", move |mut link| {
            Box::pin(async move {
                let sql = link.choose(
                    "INSERT INTO reports (id, tenant, reporter, subject, at, body)
                     VALUES (unhex(replace($1, '-', '')), $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                    "INSERT INTO reports (id, tenant, reporter, subject, at, body)
                     VALUES (($1)::uuid, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
                );
                let row = values![
                    report.id.to_string(),
                    report.tenant.as_str(),
                    report.reporter.as_str(),
                    report.subject.as_str(),
                    report.at,
                    json_value(&report)?,
                ];
                if link.run(sql, row).await? == 0 {
                    return Ok(Recorded::Already);
                }
                link.tell(report.event());
                let (credibility, muted) = known(&mut link, &report.tenant, report.reporter.as_str(), now).await?;
                let clock = settings.starts_clock(&report.reason).is_some();
                if muted.is_some_and(|until| until > now) && !clock {
                    let closed = ReportState::Closed;
                    set_state(&mut link, &report.tenant, report.id, closed, None, Some("muted"), Some(now)).await?;
                    return Ok(Recorded::New);
                }
                let mut draft = draft(&report, &settings, &credibility.faded(now, half_life(&settings)));
                if let Some(seen) = versions::reported(&mut link, &report).await? {
                    pin(&mut link, &mut draft, seen).await?;
                }
                let route = settings.route(&draft);
                let (case, _) = cases::open(&mut link, draft, route).await?;
                set_state(&mut link, &report.tenant, report.id, ReportState::Queued, Some(case.id), None, None).await?;
                Ok(Recorded::New)
            })
        })
        .await
    }

    /// Reports, newest first; the cursor is the time and id of the last one.
    pub async fn reports(
        &self,
        tenant: &TenantId,
        filter: ReportFilter,
        cursor: Option<String>,
        count: usize,
    ) -> Result<Page<KeptReport>, PipelineError> {
        let tenant = tenant.clone();
        let before = match cursor {
            None => i64::MAX,
            Some(cursor) => cursor.parse().map_err(|_| {
                PipelineError::invalid(
                    "cursor_invalid",
                    "`cursor` is not one of ours: send the `next` of the page before",
                )
            })?,
        };
        let rows = self
            .read("report_page", move |mut link| {
                Box::pin(async move {
                    let mut sql = format!("SELECT {COLUMNS} FROM reports r WHERE r.tenant = $1 AND r.at < $2");
                    let mut values = values![tenant.as_str(), before];
                    let mut and = |condition: &str, value: Value| {
                        values.push(value);
                        sql.push_str(&format!(" AND {condition} ${}", values.len()));
                    };
                    if let Some(state) = filter.state {
                        and("r.state =", state.as_str().into());
                    }
                    if let Some(subject) = filter.subject {
                        and("r.subject =", subject.into());
                    }
                    if let Some(reporter) = filter.reporter {
                        and("r.reporter =", reporter.into());
                    }
                    values.push(limit(count + 1).into());
                    sql.push_str(&format!(" ORDER BY r.at DESC LIMIT ${}", values.len()));
                    link.rows(sql, values).await
                })
            })
            .await?;
        let reports = rows.iter().map(kept).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(reports, count, |report| crate::store::row::stamp(report.report.at).to_string()))
    }

    /// Moves a report by the table of states; closing it says whether it was right.
    pub async fn move_report(
        &self,
        staff: &Staff,
        id: ReportId,
        to: ReportState,
        upheld: Option<bool>,
    ) -> Result<KeptReport, PipelineError> {
        let settings = self.settings(&staff.tenant).await?;
        let (now, staff) = (self.now(), staff.clone());
        self.write("move_report", move |mut link| {
            Box::pin(async move {
                let report = find(&mut link, &staff.tenant, id).await?;
                report.state.step(to)?;
                match (to, upheld) {
                    (ReportState::Closed, Some(upheld)) => {
                        close(&mut link, &staff, &settings, report.clone(), upheld, now).await?;
                    }
                    (ReportState::Closed, None) => {
                        let message = "closing a report needs `upheld`: was it right?";
                        return Err(PipelineError::invalid("report_outcome_missing", message));
                    }
                    _ => set_state(&mut link, &staff.tenant, id, to, None, None, None).await?,
                }
                let detail = json!({ "from": report.state, "to": to, "upheld": upheld });
                let entry = staff.entry(now, "report.moved", format!("report:{id}"), detail);
                let moved = find(&mut link, &staff.tenant, id).await?;
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(moved)
            })
        })
        .await
    }

    /// What is known about a reporter now.
    pub async fn reporter(&self, tenant: &TenantId, actor: &str) -> Result<Reporter, PipelineError> {
        let (now, settings) = (self.now(), self.settings(tenant).await?);
        let (tenant, name) = (tenant.clone(), actor.to_owned());
        let (known, muted_until) = self
            .read("reporter", move |mut link| {
                Box::pin(async move {
                    let sql =
                        "SELECT upheld, dismissed, at, muted_until FROM reporters WHERE tenant = $1 AND actor = $2";
                    let Some(row) = link.row(sql, values![tenant.as_str(), &name]).await? else {
                        return Ok((Credibility::unknown(now), None));
                    };
                    let thousandths = |column| row.int(column).map(|value| value as f64 / 1000.0);
                    let known = Credibility { upheld: thousandths(0)?, dismissed: thousandths(1)?, at: row.time(2)? };
                    Ok((known, row.maybe_time(3)?))
                })
            })
            .await?;
        let known = known.faded(now, half_life(&settings));
        Ok(Reporter {
            actor: actor.to_owned(),
            credibility: known.mean(),
            upheld: known.upheld,
            dismissed: known.dismissed,
            muted_until: muted_until.filter(|until| *until > now),
        })
    }

    /// Reports of this person make no cases until `until`; `None` lifts it. Reports about intimate pictures always do: a law sets their time.
    pub async fn mute_reporter(
        &self,
        staff: &Staff,
        actor: &str,
        until: Option<DateTime<Utc>>,
    ) -> Result<(), PipelineError> {
        let (now, staff, actor) = (self.now(), staff.clone(), actor.to_owned());
        self.write("mute_reporter", move |mut link| {
            Box::pin(async move {
                let (credibility, _) = known(&mut link, &staff.tenant, &actor, now).await?;
                put(&mut link, &staff.tenant, &actor, credibility, until).await?;
                let entry = staff.entry(
                    now,
                    "reporter.muted",
                    person(staff.tenant.as_str(), &actor),
                    json!({ "until": until }),
                );
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }
}

async fn find(link: &mut Link<'_>, tenant: &TenantId, id: ReportId) -> Result<KeptReport, PipelineError> {
    let sql = format!("SELECT {COLUMNS} FROM reports r WHERE r.tenant = $1 AND {}{}", id_is(link, "$2"), link.lock());
    let row = link.row(sql, values![tenant.as_str(), id.to_string()]).await?;
    kept(&row.ok_or_else(|| not_found("report", id))?)
}
