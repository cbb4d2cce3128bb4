//! What is written down about a judged item: actions, events, and who is told. Pure.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    action::{Action, ActionKind},
    enforcement::{acknowledge::Acknowledge, entry::ActionEntry},
    item::{ActionId, DecisionId, Envelope, TenantId},
    policy::{ActionDraft, Policy},
    store::{Event, OutcomeRecord},
    verdict::Outcome,
};

/// Event kind: an item was judged.
pub const ITEM_JUDGED: &str = "item.judged";
/// Event kind: something is to be done.
pub const MODERATION_ACTION: &str = "moderation.action";

/// Event kind: another policy is in force.
pub const POLICY_CHANGED: &str = "policy.changed";

/// Event kind: a day's cap is reached, and humans decide instead.
pub const BREAKER_OPENED: &str = "breaker.opened";
/// Event kind: a breaker was closed by hand.
pub const BREAKER_CLOSED: &str = "breaker.closed";
/// Event kind: an action was told as often as it may be, and nobody has acknowledged it.
pub const ACTION_UNACKNOWLEDGED: &str = "action.unacknowledged";

/// Which events a webhook wants to be told of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookInterest {
    /// The webhook's name, from the configuration.
    pub name: String,
    /// Only this tenant's events; `None`: every tenant's.
    #[serde(default)]
    pub tenant: Option<TenantId>,
    /// Event kinds; empty means all.
    pub kinds: Vec<String>,
}

/// Who is told of which event: index into `events`, webhook name.
pub fn interested(events: &[Event], webhooks: &[WebhookInterest]) -> Vec<(usize, String)> {
    let wants = |hook: &WebhookInterest, event: &Event| {
        hook.tenant.as_ref().is_none_or(|tenant| *tenant == event.tenant)
            && (hook.kinds.is_empty() || hook.kinds.contains(&event.kind))
    };
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
        expires_at: draft.lasts.and_then(|lasts| at.checked_add_signed(lasts)),
        strikes: draft.strikes,
        instead_of: draft.instead_of,
        cause: None,
    }
}

/// The outcome with its events: one `item.judged`, then one `moderation.action` per action, with the entry by which it is followed.
pub(crate) fn outcome_record(outcome: Outcome, terms: &Terms, webhooks: &[WebhookInterest]) -> OutcomeRecord {
    let mut events = vec![judged_event(&outcome)];
    let mut entries = Vec::with_capacity(outcome.actions.len());
    for action in &outcome.actions {
        let event = action_event(action, outcome.next_frame_ms, terms);
        entries.push(entry(action, event.data.clone(), terms));
        events.push(event);
    }
    let webhooks = interested(&events, webhooks);
    OutcomeRecord {
        outcome,
        participant: None,
        context_text: None,
        person: None,
        entries,
        events,
        webhooks,
        case: None,
        version: None,
        picture: None,
    }
}

/// What a policy says about following actions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Terms {
    /// How long strikes count.
    pub(crate) window: Option<TimeDelta>,
    /// How long the platform's word is awaited.
    pub(crate) acknowledge: Option<Acknowledge>,
}

impl Terms {
    pub(crate) fn of(policy: &Policy) -> Self {
        Self { window: policy.strikes().map(|rules| rules.window), acknowledge: policy.acknowledge() }
    }
}

fn entry(action: &Action, told: serde_json::Value, terms: &Terms) -> ActionEntry {
    ActionEntry {
        id: action.id,
        tenant: action.subject.tenant.clone(),
        actor: action.subject.actor.clone(),
        item: Some(action.subject.id),
        kind: action.kind.as_str().to_owned(),
        rule: action.rule.clone(),
        reason: action.reason.clone(),
        by: "policy".to_owned(),
        at: action.decided_at,
        until: action.expires_at,
        strikes: action.strikes,
        strikes_until: terms
            .window
            .filter(|_| action.strikes > 0)
            .and_then(|window| action.decided_at.checked_add_signed(window)),
        cause: action.cause,
        reverses: None,
        // A question to a human is no business of the platform's.
        acknowledge: terms.acknowledge.filter(|_| action.kind != ActionKind::Review),
        told,
    }
}

/// How an action is taken back.
pub(crate) struct Inverse<'a> {
    /// The id of what takes it back.
    pub(crate) id: ActionId,
    /// The word for it.
    pub(crate) kind: &'a str,
    /// Who.
    pub(crate) by: &'a str,
    /// One sentence for the person concerned.
    pub(crate) reason: &'a str,
    /// Its time was over: its strikes stay.
    pub(crate) expired: bool,
    /// When.
    pub(crate) at: DateTime<Utc>,
}

/// The entry that takes another back.
pub(crate) fn taken_back(entry: &ActionEntry, how: &Inverse<'_>) -> ActionEntry {
    let mut told = entry.told.clone();
    if let serde_json::Value::Object(told) = &mut told {
        for gone in ["expires_at", "strikes", "strikes_until", "instead_of", "cause", "next_frame_ms", "decision"] {
            told.remove(gone);
        }
        let changes = json!({
            "id": how.id, "action": how.kind, "reason": how.reason, "decided_at": how.at, "by": how.by, "reverses": entry.id,
            "strikes_returned": if how.expired { 0 } else { entry.strikes },
        });
        if let serde_json::Value::Object(changes) = changes {
            told.extend(changes);
        }
    }
    ActionEntry {
        id: how.id,
        tenant: entry.tenant.clone(),
        actor: entry.actor.clone(),
        item: entry.item,
        kind: how.kind.to_owned(),
        rule: entry.rule.clone(),
        reason: how.reason.to_owned(),
        by: how.by.to_owned(),
        at: how.at,
        until: None,
        strikes: 0,
        strikes_until: None,
        cause: None,
        reverses: Some(entry.id),
        acknowledge: entry.acknowledge,
        told,
    }
}

/// What the platform is told of an entry, again under the same key.
pub(crate) fn entry_event(entry: &ActionEntry) -> Event {
    Event {
        sequence: 0,
        kind: MODERATION_ACTION.to_owned(),
        tenant: entry.tenant.clone(),
        key: entry.id.to_string(),
        at: entry.at,
        data: entry.told.clone(),
    }
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
    put("message", envelope.message.clone());
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
    if let Some(language) = &verdict.language {
        body["language"] = json!({
            "code": language.code,
            "confidence": number(language.confidence),
            "supported": language.supported,
        });
    }
    if outcome.reused {
        body["reused"] = true.into();
    }
    event(ITEM_JUDGED, outcome.envelope.id.to_string(), &outcome.envelope, outcome.decided_at, body)
}

fn action_event(action: &Action, next_frame_ms: Option<u32>, terms: &Terms) -> Event {
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
    if let Some(until) = action.expires_at {
        body["expires_at"] = json!(until);
    }
    if action.strikes > 0 {
        body["strikes"] = action.strikes.into();
        if let Some(until) = terms.window.and_then(|window| action.decided_at.checked_add_signed(window)) {
            body["strikes_until"] = json!(until);
        }
    }
    if let Some(kind) = action.instead_of {
        body["instead_of"] = json!(kind);
    }
    if let Some(cause) = action.cause {
        body["cause"] = json!(cause);
    }
    if terms.acknowledge.is_some() && action.kind != ActionKind::Review {
        body["acknowledge"] = true.into();
    }
    event(MODERATION_ACTION, action.id.to_string(), &action.subject, action.decided_at, body)
}

/// A day's cap is reached.
pub(crate) fn breaker_opened(tenant: &TenantId, kind: ActionKind, cap: u32, at: DateTime<Utc>) -> Event {
    let day = at.date_naive();
    Event {
        sequence: 0,
        kind: BREAKER_OPENED.to_owned(),
        tenant: tenant.clone(),
        key: uuid::Uuid::now_v7().to_string(),
        at,
        data: json!({ "action": kind, "cap": cap, "day": day }),
    }
}

/// An action that a member of staff took, with its event. `by` is their pseudonym.
pub(crate) fn staff_action(
    action: &Action,
    by: &str,
    decision: Option<DecisionId>,
    terms: &Terms,
) -> (ActionEntry, Event) {
    let mut event = action_event(action, None, terms);
    event.data["by"] = by.into();
    if let Some(decision) = decision {
        event.data["decision"] = decision.to_string().into();
    }
    let entry = ActionEntry { by: by.to_owned(), ..entry(action, event.data.clone(), terms) };
    (entry, event)
}

/// A score with four decimals.
fn number(value: f32) -> serde_json::Value {
    json!((f64::from(value) * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
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
            message: None,
            occurred_at: DateTime::UNIX_EPOCH,
            received_at: DateTime::UNIX_EPOCH,
        };
        let draft = ActionDraft {
            kind: ActionKind::Warn,
            rule: "frame_nudity".into(),
            reason: "No.".into(),
            confidence: 0.97,
            violations: 1,
            strikes: 0,
            lasts: None,
            instead_of: None,
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
                language: None,
            },
            decided_at: DateTime::UNIX_EPOCH,
            timings: Timings::default(),
            reused: true,
            next_frame_ms: Some(200),
            length: 9,
            width: 4,
            height: 4,
        }
    }

    #[test]
    fn p1_every_item_and_every_action_has_an_event() {
        let record = outcome_record(outcome(), &Terms::default(), &[]);
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
            tenant: None,
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
        };
        let of = |tenant: &str| WebhookInterest { tenant: Some(tenant.into()), ..hook(tenant, &[]) };
        assert_ne!(outcome().envelope.tenant.as_str(), "other");
        let hooks =
            [hook("all", &[]), hook("actions", &[MODERATION_ACTION]), hook("calls", &["call.started"]), of("other")];
        let told = outcome_record(outcome(), &Terms::default(), &hooks).webhooks;
        assert_eq!(told, [(0, "all".into()), (1, "all".into()), (1, "actions".into())]);
    }
}
