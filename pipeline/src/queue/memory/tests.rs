//! The contract on a journal in a file, and what is special here: bounded memory, contents larger than it, throughput.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use models::Lane;
use tempfile::TempDir;

use super::{KEPT_BYTES, MemoryQueue};
use crate::{
    action::ActionKind,
    clock::Clock,
    config::QueueConfig,
    item::{Content, Envelope, Item, ItemId, ItemKind},
    queue::{
        Queue,
        contract::{Place, next, texts},
    },
    store::{
        Store, connect,
        contract::{envelope, noon, record},
    },
};

fn config(capacity: usize) -> QueueConfig {
    QueueConfig {
        interactive_capacity: capacity,
        live_capacity: capacity,
        bulk_capacity: capacity,
        ..QueueConfig::default()
    }
}

struct OnFile {
    _folder: TempDir,
    store: Arc<dyn Store>,
}

#[async_trait::async_trait]
impl Place for OnFile {
    async fn open(&self, capacity: usize) -> Arc<dyn Queue> {
        Arc::new(MemoryQueue::open(&config(capacity), Arc::clone(&self.store), Clock::system()).await.unwrap())
    }
}

async fn on_file() -> OnFile {
    let folder = tempfile::tempdir().unwrap();
    let store = connect(&format!("sqlite:{}", folder.path().join("store.db").display())).await.unwrap();
    OnFile { _folder: folder, store }
}

crate::queue::contract::queue_contract!(on_file);

fn pictures(count: usize, bytes: usize) -> Vec<Item> {
    let picture = |n: usize| Item {
        envelope: envelope("a", ItemKind::Image),
        content: Content::Picture(Bytes::from(vec![n.to_le_bytes()[0]; bytes])),
    };
    (0..count).map(picture).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_beyond_the_kept_megabytes_comes_from_the_journal() {
    let place = on_file().await;
    let queue = MemoryQueue::open(&config(1000), Arc::clone(&place.store), Clock::system()).await.unwrap();
    let items = pictures(200, 100_000);
    for part in items.chunks(20) {
        queue.publish(part.to_vec(), Lane::Live).await.unwrap();
    }
    let kept = |queue: &MemoryQueue| {
        let state = queue.shared.state();
        let bytes: usize = state.kept.values().map(|item| item.content.len()).sum();
        assert_eq!(bytes, state.kept_bytes);
        bytes
    };
    let bytes = kept(&queue);
    assert!(bytes <= KEPT_BYTES && bytes > KEPT_BYTES / 2, "{bytes}");
    for item in &items {
        let delivery = queue.receive().await.unwrap();
        assert_eq!(**delivery.item(), *item, "order and content");
        delivery.ack().await.unwrap();
        assert!(kept(&queue) <= KEPT_BYTES);
    }
    assert_eq!(kept(&queue), 0, "nothing is left behind");
    queue.close().await;
    assert!(place.store.journal_pending().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_leaves_in_the_middle_loses_nothing() {
    let place = on_file().await;
    place.open(100).await.publish(texts(20), Lane::Live).await.unwrap();
    // Opened anew: nothing is in memory, each delivery has to read.
    let queue = place.open(100).await;
    for micros in 0..200 {
        let _ = tokio::time::timeout(Duration::from_micros(micros), queue.receive()).await.map(std::mem::drop);
    }
    let mut received = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let delivery = next(&queue).await;
        received.insert(delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(received.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_leaves_in_the_middle_leaves_no_orphan() {
    let place = on_file().await;
    let queue = place.open(1000).await;
    for micros in 0..100 {
        let _ = tokio::time::timeout(Duration::from_micros(micros * 20), queue.publish(texts(1), Lane::Live)).await;
    }
    let journaled = || async { place.store.journal_pending().await.unwrap().len() };
    let mut settled = (0, 1);
    while settled.0 != settled.1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        settled = (settled.1, journaled().await);
    }
    assert_eq!(queue.depth().await.unwrap()[1].waiting, journaled().await, "what is journaled is delivered");
}

fn frame(actor: &str, received_at: DateTime<Utc>) -> Item {
    let (actor, call) = (Some(actor.into()), Some("room".into()));
    let envelope = Envelope { actor, call, received_at, ..envelope("a", ItemKind::Frame) };
    Item { envelope, content: Content::Picture(Bytes::from_static(b"picture")) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_waiting_frames_are_displaced_and_leave_the_journal() {
    let (place, clock) = (on_file().await, Clock::fixed(noon()));
    let queue: Arc<dyn Queue> =
        Arc::new(MemoryQueue::open(&config(100), Arc::clone(&place.store), clock.clone()).await.unwrap());
    let (old, other) = (frame("ann", noon()), frame("bob", noon()));
    queue.publish(vec![old.clone(), other.clone()], Lane::Live).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let new = frame("ann", noon());
    queue.publish(vec![new.clone()], Lane::Live).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    for expected in [&new, &other] {
        let delivery = next(&queue).await;
        assert_eq!(**delivery.item(), *expected);
        delivery.ack().await.unwrap();
    }
    queue.close().await;
    assert!(place.store.journal_pending().await.unwrap().is_empty());
    assert_eq!(place.store.load_item(&"a".into(), old.envelope.id).await.unwrap(), None, "neither queued nor judged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_frames_that_became_too_old_while_nobody_ran_are_given_up_at_start() {
    let (place, clock) = (on_file().await, Clock::fixed(noon()));
    let open = async || {
        let queue = MemoryQueue::open(&config(100), Arc::clone(&place.store), clock.clone()).await.unwrap();
        Arc::new(queue) as Arc<dyn Queue>
    };
    let (old, text) = (frame("ann", noon()), texts(1).remove(0));
    let young = frame("bob", noon() + TimeDelta::seconds(2));
    open().await.publish(vec![old.clone(), text.clone(), young.clone()], Lane::Live).await.unwrap();
    clock.advance(TimeDelta::seconds(3));
    let queue = open().await;
    assert_eq!(queue.depth().await.unwrap()[1].waiting, 2);
    for expected in [&text, &young] {
        let delivery = next(&queue).await;
        assert_eq!(**delivery.item(), *expected);
        delivery.ack().await.unwrap();
    }
    queue.close().await;
    assert!(place.store.journal_pending().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_a_receiver_waits_while_the_live_lane_is_held() {
    let (place, clock) = (on_file().await, Clock::fixed(noon()));
    let queue: Arc<dyn Queue> =
        Arc::new(MemoryQueue::open(&config(100), Arc::clone(&place.store), clock).await.unwrap());
    queue.hold(Lane::Live, true);
    queue.publish(vec![frame("ann", noon())], Lane::Live).await.unwrap();
    let receiver = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move { next(&queue).await.lane() })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!receiver.is_finished());
    queue.hold(Lane::Live, false);
    assert_eq!(receiver.await.unwrap(), Lane::Live);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_an_item_that_kills_the_process_ends_alone_in_the_dead_letters() {
    let place = on_file().await;
    let items = texts(40);
    let poison = items[17].envelope.id;
    let limit = QueueConfig::default().delivery_limit;
    place.open(100).await.publish(items, Lane::Bulk).await.unwrap();
    let (mut judged, mut lives) = (std::collections::BTreeSet::new(), 0);
    let last = loop {
        lives += 1;
        assert!(lives <= 20, "{} judged after {lives} lives", judged.len());
        let queue = place.open(100).await;
        let (mut held, mut died) = (Vec::new(), false);
        while !died {
            // A process that has just started does others' work first, for a second.
            let patience = if held.is_empty() { 3_000 } else { 100 };
            match tokio::time::timeout(Duration::from_millis(patience), queue.receive()).await {
                Ok(Some(delivery)) => {
                    died = delivery.item().envelope.id == poison;
                    held.push(delivery);
                    // A few are always in flight when it dies.
                    if held.len() < 4 || died {
                        continue;
                    }
                }
                _ if held.is_empty() => break,
                // Suspects come one at a time, each after the one before.
                _ => {}
            }
            for done in held.drain(..) {
                judged.insert(done.item().envelope.id);
                done.ack().await.unwrap();
            }
        }
        held.into_iter().for_each(std::mem::forget);
        if !died {
            break queue;
        }
    };
    let dead = last.dead_letters(10).await.unwrap();
    let dead: Vec<_> = dead.iter().map(|letter| (letter.id, letter.reason.as_str(), letter.attempts)).collect();
    assert_eq!(dead, [(poison, "crashed_worker", limit + 1)]);
    assert_eq!(judged.len(), 39);
    // The first was lost with all of them before anybody had one, the second among others; then it was alone.
    assert_eq!(lives, limit + 3);
    last.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_queue_that_is_closed_in_good_order_makes_no_suspects() {
    let place = on_file().await;
    let items = texts(6);
    place.open(100).await.publish(items, Lane::Bulk).await.unwrap();
    for _ in 0..4 {
        let queue = place.open(100).await;
        std::mem::forget(next(&queue).await);
        queue.close().await;
    }
    assert!(place.store.journal_pending().await.unwrap().iter().all(|entry| entry.lost <= 1));
    let queue = place.open(100).await;
    // All at once: nobody has to be alone.
    let held = [next(&queue).await, next(&queue).await, next(&queue).await];
    assert!(held.iter().all(|delivery| delivery.attempt() == 1));
    queue.close().await;
}

/// Not a test: the process that [`i7_accepted_items_survive_kill_9_and_are_judged_once`] kills.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by i7_accepted_items_survive_kill_9_and_are_judged_once"]
async fn child_publishes_and_judges_until_it_is_killed() {
    let Ok(url) = std::env::var("CHAPERONE_TEST_QUEUE") else { return };
    let store = connect(&url).await.unwrap();
    let queue: Arc<dyn Queue> =
        Arc::new(MemoryQueue::open(&config(100_000), Arc::clone(&store), Clock::system()).await.unwrap());
    let publisher = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            loop {
                let items = texts(4);
                queue.publish(items.clone(), Lane::Live).await.unwrap();
                for item in items {
                    println!("accepted {}", item.envelope.id);
                }
            }
        })
    };
    while let Some(delivery) = queue.receive().await {
        store.record_outcome(record(delivery.item().envelope.clone(), ActionKind::Warn)).await.unwrap();
        delivery.ack().await.unwrap();
    }
    publisher.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_accepted_items_survive_kill_9_and_are_judged_once() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "queue::memory::tests::child_publishes_and_judges_until_it_is_killed", "--ignored"])
        .arg("--nocapture")
        .env("CHAPERONE_TEST_QUEUE", &url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut acknowledged = Vec::new();
    while acknowledged.len() < 400 {
        acknowledged.push(lines.next().expect("the child publishes").unwrap());
    }
    child.kill().unwrap();
    child.wait().unwrap();
    acknowledged.extend(lines.map_while(Result::ok));

    let store = connect(&url).await.unwrap();
    let queue: Arc<dyn Queue> =
        Arc::new(MemoryQueue::open(&config(100_000), Arc::clone(&store), Clock::system()).await.unwrap());
    for _ in 0..store.journal_pending().await.unwrap().len() {
        let delivery = next(&queue).await;
        store.record_outcome(record(delivery.item().envelope.clone(), ActionKind::Warn)).await.unwrap();
        delivery.ack().await.unwrap();
    }
    queue.close().await;
    let mut counted = 0;
    let parse = |line: &str| line.strip_prefix("accepted ").and_then(|id| id.parse::<ItemId>().ok());
    for id in acknowledged.iter().filter_map(|line| parse(line)) {
        assert!(store.is_judged(id).await.unwrap(), "{id} was accepted and lost");
        counted += 1;
    }
    assert!(counted >= 390, "{counted}");
    // One outcome, so one event, for each item: none was judged twice.
    let events = store.events_after(None, 0, 1_000_000).await.unwrap();
    let keys: std::collections::BTreeSet<_> = events.iter().map(|event| &event.key).collect();
    assert_eq!(keys.len(), events.len());
}

/// Measurement, not a check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measurement"]
async fn texts_per_second() {
    for (batch, name) in [(100, "short queue"), (10_000, "long queue")] {
        let place = on_file().await;
        let queue = place.open(100_000).await;
        let started = Instant::now();
        let publisher = {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move {
                for _ in 0..20_000 / batch {
                    queue.publish(texts(batch), Lane::Interactive).await.unwrap();
                }
            })
        };
        for _ in 0..20_000 {
            next(&queue).await.ack().await.unwrap();
        }
        publisher.await.unwrap();
        queue.close().await;
        println!("{name}: {:.0} texts/s", 20_000.0 / started.elapsed().as_secs_f64());
    }
    let place = on_file().await;
    place.open(100_000).await.publish(texts(20_000), Lane::Interactive).await.unwrap();
    let queue = place.open(100_000).await;
    let started = Instant::now();
    for _ in 0..20_000 {
        next(&queue).await.ack().await.unwrap();
    }
    queue.close().await;
    println!("read back from the journal: {:.0} texts/s", 20_000.0 / started.elapsed().as_secs_f64());
}
