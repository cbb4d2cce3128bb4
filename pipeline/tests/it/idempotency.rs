//! The same item published again and again: one outcome, one action, one event of it. Over every queue.

use std::{sync::Arc, time::Duration};

use models::Lane;
use pipeline::{
    config::QueueConfig,
    item::{Item, ItemKind, TenantId},
    process::{Mode, Processed},
    queue::{self, Queue},
};

use crate::harness::{Harness, PORN, TENANT, frame, text};

/// The longest that a delivery may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Judges what comes, each delivery by both processes at the same time, until `last` has come. Answers what was judged.
async fn work(queue: &Arc<dyn Queue>, service: &Harness, last: &Item) -> Vec<Processed> {
    let processes = [service.pipeline.clone(), service.another_process()];
    let mut all = Vec::new();
    loop {
        let delivery = tokio::time::timeout(PATIENCE, queue.receive()).await.expect("a delivery in time").unwrap();
        let (item, lane) = (delivery.item().clone(), delivery.lane());
        let both = processes.iter().map(|process| process.process(&item, lane, Mode::Record));
        all.extend(futures::future::try_join_all(both).await.unwrap());
        delivery.ack().await.unwrap();
        if item.envelope.id == last.envelope.id {
            return all;
        }
    }
}

async fn one_outcome_however_often(queue: Arc<dyn Queue>) {
    let service = Harness::new().await;
    for kind in [ItemKind::Text, ItemKind::Frame] {
        // Each is as young as can be when it comes: a frame of two seconds would wait for no second opinion.
        let now = service.clock.now();
        let item = if kind == ItemKind::Text { text("buy fake:spam=0.99", now) } else { frame(PORN, 0.97, now) };
        let lane = item.envelope.kind.lane();
        let mut judged = Vec::new();
        // At the same time, in one message and in two; and later, when the outcome is there.
        for round in 0..3 {
            let mut last = text("the end", service.at(2));
            (last.envelope.actor, last.envelope.kind) = (None, ItemKind::Text);
            queue.publish(vec![item.clone(), item.clone()], lane).await.unwrap();
            queue.publish(vec![item.clone()], lane).await.unwrap();
            if lane == Lane::Interactive {
                queue.publish(vec![last.clone()], lane).await.unwrap();
                judged.extend(work(&queue, &service, &last).await);
            } else {
                judged.extend(work(&queue, &service, &item).await);
            }
            service.clock.advance(chrono::TimeDelta::seconds(round));
        }
        judged.retain(|processed| processed.outcome.envelope.id == item.envelope.id);
        assert!(judged.len() >= 6, "each round delivers it at least once, to two processes: {}", judged.len());
        assert_eq!(judged.iter().filter(|processed| processed.fresh).count(), 1);
        let first = &judged[0].outcome;
        assert_eq!(first.actions.len(), 1);
        assert!(judged.iter().all(|processed| processed.outcome == *first), "all were answered the recorded outcome");

        let events = service.store.events_after(Some(&TenantId::from(TENANT)), 0, 1000).await.unwrap();
        let of_item = |kind: &str| {
            let id = item.envelope.id.to_string();
            let own = events.iter().filter(|event| event.kind == kind && event.data["item"] == id.as_str());
            own.map(|event| event.key.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of_item("item.judged"), [item.envelope.id.to_string()]);
        assert_eq!(of_item("moderation.action"), [first.actions[0].id.to_string()]);
    }
    queue.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_an_item_published_again_and_again_has_one_outcome_and_one_action_over_memory() {
    let service = Harness::new().await;
    let queue = queue::connect(&QueueConfig::default(), &Lane::ALL, service.store.clone(), service.clock.clone()).await;
    one_outcome_however_often(queue.unwrap()).await;
}
