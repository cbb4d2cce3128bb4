//! What a decision does: actions through the same outbox as automatic ones, undoing, reports, appeals.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Desk, appeals, audit, decide, event, reports, statements};
use crate::{
    action::{Action, ActionKind},
    enforcement::{inverse::inverse, strikes::StrikeRules},
    error::PipelineError,
    item::{ActionId, AppealId, DecisionId, Envelope, ItemId, ItemKind, TenantId},
    policy::{STRIKES, step_beside},
    record::{Inverse, Terms, entry_event, staff_action, taken_back},
    review::{
        appeal::AppealState,
        case::{Case, Evidence, Exhibit, ItemExhibit, Source},
        decision::{Decision, Ruling, pseudonym},
        routing::ReviewSettings,
        staff::Staff,
    },
    store::link::{Link, json as json_value, values},
};

/// Event kind: an appeal was decided; tell whoever objected.
pub(crate) const APPEAL_RESOLVED: &str = "appeal.resolved";

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
        message: None,
        occurred_at: at,
        received_at: at,
    }
}

/// What the policy in force says about following what people do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Following {
    /// How actions are followed.
    pub(crate) terms: Terms,
    /// Strikes of breaking the rule that the decision names.
    pub(crate) strikes: u32,
    /// What strikes lead to.
    pub(crate) rules: Option<StrikeRules>,
    /// Items that show the same as the case's pictures, and are to be removed with them.
    pub(crate) copies: Vec<Envelope>,
}

/// Does what the decision says, and notes in it what was done. Actions on the content go to every item of the case; those on the person once.
pub(super) async fn act(
    link: &mut Link<'_>,
    staff: &Staff,
    case: &Case,
    decision: &mut Decision,
    evidence: &[Evidence],
    following: &Following,
) -> Result<(), PipelineError> {
    match (decision.ruling, decision.action) {
        (Ruling::Act, Some(kind)) => {
            let mut subjects: Vec<Envelope> = items(evidence).map(|item| item.envelope.clone()).collect();
            if kind != ActionKind::Remove || subjects.is_empty() {
                let last = subjects.pop();
                subjects = vec![last.unwrap_or_else(|| bare_envelope(&staff.tenant, &case.subject, decision.at))];
            }
            if kind == ActionKind::Remove {
                subjects.extend(following.copies.iter().cloned());
            }
            let by = pseudonym(staff.tenant.as_str(), &staff.name);
            for (index, subject) in subjects.into_iter().enumerate() {
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
                    expires_at: ends(decision.at, decision.seconds),
                    // One decision is one violation, however many items it takes down.
                    strikes: if index == 0 { following.strikes } else { 0 },
                    instead_of: None,
                    cause: None,
                };
                decision.actions.push(action.id.to_string());
                let step = strikes_step(link, &action, following.rules.as_ref()).await?;
                take(link, &action, &by, Some(decision.id), &following.terms).await?;
                if let Some(step) = step {
                    // Undone with its cause.
                    take(link, &step, "policy", Some(decision.id), &following.terms).await?;
                }
            }
        }
        // An appeal undoes through the decision that it is about (`answer_appeal`), unless there is none.
        (Ruling::Dismiss, _) if case.source != Source::Appeal || case.facts.about.is_none() => {
            let done = items(evidence).flat_map(|item| &item.actions);
            for action in done.filter(|action| !matches!(action.kind, ActionKind::Allow | ActionKind::Review)) {
                undo(link, staff, decision, action.id).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What an action's strikes lead to, as if the policy had given them. The person is held ([`Link::hold_person`]).
async fn strikes_step(
    link: &mut Link<'_>,
    action: &Action,
    rules: Option<&StrikeRules>,
) -> Result<Option<Action>, PipelineError> {
    let Some((rules, actor)) = rules.zip(action.subject.actor.as_ref()).filter(|_| action.strikes > 0) else {
        return Ok(None);
    };
    let person = link.person(&action.subject.tenant, actor, action.decided_at).await?;
    Ok(step_beside(rules, &person, action.strikes, action.kind).map(|step| Action {
        id: ActionId::new(),
        kind: step.action,
        rule: STRIKES.to_owned(),
        reason: rules.reason.clone(),
        expires_at: step.lasts.and_then(|lasts| action.decided_at.checked_add_signed(lasts)),
        strikes: 0,
        cause: Some(action.id),
        ..action.clone()
    }))
}

/// When something that lasts `seconds` ends; never, when nobody says.
pub(crate) fn ends(at: DateTime<Utc>, seconds: Option<u64>) -> Option<DateTime<Utc>> {
    let lasts = TimeDelta::try_seconds(i64::try_from(seconds?).ok()?)?;
    at.checked_add_signed(lasts)
}

/// Keeps an action of a member of staff, and tells the platform.
async fn take(
    link: &mut Link<'_>,
    action: &Action,
    by: &str,
    decision: Option<DecisionId>,
    terms: &Terms,
) -> Result<(), PipelineError> {
    let (entry, event) = staff_action(action, by, decision, terms);
    link.put_action(&entry).await?;
    link.tell(event);
    Ok(())
}

/// Takes an action back, and what its strikes led to: the strikes are given back, and the platform is told. What was taken back before, or is no
/// longer known, stays as it is.
pub(super) async fn undo(
    link: &mut Link<'_>,
    staff: &Staff,
    decision: &mut Decision,
    id: ActionId,
) -> Result<(), PipelineError> {
    let Some(known) = link.action(&staff.tenant, id).await? else { return Ok(()) };
    let led_to = link.actions_caused_by(&staff.tenant, id).await?;
    for known in std::iter::once(known).chain(led_to) {
        let kind = ActionKind::ALL.into_iter().find(|kind| kind.as_str() == known.entry.kind).and_then(inverse);
        let Some(kind) = kind.filter(|_| known.fate.reversed_by.is_none()) else { continue };
        let by = pseudonym(staff.tenant.as_str(), &decision.reviewer);
        let reason = decision.reason.as_deref().unwrap_or("A moderator has looked at this again.");
        let how = Inverse { id: ActionId::new(), kind, by: &by, reason, expired: false, at: decision.at };
        let mut inverse = taken_back(&known.entry, &how);
        inverse.told["decision"] = json!(decision.id);
        if link.reverse_action(&inverse).await? {
            link.tell(entry_event(&inverse));
            decision.undone.push(known.entry.id.to_string());
        }
    }
    Ok(())
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
    about: DecisionId,
    by: &mut Decision,
) -> Result<(), PipelineError> {
    let Some(first) = decide::load(link, &staff.tenant, about).await? else { return Ok(()) };
    let sql = "UPDATE decisions SET overturned_at = $3 WHERE tenant = $1 AND id = $2 AND overturned_at IS NULL";
    if link.run(sql, values![staff.tenant.as_str(), about.to_string(), by.at]).await? == 0 {
        return Ok(());
    }
    statements::withdraw(link, &staff.tenant, about).await?;
    for action in &first.actions {
        if let Ok(id) = action.parse() {
            undo(link, staff, by, ActionId(id)).await?;
        }
    }
    Ok(())
}

impl Desk {
    /// Keeps an action by hand, without a case, and tells of it.
    pub(crate) async fn act_by_hand(
        &self,
        staff: &Staff,
        action: Action,
        seconds: Option<u64>,
        terms: Terms,
    ) -> Result<(), PipelineError> {
        let staff = staff.clone();
        self.write("act_by_hand", move |mut link| {
            Box::pin(async move {
                let by = pseudonym(staff.tenant.as_str(), &staff.name);
                take(&mut link, &action, &by, None, &terms).await?;
                let actor = action.subject.actor.as_ref().map_or("", |actor| actor.as_str());
                let subject = crate::review::audit::person(staff.tenant.as_str(), actor);
                let detail = json!({
                    "action": action.kind, "id": action.id, "call": action.subject.call, "reason": action.reason, "seconds": seconds,
                });
                let entry = staff.entry(action.decided_at, "person.actioned", subject, detail);
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }
}
