//! The relay against a real store and a bus that can be watched.

use chrono::{DateTime, Utc};
use pipeline::{
    item::{CallId, TenantId},
    stream::call::Call,
};

use super::*;
use crate::fixtures::{Bus, empty_store};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

/// Writes one event for each kind, as a call's change would.
async fn write(store: &dyn Store, kinds: &[&str]) {
    for kind in kinds {
        let key = uuid::Uuid::now_v7().to_string();
        let tenant = TenantId::from("t");
        let event = Event { sequence: 0, kind: (*kind).into(), tenant, key, at: at(0), data: serde_json::json!({}) };
        let call = Call::start(CallId(uuid::Uuid::now_v7().to_string()), at(0), vec![]).unwrap();
        store.put_call(&"t".into(), &call, None, vec![event], vec![]).await.unwrap();
    }
}

fn relay(store: &Arc<dyn Store>, bus: &Arc<Bus>, clock: &Clock, holder: &str) -> Relay {
    Relay {
        store: store.clone(),
        queue: bus.clone(),
        clock: clock.clone(),
        jitter: Jitter::from_fn(|| 1.0),
        holder: holder.into(),
        kinds: vec![],
    }
}

async fn keys(store: &dyn Store) -> Vec<String> {
    store.events_after(None, 0, 10_000).await.unwrap().into_iter().map(|event| event.key).collect()
}

#[tokio::test]
async fn i1_events_reach_the_bus_in_order_and_once_when_nothing_fails() {
    let (store, bus, clock) = (empty_store().await, Arc::<Bus>::default(), Clock::fixed(at(0)));
    let relay = relay(&store, &bus, &clock, "a");
    assert_eq!(relay.turn().await.unwrap(), Turn::Idle);
    write(&*store, &["call.started"; 600]).await;
    assert_eq!(lag(&*store).await.unwrap(), 600);
    for passed in [256, 256, 88] {
        assert_eq!(relay.turn().await.unwrap(), Turn::Passed(passed));
    }
    assert_eq!(relay.turn().await.unwrap(), Turn::Idle);
    assert_eq!(bus.keys(), keys(&*store).await);
    assert_eq!(lag(&*store).await.unwrap(), 0);
}

#[tokio::test]
async fn i1_only_wanted_kinds_are_told_and_the_others_are_passed() {
    let (store, bus, clock) = (empty_store().await, Arc::<Bus>::default(), Clock::fixed(at(0)));
    let relay = Relay { kinds: vec!["call.ended".into()], ..relay(&store, &bus, &clock, "a") };
    relay.turn().await.unwrap();
    write(&*store, &["call.started", "call.ended", "item.judged"]).await;
    assert_eq!(relay.turn().await.unwrap(), Turn::Passed(3));
    assert_eq!(bus.told.lock().unwrap().iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["call.ended"]);
    assert_eq!(relay.turn().await.unwrap(), Turn::Idle);
}

#[tokio::test]
async fn i7_a_crash_between_confirm_and_position_repeats_events_under_the_same_keys_without_a_gap() {
    let (store, bus, clock) = (empty_store().await, Arc::<Bus>::default(), Clock::fixed(at(0)));
    anchor(&*store).await.unwrap();
    write(&*store, &["call.started"; 10]).await;
    let crashed = relay(&store, &bus, &clock, "a");
    // The bus has the events, but the process ends before it hears so: the turn is dropped there.
    *bus.confirms.lock().unwrap() = false;
    let turn = tokio::time::timeout(Duration::from_millis(200), crashed.turn()).await;
    assert!(turn.is_err(), "the turn waits for the confirm");
    drop(crashed);
    assert_eq!(bus.keys().len(), 10);
    *bus.confirms.lock().unwrap() = true;
    write(&*store, &["call.ended"; 5]).await;

    let next = relay(&store, &bus, &clock, "b");
    assert_eq!(next.turn().await.unwrap(), Turn::Standby, "the lease of the dead one still runs");
    clock.advance(LEASE);
    assert_eq!(next.turn().await.unwrap(), Turn::Passed(15));
    let (written, told) = (keys(&*store).await, bus.keys());
    assert_eq!(told.len(), 25);
    let mut seen = std::collections::HashSet::new();
    let once: Vec<String> = told.into_iter().filter(|key| seen.insert(key.clone())).collect();
    assert_eq!(once, written, "each event, in order, and the repeats carry keys that were seen");
}

#[tokio::test]
async fn i7_what_the_bus_refuses_is_told_again() {
    let (store, bus, clock) = (empty_store().await, Arc::<Bus>::default(), Clock::fixed(at(0)));
    let relay = relay(&store, &bus, &clock, "a");
    relay.turn().await.unwrap();
    write(&*store, &["call.started"; 3]).await;
    *bus.down.lock().unwrap() = true;
    assert!(relay.turn().await.is_err());
    assert_eq!(lag(&*store).await.unwrap(), 3);
    *bus.down.lock().unwrap() = false;
    assert_eq!(relay.turn().await.unwrap(), Turn::Passed(3));
    assert_eq!(bus.keys(), keys(&*store).await);
}

#[tokio::test]
async fn i1_an_installation_that_gets_a_bus_begins_at_its_newest_event_and_keeps_its_place() {
    let (store, bus, clock) = (empty_store().await, Arc::<Bus>::default(), Clock::fixed(at(0)));
    write(&*store, &["call.started"; 4]).await;
    anchor(&*store).await.unwrap();
    write(&*store, &["call.ended"; 2]).await;
    // A later start does not begin anew: the two are still to be told.
    anchor(&*store).await.unwrap();
    assert_eq!(relay(&store, &bus, &clock, "a").turn().await.unwrap(), Turn::Passed(2));
    assert_eq!(bus.keys(), keys(&*store).await[4..]);
}

#[tokio::test]
async fn i7_two_processes_relay_one_at_a_time_and_the_second_goes_on_where_the_first_stopped() {
    let (store, bus) = (empty_store().await, Arc::<Bus>::default());
    anchor(&*store).await.unwrap();
    let stops = [CancellationToken::new(), CancellationToken::new()];
    let clock = Clock::system();
    let running: Vec<_> = stops
        .iter()
        .zip(["a", "b"])
        .map(|(stop, holder)| tokio::spawn(relay(&store, &bus, &clock, holder).run(stop.clone())))
        .collect();
    let mut expected = 0;
    for stop in stops {
        write(&*store, &["call.started"; 300]).await;
        expected += 300;
        let all = async {
            while bus.keys().len() < expected {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("all events are told");
        stop.cancel();
    }
    for task in running {
        task.await.unwrap();
    }
    assert_eq!(bus.keys(), keys(&*store).await);
}
