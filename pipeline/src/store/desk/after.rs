//! What is done with a case or decision afterwards: notes, taking a decision back, the statement that a law wants.

use chrono::TimeDelta;
use serde_json::json;

use super::{Desk, audit, cases, decide, effects, not_found, verdicts};
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{CaseId, DecisionId, ItemKind, TenantId},
    review::{
        case::{CaseState, Exhibit, Source},
        decision::{Decision, Ruling},
        staff::{Permission, Staff},
        statement::{self, Grounds, Statement},
    },
    store::link::values,
};

/// How long a reviewer may take their own decision back.
pub const OWN_UNDO: TimeDelta = TimeDelta::minutes(15);

impl Desk {
    /// Writes a note into a case.
    pub async fn write_note(&self, staff: &Staff, id: CaseId, text: &str) -> Result<(), PipelineError> {
        let (now, staff, text) = (self.now(), staff.clone(), text.to_owned());
        self.write("write_note", move |mut link| {
            Box::pin(async move {
                let mut case = cases::lock(&mut link, &staff.tenant, id).await?;
                let note = Exhibit::Note { by: staff.name.clone(), text };
                cases::keep(&mut link, &case, now, &[note], &[]).await?;
                case.facts.evidence = case.facts.evidence.saturating_add(1);
                case.changed_at = now;
                let case = cases::save(&mut link, case).await?;
                link.tell(cases::told(cases::CASE_CHANGED, &case, "note", now));
                audit::append(&mut link, &staff.tenant, staff.entry(now, "case.noted", format!("case:{id}"), json!({})))
                    .await
            })
        })
        .await
    }

    /// Takes a decision back: what it did is undone, its case waits again. One's own for [`OWN_UNDO`]; leads any.
    pub async fn take_back(&self, staff: &Staff, id: DecisionId) -> Result<Decision, PipelineError> {
        let (now, staff) = (self.now(), staff.clone());
        self.write("take_back", move |mut link| {
            Box::pin(async move {
                let found =
                    decide::load(&mut link, &staff.tenant, id).await?.ok_or_else(|| not_found("decision", id))?;
                let refuse = |code, message: &str| Err(PipelineError::Conflict { code, message: message.to_owned() });
                let own = found.reviewer == staff.name && now <= found.at + OWN_UNDO;
                if !own && !staff.role.may(Permission::DecideEscalated) {
                    return refuse("undo_over", "you can take back your own decisions for 15 minutes: ask a lead");
                }
                if found.overturned_at.is_some() {
                    return refuse("decision_over", "this decision no longer holds: there is nothing to take back");
                }
                let mut case = cases::lock(&mut link, &staff.tenant, found.case).await?;
                if !case.source.acts() || case.source == Source::Appeal {
                    return refuse(
                        "undo_measured",
                        "this decision cannot be taken back: decide about a new appeal instead",
                    );
                }
                // The undoing has the name of whoever undoes.
                let mut by = Decision { at: now, reviewer: staff.name.clone(), undone: Vec::new(), ..found.clone() };
                effects::overturn(&mut link, &staff, id, &mut by).await?;
                verdicts::forget(&mut link, &staff.tenant, id).await?;
                let sql = "SELECT 1 FROM cases WHERE tenant = $1 AND merge_key = $2";
                let newer = link.row(sql, values![staff.tenant.as_str(), &case.subject]).await?.is_some();
                if !newer {
                    case.state = CaseState::Open;
                    case.decided_at = None;
                    case.changed_at = now;
                    let case = cases::save(&mut link, case).await?;
                    link.tell(cases::told(cases::CASE_CHANGED, &case, "reopened", now));
                }
                let detail = json!({ "decision": id, "undone": by.undone, "reopened": !newer });
                let entry = staff.entry(now, "decision.undone", format!("case:{}", found.case), detail);
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(Decision { overturned_at: Some(now), ..found })
            })
        })
        .await
    }

    /// A draft of the statement of reasons of a decision.
    pub async fn statement(&self, tenant: &TenantId, id: DecisionId) -> Result<Statement, PipelineError> {
        let decision = self.decision(tenant, id).await?;
        let (case, evidence) =
            tokio::try_join!(self.case(tenant, decision.case), self.evidence(tenant, decision.case))?;
        let items: Vec<_> = evidence
            .iter()
            .filter_map(|evidence| match &evidence.exhibit {
                Some(Exhibit::Item(item)) => Some(item),
                _ => None,
            })
            .collect();
        let kinds: Vec<ItemKind> = items.iter().map(|item| item.envelope.kind).collect();
        // What a reviewer upheld is what the policy had done.
        let upheld = || items.iter().flat_map(|item| &item.actions).map(|action| action.kind).max();
        let action = match decision.ruling {
            Ruling::Act => decision.action,
            Ruling::Uphold => upheld(),
            Ruling::Dismiss => None,
        };
        let puid = decision.id.to_string();
        let grounds = Grounds {
            id: &puid,
            action: action.unwrap_or(ActionKind::Allow),
            seconds: decision.seconds,
            at: decision.at,
            rule: decision
                .rule
                .as_deref()
                .or(case.facts.rules.first().map(String::as_str))
                .unwrap_or("terms of service"),
            // What a case opened by hand says of itself names a colleague.
            reason: decision.reason.as_deref().unwrap_or(match case.source {
                Source::Manual => "It breaks the terms of service.",
                _ => &case.facts.summary,
            }),
            labels: &case.facts.labels,
            kinds: &kinds,
            content_at: items.last().map(|item| item.envelope.occurred_at),
            language: case.language.as_deref(),
            reported: case.facts.reports > 0,
            found_by_model: items.iter().any(|item| !item.reasons.is_empty()),
            decided_by_person: true,
        };
        let nothing = || PipelineError::Conflict {
            code: "statement_nothing",
            message: "this decision restricted nothing: no statement of reasons is needed".into(),
        };
        statement::draft(&grounds).ok_or_else(nothing)
    }
}
