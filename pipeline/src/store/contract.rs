//! The suite that every store passes. `store_contract!` makes the tests; its argument is an async function that opens an
//! empty store.

mod access;
mod enforcement;
mod feedback;
mod matching;
mod messages;
mod policies;
mod processes;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use models::Lane;
use serde_json::json;

use super::{DueDelivery, Event, ItemRecord, OutcomeRecord, ParticipantChange, Recorded, Store};
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{ActorId, CallId, Content, Envelope, Item, ItemId, ItemKind, TenantId},
    matching::person::{About, Terms},
    profile::Profile,
    stream::call::{Call, Participant, ParticipantState},
    verdict::{Outcome, Timings, Verdict},
};

/// Makes one test of each case of the suite.
macro_rules! store_contract {
    ($open:path) => {
        $crate::store::contract::store_contract!($open;
            i7_outcome_is_recorded_once, i7_journal_keeps_what_was_accepted, i7_what_was_lost_with_a_process_is_counted, i7_dead_items_wait_again_when_accepted_again,
            an_item_id_of_another_tenant_is_refused, a_refused_write_leaves_nothing_and_spoils_no_other,
            tenants_see_only_their_own_rows, t2_recent_texts_are_the_authors_last_in_order, f3_calls_are_kept,
            f2_participant_state_is_committed_with_its_outcome, p1_flagged_outcomes_leave_events_and_deliveries,
            events_rise_in_commit_order, twenty_writers_lose_nothing, profiles_count_versions_and_page,
            old_rows_expire, health_is_good, i7_dead_letters_are_shown_revived_and_discarded,
            i7_a_stale_participant_writes_nothing, f3_twenty_changes_of_a_call_lose_none, twenty_claimants_get_each_delivery_once,
            a_claim_that_is_not_settled_comes_back, one_holder_at_a_time_has_a_duty, a_relay_never_goes_back,
            i1_presence_keeps_the_newest, i1_a_report_is_written_once_with_its_events, i1_open_calls_are_found_by_who_is_in_them, any_text_is_kept_as_it_is,
            p2_a_policy_text_is_kept_once_under_the_next_number, p2_a_rollout_is_written_over_the_revision_it_was_made_from,
            p2_twenty_drafts_at_once_get_twenty_numbers, p4_tallies_add_up,
            p3_actions_strikes_and_the_persons_state_are_committed_with_the_outcome,
            p3_twenty_strikes_at_once_are_each_given_on_what_was_there_before, p5_an_action_is_taken_back_once_with_its_strikes,
            p3_what_ends_by_itself_keeps_its_strikes, f4_an_action_waits_for_the_platforms_word,
            p4_outcomes_of_a_period_are_read_in_pages, p4_what_was_taken_back_is_known_by_its_item,
            p4_backtests_are_kept_while_they_run_and_after, p4_a_breaker_opens_at_its_cap_and_tells_once, p3_traces_shared_with_the_banned_are_found,
            i2_keys_are_kept_listed_and_revoked, i2_last_use_never_goes_back, i2_a_signature_is_new_once, i2_usage_adds_up_over_all_callers,
            i3_deliveries_are_logged_and_replayed);
    };
    ($open:path; $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let opened = $open().await;
            $crate::store::contract::$name(&opened.0).await;
        })+
    };
}
pub(crate) use store_contract;

/// Makes one test of each case of matching's part of the suite.
macro_rules! matching_contract {
    ($open:path) => {
        $crate::store::contract::store_contract!($open;
            x1_profiles_are_loaded_by_their_ids, x2_records_are_written_over_what_was_read_only, x5_a_change_is_written_whole_or_not_at_all, x3_ties_are_the_newest_each_way_with_blocks_beside, x4_a_ticket_is_taken_once, x5_a_list_stands_for_its_day, x7_exposure_adds_up_within_a_week, x2_a_model_is_written_over_what_was_read_only, x2_a_taste_is_of_one_model, x7_pictures_of_the_marked_are_listed_in_pages, x5_who_likes_somebody_waits_for_an_answer, x7_who_is_forgotten_leaves_their_standing_alone, x5_old_matches_and_lists_expire, x7_who_is_marked_is_listed_in_pages, x6_messages_are_kept_replaced_and_removed,
            x6_words_find_what_a_reader_may_find);
    };
}
pub(crate) use matching_contract;

pub(crate) use access::*;
pub(crate) use enforcement::*;
pub(crate) use feedback::*;
pub(crate) use matching::*;
pub(crate) use messages::*;
pub(crate) use policies::*;
pub(crate) use processes::*;

type Shared = Arc<dyn Store>;

/// How long the suite's claims hold.
pub(crate) const LEASE: TimeDelta = TimeDelta::seconds(60);

/// A fixed time with nanoseconds, so that rounding shows.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 123_456_789).unwrap()
}

pub(crate) fn envelope(tenant: &str, kind: ItemKind) -> Envelope {
    Envelope {
        id: ItemId::new(),
        tenant: tenant.into(),
        kind,
        actor: Some("ann".into()),
        conversation: Some("room".into()),
        call: None,
        reference: None,
        message: None,
        occurred_at: noon(),
        received_at: noon(),
    }
}

pub(crate) fn text(tenant: &str, words: &str) -> Item {
    Item { envelope: envelope(tenant, ItemKind::Text), content: Content::Text(words.into()) }
}

#[expect(clippy::needless_pass_by_value, reason = "takes ids and literals alike")]
pub(crate) fn event(tenant: &str, kind: &str, key: impl ToString) -> Event {
    let (tenant, key) = (tenant.into(), key.to_string());
    Event { sequence: 0, kind: kind.into(), tenant, key, at: noon(), data: json!({ "n": 1 }) }
}

pub(crate) fn record(envelope: Envelope, action: ActionKind) -> OutcomeRecord {
    let verdict = Verdict {
        action,
        flagged: action != ActionKind::Allow,
        reasons: vec![],
        shadow: vec![],
        confidence: 0.5,
        sanitized_text: None,
        spans: vec![],
        policy: "p1".into(),
        degraded: false,
        language: None,
    };
    let events = vec![event(envelope.tenant.as_str(), "item.judged", envelope.id)];
    let outcome = Outcome {
        envelope,
        content_sha256: "00".into(),
        signals: vec![],
        verdict,
        actions: vec![],
        decided_at: noon(),
        timings: Timings::default(),
        reused: false,
        next_frame_ms: None,
        length: 0,
        width: 0,
        height: 0,
    };
    OutcomeRecord {
        outcome,
        participant: None,
        context_text: None,
        person: None,
        entries: vec![],
        events,
        webhooks: vec![],
        case: None,
        version: None,
        picture: None,
    }
}

/// Takes deliveries for [`LEASE`].
pub(crate) async fn claim(store: &Shared, now: DateTime<Utc>, limit: usize) -> Vec<DueDelivery> {
    store.claim_deliveries(now, now + LEASE, limit).await.unwrap()
}

/// Ann's state in `call` after `frames` frames, made from version `seen`.
pub(crate) fn change(call: &str, frames: u64, seen: u64) -> ParticipantChange {
    let state = ParticipantState { frames, ..Default::default() };
    ParticipantChange { call: call.into(), actor: "ann".into(), state, seen }
}

pub(crate) async fn i7_outcome_is_recorded_once(store: &Shared) {
    let first = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    let id = first.outcome.envelope.id;
    assert!(!store.is_judged(id).await.unwrap());
    assert_eq!(store.record_outcome(first.clone()).await.unwrap(), Recorded::New);
    let mut second = first.clone();
    second.outcome.verdict.action = ActionKind::Ban;
    assert_eq!(store.record_outcome(second).await.unwrap(), Recorded::Already);
    assert!(store.is_judged(id).await.unwrap());
    assert_eq!(store.load_item(&"a".into(), id).await.unwrap(), Some(ItemRecord::Judged(Box::new(first.outcome))));
    assert_eq!(store.events_after(None, 0, 10).await.unwrap().len(), 1, "the second call appended nothing");
}

pub(crate) async fn i7_what_was_lost_with_a_process_is_counted(store: &Shared) {
    store.journal_opened().await.unwrap();
    let items: Vec<_> = (0..4).map(|n| text("a", &format!("message {n}"))).collect();
    let id = |n: usize| items[n].envelope.id;
    let lanes = [Lane::Bulk, Lane::Bulk, Lane::Live, Lane::Bulk];
    store.journal_append(items.iter().cloned().zip(lanes).collect()).await.unwrap();
    let lost = async || -> Vec<u32> { store.journal_pending().await.unwrap().iter().map(|entry| entry.lost).collect() };
    assert_eq!(lost().await, [0; 4]);
    store.journal_closed().await.unwrap();
    store.journal_opened().await.unwrap();
    assert_eq!(lost().await, [0; 4], "the first ended in good order");
    store.journal_bury(id(3), "not decodable", noon()).await.unwrap();
    store.journal_opened().await.unwrap();
    assert_eq!(lost().await, [1; 3], "the second did not");
    store.journal_retry(id(0)).await.unwrap();
    store.journal_opened().await.unwrap();
    assert_eq!(lost().await, [1, 2, 2], "a try that ended clears it");

    for _ in 0..3 {
        assert!(store.journal_try(id(1), 3).await.unwrap());
    }
    assert!(!store.journal_try(id(1), 3).await.unwrap(), "three began and did not end");
    assert!(!store.journal_try(ItemId::new(), 3).await.unwrap());
    store.journal_bury(id(1), "crashed_worker", noon()).await.unwrap();
    assert_eq!(store.journal_dead(10).await.unwrap()[0].attempts, 3);
    store.journal_revive(vec![id(1)]).await.unwrap();
    assert!(store.journal_try(id(1), 3).await.unwrap(), "as if never tried");
    store.journal_retry(id(1)).await.unwrap();
    for _ in 0..3 {
        assert!(store.journal_try(id(1), 3).await.unwrap(), "that one ended");
    }
    assert_eq!(lost().await, [1, 0, 2]);
    store.journal_closed().await.unwrap();
}

pub(crate) async fn i7_journal_keeps_what_was_accepted(store: &Shared) {
    let one = text("a", "first, with ünïcode");
    let picture = Item {
        envelope: envelope("a", ItemKind::Image),
        content: Content::Picture(Bytes::from_iter((0..50_000u32).map(|n| n.to_le_bytes()[0]))),
    };
    let items = vec![(one.clone(), Lane::Interactive), (picture.clone(), Lane::Bulk)];
    store.journal_append(items.clone()).await.unwrap();
    store.journal_append(items).await.unwrap();
    let pending = store.journal_pending().await.unwrap();
    let expected = [(one.envelope.id, Lane::Interactive, 0, 21), (picture.envelope.id, Lane::Bulk, 0, 50_000)];
    assert_eq!(pending.iter().map(|e| (e.id, e.lane, e.attempts, e.bytes)).collect::<Vec<_>>(), expected);
    assert_eq!(store.journal_load(picture.envelope.id).await.unwrap(), Some(picture.clone()));
    assert_eq!(store.journal_load(ItemId::new()).await.unwrap(), None);
    let both = store.journal_load_many(vec![picture.envelope.id, one.envelope.id, ItemId::new()]).await.unwrap();
    assert_eq!(both.len(), 2);
    store.journal_retry(one.envelope.id).await.unwrap();
    assert_eq!(store.journal_pending().await.unwrap()[0].attempts, 1);
    let queued = store.load_item(&"a".into(), one.envelope.id).await.unwrap();
    assert_eq!(queued, Some(ItemRecord::Queued(one.envelope.clone())));
    store.journal_settle(vec![one.envelope.id, ItemId::new()]).await.unwrap();
    assert_eq!(store.journal_pending().await.unwrap().len(), 1);
    assert_eq!(store.load_item(&"a".into(), one.envelope.id).await.unwrap(), None);
}

pub(crate) async fn i7_dead_items_wait_again_when_accepted_again(store: &Shared) {
    let item = text("a", "poison");
    let id = item.envelope.id;
    store.journal_append(vec![(item.clone(), Lane::Bulk)]).await.unwrap();
    store.journal_bury(id, "not decodable", noon()).await.unwrap();
    assert!(store.journal_pending().await.unwrap().is_empty());
    let dead = store.journal_dead(10).await.unwrap();
    assert_eq!((dead[0].id, dead[0].reason.as_str(), dead[0].attempts), (id, "not decodable", 1));
    let loaded = store.load_item(&"a".into(), id).await.unwrap();
    assert_eq!(loaded, Some(ItemRecord::Dead(item.envelope.clone(), "not decodable".into())));
    store.journal_append(vec![(item, Lane::Live)]).await.unwrap();
    let pending = store.journal_pending().await.unwrap();
    assert_eq!((pending[0].id, pending[0].lane, pending[0].attempts), (id, Lane::Live, 0));
    assert!(store.journal_dead(10).await.unwrap().is_empty());
}

pub(crate) async fn an_item_id_of_another_tenant_is_refused(store: &Shared) {
    let mine = text("a", "mine");
    let mut theirs = text("b", "theirs");
    theirs.envelope.id = mine.envelope.id;
    store.journal_append(vec![(mine, Lane::Bulk)]).await.unwrap();
    let refused = store.journal_append(vec![(text("b", "fine"), Lane::Bulk), (theirs, Lane::Bulk)]).await;
    assert!(matches!(refused, Err(PipelineError::Conflict { code: "item_id_taken", .. })), "{refused:?}");
    assert_eq!(store.journal_pending().await.unwrap().len(), 1, "all or none");
}

pub(crate) async fn a_refused_write_leaves_nothing_and_spoils_no_other(store: &Shared) {
    let writes = (0..40).map(|n| {
        let mut record = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        if n % 4 == 0 {
            // Asks for an event that is not there: fails after the item's row was written.
            record.webhooks = vec![(7, "hook".into())];
        }
        let store = Arc::clone(store);
        tokio::spawn(async move { (n, record.outcome.envelope.id, store.record_outcome(record).await) })
    });
    for (n, id, result) in futures::future::try_join_all(writes).await.unwrap() {
        assert_eq!(result.is_err(), n % 4 == 0, "{result:?}");
        assert_eq!(store.is_judged(id).await.unwrap(), n % 4 != 0);
    }
    assert_eq!(store.events_after(None, 0, 100).await.unwrap().len(), 30);
}

pub(crate) async fn tenants_see_only_their_own_rows(store: &Shared) {
    let mut mine = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    mine.context_text = Some("secret".into());
    mine.participant = Some(change("c", 1, 0));
    let id = mine.outcome.envelope.id;
    let waiting = text("a", "waits");
    store.record_outcome(mine).await.unwrap();
    store.journal_append(vec![(waiting.clone(), Lane::Bulk)]).await.unwrap();
    store.put_call(&"a".into(), &call("c", 0), None, vec![], vec![]).await.unwrap();
    store.put_profile(&profile("a", "p", "x")).await.unwrap();

    let (a, b) = (TenantId::from("a"), TenantId::from("b"));
    let later = noon() + TimeDelta::seconds(1);
    for (tenant, sees) in [(&a, true), (&b, false)] {
        assert_eq!(store.load_item(tenant, id).await.unwrap().is_some(), sees);
        assert_eq!(store.load_item(tenant, waiting.envelope.id).await.unwrap().is_some(), sees);
        let texts = store.recent_texts(tenant, &"room".into(), &"ann".into(), later, 9).await.unwrap();
        assert_eq!(!texts.is_empty(), sees);
        assert_eq!(store.load_call(tenant, &"c".into()).await.unwrap().is_some(), sees);
        assert_eq!(!store.open_calls(tenant, 9).await.unwrap().is_empty(), sees);
        assert_eq!(store.load_participant(tenant, &"c".into(), &"ann".into()).await.unwrap().is_some(), sees);
        assert_eq!(!store.events_after(Some(tenant), 0, 9).await.unwrap().is_empty(), sees);
        assert_eq!(store.load_profile(tenant, &"p".into()).await.unwrap().is_some(), sees);
    }
    assert!(!store.delete_profile(&b, &"p".into()).await.unwrap());
    assert!(store.delete_profile(&a, &"p".into()).await.unwrap());
}

pub(crate) async fn t2_recent_texts_are_the_authors_last_in_order(store: &Shared) {
    for n in 0..6 {
        let mut written = record(envelope("a", ItemKind::Text), ActionKind::Allow);
        written.outcome.envelope.occurred_at = noon() + TimeDelta::seconds(n);
        written.outcome.envelope.actor = Some(if n == 4 { "bob".into() } else { "ann".into() });
        written.context_text = Some(format!("text {n}"));
        store.record_outcome(written).await.unwrap();
    }
    let before = noon() + TimeDelta::seconds(5);
    let texts = store.recent_texts(&"a".into(), &"room".into(), &"ann".into(), before, 3).await.unwrap();
    let expected: Vec<_> = (1..4).map(|n| (noon() + TimeDelta::seconds(n), format!("text {n}"))).collect();
    assert_eq!(texts, expected);
    let elsewhere = store.recent_texts(&"a".into(), &"hall".into(), &"ann".into(), before, 3).await.unwrap();
    assert!(elsewhere.is_empty());
}

fn call(id: &str, second: i64) -> Call {
    let started_at = noon() + TimeDelta::seconds(second);
    let ann = Participant::new("ann".into(), started_at);
    Call { id: id.into(), started_at, ended_at: None, participants: vec![ann] }
}

pub(crate) async fn f3_calls_are_kept(store: &Shared) {
    let tenant = TenantId::from("a");
    for second in 0..3 {
        let started = event("a", "call.started", second);
        store.put_call(&tenant, &call(&format!("c{second}"), second), None, vec![started], vec![]).await.unwrap();
    }
    let mut ended = call("c1", 1);
    ended.ended_at = Some(noon() + TimeDelta::seconds(9));
    let seen = store.load_call(&tenant, &ended.id).await.unwrap();
    for (seen, expected) in [(None, Recorded::Stale), (Some(&ended), Recorded::Stale), (seen.as_ref(), Recorded::New)] {
        let (events, webhooks) = (vec![event("a", "call.ended", 1)], vec![(0, "hook".into())]);
        assert_eq!(store.put_call(&tenant, &ended, seen, events, webhooks).await.unwrap(), expected);
    }
    let open = store.open_calls(&tenant, 10).await.unwrap();
    assert_eq!(open.iter().map(|call| call.id.0.as_str()).collect::<Vec<_>>(), ["c2", "c0"], "newest first");
    assert_eq!(store.load_call(&tenant, &CallId::from("c1")).await.unwrap(), Some(ended));
    assert_eq!(store.events_after(Some(&tenant), 0, 10).await.unwrap().len(), 4);
    assert_eq!(claim(store, noon(), 10).await.len(), 1);
}

pub(crate) async fn f2_participant_state_is_committed_with_its_outcome(store: &Shared) {
    let (tenant, call, actor) = (TenantId::from("a"), CallId::from("c"), ActorId::from("ann"));
    assert_eq!(store.load_participant(&tenant, &call, &actor).await.unwrap(), None);
    for frames in 1..=2 {
        let mut state = ParticipantState { frames, ..Default::default() };
        state.violations.insert("nsfw".into(), vec![noon(); frames as usize]);
        let mut judged = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
        let (call, actor) = (call.clone(), actor.clone());
        let change = ParticipantChange { call, actor, state: state.clone(), seen: frames - 1 };
        judged.participant = Some(change.clone());
        assert_eq!(store.record_outcome(judged.clone()).await.unwrap(), Recorded::New);
        let loaded = store.load_participant(&tenant, &change.call, &change.actor).await.unwrap();
        assert_eq!(loaded, Some((state, frames)));
        // The second try of the same item carries a state that must not be written, whatever it has seen.
        for seen in [frames - 1, frames, 77] {
            let state = ParticipantState { frames: 99, ..Default::default() };
            judged.participant = Some(ParticipantChange { state, seen, ..change.clone() });
            assert_eq!(store.record_outcome(judged.clone()).await.unwrap(), Recorded::Already);
        }
    }
    let (state, _) = store.load_participant(&tenant, &call, &actor).await.unwrap().unwrap();
    assert_eq!((state.frames, state.violations["nsfw"].len()), (2, 2));
}

pub(crate) async fn p1_flagged_outcomes_leave_events_and_deliveries(store: &Shared) {
    let mut flagged = record(envelope("a", ItemKind::Text), ActionKind::Remove);
    flagged.events.push(event("a", "moderation.action", "key"));
    flagged.webhooks = vec![(0, "x".into()), (1, "x".into()), (1, "y".into())];
    store.record_outcome(flagged).await.unwrap();
    assert!(claim(store, noon() - TimeDelta::seconds(1), 10).await.is_empty());
    let mut due = claim(store, noon(), 2).await;
    assert_eq!(due.len(), 2);
    due.extend(claim(store, noon(), 10).await);
    let told: Vec<_> = due.iter().map(|d| (d.webhook.as_str(), d.event.kind.as_str(), d.attempts)).collect();
    assert_eq!(told, [("x", "item.judged", 0), ("x", "moderation.action", 0), ("y", "moderation.action", 0)]);

    store.delivery_done(due[0].id, noon()).await.unwrap();
    let next = noon() + TimeDelta::seconds(30);
    store.delivery_failed(due[1].id, Some(next), "500").await.unwrap();
    store.delivery_failed(due[2].id, None, "410").await.unwrap();
    assert!(claim(store, next - TimeDelta::seconds(1), 10).await.is_empty());
    let again = claim(store, next, 10).await;
    assert_eq!(again.iter().map(|d| (d.id, d.attempts)).collect::<Vec<_>>(), [(due[1].id, 1)]);
}

pub(crate) async fn events_rise_in_commit_order(store: &Shared) {
    let mut signal = store.event_signal();
    let reader = {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let (mut last, mut seen) = (0, Vec::new());
            while seen.len() < 400 {
                let events = store.events_after(None, last, 50).await.unwrap();
                if events.is_empty() {
                    tokio::time::timeout(Duration::from_secs(20), signal.changed()).await.expect("woken").unwrap();
                }
                for event in events {
                    assert!(event.sequence > last, "rises strictly");
                    last = event.sequence;
                    seen.push(event.key);
                }
            }
            seen.into_iter().collect::<BTreeSet<_>>()
        })
    };
    let writers = (0..8).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for _ in 0..50 {
                store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Allow)).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    assert_eq!(reader.await.unwrap().len(), 400, "a reader that follows misses none");
    let last = store.events_after(None, 0, 1000).await.unwrap().last().unwrap().sequence;
    assert_eq!(store.last_sequence().await.unwrap(), last);
    assert_eq!(*store.event_signal().borrow(), last);
}

pub(crate) async fn twenty_writers_lose_nothing(store: &Shared) {
    let shared = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    let writers = (0..20).map(|_| {
        let (store, shared) = (Arc::clone(store), shared.clone());
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for n in 0..20 {
                let own = record(envelope("a", ItemKind::Text), ActionKind::Warn);
                let item = text("a", &format!("text {n}"));
                ids.push((own.outcome.envelope.id, item.envelope.id));
                store.record_outcome(own).await.unwrap();
                store.journal_append(vec![(item, Lane::Bulk)]).await.unwrap();
            }
            (ids, store.record_outcome(shared).await.unwrap())
        })
    });
    let done = futures::future::try_join_all(writers).await.unwrap();
    assert_eq!(done.iter().filter(|(_, recorded)| *recorded == Recorded::New).count(), 1, "one of twenty wins");
    let pending: BTreeSet<_> = store.journal_pending().await.unwrap().into_iter().map(|entry| entry.id).collect();
    for (judged, waiting) in done.iter().flat_map(|(ids, _)| ids) {
        assert!(store.is_judged(*judged).await.unwrap());
        assert!(pending.contains(waiting));
    }
    assert_eq!(store.last_sequence().await.unwrap(), 401);
}

pub(crate) fn profile(tenant: &str, id: &str, text: &str) -> Profile {
    Profile {
        id: id.into(),
        tenant: tenant.into(),
        interests: vec![text.into()],
        bio: "bio".into(),
        attributes: [("age".into(), json!(30)), ("langs".into(), json!(["de", "en"]))].into(),
        version: 1,
        text_sha256: text.into(),
        vector: Arc::from([0.6, 0.8]),
        updated_at: noon(),
        terms: Terms { about: About { age: Some(30), ..About::default() }, ..Terms::default() },
    }
}

pub(crate) async fn profiles_count_versions_and_page(store: &Shared) {
    let version = async |id: &str| store.load_profile(&"a".into(), &id.into()).await.unwrap().unwrap().version;
    store.put_profile(&profile("a", "p", "chess")).await.unwrap();
    assert_eq!(store.load_profile(&"a".into(), &"p".into()).await.unwrap(), Some(profile("a", "p", "chess")));
    store.put_profile(&profile("a", "p", "chess")).await.unwrap();
    assert_eq!(version("p").await, 1, "the text stands");
    store.put_profile(&profile("a", "p", "go")).await.unwrap();
    assert_eq!(version("p").await, 2);
    for (tenant, id) in [("b", "a"), ("a", "q"), ("a", "b")] {
        store.put_profile(&profile(tenant, id, "x")).await.unwrap();
    }
    let (mut after, mut seen): (Option<Profile>, Vec<String>) = (None, Vec::new());
    loop {
        let key = after.as_ref().map(|last| (&last.tenant, &last.id));
        let page = store.profiles_after(key, 3).await.unwrap();
        seen.extend(page.iter().map(|profile| format!("{}/{}", profile.tenant, profile.id)));
        match page.into_iter().next_back() {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    assert_eq!(seen, ["a/b", "a/p", "a/q", "b/a"]);
}

pub(crate) async fn old_rows_expire(store: &Shared) {
    let tenant = TenantId::from("a");
    for (second, webhook) in [(0, "done"), (0, "due"), (100, "done")] {
        let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
        judged.outcome.envelope.occurred_at = noon() + TimeDelta::seconds(second);
        judged.context_text = Some("text".into());
        judged.events[0].at = noon() + TimeDelta::seconds(second);
        judged.webhooks = vec![(0, webhook.into())];
        store.record_outcome(judged).await.unwrap();
    }
    let later = noon() + TimeDelta::seconds(1000);
    for due in claim(store, later, 9).await.iter().filter(|due| due.webhook == "done") {
        store.delivery_done(due.id, noon()).await.unwrap();
    }
    for (actor, connected) in [("gone", false), ("here", true)] {
        store.put_presence(&tenant, &actor.into(), connected, noon()).await.unwrap();
    }
    let mut ended = call("old", 0);
    ended.ended_at = Some(noon());
    store.put_call(&tenant, &ended, None, vec![], vec![]).await.unwrap();
    store.put_call(&tenant, &call("open", 0), None, vec![], vec![]).await.unwrap();
    let mut frame = record(envelope("a", ItemKind::Frame), ActionKind::Warn);
    frame.events.clear();
    for name in ["old", "open"] {
        frame.outcome.envelope.id = ItemId::new();
        frame.participant = Some(change(name, 0, 0));
        store.record_outcome(frame.clone()).await.unwrap();
    }
    let last = store.last_sequence().await.unwrap();

    // Two texts, one settled delivery, its event, one call and its participant, one who left.
    assert_eq!(store.expire(noon() + TimeDelta::seconds(50)).await.unwrap(), 7);
    assert_eq!(store.expire(noon() + TimeDelta::seconds(50)).await.unwrap(), 0);
    let due = claim(store, later + LEASE, 9).await;
    assert_eq!(due.len(), 1, "what is due stays");
    assert!(store.load_presence(&tenant, &"here".into()).await.unwrap().is_some());
    assert_eq!(store.events_after(None, 0, 9).await.unwrap().len(), 2);
    assert_eq!(store.load_call(&tenant, &"old".into()).await.unwrap(), None);
    assert!(store.load_participant(&tenant, &"open".into(), &"ann".into()).await.unwrap().is_some());
    let texts = store.recent_texts(&tenant, &"room".into(), &"ann".into(), later, 9).await.unwrap();
    assert_eq!(texts.len(), 1);

    for due in due {
        store.delivery_failed(due.id, None, "gone").await.unwrap();
    }
    store.expire(later).await.unwrap();
    assert!(store.events_after(None, 0, 9).await.unwrap().is_empty());
    assert_eq!(store.last_sequence().await.unwrap(), last, "numbers do not come back");
    store.put_call(&tenant, &call("new", 0), None, vec![event("a", "call.started", 1)], vec![]).await.unwrap();
    assert_eq!(store.last_sequence().await.unwrap(), last + 1);
}

pub(crate) async fn health_is_good(store: &Shared) {
    store.health().await.unwrap();
}
