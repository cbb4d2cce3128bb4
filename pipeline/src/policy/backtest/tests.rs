use chrono::TimeDelta;

use super::*;
use crate::{
    action::Action,
    item::{ActionId, Envelope, ItemKind},
    verdict::{Timings, Verdict},
};

const POLICY: &str = r#"
name = "draft"
[strikes]
days = 30
weights = { medium = 1 }
steps = [{ strikes = 3, action = "suspend", hours = 24 }]
[[ladder]]
name = "call"
window_seconds = 30
steps = [{ violations = 1, action = "warn" }, { violations = 3, action = "disconnect" }]
[[rule]]
name = "insult"
kinds = ["text"]
when = "score.insult >= 0.5"
action = "remove"
severity = "medium"
reason = "R."
[[rule]]
name = "nudity"
kinds = ["frame"]
when = "score.porn > 0.5"
ladder = "call"
reason = "R."
[[rule]]
name = "together"
kinds = ["text"]
when = "context.insult >= 0.9"
action = "review"
reason = "R."
[[rule]]
name = "long"
kinds = ["text"]
when = "item.length > 100"
action = "warn"
reason = "R."
"#;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

fn outcome(n: u128, kind: ItemKind, actor: &str, scores: &[(&str, f32)], did: ActionKind, seconds: i64) -> Outcome {
    let envelope = Envelope {
        id: ItemId(uuid::Uuid::from_u128(n)),
        tenant: "t".into(),
        kind,
        actor: Some(actor.into()),
        conversation: None,
        call: (kind == ItemKind::Frame).then(|| "room".into()),
        reference: None,
        message: None,
        occurred_at: at(seconds),
        received_at: at(seconds),
    };
    let signal = |(label, score): &(&str, f32)| Signal {
        model: "m".into(),
        version: "1".into(),
        label: (*label).into(),
        score: *score,
    };
    let action = Action {
        id: ActionId(uuid::Uuid::from_u128(n)),
        kind: did,
        subject: envelope.clone(),
        rule: "old".into(),
        reason: "R.".into(),
        confidence: 0.9,
        policy: "old@1".into(),
        violations: 0,
        decided_at: at(seconds),
        expires_at: None,
        strikes: 0,
        instead_of: None,
        cause: None,
    };
    Outcome {
        envelope,
        content_sha256: String::new(),
        signals: scores.iter().map(signal).collect(),
        verdict: Verdict {
            action: did,
            flagged: did != ActionKind::Allow,
            reasons: vec![],
            shadow: vec![],
            confidence: 0.5,
            sanitized_text: None,
            spans: vec![],
            language: None,
            policy: "old@1".into(),
            degraded: false,
        },
        actions: if did == ActionKind::Allow { vec![] } else { vec![action] },
        decided_at: at(seconds),
        timings: Timings::default(),
        reused: false,
        next_frame_ms: None,
        length: 0,
        width: 0,
        height: 0,
    }
}

fn run(outcomes: &[(Outcome, Human)]) -> Report {
    let mut backtest =
        Backtest::new(Arc::new(Policy::parse("t.toml", POLICY).unwrap()), SecondOpinionConfig::default());
    for (outcome, human) in outcomes {
        backtest.add(outcome, *human);
    }
    backtest.finish()
}

#[test]
fn p4_a_backtest_counts_people_per_action_and_shows_where_the_two_differ() {
    use ActionKind::{Allow, Ban, Remove};
    let text = |n, actor, insult, did| outcome(n, ItemKind::Text, actor, &[("insult", insult)], did, n as i64);
    let human = Human::default();
    let report = run(&[
        (text(1, "ann", 0.1, Allow), human),
        (text(2, "ann", 0.7, Allow), human),
        (text(3, "bob", 0.7, Remove), human),
        (text(4, "cid", 0.2, Ban), Human { overturned: true, violates: Some(false) }),
        (text(5, "dan", 0.8, Remove), Human { overturned: true, violates: Some(true) }),
        (text(6, "eve", 0.4, Allow), Human { overturned: false, violates: Some(true) }),
    ]);
    assert_eq!((report.items, report.passed_before, report.passed_after), (6, 3, 3));
    let remove = report.actions["remove"];
    assert_eq!((remove.before, remove.after, remove.people_before, remove.people_after), (2, 3, 2, 3));
    assert_eq!((remove.people_gained, remove.people_lost), (1, 0));
    assert_eq!((report.actions["ban"].people_lost, report.actions["ban"].after), (1, 0));
    assert_eq!((report.overturned, report.overturned_repeated), (2, 1));
    let agreement = |caught, missed, false_alarms, passed| Agreement { caught, missed, false_alarms, passed };
    assert_eq!(report.agreement_before, agreement(1, 1, 1, 0));
    assert_eq!(report.agreement_after, agreement(1, 1, 0, 1));
    let items = |samples: &[Sample]| samples.iter().map(|sample| sample.item.0.as_u128()).collect::<Vec<_>>();
    assert_eq!((items(&report.harder), items(&report.milder)), (vec![2], vec![4]));
    assert_eq!(report.harder[0].rules, ["insult"]);
}

#[test]
fn p4_ladders_and_strikes_are_simulated_in_their_order() {
    let frame = |n, second| outcome(n, ItemKind::Frame, "ann", &[("porn", 0.9)], ActionKind::Allow, second);
    let text = |n, second| outcome(n, ItemKind::Text, "bob", &[("insult", 0.9)], ActionKind::Allow, second);
    let human = Human::default();
    let month = 31 * 86_400;
    let report = run(&[
        (frame(1, 0), human),
        (frame(2, 5), human),
        (frame(3, 10), human),
        (text(4, 0), human),
        (text(5, 1), human),
        (text(6, 2), human),
        (text(7, month), human),
    ]);
    let after = |name: &str| report.actions.get(name).map_or(0, |diff| diff.after);
    assert_eq!((after("warn"), after("disconnect")), (2, 1));
    assert_eq!(
        (after("remove"), after("suspend")),
        (4, 1),
        "the third strike suspends; a month later one counts alone"
    );
    assert_eq!(report.actions["suspend"].people_gained, 1);
}

#[test]
fn p4_what_was_not_recorded_is_said_and_skips_its_rules() {
    use ActionKind::{Allow, Remove, Review, Warn};
    let human = Human::default();
    let mut known = outcome(1, ItemKind::Text, "ann", &[("insult", 0.1)], Allow, 1);
    known.length = 200;
    let unknown = outcome(2, ItemKind::Text, "ann", &[("insult", 0.1)], Allow, 2);
    let together = outcome(3, ItemKind::Text, "ann", &[("insult", 0.1), ("context.insult", 0.95)], Allow, 3);
    let never_seen = outcome(4, ItemKind::Text, "ann", &[("insult", 0.1)], Remove, 4);
    let mut broken = outcome(5, ItemKind::Text, "ann", &[], Review, 5);
    broken.verdict.degraded = true;
    let report = run(&[(known, human), (unknown, human), (together, human), (never_seen, human), (broken, human)]);
    assert_eq!((report.items, report.unjudged, report.without_size, report.without_context), (4, 1, 3, 1));
    let after: Vec<_> = report.harder.iter().map(|sample| (sample.item.0.as_u128(), sample.after)).collect();
    assert!(after.contains(&(1, Warn)) && after.contains(&(3, Review)) && after.len() == 2, "{after:?}");
}

#[test]
fn p4_memory_is_bounded_and_what_was_forgotten_is_said() {
    let policy = Arc::new(Policy::parse("t.toml", POLICY).unwrap());
    let mut remembered = Remembered::<u64, u8>::default();
    for n in 0..(REMEMBERED as u64 + 1) {
        *remembered.of(n, at(n as i64)) = 1;
    }
    let forgotten = remembered.make_room();
    assert_eq!(remembered.0.len() as u64 + forgotten, REMEMBERED as u64 + 1);
    assert!(remembered.0.len() <= REMEMBERED / 2 + 1 && remembered.0.contains_key(&(REMEMBERED as u64)));
    assert_eq!(remembered.make_room(), 0);
    let mut backtest = Backtest::new(policy, SecondOpinionConfig::default());
    for n in 0..1000 {
        backtest.add(&outcome(n, ItemKind::Text, "ann", &[("insult", 0.9)], ActionKind::Allow, 1), Human::default());
    }
    assert_eq!(backtest.finish().harder.len(), SAMPLES);
}
