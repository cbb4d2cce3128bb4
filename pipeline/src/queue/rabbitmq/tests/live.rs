//! Live frames over several workers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use models::Lane;

use super::{
    super::{RabbitmqQueue, names},
    broker::corner,
};
use crate::{
    clock::Clock,
    item::{Content, Item, ItemKind},
    queue::Queue,
    store::contract::envelope,
};

fn frame(n: u32) -> Item {
    let mut envelope = envelope("a", ItemKind::Frame);
    envelope.call = Some(format!("call-{n}").as_str().into());
    envelope.received_at = Clock::system().now();
    envelope.occurred_at = envelope.received_at;
    Item { envelope, content: Content::Picture(vec![0xFF, 0xD8].into()) }
}

/// One participant per partition.
fn one_per_partition(partitions: u32) -> Vec<u32> {
    let mut found: BTreeMap<u32, u32> = BTreeMap::new();
    for n in 0.. {
        found.entry(names::partition("a", &format!("call-{n}"), "ann", partitions)).or_insert(n);
        if found.len() == partitions as usize {
            break;
        }
    }
    found.into_values().collect()
}

/// Who is given the frames of each participant, one frame of each. Every frame is judged by somebody.
async fn round(queues: &[Arc<RabbitmqQueue>], participants: &[u32]) -> Vec<usize> {
    let frames: Vec<Item> = participants.iter().map(|n| frame(*n)).collect();
    queues[0].publish(frames, Lane::Live).await.unwrap();
    let mut served = BTreeMap::new();
    let deadline = Instant::now() + Duration::from_secs(10);
    while served.len() < participants.len() {
        assert!(Instant::now() < deadline, "only {} of {} frames came", served.len(), participants.len());
        for (index, queue) in queues.iter().enumerate() {
            while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_millis(5), queue.receive()).await {
                let call = delivery.item().envelope.call.clone().unwrap();
                served.insert(call, index);
                delivery.ack().await.unwrap();
            }
        }
    }
    participants.iter().map(|n| served[&format!("call-{n}").as_str().into()]).collect()
}

/// Rounds until the split is the wanted one twice in a row.
async fn settles(queues: &[Arc<RabbitmqQueue>], participants: &[u32], most: usize) -> Duration {
    let start = Instant::now();
    let mut before = Vec::new();
    loop {
        let served = round(queues, participants).await;
        let counts: Vec<usize> =
            (0..queues.len()).map(|index| served.iter().filter(|by| **by == index).count()).collect();
        if counts.iter().all(|count| *count <= most) && served == before {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{counts:?}");
        before = served;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_partitions_are_shared_by_the_living_workers() {
    let mut corner = corner().await;
    corner.config.partitions = 12;
    corner.config.live_max_age_ms = 20_000;
    let participants = one_per_partition(12);
    let mut queues = vec![corner.open_with(&[Lane::Live]).await];
    assert!(round(&queues, &participants).await.iter().all(|by| *by == 0));
    queues.push(corner.open_with(&[Lane::Live]).await);
    queues.push(corner.open_with(&[Lane::Live]).await);
    let three = settles(&queues, &participants, 4).await;
    // One dies: the broker gives its partitions to the others at once.
    let dead = queues.pop().unwrap();
    dead.shared.stopped.send_replace(true);
    let died = Instant::now();
    dead.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
    round(&queues, &participants).await;
    let served = died.elapsed();
    let two = settles(&queues, &participants, 6).await;
    println!("three settled in {three:?}, all served {served:?} after a death, two settled in {two:?}");
    assert!(served < Duration::from_secs(5), "{served:?}");
    drop((queues, dead));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f5_only_the_newest_frame_of_a_participant_waits_and_old_ones_are_shed() {
    let mut corner = corner().await;
    corner.config.live_max_age_ms = 1_000;
    let queue = corner.open_with(&[Lane::Live]).await;
    let mut frames: Vec<Item> = (0..40).map(|n| frame(n % 4)).collect();
    for (n, frame) in frames.iter_mut().enumerate() {
        frame.envelope.received_at += chrono::TimeDelta::milliseconds(i64::try_from(n).unwrap());
    }
    queue.publish(frames.clone(), Lane::Live).await.unwrap();
    // Nobody takes them: of each participant one is left, once they have all come and had their grace.
    tokio::time::sleep(Duration::from_millis(400)).await;
    let waiting = async || queue.depth().await.unwrap()[Lane::Live.index()].waiting;
    let patience = Instant::now() + Duration::from_secs(60);
    while waiting().await > 4 {
        assert!(Instant::now() < patience, "{}", waiting().await);
    }
    let expected: BTreeSet<_> = frames[36..].iter().map(|frame| frame.envelope.id).collect();
    let mut seen = BTreeSet::new();
    while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_millis(200), queue.receive()).await {
        seen.insert(delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    assert!(seen.is_subset(&expected) && !seen.is_empty(), "{} seen", seen.len());
    // A frame that nobody takes in time is gone, in the broker too.
    queue.publish(vec![frame(9)], Lane::Live).await.unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while waiting().await > 0 {
        assert!(Instant::now() < patience);
    }
    // A frame's own retry that would come too late is not made.
    queue.publish(vec![frame(9)], Lane::Live).await.unwrap();
    let delivery = queue.receive().await.unwrap();
    delivery.retry(Duration::from_secs(60)).await.unwrap();
    // One that was just arriving above goes with its age.
    let patience = Instant::now() + Duration::from_secs(60);
    while waiting().await > 0 {
        assert!(Instant::now() < patience);
    }
    drop(queue);
    corner.sweep().await;
}
