//! Workers that die with what they hold.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use models::Lane;
use tokio::time::timeout;

use super::{super::RabbitmqQueue, broker::corner};
use crate::{
    item::{ItemId, ItemKind},
    queue::{
        Delivery, Queue,
        contract::{next, texts},
    },
    store::contract::envelope,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_an_item_that_kills_its_worker_ends_alone_in_the_dead_letters() {
    let corner = corner().await;
    let publisher = corner.open_with(&[]).await;
    let items = texts(60);
    let poison = items[31].envelope.id;
    // As batches, and alone.
    publisher.publish(items[..40].to_vec(), Lane::Interactive).await.unwrap();
    for item in &items[40..] {
        publisher.publish(vec![item.clone()], Lane::Interactive).await.unwrap();
    }
    let mut judged: BTreeSet<ItemId> = BTreeSet::new();
    let mut lives = 0;
    while judged.len() < 59 || publisher.dead_letters(10).await.unwrap().is_empty() {
        lives += 1;
        assert!(lives <= 20, "{} judged after {lives} lives", judged.len());
        let worker = corner.open_with(&[Lane::Interactive]).await;
        let mut held: Vec<Delivery> = Vec::new();
        loop {
            // A worker that has just started does others' work first, for a second.
            let patience = if held.is_empty() { 3_000 } else { 100 };
            let Ok(Some(delivery)) = timeout(Duration::from_millis(patience), worker.receive()).await else {
                if held.is_empty() {
                    break;
                }
                // Suspects come one at a time, each after the one before.
                for done in held.drain(..) {
                    judged.insert(done.item().envelope.id);
                    done.ack().await.unwrap();
                }
                continue;
            };
            let dies = delivery.item().envelope.id == poison;
            held.push(delivery);
            if dies {
                break;
            }
            // A few are always in flight when it dies.
            if held.len() > 4 {
                let done = held.remove(0);
                judged.insert(done.item().envelope.id);
                done.ack().await.unwrap();
            }
        }
        if held.is_empty() {
            continue;
        }
        worker.shared.stopped.send_replace(true);
        worker.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
        held.into_iter().for_each(std::mem::forget);
    }
    let dead = publisher.dead_letters(10).await.unwrap();
    assert_eq!(dead.iter().map(|letter| letter.id).collect::<Vec<_>>(), [poison]);
    let letter = &dead[0];
    assert_eq!(
        (letter.reason.as_str(), letter.lane, letter.kind),
        ("crashed_worker", Lane::Interactive, ItemKind::Text)
    );
    let limit = corner.config.delivery_limit;
    assert_eq!(letter.attempts, limit + 1, "each alone, and no try before: {letter:?}");
    assert_eq!(judged.len(), 59);
    println!("{lives} lives, {} attempts", letter.attempts);
    drop(publisher);
    corner.sweep().await;
}

/// Loses a worker with all that it was given, as `kill -9` does. Answers what it had in hand.
async fn lose(worker: Arc<RabbitmqQueue>) -> BTreeSet<ItemId> {
    let mut held = BTreeSet::new();
    while let Ok(Some(delivery)) = timeout(Duration::from_millis(300), worker.receive()).await {
        held.insert(delivery.item().envelope.id);
        std::mem::forget(delivery);
    }
    worker.shared.stopped.send_replace(true);
    worker.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_bystanders_of_many_lost_workers_never_count() {
    // More than twice the limit.
    const LIVES: usize = 12;
    let corner = corner().await;
    let publisher = corner.open_with(&[]).await;
    let mut all = BTreeSet::new();
    for life in 0..LIVES {
        // Something new is always in hand, so that no suspect is ever alone.
        let items = texts(4);
        all.extend(items.iter().map(|item| item.envelope.id));
        publisher.publish(items[..2].to_vec(), Lane::Bulk).await.unwrap();
        for item in &items[2..] {
            publisher.publish(vec![item.clone()], Lane::Bulk).await.unwrap();
        }
        let held = lose(corner.open_with(&[Lane::Bulk]).await).await;
        assert!(held.len() > 1, "life {life} had one thing in hand and nothing else");
    }
    let worker: Arc<dyn Queue> = corner.open_with(&[Lane::Bulk]).await;
    let mut judged = BTreeSet::new();
    while judged.len() < all.len() {
        let delivery = next(&worker).await;
        assert_eq!(delivery.attempt(), 1, "nobody was tried");
        judged.insert(delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(judged, all);
    assert_eq!(publisher.dead_letters(100).await.unwrap(), []);
    drop((worker, publisher));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_suspect_is_alone_in_its_worker_and_innocent_when_its_try_ends() {
    let corner = corner().await;
    let publisher = corner.open_with(&[]).await;
    let items = texts(3);
    for item in &items {
        publisher.publish(vec![item.clone()], Lane::Interactive).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(lose(corner.open_with(&[Lane::Interactive]).await).await.len(), 3);
    }
    let worker = corner.open_with(&[Lane::Interactive]).await;
    let shared: Arc<dyn Queue> = worker.clone();
    let first = next(&shared).await;
    let newer = texts(1).remove(0);
    publisher.publish(vec![newer.clone()], Lane::Interactive).await.unwrap();
    let beside = timeout(Duration::from_millis(700), shared.receive()).await;
    assert!(beside.is_err(), "beside a suspect came {beside:?}");
    // Its try fails, and it lives: it is judged like others from now on.
    first.retry(Duration::from_millis(1)).await.unwrap();
    let mut left: BTreeSet<ItemId> = items.iter().chain([&newer]).map(|item| item.envelope.id).collect();
    while !left.is_empty() {
        let delivery = next(&shared).await;
        left.remove(&delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    assert_eq!(publisher.dead_letters(100).await.unwrap(), []);
    drop((worker, shared, publisher));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_rolling_workers_suspect_nobody() {
    let corner = corner().await;
    let publisher = corner.open_with(&[]).await;
    let items = texts(24);
    publisher.publish(items[..12].to_vec(), Lane::Bulk).await.unwrap();
    for item in &items[12..] {
        publisher.publish(vec![item.clone()], Lane::Bulk).await.unwrap();
    }
    let mut judged = BTreeSet::new();
    for _ in 0..6 {
        let worker = corner.open_with(&[Lane::Bulk]).await;
        let shared: Arc<dyn Queue> = worker.clone();
        let held = next(&shared).await;
        worker.close().await;
        judged.insert(held.item().envelope.id);
        held.ack().await.unwrap();
        let suspects = [corner.names().suspects(Lane::Bulk)];
        let session = worker.session().unwrap();
        assert_eq!(worker.count(&session, &suspects).await.unwrap(), 0, "somebody is suspected");
        drop((session, shared));
        worker.shared.stopped.send_replace(true);
        worker.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
    }
    let worker: Arc<dyn Queue> = corner.open_with(&[Lane::Bulk]).await;
    while judged.len() < items.len() {
        let delivery = next(&worker).await;
        assert_eq!(delivery.attempt(), 1);
        judged.insert(delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    drop((worker, publisher));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_worker_that_dies_gives_back_what_it_held() {
    let corner = corner().await;
    let items = texts(30);
    let first = corner.open_with(&Lane::ALL).await;
    first.publish(items.clone(), Lane::Bulk).await.unwrap();
    let shared: Arc<dyn Queue> = first.clone();
    let held = [next(&shared).await, next(&shared).await, next(&shared).await];
    let [a, b, c] = held;
    a.ack().await.unwrap();
    b.retry(Duration::from_millis(1)).await.unwrap();
    first.shared.stopped.send_replace(true);
    first.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
    // Too late: it comes back.
    assert!(c.ack().await.is_ok(), "a batch is told when all of it is settled");
    let second: Arc<dyn Queue> = corner.open_with(&Lane::ALL).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 30 {
        let delivery = next(&second).await;
        seen.insert(delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    drop((first, shared, second));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_closing_gives_back_what_was_not_handed_out_with_its_count() {
    let corner = corner().await;
    let first = corner.open_with(&Lane::ALL).await;
    let items = texts(10);
    first.publish(items.clone(), Lane::Interactive).await.unwrap();
    let shared: Arc<dyn Queue> = first.clone();
    let held = next(&shared).await;
    first.close().await;
    let second: Arc<dyn Queue> = corner.open_with(&Lane::ALL).await;
    let mut left: Vec<_> = items[1..].to_vec();
    while !left.is_empty() {
        let delivery = next(&second).await;
        let place = left.iter().position(|item| *item == **delivery.item()).expect("each once");
        left.remove(place);
        assert_eq!(delivery.attempt(), 1, "never tried");
        delivery.ack().await.unwrap();
    }
    held.ack().await.unwrap();
    drop((first, shared));
    let early = timeout(Duration::from_millis(300), second.receive()).await;
    assert!(early.is_err(), "the rest of the batch was settled: {early:?}");
    drop(second);
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_large_pictures_pass() {
    let corner = corner().await;
    let queue: Arc<dyn Queue> = corner.open_with(&Lane::ALL).await;
    let mut item = texts(1).remove(0);
    item.envelope = envelope("a", ItemKind::Image);
    item.content = crate::item::Content::Picture(vec![7; 6 << 20].into());
    queue.publish(vec![item.clone()], Lane::Bulk).await.unwrap();
    let delivery = next(&queue).await;
    assert!(**delivery.item() == item);
    delivery.ack().await.unwrap();
    drop(queue);
    corner.sweep().await;
}
