//! What a decision does: actions through the same outbox as automatic ones, undoing, reports, appeals.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Desk, appeals, audit, decide, event, reports};
use crate::{
    action::{Action, ActionKind},
    error::PipelineError,
    item::{ActionId, AppealId, Envelope, ItemId, ItemKind, TenantId},
    record::staff_action_event,
    review::{
        appeal::AppealState,
        case::{Case, Evidence, Exhibit, ItemExhibit, Source},
        decision::{Decision, Ruling, pseudonym},
        routing::ReviewSettings,
        staff::Staff,
    },
    store::{
        Event,
        link::{Link, json as json_value, values},
    },
};

/// Event kind: an earlier action no longer holds; the platform takes it back.
pub const MODERATION_UNDONE: &str = "moderation.undone";
/// Event kind: a report was decided; tell its reporter.
pub const REPORT_RESOLVED: &str = "report.resolved";
/// Event kind: an appeal was decided; tell whoever objected.
pub const APPEAL_RESOLVED: &str = "appeal.resolved";

fn items(evidence: &[Evidence]) -> impl DoubleEndedIterator<Item = &ItemExhibit> {
    evidence.iter().filter_map(|evidence| match &evidence.exhibit {
        Some(Exhibit::Item(item)) => Some(&**item),
        _ => None,
    })
}

/// Whom an action is about when no item says so.
fn bare_envelope(tenant: &TenantId, subject: &str, at: DateTime<Utc>) -> Envelope {
    Envelope {
        id: ItemId::new(),
        tenant: tenant.clone(),
        kind: ItemKind::Text,
        actor: Some(subject.into()),
        conversation: None,
        call: None,
        reference: None,
        occurred_at: at,
        received_at: at,
    }
}

/// Does what the decision says, and notes in it what was done. Actions on the content go to every item of the case; those on the person once.
pub(super) async fn act(
    link: &mut Link<'_>,
    staff: &Staff,
    case: &Case,
    decision: &mut Decision,
    evidence: &[Evidence],
) -> Result<(), PipelineError> {
    match (decision.ruling, decision.action) {
        (Ruling::Act, Some(kind)) => {
            let mut subjects: Vec<Envelope> = items(evidence).map(|item| item.envelope.clone()).collect();
            if kind != ActionKind::Remove || subjects.is_empty() {
                let last = subjects.pop();
                subjects = vec![last.unwrap_or_else(|| bare_envelope(&staff.tenant, &case.subject, decision.at))];
            }
            for subject in subjects {
                let action = Action {
                    id: ActionId::new(),
                    kind,
                    subject,
                    rule: decision.rule.clone().unwrap_or_else(|| "review".into()),
                    reason: decision.reason.clone().unwrap_or_else(|| "A moderator has looked at this.".into()),
                    confidence: 1.0,
                    policy: decision.policy.clone(),
                    violations: 0,
                    decided_at: decision.at,
                };
                decision.actions.push(action.id.to_string());
                let by = pseudonym(staff.tenant.as_str(), &staff.name);
                link.tell(staff_action_event(&action, decision.seconds, &by, Some(decision.id)));
            }
        }
        // An appeal undoes through the decision that it is about (`answer_appeal`), unless there is none.
        (Ruling::Dismiss, _) if case.source != Source::Appeal || case.facts.about.is_none() => {
            let done: Vec<Action> = items(evidence).flat_map(|item| item.actions.clone()).collect();
            for action in done.iter().filter(|action| !matches!(action.kind, ActionKind::Allow | ActionKind::Review)) {
                let actor = action.subject.actor.as_ref().map_or("", |actor| actor.as_str());
                let undone = Undone {
                    action: action.id.to_string(),
                    kind: action.kind,
                    actor,
                    item: Some(action.subject.id.to_string()),
                };
                undo(link, staff, decision, &undone);
            }
        }
        _ => {}
    }
    Ok(())
}

/// An action that is taken back.
pub(super) struct Undone<'a> {
    pub(super) action: String,
    pub(super) kind: ActionKind,
    pub(super) actor: &'a str,
    pub(super) item: Option<String>,
}

/// Takes an action back. The one place: whoever undoes, undoes here.
pub(super) fn undo(link: &mut Link<'_>, staff: &Staff, decision: &mut Decision, undone: &Undone<'_>) {
    if decision.undone.contains(&undone.action) {
        return;
    }
    decision.undone.push(undone.action.clone());
    link.tell(undone_event(&staff.tenant, decision, undone));
}

fn undone_event(tenant: &TenantId, decision: &Decision, undone: &Undone<'_>) -> Event {
    let data = json!({
        "action_id": undone.action,
        "action": undone.kind,
        "actor": undone.actor,
        "item": undone.item,
        "by": pseudonym(tenant.as_str(), &decision.reviewer),
        "decision": decision.id,
        "reason": decision.reason,
    });
    event(tenant, MODERATION_UNDONE, format!("undo:{}", undone.action), decision.at, data)
}

/// Closes the case's reports, and with `all` every open report of the person; credits the reporters and tells them.
pub(super) async fn close_reports(
    link: &mut Link<'_>,
    staff: &Staff,
    settings: &ReviewSettings,
    decision: &Decision,
    all: bool,
) -> Result<(), PipelineError> {
    if decision.source == Source::Appeal.as_str() {
        return Ok(());
    }
    let mut found = reports::of_case(link, &staff.tenant, decision.case).await?;
    if all {
        for report in reports::open_of(link, &staff.tenant, &decision.subject).await? {
            if found.iter().all(|known| known.report.id != report.report.id) {
                found.push(report);
            }
        }
    }
    let upheld = decision.ruling.is_violation();
    for report in found {
        reports::close(link, staff, settings, report, upheld, decision.at).await?;
    }
    Ok(())
}

/// Answers the appeal: the decision stands, or falls and is undone.
pub(super) async fn answer_appeal(
    link: &mut Link<'_>,
    staff: &Staff,
    id: AppealId,
    decision: &mut Decision,
) -> Result<(), PipelineError> {
    let mut appeal = appeals::lock(link, &staff.tenant, id).await?;
    let overturned = decision.ruling != Ruling::Uphold;
    appeal.state = if overturned { AppealState::Overturned } else { AppealState::Upheld };
    appeal.resolved_at = Some(decision.at);
    if let (true, Some(about)) = (overturned, appeal.decision) {
        overturn(link, staff, about, decision).await?;
    }
    let sql = "UPDATE appeals SET state = $3, resolved_at = $4, body = $5 WHERE tenant = $1 AND id = $2";
    let row = values![staff.tenant.as_str(), id.to_string(), appeal.state.as_str(), decision.at, json_value(&appeal)?];
    link.run(sql, row).await?;
    let data = json!({
        "appeal": id, "actor": appeal.actor, "outcome": appeal.state, "decision": appeal.decision, "item": appeal.item,
        "reason": decision.reason,
    });
    link.tell(event(&staff.tenant, APPEAL_RESOLVED, format!("{id}:resolved"), decision.at, data));
    Ok(())
}

/// An earlier decision falls: what it did is undone.
pub(super) async fn overturn(
    link: &mut Link<'_>,
    staff: &Staff,
    about: crate::item::DecisionId,
    by: &mut Decision,
) -> Result<(), PipelineError> {
    let Some(first) = decide::load(link, &staff.tenant, about).await? else { return Ok(()) };
    let sql = "UPDATE decisions SET overturned_at = $3 WHERE tenant = $1 AND id = $2 AND overturned_at IS NULL";
    if link.run(sql, values![staff.tenant.as_str(), about.to_string(), by.at]).await? == 0 {
        return Ok(());
    }
    for action in &first.actions {
        let kind = first.action.unwrap_or(ActionKind::Warn);
        undo(link, staff, by, &Undone { action: action.clone(), kind, actor: &first.subject, item: None });
    }
    Ok(())
}

impl Desk {
    /// Tells of an action by hand, without a case.
    pub async fn act_by_hand(&self, staff: &Staff, action: Action, seconds: Option<u64>) -> Result<(), PipelineError> {
        let staff = staff.clone();
        self.write("act_by_hand", move |mut link| {
            Box::pin(async move { act_by_hand(&mut link, &staff, &action, seconds).await })
        })
        .await
    }
}

async fn act_by_hand(
    link: &mut Link<'_>,
    staff: &Staff,
    action: &Action,
    seconds: Option<u64>,
) -> Result<(), PipelineError> {
    let by = pseudonym(staff.tenant.as_str(), &staff.name);
    link.tell(staff_action_event(action, seconds, &by, None));
    let actor = action.subject.actor.as_ref().map_or("", |actor| actor.as_str());
    let subject = crate::review::audit::person(staff.tenant.as_str(), actor);
    let detail = json!({ "action": action.kind, "id": action.id, "call": action.subject.call, "reason": action.reason, "seconds": seconds });
    audit::append(link, &staff.tenant, staff.entry(action.decided_at, "person.actioned", subject, detail)).await
}
