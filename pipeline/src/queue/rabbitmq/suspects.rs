//! Suspects: items whose worker was lost more than once. They wait in queues that nobody subscribes to. A worker asks for one when it has
//! nothing else in hand and is about to judge it: so what the broker counts when that worker is lost is a try of this item, and
//! of no other.

use std::{sync::Arc, time::Duration};

use lapin::{
    Channel,
    options::{BasicGetOptions, QueueDeclareOptions},
    types::FieldTable,
};

use super::{intake::Origin, session::Session, shared::Shared, topology::short};

/// How often a worker looks whether there are suspects. One that it has sent there itself it knows of at once.
const LOOK: Duration = Duration::from_millis(500);

/// Looks for suspects as long as the session lives.
pub(super) async fn watch(shared: &Arc<Shared>, session: &Session) -> Result<(), lapin::Error> {
    let channel = session.connection.create_channel().await?;
    *shared.suspects_channel() = Some(channel.clone());
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        for lane in shared.lanes.iter().copied() {
            let (queue, options) = (shared.names.suspects(lane), QueueDeclareOptions::durable().passive());
            if channel.queue_declare(short(&queue), options, FieldTable::default()).await?.message_count() > 0 {
                shared.inbox().suspect();
                shared.wake.notify_waiters();
                break;
            }
        }
    }
}

impl Shared {
    /// Takes one suspect in, if there is one.
    pub(super) async fn ask_for_suspect(self: &Arc<Self>) {
        let channel = self.suspects_channel().clone();
        let found = match channel {
            Some(channel) => self.take_suspect(&channel).await.unwrap_or(false),
            None => false,
        };
        let closed = {
            let mut inbox = self.inbox();
            inbox.answered(found);
            inbox.closed
        };
        if closed {
            self.give_back_waiting().await;
        }
        self.wake.notify_waiters();
    }

    async fn take_suspect(self: &Arc<Self>, channel: &Channel) -> Result<bool, lapin::Error> {
        for lane in self.lanes.iter().copied() {
            let queue = self.names.suspects(lane);
            if let Some(message) = channel.basic_get(short(&queue), BasicGetOptions::default()).await? {
                metrics::counter!("chaperone_suspects_tried_total", "lane" => lane.as_str()).increment(1);
                self.take_in(Origin::Suspects(lane), message.delivery).await;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
