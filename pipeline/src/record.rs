//! What is written down about a judged item: actions, events, and who is told. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    action::Action,
    item::{ActionId, DecisionId, Envelope},
    policy::ActionDraft,
    store::{Event, OutcomeRecord},
    verdict::Outcome,
};

/// Event kind: an item was judged.
pub const ITEM_JUDGED: &str = "item.judged";
/// Event kind: something is to be done.
pub const MODERATION_ACTION: &str = "moderation.action";

/// Which events a webhook wants to be told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookInterest {
    /// The webhook's name, from the configuration.
    pub name: String,
    /// Event kinds; empty means all.
    pub kinds: Vec<String>,
}

/// Who is told of which event: index into `events`, webhook name.
pub fn interested(events: &[Event], webhooks: &[WebhookInterest]) -> Vec<(usize, String)> {
    let wants = |hook: &WebhookInterest, event: &Event| hook.kinds.is_empty() || hook.kinds.contains(&event.kind);
    let pairs = events.iter().enumerate().flat_map(|(index, event)| {
        webhooks.iter().filter(move |hook| wants(hook, event)).map(move |hook| (index, hook.name.clone()))
    });
    pairs.collect()
}

/// A draft with its id, its subject and its time.
pub(crate) fn action(draft: ActionDraft, id: ActionId, subject: &Envelope, policy: &str, at: DateTime<Utc>) -> Action {
    Action {
        id,
        kind: draft.kind,
        subject: subject.clone(),
        rule: draft.rule,
        reason: draft.reason,
        confidence: draft.confidence,
        policy: policy.to_owned(),
        violations: draft.violations,
        decided_at: at,
    }
}

/// The outcome with its events: one `item.judged`, then one `moderation.action` per action.
pub(crate) fn outcome_record(outcome: Outcome, webhooks: &[WebhookInterest]) -> OutcomeRecord {
    let mut events = vec![judged_event(&outcome)];
    events.extend(outcome.actions.iter().map(|action| action_event(action, outcome.next_frame_ms)));
    let webhooks = interested(&events, webhooks);
    OutcomeRecord { outcome, participant: None, context_text: None, events, webhooks, case: None }
}

/// Says who, where and which item; never what was said or shown.
fn subject(envelope: &Envelope) -> serde_json::Map<String, serde_json::Value> {
    let mut body = serde_json::Map::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.into());
        }
    };
    put("item", Some(envelope.id.to_string()));
    put("tenant", Some(envelope.tenant.to_string()));
    put("kind", Some(envelope.kind.as_str().to_owned()));
    put("actor", envelope.actor.as_ref().map(ToString::to_string));
    put("conversation", envelope.conversation.as_ref().map(ToString::to_string));
    put("call", envelope.call.as_ref().map(ToString::to_string));
    put("reference", envelope.reference.clone());
    put("occurred_at", Some(envelope.occurred_at.to_rfc3339()));
    body
}

fn event(kind: &str, key: String, subject_of: &Envelope, at: DateTime<Utc>, body: serde_json::Value) -> Event {
    let mut data = subject(subject_of);
    if let serde_json::Value::Object(body) = body {
        data.extend(body);
    }
    Event { sequence: 0, kind: kind.to_owned(), tenant: subject_of.tenant.clone(), key, at, data: data.into() }
}

fn judged_event(outcome: &Outcome) -> Event {
    let verdict = &outcome.verdict;
    // `f32` as text has the digits that were meant; as JSON number it would get those of the `f64` beside it.
    let scores: serde_json::Map<_, _> =
        outcome.signals.iter().map(|signal| (signal.label.clone(), number(signal.score))).collect();
    let mut body = json!({
        "action": verdict.action,
        "flagged": verdict.flagged,
        "confidence": number(verdict.confidence),
        "rules": verdict.reasons.iter().map(|reason| &reason.rule).collect::<Vec<_>>(),
        "scores": scores,
        "policy": verdict.policy,
        "degraded": verdict.degraded,
        "total_ms": number(outcome.timings.total_ms),
    });
    if let Some(pause) = outcome.next_frame_ms {
        body["next_frame_ms"] = pause.into();
    }
    if outcome.reused {
        body["reused"] = true.into();
    }
    event(ITEM_JUDGED, outcome.envelope.id.to_string(), &outcome.envelope, outcome.decided_at, body)
}

fn action_event(action: &Action, next_frame_ms: Option<u32>) -> Event {
    let mut body = json!({
        "id": action.id,
        "action": action.kind,
        "rule": action.rule,
        "reason": action.reason,
        "confidence": number(action.confidence),
        "violations": action.violations,
        "policy": action.policy,
        "decided_at": action.decided_at,
    });
    if let Some(pause) = next_frame_ms {
        body["next_frame_ms"] = pause.into();
    }
    event(MODERATION_ACTION, action.id.to_string(), &action.subject, action.decided_at, body)
}

/// The event of an action that a member of staff took. `by` is their pseudonym; `seconds` says how long it lasts.
pub(crate) fn staff_action_event(
    action: &Action,
    seconds: Option<u64>,
    by: &str,
    decision: Option<DecisionId>,
) -> Event {
    let mut event = action_event(action, None);
    event.data["by"] = by.into();
    if let Some(seconds) = seconds {
        event.data["seconds"] = seconds.into();
    }
    if let Some(decision) = decision {
        event.data["decision"] = decision.to_string().into();
    }
    event
}

/// A score with four decimals.
fn number(value: f32) -> serde_json::Value {
    json!((f64::from(value) * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        action::ActionKind,
        item::{ItemId, ItemKind},
        verdict::{Timings, Verdict},
    };

    fn outcome() -> Outcome {
        let envelope = Envelope {
            id: ItemId(uuid::Uuid::from_u128(7)),
            tenant: "t".into(),
            kind: ItemKind::Frame,
            actor: Some("ann".into()),
            conversation: None,
            call: Some("room".into()),
            reference: Some("msg-1".into()),
            occurred_at: DateTime::UNIX_EPOCH,
            received_at: DateTime::UNIX_EPOCH,
        };
        let draft = ActionDraft {
            kind: ActionKind::Warn,
            rule: "frame_nudity".into(),
            reason: "No.".into(),
            confidence: 0.97,
            violations: 1,
        };
        let id = ActionId(uuid::Uuid::from_u128(9));
        Outcome {
            actions: vec![action(draft, id, &envelope, "p@1", DateTime::UNIX_EPOCH)],
            envelope,
            content_sha256: "00".into(),
            signals: vec![crate::signal::Signal {
                model: "m".into(),
                version: "1".into(),
                label: "porn".into(),
                score: 0.97,
            }],
            verdict: Verdict {
                action: ActionKind::Warn,
                flagged: true,
                reasons: Vec::new(),
                shadow: Vec::new(),
                confidence: 0.97,
                sanitized_text: Some("secret".into()),
                spans: Vec::new(),
                policy: "p@1".into(),
                degraded: false,
            },
            decided_at: DateTime::UNIX_EPOCH,
            timings: Timings::default(),
            reused: true,
            next_frame_ms: Some(200),
        }
    }

    #[test]
    fn p1_every_item_and_every_action_has_an_event() {
        let record = outcome_record(outcome(), &[]);
        let kinds: Vec<_> = record.events.iter().map(|event| event.kind.as_str()).collect();
        assert_eq!(kinds, [ITEM_JUDGED, MODERATION_ACTION]);
        assert_eq!(record.events[0].key, record.outcome.envelope.id.to_string());
        assert_eq!(record.events[1].key, record.outcome.actions[0].id.to_string());
        let data = &record.events[1].data;
        for (name, expected) in [
            ("action", json!("warn")),
            ("actor", json!("ann")),
            ("call", json!("room")),
            ("reference", json!("msg-1")),
            ("confidence", json!(0.97)),
            ("violations", json!(1)),
            ("kind", json!("frame")),
        ] {
            assert_eq!(data[name], expected, "{name}");
        }
        let judged = &record.events[0].data;
        assert_eq!(judged["scores"], json!({ "porn": 0.97 }));
        assert_eq!((&judged["reused"], &judged["next_frame_ms"]), (&json!(true), &json!(200)));
        assert_eq!(data["next_frame_ms"], 200);
        assert!(!serde_json::to_string(&record.events).unwrap().contains("secret"));
    }

    #[test]
    fn p1_webhooks_are_told_of_what_they_asked_for() {
        let hook = |name: &str, kinds: &[&str]| WebhookInterest {
            name: name.into(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let hooks = [hook("all", &[]), hook("actions", &[MODERATION_ACTION]), hook("calls", &["call.started"])];
        let told = outcome_record(outcome(), &hooks).webhooks;
        assert_eq!(told, [(0, "all".into()), (1, "all".into()), (1, "actions".into())]);
    }
}
