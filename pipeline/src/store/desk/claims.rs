//! Who has which case: an exclusive lease with a heartbeat. Nobody is given a case that somebody else has.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Desk, audit, cases, quality};
use crate::{
    error::PipelineError,
    item::CaseId,
    review::{
        case::{Case, CaseState, Lease},
        routing::ReviewSettings,
        staff::{Role, Staff},
    },
    store::link::{Link, Value, values},
};

/// The longest that a case may be put aside.
pub const MAX_HOLD: TimeDelta = TimeDelta::days(30);
/// The queue of cases that were handed up.
pub const ESCALATED: &str = "escalated";

/// What a claim looks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Claim {
    /// Only this case.
    pub case: Option<CaseId>,
    /// Only from this queue.
    pub queue: Option<String>,
    /// Random, 0 to 1: decides whether a case with a known answer is mixed in.
    pub draw: f64,
    /// Give the case back that they have: the cases that they passed over just now.
    pub skipped: Vec<CaseId>,
}

/// What somebody does with a case without deciding it.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Prolong the lease.
    Heartbeat,
    /// Give it back.
    Release,
    /// Give it back, and do not get it again.
    Skip,
    /// Put it aside until then.
    Hold(DateTime<Utc>),
    /// Hand it up to the leads.
    Escalate(String),
    /// Hand it to somebody; `None` takes it away from whoever it was handed to.
    Assign(Option<String>),
    /// Move it to another queue.
    Move(String),
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Release => "released",
            Self::Skip => "skipped",
            Self::Hold(_) => "held",
            Self::Escalate(_) => "escalated",
            Self::Assign(_) => "assigned",
            Self::Move(_) => "moved",
        }
    }
}

impl Desk {
    /// Gives `staff` the next case that they may have, or the one that they ask for; `None` when none waits.
    pub async fn claim(&self, staff: &Staff, claim: Claim) -> Result<Option<Case>, PipelineError> {
        let (now, settings, staff) = (self.now(), self.settings(&staff.tenant).await?, staff.clone());
        self.write("claim_case", move |mut link| {
            Box::pin(async move {
                wake(&mut link, &staff, now).await?;
                if claim.case.is_none() {
                    refuse_full(&mut link, &staff, &settings, now).await?;
                }
                let golden = match claim.case {
                    None if settings.golden_share > claim.draw => quality::golden_case(&mut link, &staff, now).await?,
                    _ => None,
                };
                let found = match (golden, claim.case) {
                    (Some(case), _) => Some(case),
                    (None, Some(id)) => Some(asked_for(&mut link, &staff, &settings, id, now).await?),
                    (None, None) => next(&mut link, &staff, &settings, &claim, now).await?,
                };
                let Some(mut case) = found else { return Ok(None) };
                let until = now + TimeDelta::seconds(settings.lease_seconds.into());
                let since = case.lease.as_ref().filter(|lease| lease.holder == staff.name && lease.until > now);
                let since = since.map_or(now, |lease| lease.since);
                let fresh = since == now;
                case.lease = Some(Lease { holder: staff.name.clone(), since, until });
                case.changed_at = now;
                let case = cases::save(&mut link, case).await?;
                if fresh {
                    link.tell(cases::told(cases::CASE_CHANGED, &case, "claimed", now));
                    let entry =
                        staff.entry(now, "case.claimed", format!("case:{}", case.id), json!({ "queue": case.queue }));
                    audit::append(&mut link, &staff.tenant, entry).await?;
                }
                Ok(Some(case))
            })
        })
        .await
    }

    /// Does something with a case that `staff` has; handing on and moving also work for leads who do not have it.
    pub async fn step(&self, staff: &Staff, id: CaseId, step: Step) -> Result<Case, PipelineError> {
        let (now, settings, staff) = (self.now(), self.settings(&staff.tenant).await?, staff.clone());
        self.write("step_case", move |mut link| {
            Box::pin(async move {
                let mut case = cases::lock(&mut link, &staff.tenant, id).await?;
                let foreign =
                    matches!(step, Step::Assign(_) | Step::Move(_) | Step::Release) && staff.role != Role::Reviewer;
                match foreign {
                    true if case.state == CaseState::Decided => case.held_by(&staff.name, now)?,
                    true => {}
                    false => case.held_by(&staff.name, now)?,
                }
                if let Step::Heartbeat = step {
                    return prolong(&mut link, case, &settings, now).await;
                }
                case.lease = None;
                case.changed_at = now;
                let mut detail = json!({});
                match &step {
                    Step::Heartbeat | Step::Release => {}
                    Step::Skip => cases::bar(&mut link, &staff.tenant, id, &staff.name).await?,
                    Step::Hold(until) => {
                        if *until <= now || *until > now + MAX_HOLD {
                            let message = "`until` lies in the future, at most 30 days";
                            return Err(PipelineError::invalid("hold_until", message));
                        }
                        case.state = CaseState::Held;
                        case.held_until = Some(*until);
                        // It comes back to whoever put it aside.
                        case.assignee = Some(staff.name.clone());
                        detail = json!({ "until": until });
                    }
                    Step::Escalate(why) => {
                        detail = json!({ "from": case.queue, "why": why.chars().take(500).collect::<String>() });
                        case.escalated = true;
                        case.assignee = None;
                        case.queue = ESCALATED.into();
                        case.priority = case.priority.min(crate::review::case::Priority::High);
                    }
                    Step::Assign(to) => {
                        if let Some(to) = to {
                            refuse_barred(&mut link, &staff, id, to).await?;
                        }
                        detail = json!({ "to": to, "from": case.assignee });
                        case.assignee.clone_from(to);
                        if case.state == CaseState::Held {
                            case.state = CaseState::Open;
                            case.held_until = None;
                        }
                    }
                    Step::Move(queue) => {
                        if settings.queue(queue).is_none() {
                            let message = format!("there is no queue `{queue}`: add it to the settings first");
                            return Err(PipelineError::invalid("queue_unknown", message));
                        }
                        detail = json!({ "from": case.queue, "to": queue });
                        case.queue.clone_from(queue);
                        case.escalated = queue == ESCALATED;
                    }
                }
                let case = cases::save(&mut link, case).await?;
                link.tell(cases::told(cases::CASE_CHANGED, &case, step.name(), now));
                let entry = staff.entry(now, &format!("case.{}", step.name()), format!("case:{id}"), detail);
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(case)
            })
        })
        .await
    }
}

/// Prolongs a lease; the case keeps its version, since nothing that is judged has changed.
async fn prolong(
    link: &mut Link<'_>,
    mut case: Case,
    settings: &ReviewSettings,
    now: DateTime<Utc>,
) -> Result<Case, PipelineError> {
    let until = now + TimeDelta::seconds(settings.lease_seconds.into());
    let sql = "UPDATE cases SET lease_until = $3 WHERE tenant = $1 AND id = $2";
    link.run(sql, values![case.tenant.as_str(), case.id.to_string(), until]).await?;
    if let Some(lease) = &mut case.lease {
        lease.until = until;
    }
    Ok(case)
}

/// What was put aside until now waits again.
async fn wake(link: &mut Link<'_>, staff: &Staff, now: DateTime<Utc>) -> Result<(), PipelineError> {
    let due = "SELECT 1 FROM cases WHERE tenant = $1 AND state = 'held' AND held_until <= $2 LIMIT 1";
    if link.row(due, values![staff.tenant.as_str(), now]).await?.is_none() {
        return Ok(());
    }
    let sql = "UPDATE cases SET state = 'open', held_until = NULL, version = version + 1, changed_at = $2
               WHERE tenant = $1 AND state = 'held' AND held_until <= $2";
    link.run(sql, values![staff.tenant.as_str(), now]).await.map(drop)
}

async fn refuse_full(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    now: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let sql = "SELECT count(*) FROM cases WHERE tenant = $1 AND holder = $2 AND lease_until > $3";
    let row = link.row(sql, values![staff.tenant.as_str(), staff.name.as_str(), now]).await?;
    let has = row.map(|row| row.count(0)).transpose()?.unwrap_or_default();
    let most = staff.profile.capacity.unwrap_or(settings.capacity);
    if has < u64::from(most) {
        return Ok(());
    }
    let message = format!("you have {has} cases, at most {most} at once: decide or release one first");
    Err(PipelineError::Conflict { code: "capacity_reached", message })
}

async fn refuse_barred(link: &mut Link<'_>, staff: &Staff, id: CaseId, who: &str) -> Result<(), PipelineError> {
    let sql = "SELECT 1 FROM case_barred WHERE tenant = $1 AND case_id = $2 AND staff = $3";
    if link.row(sql, values![staff.tenant.as_str(), id.to_string(), who]).await?.is_none() {
        return Ok(());
    }
    let message = "this case needs somebody else: they decided it before, or passed it over".to_owned();
    Err(PipelineError::Conflict { code: "case_barred", message })
}

async fn asked_for(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    id: CaseId,
    now: DateTime<Utc>,
) -> Result<Case, PipelineError> {
    let case = cases::lock(link, &staff.tenant, id).await?;
    let taken = case.lease.as_ref().is_some_and(|lease| lease.until > now && lease.holder != staff.name);
    if taken || case.state == CaseState::Decided {
        case.held_by(&staff.name, now)?;
    }
    refuse_barred(link, staff, id, &staff.name).await?;
    let own = case.lease.as_ref().is_some_and(|lease| lease.until > now && lease.holder == staff.name);
    if !own {
        refuse_full(link, staff, settings, now).await?;
    }
    let leads_only = case.escalated || settings.queue(&case.queue).is_some_and(|queue| queue.leads_only);
    if leads_only && staff.role == Role::Reviewer {
        let message = "this case was handed up: a lead decides it".to_owned();
        return Err(PipelineError::Conflict { code: "case_escalated", message });
    }
    if case.assignee.as_ref().is_some_and(|assignee| *assignee != staff.name) && staff.role == Role::Reviewer {
        let message = "this case was handed to somebody else: take the next one".to_owned();
        return Err(PipelineError::Conflict { code: "case_not_yours", message });
    }
    Ok(Case { state: CaseState::Open, held_until: None, ..case })
}

/// The next case in the order of work: what was handed to them first.
async fn next(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    claim: &Claim,
    now: DateTime<Utc>,
) -> Result<Option<Case>, PipelineError> {
    for condition in ["assignee = $2", "assignee IS NULL"] {
        let mut sql = format!(
            "SELECT {} FROM cases c WHERE tenant = $1 AND state = 'open' AND lease_until <= $3 AND {condition}
             AND NOT EXISTS (SELECT 1 FROM case_barred b WHERE b.tenant = c.tenant AND b.case_id = c.id AND b.staff = $2)",
            cases::COLUMNS
        );
        let mut values = values![staff.tenant.as_str(), staff.name.as_str(), now];
        let mut place = |value: Value| {
            values.push(value);
            format!("${}", values.len())
        };
        if let Some(queue) = &claim.queue {
            sql.push_str(&format!(" AND queue = {}", place(queue.into())));
        }
        let closed = |queue: &&crate::review::routing::QueueRule| {
            queue.paused
                || (queue.leads_only && staff.role == Role::Reviewer)
                || queue.skill.as_ref().is_some_and(|skill| !staff.profile.skills.contains(skill))
        };
        for queue in settings.queues.iter().filter(closed) {
            sql.push_str(&format!(" AND queue <> {}", place((&queue.name).into())));
        }
        if staff.role == Role::Reviewer {
            sql.push_str(" AND escalated = 0");
        }
        if !staff.profile.languages.is_empty() {
            let places: Vec<String> = staff.profile.languages.iter().map(|language| place(language.into())).collect();
            sql.push_str(&format!(" AND (language IS NULL OR language IN ({}))", places.join(", ")));
        }
        for skipped in claim.skipped.iter().take(50) {
            sql.push_str(&format!(" AND id <> {}", place(skipped.to_string().into())));
        }
        sql.push_str(" ORDER BY rank, due_at, id LIMIT 1");
        sql.push_str(link.lock_free());
        if let Some(row) = link.row(sql, values).await? {
            return cases::case(&row).map(Some);
        }
    }
    Ok(None)
}
