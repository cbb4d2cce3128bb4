//! Actions, strikes, people, breakers.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Shared, envelope, event, noon, record};
use crate::{
    action::ActionKind,
    enforcement::{
        acknowledge::Acknowledge,
        breaker::{Place, day},
        entry::{ActionEntry, Receipt},
        person::{PersonChange, PersonFacts, PersonState},
    },
    item::{ActionId, ItemKind},
    store::{OutcomeRecord, Recorded, Told},
    stream::ladder::Climbing,
};

pub(super) fn entry(tenant: &str, actor: &str, kind: &str) -> ActionEntry {
    ActionEntry {
        id: ActionId::new(),
        tenant: tenant.into(),
        actor: Some(actor.into()),
        item: None,
        kind: kind.into(),
        rule: "r".into(),
        reason: "Because \0 \\.".into(),
        by: "policy".into(),
        at: noon(),
        until: None,
        strikes: 0,
        strikes_until: None,
        cause: None,
        reverses: None,
        acknowledge: None,
        told: json!({ "action": kind }),
    }
}

fn after(seconds: i64) -> DateTime<Utc> {
    noon() + TimeDelta::seconds(seconds)
}

fn nothing() -> Told {
    (vec![], vec![])
}

fn telling(tenant: &str) -> Told {
    (vec![event(tenant, "moderation.action", "k")], vec![(0, "hook".into())])
}

fn change(times: usize, seen: u64) -> PersonChange {
    let climbing = Climbing { times: vec![noon(); times], held: None };
    let state = PersonState { ladders: [("l".to_owned(), climbing)].into() };
    PersonChange { actor: "ann".into(), state, seen }
}

fn reversing(entry: &ActionEntry) -> ActionEntry {
    ActionEntry {
        id: ActionId::new(),
        reverses: Some(entry.id),
        kind: format!("un{}", entry.kind),
        until: None,
        strikes: 0,
        strikes_until: None,
        acknowledge: None,
        ..entry.clone()
    }
}

pub(crate) async fn p3_actions_strikes_and_the_persons_state_are_committed_with_the_outcome(store: &Shared) {
    let mut first = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    let strike = ActionEntry { strikes: 2, strikes_until: Some(after(100)), ..entry("a", "ann", "warn") };
    first.entries = vec![strike.clone()];
    first.person = Some(change(1, 0));
    assert_eq!(store.record_outcome(first.clone()).await.unwrap(), Recorded::New);
    assert_eq!(store.record_outcome(first.clone()).await.unwrap(), Recorded::Already);
    let person = store.load_person(&"a".into(), &"ann".into(), after(1)).await.unwrap();
    assert_eq!((person.version, person.strikes, person.strikes_total), (1, 2, 2));
    assert_eq!(person.state, change(1, 0).state);
    let later = store.load_person(&"a".into(), &"ann".into(), after(100)).await.unwrap();
    assert_eq!((later.strikes, later.strikes_total), (0, 2), "a strike counts until its time is over");

    let stale = OutcomeRecord {
        entries: vec![entry("a", "ann", "ban")],
        person: Some(change(9, 0)),
        ..record(envelope("a", ItemKind::Text), ActionKind::Ban)
    };
    let id = stale.outcome.envelope.id;
    assert_eq!(store.record_outcome(stale).await.unwrap(), Recorded::Stale);
    assert!(!store.is_judged(id).await.unwrap(), "nothing of it was written");
    let next = OutcomeRecord { person: Some(change(2, 1)), ..record(envelope("a", ItemKind::Text), ActionKind::Warn) };
    assert_eq!(store.record_outcome(next).await.unwrap(), Recorded::New);
    let person = store.load_person(&"a".into(), &"ann".into(), after(1)).await.unwrap();
    assert_eq!((person.version, person.state), (2, change(2, 1).state));
    assert_eq!(store.load_person(&"b".into(), &"ann".into(), after(1)).await.unwrap(), Default::default());
    assert_eq!(store.load_action(&"a".into(), strike.id).await.unwrap().map(|found| found.entry), Some(strike.clone()));
    assert_eq!(store.load_action(&"b".into(), strike.id).await.unwrap(), None);
}

pub(crate) async fn p3_twenty_strikes_at_once_are_each_given_on_what_was_there_before(store: &Shared) {
    let givers = (0..20).map(|_| {
        let store = Shared::clone(store);
        tokio::spawn(async move {
            loop {
                let seen = store.load_person(&"a".into(), &"ann".into(), noon()).await.unwrap();
                let mut record = record(envelope("a", ItemKind::Text), ActionKind::Warn);
                record.entries =
                    vec![ActionEntry { strikes: 1, strikes_until: Some(after(100)), ..entry("a", "ann", "warn") }];
                record.person = Some(PersonChange { actor: "ann".into(), state: seen.state, seen: seen.version });
                match store.record_outcome(record).await.unwrap() {
                    Recorded::New => return seen.strikes,
                    Recorded::Stale => {}
                    Recorded::Already => panic!("a new item"),
                }
            }
        })
    });
    let mut before = futures::future::try_join_all(givers).await.unwrap();
    before.sort_unstable();
    assert_eq!(
        before,
        (0..20).collect::<Vec<u32>>(),
        "every number of strikes was seen once: no step is missed or taken twice"
    );
}

pub(crate) async fn p5_an_action_is_taken_back_once_with_its_strikes(store: &Shared) {
    let (tenant, ann) = ("a".into(), "ann".into());
    let ban = ActionEntry { strikes: 3, strikes_until: Some(after(100)), ..entry("a", "ann", "ban") };
    let led_to = ActionEntry { cause: Some(ban.id), until: Some(after(50)), ..entry("a", "ann", "suspend") };
    assert_eq!(store.put_actions(vec![ban.clone(), led_to.clone()], None, telling("a")).await.unwrap(), Recorded::New);
    assert_eq!(store.put_actions(vec![ban.clone()], None, telling("a")).await.unwrap(), Recorded::Already);
    let person = store.load_person(&tenant, &ann, after(1)).await.unwrap();
    assert_eq!(
        person.restrictions.iter().map(|known| (known.kind, known.until)).collect::<Vec<_>>(),
        [(ActionKind::Ban, None), (ActionKind::Suspend, Some(after(50)))]
    );
    let caused = store.actions_caused_by(&tenant, ban.id).await.unwrap();
    assert_eq!(caused.iter().map(|known| known.entry.id).collect::<Vec<_>>(), [led_to.id]);

    let back = reversing(&ban);
    assert_eq!(store.reverse_action(back.clone(), false, telling("a")).await.unwrap(), Recorded::New);
    assert_eq!(store.reverse_action(reversing(&ban), false, telling("a")).await.unwrap(), Recorded::Already);
    let person = store.load_person(&tenant, &ann, after(1)).await.unwrap();
    assert_eq!((person.strikes, person.strikes_total, person.restrictions.len()), (0, 0, 1));
    assert_eq!(store.load_action(&tenant, ban.id).await.unwrap().unwrap().fate.reversed_by, Some(back.id));
    assert_eq!(store.events_after(None, 0, 10).await.unwrap().len(), 2, "told once of each");
    let all = store.actions_of(&tenant, &ann, after(1), 10).await.unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(store.actions_of(&tenant, &ann, noon(), 10).await.unwrap().len(), 0);
}

pub(crate) async fn p3_what_ends_by_itself_keeps_its_strikes(store: &Shared) {
    let ban =
        ActionEntry { strikes: 3, strikes_until: Some(after(100)), until: Some(after(50)), ..entry("a", "ann", "ban") };
    store.put_actions(vec![ban.clone(), entry("a", "ann", "warn")], None, nothing()).await.unwrap();
    assert!(store.expired_actions(after(49), 9).await.unwrap().is_empty());
    let over = store.expired_actions(after(50), 9).await.unwrap();
    assert_eq!(over.iter().map(|known| known.entry.id).collect::<Vec<_>>(), [ban.id]);
    assert_eq!(store.reverse_action(reversing(&ban), true, nothing()).await.unwrap(), Recorded::New);
    assert!(store.expired_actions(after(60), 9).await.unwrap().is_empty());
    let person = store.load_person(&"a".into(), &"ann".into(), after(60)).await.unwrap();
    assert_eq!((person.strikes, person.restrictions.len()), (3, 0));
    assert!(store.load_action(&"a".into(), ban.id).await.unwrap().unwrap().fate.expired);
}

pub(crate) async fn f4_an_action_waits_for_the_platforms_word(store: &Shared) {
    let terms = Acknowledge { seconds: 60, tries: 2 };
    let [one, two, three] =
        ["mute", "blur", "ban"].map(|kind| ActionEntry { acknowledge: Some(terms), ..entry("a", "ann", kind) });
    store
        .put_actions(vec![one.clone(), two.clone(), three.clone(), entry("a", "ann", "warn")], None, nothing())
        .await
        .unwrap();
    assert!(store.unacknowledged_actions(after(59), 9).await.unwrap().is_empty());
    assert_eq!(store.unacknowledged_actions(after(60), 9).await.unwrap().len(), 3);
    assert!(store.acknowledge_action(&"a".into(), one.id, after(5)).await.unwrap());
    assert!(
        store.acknowledge_action(&"a".into(), one.id, after(7)).await.unwrap(),
        "saying it twice is saying it once"
    );
    assert!(!store.acknowledge_action(&"b".into(), two.id, after(5)).await.unwrap(), "another tenant's");
    let fate = store.load_action(&"a".into(), one.id).await.unwrap().unwrap().fate;
    assert_eq!((fate.receipt, fate.acknowledged_at, fate.due_at), (Receipt::Acknowledged, Some(after(5)), None));
    store.reverse_action(reversing(&three), false, nothing()).await.unwrap();

    let due = |found: Vec<crate::enforcement::entry::Enforced>| {
        found.into_iter().map(|known| known.entry.id).collect::<Vec<_>>()
    };
    assert_eq!(
        due(store.unacknowledged_actions(after(60), 9).await.unwrap()),
        [two.id],
        "nobody waits for what was taken back"
    );
    assert_eq!(store.retell_action(two.id, 1, Some(after(180)), telling("a")).await.unwrap(), Recorded::New);
    assert_eq!(store.retell_action(two.id, 1, Some(after(180)), telling("a")).await.unwrap(), Recorded::Already);
    assert!(store.unacknowledged_actions(after(179), 9).await.unwrap().is_empty());
    assert_eq!(store.retell_action(two.id, 2, None, telling("a")).await.unwrap(), Recorded::New);
    let fate = store.load_action(&"a".into(), two.id).await.unwrap().unwrap().fate;
    assert_eq!((fate.receipt, fate.told, fate.due_at), (Receipt::Missing, 2, None));
    assert!(store.acknowledge_action(&"a".into(), two.id, after(999)).await.unwrap(), "better late");
    assert_eq!(store.events_after(None, 0, 10).await.unwrap().len(), 2);
}

pub(crate) async fn p4_a_breaker_opens_at_its_cap_and_tells_once(store: &Shared) {
    let (tenant, today, ban) = ("a".into(), day(noon()), ActionKind::Ban);
    let taken = (0..20).map(|_| {
        let store = Shared::clone(store);
        tokio::spawn(async move { store.take_place(&"a".into(), today, ban, 7, noon(), telling("a")).await.unwrap() })
    });
    let places = futures::future::try_join_all(taken).await.unwrap();
    let count = |wanted: Place| places.iter().filter(|place| **place == wanted).count();
    assert_eq!(
        (count(Place::Taken), count(Place::Refused { first: true }), count(Place::Refused { first: false })),
        (7, 1, 12)
    );
    assert_eq!(store.events_after(None, 0, 10).await.unwrap().len(), 1);
    let [state] = &store.breakers(Some(&tenant), today).await.unwrap()[..] else { panic!("one") };
    assert_eq!((state.kind, state.count, state.opened_at), (ban, 7, Some(noon())));
    store.give_place_back(&tenant, today, ban).await.unwrap();
    let open = store.take_place(&tenant, today, ban, 7, noon(), nothing()).await.unwrap();
    assert_eq!(open, Place::Refused { first: false }, "an open breaker stays open");
    let tomorrow = today.succ_opt().unwrap();
    assert_eq!(store.take_place(&tenant, tomorrow, ban, 7, noon(), nothing()).await.unwrap(), Place::Taken);
    assert_eq!(store.take_place(&"b".into(), today, ban, 7, noon(), nothing()).await.unwrap(), Place::Taken);
    assert_eq!(store.breakers(None, today).await.unwrap().len(), 2);
    assert!(store.close_breaker(&tenant, today, ban, telling("a")).await.unwrap());
    assert!(!store.close_breaker(&tenant, today, ban, telling("a")).await.unwrap());
    assert_eq!(store.take_place(&tenant, today, ban, 7, noon(), nothing()).await.unwrap(), Place::Taken);
    assert_eq!(
        store.take_place(&tenant, today, ActionKind::Suspend, 0, noon(), nothing()).await.unwrap(),
        Place::Refused { first: true }
    );
}

pub(crate) async fn p3_traces_shared_with_the_banned_are_found(store: &Shared) {
    let tenant = "a".into();
    let facts = PersonFacts { account_created_at: Some(noon()), traces: 2, circumvention_attempts: 0 };
    let traces = |device: &str, mail: &str| {
        vec![("device".to_owned(), device.to_owned()), ("email".to_owned(), mail.to_owned())]
    };
    store.put_facts(&tenant, &"bad".into(), facts, traces("d1", "m1")).await.unwrap();
    store.put_facts(&tenant, &"new".into(), facts, traces("d1", "m2")).await.unwrap();
    store.put_facts(&tenant, &"new".into(), facts, traces("d3", "m1")).await.unwrap();
    store.put_facts(&"b".into(), &"new".into(), facts, traces("d1", "m1")).await.unwrap();
    let evasion =
        async |tenant: &str| store.load_person(&tenant.into(), &"new".into(), after(1)).await.unwrap().evasion;
    assert_eq!(evasion("a").await, Some(0), "nobody is banned");
    let ban = ActionEntry { until: Some(after(100)), ..entry("a", "bad", "ban") };
    store.put_actions(vec![ban.clone()], None, nothing()).await.unwrap();
    assert_eq!((evasion("a").await, evasion("b").await), (Some(2), Some(0)));
    let shared = store.banned_with_traces_of(&tenant, &"new".into(), after(1)).await.unwrap();
    assert_eq!(shared, [("device".into(), "bad".into()), ("email".into(), "bad".into())]);
    assert!(
        store.banned_with_traces_of(&tenant, &"new".into(), after(100)).await.unwrap().is_empty(),
        "the ban is over"
    );
    assert_eq!(store.load_person(&tenant, &"bad".into(), after(1)).await.unwrap().evasion, Some(0), "not their own");
    assert_eq!(store.load_person(&tenant, &"stranger".into(), after(1)).await.unwrap().evasion, None);
    assert_eq!(store.load_facts(&tenant, &"new".into()).await.unwrap(), Some(facts));
    let key = store.trace_key(&tenant, "k1".into()).await.unwrap();
    assert_eq!((key.as_str(), &store.trace_key(&tenant, "k2".into()).await.unwrap()[..]), ("k1", "k1"));
    assert_eq!(store.trace_key(&"b".into(), "k3".into()).await.unwrap(), "k3");
}
