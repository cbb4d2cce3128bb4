//! Queues in a private broker, each test with names of its own.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use lapin::{Channel, Connection, ConnectionProperties};
use models::Lane;
use uuid::Uuid;

use super::super::{RabbitmqQueue, names::Names, topology};
use crate::{
    clock::Clock,
    config::QueueConfig,
    queue::{Queue, contract::Place},
    servers::{self, Kind, Lease},
};

/// A part of the shared broker.
pub(super) struct Corner {
    _lease: Option<Lease>,
    pub(super) config: QueueConfig,
    /// Processes that would have died by now.
    before: Mutex<Vec<Arc<RabbitmqQueue>>>,
}

pub(super) async fn corner() -> Corner {
    let lease = tokio::task::spawn_blocking(|| servers::shared(Kind::Rabbitmq)).await.unwrap().unwrap();
    let url = lease.url.clone();
    Corner { _lease: Some(lease), ..corner_at(&url) }
}

pub(super) fn corner_at(url: &str) -> Corner {
    let prefix = format!("test-{}", Uuid::now_v7().simple());
    let config = QueueConfig { url: url.into(), prefix, partitions: 4, ..QueueConfig::default() };
    Corner { _lease: None, config, before: Mutex::default() }
}

impl Corner {
    pub(super) fn names(&self) -> Names {
        Names::new(&self.config.prefix)
    }

    pub(super) async fn open_with(&self, lanes: &[Lane]) -> Arc<RabbitmqQueue> {
        Arc::new(RabbitmqQueue::open(&self.config, lanes, Clock::system()).await.unwrap())
    }

    /// A client that is not ours.
    pub(super) async fn channel(&self) -> Channel {
        let connection = Connection::connect(&self.config.url, ConnectionProperties::default()).await.unwrap();
        connection.create_channel().await.unwrap()
    }

    /// Ends the processes that were started, when what they dropped has gone back. What a case forgot on purpose never does.
    async fn end(&self) {
        let before: Vec<_> = self.before.lock().unwrap().drain(..).collect();
        for dead in before {
            let busy = || Lane::ALL.into_iter().any(|lane| dead.shared.in_flight(lane) > 0);
            let patience = Instant::now() + Duration::from_secs(1);
            while busy() && Instant::now() < patience {
                tokio::task::yield_now().await;
            }
            dead.shared.stopped.send_replace(true);
            dead.shared.session.subscribe().wait_for(Option::is_none).await.unwrap();
        }
    }

    /// Leaves nothing behind.
    pub(super) async fn sweep(&self) {
        topology::remove(&self.channel().await, &self.names(), self.config.partitions).await.unwrap();
    }
}

#[async_trait::async_trait]
impl Place for Corner {
    async fn open(&self, capacity: usize) -> Arc<dyn Queue> {
        self.end().await;
        let config = QueueConfig {
            interactive_capacity: capacity,
            live_capacity: capacity,
            bulk_capacity: capacity,
            ..self.config.clone()
        };
        let queue = Arc::new(RabbitmqQueue::open(&config, &Lane::ALL, Clock::system()).await.unwrap());
        self.before.lock().unwrap().push(Arc::clone(&queue));
        queue
    }

    fn is_broker(&self) -> bool {
        true
    }

    async fn leave(&self) {
        self.end().await;
        self.sweep().await;
    }
}
