//! A broker that goes away and comes back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use models::Lane;

use super::broker::corner_at;
use crate::{
    error::PipelineError,
    queue::{
        Queue,
        contract::{next, texts},
    },
    servers::{Kind, Server},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_broker_that_restarts_loses_nothing_and_is_found_again() {
    let server = Arc::new(tokio::task::spawn_blocking(|| Server::start(Kind::Rabbitmq)).await.unwrap().unwrap());
    let on = |work: fn(&Server)| {
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || work(&server))
    };
    let mut corner = corner_at(server.url());
    corner.config.publish_seconds = 3;
    let queue = corner.open_with(&Lane::ALL).await;
    let shared: Arc<dyn Queue> = queue.clone();
    let items = texts(20);
    queue.publish(items.clone(), Lane::Interactive).await.unwrap();
    let held = next(&shared).await;
    queue.health().await.unwrap();

    on(|server| server.stop(true).unwrap()).await.unwrap();
    let started = Instant::now();
    let refused = queue.publish(texts(1), Lane::Interactive).await;
    assert!(matches!(refused, Err(PipelineError::Unavailable { part: "queue", .. })), "{refused:?}");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(queue.health().await.is_err());
    assert!(queue.depth().await.is_err());
    // It cannot be told any more; it comes back.
    let _ = held.ack().await;

    on(|server| server.start_again().unwrap()).await.unwrap();
    let mut missing: std::collections::BTreeSet<_> = items.iter().map(|item| item.envelope.id).collect();
    while !missing.is_empty() {
        let delivery = next(&shared).await;
        missing.remove(&delivery.item().envelope.id);
        delivery.ack().await.unwrap();
    }
    queue.publish(texts(1), Lane::Bulk).await.unwrap();
    next(&shared).await.ack().await.unwrap();
    queue.health().await.unwrap();
    assert_eq!(queue.depth().await.unwrap().iter().map(|depth| depth.waiting).sum::<usize>(), 0);
    drop((queue, shared));
}
