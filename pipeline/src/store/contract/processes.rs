//! What several processes on one database rely on, and what people do. Cases of the suite in the parent module.

use std::{collections::BTreeSet, sync::Arc};

use chrono::TimeDelta;
use models::Lane;
use serde_json::json;

use super::{LEASE, Shared, change, claim, envelope, event, noon, profile, record, text};
use crate::{
    action::ActionKind,
    item::{ActorId, CallId, ItemId, ItemKind, ReportId, TenantId},
    report::Report,
    store::{ItemRecord, Recorded},
    stream::call::Call,
};

pub(crate) async fn i7_dead_letters_are_shown_revived_and_discarded(store: &Shared) {
    let items: Vec<_> = ["one", "two", "three!"].map(|words| text("a", words)).into();
    let ids: Vec<ItemId> = items.iter().map(|item| item.envelope.id).collect();
    store.journal_append(items.iter().cloned().map(|item| (item, Lane::Bulk)).collect()).await.unwrap();
    for (second, id) in (1..).zip(&ids[1..]) {
        store.journal_retry(*id).await.unwrap();
        store.journal_bury(*id, "broken", noon() + TimeDelta::seconds(second)).await.unwrap();
    }
    let dead = store.journal_dead(10).await.unwrap();
    let shown: Vec<_> = dead.iter().map(|d| (d.id, d.at - noon(), d.bytes, d.attempts)).collect();
    assert_eq!(shown, [(ids[1], TimeDelta::seconds(1), 3, 2), (ids[2], TimeDelta::seconds(2), 6, 2)]);
    let first = &dead[0];
    assert_eq!((first.tenant.as_str(), first.kind, first.lane), ("a", ItemKind::Text, Lane::Bulk));
    assert_eq!(first.reason, "broken");
    assert_eq!(store.journal_dead(1).await.unwrap(), dead[..1]);

    let one = store.journal_dead_item(ids[1]).await.unwrap();
    assert_eq!(one, Some((dead[0].clone(), items[1].clone(), Lane::Bulk)));
    assert_eq!(store.journal_dead_item(ids[0]).await.unwrap(), None, "it waits");
    assert_eq!(store.journal_dead_item(ItemId::new()).await.unwrap(), None);

    let revived = store.journal_revive(vec![ids[0], ids[1], ItemId::new()]).await.unwrap();
    assert_eq!(revived, [(ids[1], Lane::Bulk, 3)]);
    let pending: Vec<_> = store.journal_pending().await.unwrap().iter().map(|e| (e.id, e.attempts)).collect();
    assert_eq!(pending, [(ids[0], 0), (ids[1], 0)]);
    assert_eq!(store.journal_discard(ids.clone()).await.unwrap(), 1, "only what was given up");
    assert!(store.journal_dead(10).await.unwrap().is_empty());
    assert_eq!(store.journal_pending().await.unwrap().len(), 2);
    assert!(store.journal_revive(vec![]).await.unwrap().is_empty());
}

pub(crate) async fn i7_a_stale_participant_writes_nothing(store: &Shared) {
    let (tenant, call) = (TenantId::from("a"), CallId::from("c"));
    let frame = |frames, seen| {
        let mut judged = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
        judged.participant = Some(change("c", frames, seen));
        judged
    };
    assert_eq!(store.record_outcome(frame(1, 0)).await.unwrap(), Recorded::New);
    let sequence = store.last_sequence().await.unwrap();
    for seen in [0, 2, 99] {
        let stale = frame(9, seen);
        let id = stale.outcome.envelope.id;
        assert_eq!(store.record_outcome(stale).await.unwrap(), Recorded::Stale, "saw {seen}");
        assert!(!store.is_judged(id).await.unwrap());
    }
    assert_eq!(store.last_sequence().await.unwrap(), sequence);
    assert_eq!(store.record_outcome(frame(2, 1)).await.unwrap(), Recorded::New);

    // Many at once, each reading again when it was too late: no change is lost.
    let writers = (0..20).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            loop {
                let (state, seen) =
                    store.load_participant(&"a".into(), &"c".into(), &"ann".into()).await.unwrap().unwrap();
                let mut judged = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
                judged.participant = Some(change("c", state.frames + 1, seen));
                match store.record_outcome(judged).await.unwrap() {
                    Recorded::New => break,
                    Recorded::Stale => {}
                    Recorded::Already => panic!("each has an id of its own"),
                }
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    let (state, version) = store.load_participant(&tenant, &call, &"ann".into()).await.unwrap().unwrap();
    assert_eq!((state.frames, version), (22, 22));
}

pub(crate) async fn f3_twenty_changes_of_a_call_lose_none(store: &Shared) {
    let tasks = (0..20).map(|n| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let (tenant, id) = (TenantId::from("a"), CallId::from("room"));
            loop {
                let seen = store.load_call(&tenant, &id).await.unwrap();
                let call = match seen.clone() {
                    Some(call) => call.join(format!("p{n}")[..].into(), noon()).unwrap(),
                    None => Call::start(id.clone(), noon(), vec![format!("p{n}")[..].into()]).unwrap(),
                };
                let events = vec![event("a", "call.joined", n)];
                match store.put_call(&tenant, &call, seen.as_ref(), events, vec![]).await.unwrap() {
                    Recorded::New => return,
                    other => assert_eq!(other, Recorded::Stale),
                }
            }
        })
    });
    futures::future::try_join_all(tasks).await.unwrap();
    let call = store.load_call(&"a".into(), &"room".into()).await.unwrap().unwrap();
    assert_eq!(call.participants.len(), 20);
    assert_eq!(store.last_sequence().await.unwrap(), 20, "what was stale told nobody");
}

pub(crate) async fn twenty_claimants_get_each_delivery_once(store: &Shared) {
    for _ in 0..50 {
        let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        judged.webhooks = (0..4).map(|n| (0, format!("hook {n}"))).collect();
        store.record_outcome(judged).await.unwrap();
    }
    let claimants = (0..20).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let claimed = claim(&store, noon(), 3).await;
                if claimed.is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|due| due.id));
            }
        })
    });
    let all = futures::future::try_join_all(claimants).await.unwrap().concat();
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), 200, "none twice");
}

pub(crate) async fn a_claim_that_is_not_settled_comes_back(store: &Shared) {
    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    judged.webhooks = vec![(0, "hook".into())];
    store.record_outcome(judged).await.unwrap();
    let id = claim(store, noon(), 5).await[0].id;
    assert_eq!(store.open_deliveries(5).await.unwrap()[0].id, id);
    assert!(claim(store, noon() + LEASE - TimeDelta::seconds(1), 5).await.is_empty());
    for turn in 1..=2 {
        let again = claim(store, noon() + LEASE * turn, 5).await;
        assert_eq!(again.iter().map(|due| (due.id, due.attempts)).collect::<Vec<_>>(), [(id, 0)]);
    }
    store.delivery_done(id, noon()).await.unwrap();
    assert!(store.open_deliveries(5).await.unwrap().is_empty());
    assert!(claim(store, noon() + LEASE * 9, 5).await.is_empty());
}

pub(crate) async fn one_holder_at_a_time_has_a_duty(store: &Shared) {
    let take = async |duty: &str, holder: &str, second: i64| {
        let now = noon() + TimeDelta::seconds(second);
        store.claim_duty(duty, holder, now, now + TimeDelta::seconds(10)).await.unwrap()
    };
    assert!(take("expire", "one", 0).await);
    assert!(!take("expire", "two", 5).await);
    assert!(take("optimise", "two", 5).await, "another duty");
    assert!(take("expire", "one", 8).await, "prolonged");
    assert!(!take("expire", "two", 12).await);
    assert!(take("expire", "two", 18).await, "the first one died");
    assert!(!take("expire", "one", 19).await);
    let many = (0..20).map(|n| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.claim_duty("relay", &format!("p{n}"), noon(), noon() + LEASE).await.unwrap() })
    });
    let won = futures::future::try_join_all(many).await.unwrap();
    assert_eq!(won.into_iter().filter(|won| *won).count(), 1);
}

pub(crate) async fn a_relay_never_goes_back(store: &Shared) {
    assert_eq!(store.relay_position("bus").await.unwrap(), None);
    for (to, at) in [(7, 7), (3, 7), (9, 9)] {
        store.move_relay("bus", to).await.unwrap();
        assert_eq!(store.relay_position("bus").await.unwrap(), Some(at));
    }
    assert_eq!(store.relay_position("other").await.unwrap(), None);
}

pub(crate) async fn i1_presence_keeps_the_newest(store: &Shared) {
    let (tenant, ann) = (TenantId::from("a"), "ann".into());
    assert_eq!(store.load_presence(&tenant, &ann).await.unwrap(), None);
    for (second, connected, known) in [(0, true, (true, 0)), (5, false, (false, 5)), (3, true, (false, 5))] {
        let at = noon() + TimeDelta::seconds(second);
        store.put_presence(&tenant, &ann, connected, at).await.unwrap();
        let expected = (known.0, noon() + TimeDelta::seconds(known.1));
        assert_eq!(store.load_presence(&tenant, &ann).await.unwrap(), Some(expected));
    }
    assert_eq!(store.load_presence(&"b".into(), &ann).await.unwrap(), None);
}

pub(crate) fn report(tenant: &str) -> Report {
    Report {
        id: ReportId::new(),
        tenant: tenant.into(),
        reporter: "ann".into(),
        subject: "bob".into(),
        conversation: None,
        call: Some("room".into()),
        item: None,
        message: None,
        reason: "harassment".into(),
        note: Some("ünpleasant\0".into()),
        at: noon(),
    }
}

pub(crate) async fn i1_a_report_is_written_once_with_its_events(store: &Shared) {
    let report = report("a");
    let tell = || (vec![event("a", "report.submitted", report.id)], vec![(0, "hook".to_owned())]);
    for expected in [Recorded::New, Recorded::Already] {
        let (events, webhooks) = tell();
        assert_eq!(store.put_report(&report, events, webhooks).await.unwrap(), expected);
    }
    assert_eq!(store.events_after(Some(&"a".into()), 0, 9).await.unwrap().len(), 1);
    assert_eq!(claim(store, noon(), 9).await.len(), 1);
    assert_eq!(store.load_report(&"a".into(), report.id).await.unwrap(), Some(report.clone()));
    assert_eq!(store.load_report(&"b".into(), report.id).await.unwrap(), None);
}

/// What people write may hold characters that a database's text type refuses.
pub(crate) async fn any_text_is_kept_as_it_is(store: &Shared) {
    let strange = "nul \0 \u{1}\u{7f}\u{fffd}\u{10ffff} \\u0000 \\ ' \" ü 😀";
    let tenant = TenantId(strange.into());
    let mut item = text("a", strange);
    item.envelope.tenant = tenant.clone();
    item.envelope.actor = Some(strange.into());
    item.envelope.conversation = Some(strange.into());
    item.envelope.reference = Some(strange.into());
    let id = item.envelope.id;
    store.journal_append(vec![(item.clone(), Lane::Bulk)]).await.unwrap();
    assert_eq!(store.journal_load(id).await.unwrap(), Some(item.clone()));
    store.journal_bury(id, strange, noon()).await.unwrap();
    assert_eq!(store.journal_dead(9).await.unwrap()[0].reason, strange);
    let shown = store.load_item(&tenant, id).await.unwrap();
    assert_eq!(shown, Some(ItemRecord::Dead(item.envelope.clone(), strange.into())));

    let mut judged = record(item.envelope.clone(), ActionKind::Warn);
    judged.outcome.verdict.sanitized_text = Some(strange.into());
    judged.outcome.verdict.policy = strange.into();
    judged.context_text = Some(strange.into());
    judged.events[0].tenant = tenant.clone();
    judged.events[0].kind = strange.into();
    judged.events[0].key = strange.into();
    judged.events[0].data = json!({ strange: [strange] });
    judged.webhooks = vec![(0, strange.into())];
    judged.participant = Some(change(strange, 1, 0));
    store.record_outcome(judged.clone()).await.unwrap();
    let expected = ItemRecord::Judged(Box::new(judged.outcome.clone()));
    assert_eq!(store.load_item(&tenant, id).await.unwrap(), Some(expected));
    let later = noon() + TimeDelta::seconds(1);
    let texts = store.recent_texts(&tenant, &strange.into(), &strange.into(), later, 9).await.unwrap();
    assert_eq!(texts, [(noon(), strange.to_owned())]);
    assert!(store.load_participant(&tenant, &strange.into(), &"ann".into()).await.unwrap().is_some());
    let events = store.events_after(Some(&tenant), 0, 9).await.unwrap();
    assert_eq!((events[0].data.clone(), events[0].key.as_str()), (json!({ strange: [strange] }), strange));
    let due = claim(store, noon(), 9).await;
    assert_eq!((due[0].webhook.as_str(), &due[0].event), (strange, &events[0]));
    store.delivery_failed(due[0].id, None, strange).await.unwrap();

    let call = Call { id: strange.into(), started_at: noon(), ended_at: None, participants: vec![] };
    store.put_call(&tenant, &call, None, vec![], vec![]).await.unwrap();
    assert_eq!(store.load_call(&tenant, &call.id).await.unwrap(), Some(call));
    let mut person = profile("a", strange, strange);
    person.tenant = tenant.clone();
    person.bio = strange.into();
    person.attributes = [("x".into(), json!(strange))].into();
    store.put_profile(&person).await.unwrap();
    assert_eq!(store.load_profile(&tenant, &person.id).await.unwrap(), Some(person.clone()));
    assert_eq!(store.profiles_after(None, 9).await.unwrap(), [person]);
    store.put_presence(&tenant, &strange.into(), true, noon()).await.unwrap();
    assert!(store.load_presence(&tenant, &strange.into()).await.unwrap().is_some());
    let mut told = report("a");
    told.reason = strange.into();
    told.tenant = tenant.clone();
    assert_eq!(store.put_report(&told, vec![], vec![]).await.unwrap(), Recorded::New);
    assert!(store.claim_duty(strange, strange, noon(), later).await.unwrap());
    store.move_relay(strange, 4).await.unwrap();
    assert_eq!(store.relay_position(strange).await.unwrap(), Some(4));
}

pub(crate) async fn i1_open_calls_are_found_by_who_is_in_them(store: &Shared) {
    let (tenant, ann, bob) = (TenantId::from("a"), ActorId::from("ann"), ActorId::from("bob"));
    let start = |id: &str| Call::start(id.into(), noon(), vec![ann.clone(), bob.clone()]).unwrap();
    for id in ["one", "three", "two"] {
        store.put_call(&tenant, &start(id), None, vec![], vec![]).await.unwrap();
    }
    store.put_call(&"b".into(), &start("other"), None, vec![], vec![]).await.unwrap();
    let left = start("two").leave(&ann, noon()).unwrap();
    store.put_call(&tenant, &left, Some(&start("two")), vec![], vec![]).await.unwrap();
    let of = async |actor: &ActorId, limit| store.open_calls_of(&tenant, actor, limit).await.unwrap();
    assert_eq!(of(&ann, 9).await, ["one".into(), "three".into()]);
    assert_eq!(of(&bob, 2).await, ["one".into(), "three".into()]);
    store.put_call(&tenant, &start("one").end(noon()), Some(&start("one")), vec![], vec![]).await.unwrap();
    let back = left.clone().join(ann.clone(), noon()).unwrap();
    store.put_call(&tenant, &back, Some(&left), vec![], vec![]).await.unwrap();
    assert_eq!(of(&ann, 9).await, ["three".into(), "two".into()]);
    assert_eq!(of(&"nobody".into(), 9).await, [] as [CallId; 0]);
}
