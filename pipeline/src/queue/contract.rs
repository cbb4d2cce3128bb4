//! The suite that every queue passes. `queue_contract!` makes the tests; its argument is an async function that opens a
//! queue with a given capacity in every lane on a store of its own, and opens it again on the same store.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use models::Lane;
use tokio::time::timeout;

use super::{Delivery, Queue};
use crate::{
    error::PipelineError,
    item::{Item, ItemId, ItemKind},
    store::contract::text,
};

/// Opens queues on one store: the second is what a restarted process opens.
#[async_trait::async_trait]
pub(crate) trait Place: Send + Sync {
    async fn open(&self, capacity: usize) -> Arc<dyn Queue>;

    /// What waits is kept by a server that many processes share. It cannot know which ids wait, it counts its messages a
    /// little late, and a restart of this process is nothing to it: the cases that differ say how.
    fn is_broker(&self) -> bool {
        false
    }

    /// Called when a case has passed.
    async fn leave(&self) {}
}

/// Makes one test of each case of the suite.
macro_rules! queue_contract {
    ($place:path) => {
        $crate::queue::contract::queue_contract!($place;
            i7_an_item_is_delivered_until_it_is_acked, i7_a_dropped_delivery_comes_back_one_attempt_older,
            i7_what_was_not_settled_waits_after_a_restart, a_retried_item_comes_back_after_its_wait,
            a_dead_letter_is_listed_with_its_reason, dead_letters_are_shown_replayed_and_discarded, lanes_are_served_by_urgency_and_no_lane_starves,
            a_full_lane_refuses_the_whole_call, an_id_that_waits_is_accepted_without_effect,
            after_close_nothing_is_handed_out_and_settling_works, many_publishers_and_receivers_lose_nothing,
            depth_counts_what_waits_and_what_is_in_flight);
    };
    ($place:path; $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let place = $place().await;
            $crate::queue::contract::$name(&place).await;
            $crate::queue::contract::Place::leave(&place).await;
        })+
    };
}
pub(crate) use queue_contract;

pub(crate) fn texts(count: usize) -> Vec<Item> {
    (0..count).map(|n| text("a", &format!("message {n}"))).collect()
}

fn ids(items: &[Item]) -> Vec<ItemId> {
    items.iter().map(|item| item.envelope.id).collect()
}

fn id(delivery: &Delivery) -> ItemId {
    delivery.item().envelope.id
}

/// The next delivery; fails when none comes.
pub(crate) async fn next(queue: &Arc<dyn Queue>) -> Delivery {
    timeout(Duration::from_secs(60), queue.receive()).await.expect("a delivery in time").expect("open")
}

async fn nothing_waits(queue: &Arc<dyn Queue>) {
    let early = timeout(Duration::from_millis(60), queue.receive()).await;
    assert!(early.is_err(), "{early:?}");
}

pub(crate) async fn i7_an_item_is_delivered_until_it_is_acked(place: &impl Place) {
    let queue = place.open(10).await;
    let items = texts(3);
    queue.publish(items.clone(), Lane::Live).await.unwrap();
    for item in &items {
        let delivery = next(&queue).await;
        assert_eq!((&**delivery.item(), delivery.lane(), delivery.attempt()), (item, Lane::Live, 1), "in order");
        delivery.ack().await.unwrap();
    }
    nothing_waits(&queue).await;
    queue.close().await;
    let again = place.open(10).await;
    nothing_waits(&again).await;
}

pub(crate) async fn i7_a_dropped_delivery_comes_back_one_attempt_older(place: &impl Place) {
    let queue = place.open(10).await;
    let items = texts(1);
    queue.publish(items.clone(), Lane::Bulk).await.unwrap();
    for attempt in 1..=3 {
        let delivery = next(&queue).await;
        assert_eq!((&**delivery.item(), delivery.attempt()), (&items[0], attempt));
        drop(delivery);
    }
    // A worker that panics drops its delivery too.
    let delivery = next(&queue).await;
    let worker = tokio::spawn(async move {
        let _held = delivery;
        panic!("a bug in a worker");
    });
    assert!(worker.await.is_err());
    assert_eq!(next(&queue).await.attempt(), 5);
}

pub(crate) async fn i7_what_was_not_settled_waits_after_a_restart(place: &impl Place) {
    let items = texts(4);
    {
        let queue = place.open(10).await;
        queue.publish(items.clone(), Lane::Interactive).await.unwrap();
        let (acked, retried, held) = (next(&queue).await, next(&queue).await, next(&queue).await);
        acked.ack().await.unwrap();
        // A wait in a broker goes on while this process is away; in the journal it ends with the process.
        let wait = if place.is_broker() { Duration::from_millis(200) } else { Duration::from_secs(3600) };
        retried.retry(wait).await.unwrap();
        queue.close().await;
        std::mem::forget(held);
    }
    let queue = place.open(10).await;
    if place.is_broker() {
        // The waits go on, and a batch of which something was lost comes back whole: the worker's seen-before check ends that.
        let mut missing: BTreeSet<ItemId> = ids(&items[1..]).into_iter().collect();
        while !missing.is_empty() {
            let delivery = next(&queue).await;
            assert!((1..=4).contains(&delivery.attempt()), "{delivery:?}");
            missing.remove(&id(&delivery));
            delivery.ack().await.unwrap();
        }
        return;
    }
    let mut found = Vec::new();
    for _ in 0..3 {
        let delivery = next(&queue).await;
        found.push((id(&delivery), delivery.attempt()));
        delivery.ack().await.unwrap();
    }
    let expected = [(items[1].envelope.id, 2), (items[2].envelope.id, 1), (items[3].envelope.id, 1)];
    assert_eq!(found, expected, "oldest first, attempts kept");
    nothing_waits(&queue).await;
}

pub(crate) async fn a_retried_item_comes_back_after_its_wait(place: &impl Place) {
    let queue = place.open(10).await;
    queue.publish(texts(1), Lane::Live).await.unwrap();
    let started = tokio::time::Instant::now();
    next(&queue).await.retry(Duration::from_millis(200)).await.unwrap();
    nothing_waits(&queue).await;
    let delivery = next(&queue).await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(delivery.attempt(), 2);
}

pub(crate) async fn a_dead_letter_is_listed_with_its_reason(place: &impl Place) {
    let queue = place.open(10).await;
    let items = texts(2);
    queue.publish(items.clone(), Lane::Live).await.unwrap();
    next(&queue).await.dead_letter("image_truncated").await.unwrap();
    next(&queue).await.ack().await.unwrap();
    nothing_waits(&queue).await;
    let dead = queue.dead_letters(10).await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].id, dead[0].reason.as_str(), dead[0].attempts), (items[0].envelope.id, "image_truncated", 1));
    queue.close().await;
    let again = place.open(10).await;
    nothing_waits(&again).await;
}

pub(crate) async fn dead_letters_are_shown_replayed_and_discarded(place: &impl Place) {
    let queue = place.open(10).await;
    let items = texts(4);
    queue.publish(items.clone(), Lane::Bulk).await.unwrap();
    for n in 0..4 {
        let delivery = next(&queue).await;
        if n == 1 { delivery.ack().await.unwrap() } else { delivery.dead_letter(&format!("reason_{n}")).await.unwrap() }
    }
    let dead = queue.dead_letters(10).await.unwrap();
    let listed: Vec<_> = dead.iter().map(|letter| (letter.id, letter.reason.as_str())).collect();
    let expected: Vec<_> =
        [0, 2, 3].map(|n| (items[n].envelope.id, ["reason_0", "", "reason_2", "reason_3"][n])).into();
    assert_eq!(listed, expected, "oldest first");
    let first = &dead[0];
    assert_eq!((first.tenant.as_str(), first.kind, first.lane), ("a", ItemKind::Text, Lane::Bulk));
    assert_eq!((first.attempts, first.bytes as usize), (1, items[0].content.len()));
    assert_eq!(queue.dead_letters(2).await.unwrap(), dead[..2], "listing changes nothing");

    let shown = queue.dead_letter(items[2].envelope.id).await.unwrap().expect("there");
    assert_eq!(shown, (dead[1].clone(), items[2].clone()));
    assert!(queue.dead_letter(items[1].envelope.id).await.unwrap().is_none(), "acked");

    let unknown = ItemId::new();
    assert_eq!(queue.replay(vec![items[2].envelope.id, items[1].envelope.id, unknown]).await.unwrap(), 1);
    let again = next(&queue).await;
    assert_eq!((&**again.item(), again.lane(), again.attempt()), (&items[2], Lane::Bulk, 1), "as if never tried");
    again.ack().await.unwrap();
    assert_eq!(queue.discard(vec![items[0].envelope.id, unknown]).await.unwrap(), 1);
    let left: Vec<_> = queue.dead_letters(10).await.unwrap().iter().map(|letter| letter.id).collect();
    assert_eq!(left, [items[3].envelope.id]);
    assert_eq!(queue.discard(vec![]).await.unwrap(), 0);
    nothing_waits(&queue).await;
}

pub(crate) async fn lanes_are_served_by_urgency_and_no_lane_starves(place: &impl Place) {
    let queue = place.open(100).await;
    for lane in [Lane::Bulk, Lane::Live, Lane::Interactive] {
        queue.publish(texts(60), lane).await.unwrap();
    }
    if place.is_broker() {
        // From a broker they arrive one after another.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let mut served = [0; 3];
    let first = next(&queue).await;
    assert!(place.is_broker() || first.lane() == Lane::Interactive, "the most urgent goes first");
    served[first.lane().index()] += 1;
    first.ack().await.unwrap();
    for _ in 1..52 {
        let delivery = next(&queue).await;
        served[delivery.lane().index()] += 1;
        delivery.ack().await.unwrap();
    }
    assert!(served[0] > served[1] && served[1] > served[2] && served[2] >= 2, "{served:?}");
}

pub(crate) async fn a_full_lane_refuses_the_whole_call(place: &impl Place) {
    if place.is_broker() {
        // It refuses message by message and a little late: `rabbitmq/tests` has its own case.
        return;
    }
    let queue = place.open(5).await;
    queue.publish(texts(3), Lane::Live).await.unwrap();
    let refused = queue.publish(texts(3), Lane::Live).await;
    assert!(matches!(refused, Err(PipelineError::Full { retry_after_s: 1.., .. })), "{refused:?}");
    assert_eq!(queue.depth().await.unwrap()[Lane::Live.index()].waiting, 3, "none of them");
    queue.publish(texts(5), Lane::Bulk).await.unwrap();
    next(&queue).await.ack().await.unwrap();
    queue.publish(texts(3), Lane::Live).await.unwrap();
}

pub(crate) async fn an_id_that_waits_is_accepted_without_effect(place: &impl Place) {
    if place.is_broker() {
        // It delivers it again, and the worker sees that it was judged: `rabbitmq/tests` has its own case.
        return;
    }
    let queue = place.open(4).await;
    let items = texts(3);
    queue.publish(items.clone(), Lane::Live).await.unwrap();
    queue.publish(vec![items[0].clone(), items[0].clone(), items[1].clone()], Lane::Live).await.unwrap();
    let held = next(&queue).await;
    queue.publish(items.clone(), Lane::Live).await.unwrap();
    let mut seen = vec![id(&held)];
    held.ack().await.unwrap();
    for _ in 0..2 {
        let delivery = next(&queue).await;
        seen.push(id(&delivery));
        delivery.ack().await.unwrap();
    }
    assert_eq!(seen, ids(&items));
    nothing_waits(&queue).await;
}

pub(crate) async fn after_close_nothing_is_handed_out_and_settling_works(place: &impl Place) {
    let queue = place.open(10).await;
    queue.publish(texts(2), Lane::Live).await.unwrap();
    let held = next(&queue).await;
    let waiting = {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let second = queue.receive().await.expect("the second item");
            assert!(queue.receive().await.is_none(), "told while it waits");
            second
        })
    };
    // The receiver has the second item and waits for a third.
    while queue.depth().await.unwrap()[Lane::Live.index()].in_flight < 2 {
        tokio::task::yield_now().await;
    }
    queue.close().await;
    let unsettled = timeout(Duration::from_secs(60), waiting).await.expect("a waiting receiver is told").unwrap();
    assert!(queue.receive().await.is_none() && queue.receive().await.is_none(), "for ever");
    held.ack().await.unwrap();
    drop(unsettled);
    let again = place.open(10).await;
    next(&again).await.ack().await.unwrap();
    nothing_waits(&again).await;
}

pub(crate) async fn many_publishers_and_receivers_lose_nothing(place: &impl Place) {
    let queue = place.open(10_000).await;
    let patience = Duration::from_millis(if place.is_broker() { 3_000 } else { 500 });
    let publishers = (0..8).map(|n| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let mut published = Vec::new();
            for _ in 0..10 {
                let items = texts(5);
                published.extend(ids(&items));
                queue.publish(items, Lane::ALL[n % 3]).await.unwrap();
            }
            published
        })
    });
    let receivers = (0..4).map(|n| {
        let queue = Arc::clone(&queue);
        tokio::spawn(async move {
            let (mut acked, mut dropped) = (Vec::new(), 0);
            while let Ok(Some(delivery)) = timeout(patience, queue.receive()).await {
                // Now and then a worker fails.
                if delivery.attempt() == 1 && (acked.len() + n) % 7 == 0 && dropped < 10 {
                    dropped += 1;
                    continue;
                }
                acked.push(id(&delivery));
                delivery.ack().await.unwrap();
            }
            acked
        })
    });
    let (publishers, receivers): (Vec<_>, Vec<_>) = (publishers.collect(), receivers.collect());
    let published: Vec<ItemId> =
        futures::future::try_join_all(publishers).await.unwrap().into_iter().flatten().collect();
    let acked: Vec<ItemId> = futures::future::try_join_all(receivers).await.unwrap().into_iter().flatten().collect();
    assert_eq!(acked.len(), published.len(), "each once");
    assert_eq!(acked.iter().collect::<BTreeSet<_>>(), published.iter().collect());
}

pub(crate) async fn depth_counts_what_waits_and_what_is_in_flight(place: &impl Place) {
    let queue = place.open(10).await;
    queue.publish(texts(3), Lane::Live).await.unwrap();
    let held = next(&queue).await;
    let count = async || {
        let depth = queue.depth().await.unwrap();
        assert_eq!(depth.iter().map(|depth| depth.lane).collect::<Vec<_>>(), Lane::ALL);
        assert!(depth.iter().all(|depth| depth.capacity == 10));
        (depth[1].waiting, depth[1].in_flight)
    };
    // A broker's counts follow a little later.
    let becomes = async |expected| {
        let patience = std::time::Instant::now() + Duration::from_secs(60);
        while place.is_broker() && count().await != expected && std::time::Instant::now() < patience {
            tokio::task::yield_now().await;
        }
        assert_eq!(count().await, expected);
    };
    becomes((2, 1)).await;
    held.retry(Duration::from_secs(3600)).await.unwrap();
    // What waits for its time waits.
    becomes((3, 0)).await;
    drop(next(&queue).await);
    becomes((3, 0)).await;
    queue.health().await.unwrap();
}
