//! Workers that die with what they hold.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use models::Lane;
use tokio::time::timeout;

use super::broker::corner;
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
            let Ok(Some(delivery)) = timeout(Duration::from_millis(500), worker.receive()).await else {
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
    assert!(letter.attempts >= 3, "{letter:?}");
    assert_eq!(judged.len(), 59);
    println!("{lives} lives, {} attempts", letter.attempts);
    drop(publisher);
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
        // Never tried. The broker may hand what was given back to the one that is leaving once more, and counts that.
        assert!(delivery.attempt() <= 2, "attempt {}", delivery.attempt());
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
