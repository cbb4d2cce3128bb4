//! Strikes, breakers, acknowledgements, undo: decided with an item, followed afterwards.

use chrono::TimeDelta;
use pipeline::{
    action::ActionKind,
    enforcement::entry::Receipt,
    item::{ActorId, Item, TenantId},
    process::traces::Told,
    verdict::Outcome,
};

use crate::harness::{Harness, PORN, TENANT, frame, text};

/// Two bans a day; strikes; every action is to be acknowledged.
pub(crate) const POLICY: &str = r#"
name = "strict"
[strikes]
days = 30
weights = { medium = 1, high = 3 }
steps = [{ strikes = 3, action = "suspend", hours = 24 }, { strikes = 6, action = "ban" }]
[breaker]
ban = 2
[acknowledge]
seconds = 60
tries = 2
[[ladder]]
name = "everywhere"
scope = "person"
window_seconds = 86400
steps = [{ violations = 1, action = "warn" }, { violations = 3, action = "mute" }]
[[rule]]
name = "threat"
kinds = ["text"]
when = "score.threat >= 0.5"
action = "ban"
hours = 24
reason = "No threats."
[[rule]]
name = "insult"
kinds = ["text"]
when = "score.insult >= 0.5"
action = "remove"
severity = "medium"
reason = "Be kind."
[[rule]]
name = "spam"
kinds = ["text"]
when = "score.spam >= 0.5"
ladder = "everywhere"
reason = "No spam."
[[rule]]
name = "nudity"
kinds = ["frame"]
when = "score.porn >= 0.5"
ladder = "everywhere"
reason = "No nudity."
[[rule]]
name = "again"
kinds = ["text"]
when = "actor.evasion > 0"
action = "review"
reason = "Somebody who is banned may be back."
"#;

const INSULT: &str = "you fake:insult=0.93 fellow";
const THREAT: &str = "fake:threat=0.99";

async fn service() -> Harness {
    let service = Harness::new().await;
    service.set_policy(POLICY);
    service
}

fn by(actor: &str, item: Item) -> Item {
    let mut item = item;
    item.envelope.actor = Some(actor.into());
    item
}

async fn say(service: &Harness, actor: &str, words: &str) -> Outcome {
    let item = by(actor, text(words, service.clock.now()));
    service.record(&item).await.unwrap().outcome
}

fn kinds(outcome: &Outcome) -> Vec<ActionKind> {
    outcome.actions.iter().map(|action| action.kind).collect()
}

fn ann() -> (TenantId, ActorId) {
    (TENANT.into(), "ann".into())
}

#[tokio::test]
async fn p3_strikes_suspend_and_ban_and_fade() {
    use ActionKind::{Ban, Remove, Suspend};
    let service = service().await;
    let (tenant, ann) = ann();
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push(kinds(&say(&service, "ann", INSULT).await));
    }
    let expected = [vec![Remove], vec![Remove], vec![Remove, Suspend], vec![Remove], vec![Remove], vec![Remove, Ban]];
    assert_eq!(seen, expected);
    let person = service.pipeline.person(&tenant, &ann).await.unwrap();
    assert_eq!((person.strikes, person.restrictions.len()), (6, 2));
    service.clock.advance(TimeDelta::hours(24));
    assert_eq!(service.pipeline.lift_expired().await.unwrap(), 1, "the suspension is over");
    assert_eq!(service.pipeline.lift_expired().await.unwrap(), 0, "once");
    let told = service.events().await.pop().unwrap();
    assert_eq!((&told.data["action"], &told.data["by"]), (&"unsuspend".into(), &"expiry".into()));
    let person = service.pipeline.person(&tenant, &ann).await.unwrap();
    assert_eq!((person.strikes, person.restrictions.len()), (6, 1), "the strikes stay");
    service.clock.advance(TimeDelta::days(30));
    let person = service.pipeline.person(&tenant, &ann).await.unwrap();
    assert_eq!((person.strikes, person.strikes_total), (0, 6));
    assert_eq!(kinds(&say(&service, "ann", INSULT).await), [Remove], "counted anew");
}

#[tokio::test]
async fn p3_two_processes_give_strikes_on_what_the_other_has_given() {
    use ActionKind::{Remove, Suspend};
    let service = service().await;
    let other = service.another_process();
    let mut seen = Vec::new();
    for turn in 0..3 {
        let item = text(INSULT, service.clock.now());
        let pipeline = if turn % 2 == 0 { &service.pipeline } else { &other };
        let done = pipeline.process(&item, pipeline::Lane::Interactive, pipeline::process::Mode::Record).await.unwrap();
        seen.push(kinds(&done.outcome));
    }
    assert_eq!(seen, [vec![Remove], vec![Remove], vec![Remove, Suspend]]);
}

#[tokio::test]
async fn p5_undo_gives_strikes_back_and_takes_back_what_they_led_to() {
    let service = service().await;
    let (tenant, ann) = ann();
    for _ in 0..2 {
        say(&service, "ann", INSULT).await;
    }
    let third = say(&service, "ann", INSULT).await;
    let [removal, suspension] = &third.actions[..] else { panic!("{third:?}") };
    assert_eq!(suspension.cause, Some(removal.id));
    let before = service.events().await.len();
    let undone = service.pipeline.undo(&tenant, removal.id, "lea", "It was a joke.").await.unwrap();
    let again = service.pipeline.undo(&tenant, removal.id, "lea", "It was a joke.").await.unwrap();
    assert_eq!(undone, again);
    let told: Vec<_> = service.events().await.split_off(before);
    let said: Vec<_> = told.iter().map(|event| event.data["action"].as_str().unwrap()).collect();
    assert_eq!(said, ["restore", "unsuspend"], "each is told once");
    assert_eq!(told[0].data["reverses"], removal.id.to_string());
    assert_eq!(told[0].data["strikes_returned"], 1);
    assert_eq!(told[0].data["item"], third.envelope.id.to_string());
    let person = service.pipeline.person(&tenant, &ann).await.unwrap();
    assert_eq!((person.strikes, person.strikes_total, person.restrictions.len()), (2, 2, 0));
    let inverse = undone.fate.reversed_by.unwrap();
    let refused = service.pipeline.undo(&tenant, inverse, "lea", "No.").await.unwrap_err();
    assert!(matches!(refused, pipeline::PipelineError::Conflict { code: "action_is_inverse", .. }), "{refused:?}");
    let empty = service.pipeline.undo(&tenant, removal.id, "lea", " ").await.unwrap_err();
    assert!(matches!(empty, pipeline::PipelineError::Invalid { code: "undo_reason_invalid", .. }), "{empty:?}");
}

#[tokio::test]
async fn p4_beyond_the_days_cap_humans_decide() {
    use ActionKind::{Ban, Review};
    let service = service().await;
    let tenant = TENANT.into();
    let mut seen = Vec::new();
    for n in 0..4 {
        let outcome = say(&service, &format!("bad-{n}"), THREAT).await;
        seen.push((outcome.verdict.action, outcome.actions[0].instead_of));
    }
    assert_eq!(seen, [(Ban, None), (Ban, None), (Review, Some(Ban)), (Review, Some(Ban))]);
    let opened: Vec<_> = service.events().await.into_iter().filter(|event| event.kind == "breaker.opened").collect();
    assert_eq!(opened.len(), 1);
    assert_eq!((&opened[0].data["action"], &opened[0].data["cap"]), (&"ban".into(), &2.into()));
    assert_eq!(service.pipeline.open_breakers().await.unwrap().len(), 1);
    service.dry_run(&by("bad-9", text(THREAT, service.clock.now()))).await.unwrap();
    service.pipeline.close_breaker(&tenant, Ban, "lea").await.unwrap();
    assert!(service.pipeline.close_breaker(&tenant, Ban, "lea").await.is_err());
    assert_eq!(say(&service, "bad-5", THREAT).await.verdict.action, Ban);
    service.clock.advance(TimeDelta::days(1));
    for n in 6..8 {
        assert_eq!(say(&service, &format!("bad-{n}"), THREAT).await.verdict.action, Ban, "a new day");
    }
}

#[tokio::test]
async fn f4_an_action_is_told_again_until_it_is_acknowledged() {
    let service = service().await;
    let tenant: TenantId = TENANT.into();
    let [one, two] =
        [say(&service, "ann", INSULT).await, say(&service, "bob", INSULT).await].map(|outcome| outcome.actions[0].id);
    assert_eq!(service.pipeline.action(&tenant, one).await.unwrap().fate.receipt, Receipt::Awaited);
    service.pipeline.acknowledge(&tenant, one).await.unwrap();
    let before = service.events().await;
    assert_eq!(service.pipeline.retell_unacknowledged().await.unwrap(), 0);
    service.clock.advance(TimeDelta::seconds(60));
    assert_eq!(service.pipeline.retell_unacknowledged().await.unwrap(), 1);
    assert_eq!(service.pipeline.retell_unacknowledged().await.unwrap(), 0, "not before its time");
    let after = service.events().await;
    let [again] = &after[before.len()..] else { panic!("one event") };
    let first = before.iter().find(|event| event.key == two.to_string()).unwrap();
    assert_eq!((&again.kind, &again.key, &again.data), (&first.kind, &first.key, &first.data), "the same event again");
    assert_eq!(again.data["acknowledge"], true);
    service.clock.advance(TimeDelta::seconds(120));
    assert_eq!(service.pipeline.retell_unacknowledged().await.unwrap(), 0);
    let last = service.events().await.pop().unwrap();
    assert_eq!((last.kind.as_str(), &last.data["told"]), ("action.unacknowledged", &2.into()));
    assert_eq!(service.pipeline.action(&tenant, two).await.unwrap().fate.receipt, Receipt::Missing);
}

#[tokio::test]
async fn f4_a_ladder_over_the_person_counts_texts_and_frames_across_calls() {
    use ActionKind::{Mute, Warn};
    let service = service().await;
    let mut seen = vec![kinds(&say(&service, "ann", "buy fake:spam=0.99").await)];
    seen.push(kinds(&service.record(&frame(PORN, 0.97, service.at(1))).await.unwrap().outcome));
    let mut elsewhere = frame(PORN, 0.97, service.at(2));
    elsewhere.envelope.call = Some("another".into());
    seen.push(kinds(&service.record(&elsewhere).await.unwrap().outcome));
    assert_eq!(seen, [vec![Warn], vec![Warn], vec![Mute]]);
    assert_eq!(kinds(&say(&service, "bob", "buy fake:spam=0.99").await), [Warn], "everybody climbs alone");
}

#[tokio::test]
async fn p3_somebody_who_looks_like_the_banned_is_reviewed_never_banned() {
    let service = service().await;
    let tenant: TenantId = TENANT.into();
    let told = |device: &str| {
        let mut told = Told::default();
        told.traces.device = Some(device.into());
        told
    };
    for (actor, device) in [("bad", "phone-1"), ("new", "phone-1"), ("other", "phone-2")] {
        service.pipeline.tell_of_person(&tenant, &actor.into(), told(device)).await.unwrap();
    }
    assert_eq!(say(&service, "new", "hello").await.verdict.action, ActionKind::Allow, "nobody is banned yet");
    say(&service, "bad", THREAT).await;
    assert_eq!(say(&service, "new", "hello").await.verdict.action, ActionKind::Review);
    assert_eq!(say(&service, "other", "hello").await.verdict.action, ActionKind::Allow);
    assert_eq!(
        say(&service, "stranger", "hello").await.verdict.action,
        ActionKind::Allow,
        "missing facts skip the rule"
    );
    let alike = service.pipeline.banned_like(&tenant, &"new".into()).await.unwrap();
    assert_eq!(alike, [("device".to_owned(), ActorId::from("bad"))]);
}
