//! The long-lived tasks of one connection: a consumer per queue, signs of life for the partitions; and the one that opens the
//! next connection when this one is lost.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Consumer,
    options::{
        BasicCancelOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueBindOptions,
        QueueDeclareOptions,
    },
    types::FieldTable,
    uri::AMQPUri,
};
use models::Lane;
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;

use super::{intake::Origin, members::BEAT, session::Session, shared::Shared, topology::short};

/// First and longest pause between two tries to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// A partition changes hands at most this often.
const HAND_OVER: Duration = Duration::from_secs(1);

/// The pause before try number `n` (from 0), spread by `jitter` in 0..1 so that a fleet does not come all at once.
fn pause(n: u32, jitter: f64) -> Duration {
    let (first, most) = PAUSES;
    first.saturating_mul(2_u32.saturating_pow(n.min(16))).min(most).mul_f64(0.5 + jitter / 2.0)
}

/// Random bits of a new id, as a number in 0..1.
fn jitter() -> f64 {
    let (_, low) = Uuid::now_v7().as_u64_pair();
    f64::from(u32::try_from(low & 0xFFFF_FFFF).unwrap_or(0)) / f64::from(u32::MAX)
}

/// Keeps a session until the queue is gone.
pub(super) async fn supervise(shared: Arc<Shared>, uri: AMQPUri, first: Session) {
    let mut stopped = shared.stopped.subscribe();
    let mut session = Arc::new(first);
    loop {
        let mut tasks = JoinSet::new();
        if !*shared.closing.borrow() {
            start(&shared, &session, &mut tasks);
        }
        shared.session.send_replace(Some(Arc::clone(&session)));
        tokio::select! {
            () = session.until_lost() => {}
            _ = async { stopped.wait_for(|stopped| *stopped).await.map(|_| ()) } => {}
        }
        shared.session.send_replace(None);
        tasks.shutdown().await;
        // What was not handed out comes back from the broker.
        drop(shared.inbox().drain());
        let _ = tokio::time::timeout(Duration::from_secs(2), session.connection.close(200, short("OK"))).await;
        if *shared.stopped.borrow() {
            return;
        }
        metrics::counter!("chaperone_queue_connections_lost_total").increment(1);
        tracing::warn!("the connection to the broker is lost: connecting again");
        let mut tries = 0;
        session = loop {
            let waiting = pause(tries, jitter());
            if tokio::time::timeout(waiting, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
                return;
            }
            match Session::open(&uri, &shared.names, &shared.config).await {
                Ok(session) => break Arc::new(session),
                Err(error) => {
                    tracing::warn!(%error, tries, "the broker cannot be reached");
                    tries += 1;
                }
            }
        };
        tracing::info!("connected to the broker again");
    }
}

fn start(shared: &Arc<Shared>, session: &Arc<Session>, tasks: &mut JoinSet<()>) {
    let config = &shared.config;
    let prefetch = [config.prefetch, config.prefetch, config.bulk_prefetch];
    for lane in shared.lanes.iter().copied() {
        let (queue, prefetch) = (shared.names.lane(lane), prefetch[lane.index()]);
        let (shared, session) = (Arc::clone(shared), Arc::clone(session));
        tasks.spawn(async move {
            let ended = match channel(&session, prefetch).await {
                Ok(channel) => consume(&shared, &channel, &queue, Origin::Lane(lane)).await,
                Err(error) => Err(error),
            };
            report(&session, &queue, ended);
        });
    }
    if !shared.lanes.is_empty() {
        let (shared, session) = (Arc::clone(shared), Arc::clone(session));
        tasks.spawn(async move {
            let ended = super::suspects::watch(&shared, &session).await;
            report(&session, "suspects", ended);
        });
    }
    if shared.lanes.contains(&Lane::Live) {
        let (shared, session) = (Arc::clone(shared), Arc::clone(session));
        tasks.spawn(async move {
            let ended = serve_live(&shared, &session).await;
            report(&session, "live partitions", ended);
        });
    }
    if !shared.lanes.is_empty() {
        let (shared, session) = (Arc::clone(shared), Arc::clone(session));
        tasks.spawn(async move {
            let ended = match channel(&session, u16::try_from(super::shared::NOTICES).unwrap_or(1)).await {
                Ok(channel) => super::notices::consume(&shared, &channel).await,
                Err(error) => Err(error),
            };
            report(&session, "platform", ended);
        });
    }
}

/// A consumer that ended without being asked to takes the connection with it: a new one starts from a known state.
fn report(session: &Session, queue: &str, ended: Result<(), lapin::Error>) {
    if let Err(error) = ended {
        tracing::warn!(%error, queue, "a consumer ended");
        session.give_up();
    }
}

async fn channel(session: &Session, prefetch: u16) -> Result<Channel, lapin::Error> {
    let channel = session.connection.create_channel().await?;
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    Ok(channel)
}

/// Subscribes to a queue.
pub(super) async fn subscribe(channel: &Channel, queue: &str, no_ack: bool) -> Result<Consumer, lapin::Error> {
    let tag = format!("chaperone-{}", Uuid::now_v7());
    let options = BasicConsumeOptions { no_ack, ..Default::default() };
    channel.basic_consume(short(queue), short(&tag), options, FieldTable::default()).await
}

/// Waits until the queue is closed.
pub(super) async fn closing(shared: &Shared) {
    let mut closing = shared.closing.subscribe();
    // The sender lives in `shared`: this only ends when it is told.
    let _ = closing.wait_for(|closing| *closing).await.map(|_| ());
}

/// What a consumer says when the broker ended it.
pub(super) fn cancelled() -> lapin::Error {
    std::io::Error::other("the broker cancelled the consumer").into()
}

/// Ends a subscription in good order. What had arrived meanwhile is taken in; when the queue is closed it goes back with the rest.
async fn unsubscribe(shared: &Arc<Shared>, channel: &Channel, consumer: &mut Consumer, origin: Origin) {
    let _ = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await;
    while let Some(Ok(delivery)) = consumer.next().await {
        shared.take_in(origin, delivery).await;
    }
}

/// Something may be brought until this is dropped.
struct Subscribed(Arc<Shared>);

impl Subscribed {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.subscriptions.send_modify(|count| *count += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        self.0.subscriptions.send_modify(|count| *count -= 1);
    }
}

async fn consume(shared: &Arc<Shared>, channel: &Channel, queue: &str, origin: Origin) -> Result<(), lapin::Error> {
    let subscribed = Subscribed::new(shared);
    let mut consumer = subscribe(channel, queue, false).await?;
    loop {
        tokio::select! {
            biased;
            () = closing(shared) => {
                unsubscribe(shared, channel, &mut consumer, origin).await;
                drop(subscribed);
                // Its deliveries are settled over this channel: it must stay.
                return std::future::pending().await;
            }
            next = consumer.next() => match next {
                Some(Ok(delivery)) => shared.take_in(origin, delivery).await,
                Some(Err(error)) => return Err(error),
                None => return Err(cancelled()),
            }
        }
    }
}

/// Serves the partitions, and tells the other members that we live.
async fn serve_live(shared: &Arc<Shared>, session: &Arc<Session>) -> Result<(), lapin::Error> {
    let channel = channel(session, shared.config.live_prefetch).await?;
    let mut tasks: JoinSet<Result<(), lapin::Error>> = JoinSet::new();
    for partition in 0..shared.config.partitions {
        let (shared, channel) = (Arc::clone(shared), channel.clone());
        tasks.spawn(async move { serve_partition(&shared, &channel, partition).await });
    }
    let (beating, session) = (Arc::clone(shared), Arc::clone(session));
    tasks.spawn(async move { beat(&beating, &session).await });
    match tasks.join_next().await {
        Some(Ok(ended)) => ended,
        _ => Err(cancelled()),
    }
}

/// One member at a time is given frames of a partition, the one that subscribed first. Who is given frames that another
/// living member should have goes to the end of the line.
async fn serve_partition(shared: &Arc<Shared>, channel: &Channel, partition: u32) -> Result<(), lapin::Error> {
    let (queue, origin) = (shared.names.partition(partition), Origin::Partition(partition));
    let subscribed = Subscribed::new(shared);
    let mut consumer = subscribe(channel, &queue, false).await?;
    let mut changed = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = closing(shared) => {
                unsubscribe(shared, channel, &mut consumer, origin).await;
                drop(subscribed);
                return std::future::pending().await;
            }
            next = consumer.next() => match next {
                Some(Ok(delivery)) => shared.take_in(origin, delivery).await,
                Some(Err(error)) => return Err(error),
                None => return Err(cancelled()),
            }
        }
        let owns = shared.members().owns(partition);
        if !owns && changed.elapsed() >= HAND_OVER {
            unsubscribe(shared, channel, &mut consumer, origin).await;
            consumer = subscribe(channel, &queue, false).await?;
            changed = Instant::now();
            metrics::counter!("chaperone_partitions_handed_over_total").increment(1);
        }
    }
}

/// A member's sign of life is its id; its goodbye is the id and a zero byte.
async fn beat(shared: &Arc<Shared>, session: &Session) -> Result<(), lapin::Error> {
    let channel = session.connection.create_channel().await?;
    let exchange = shared.names.members();
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let queue = channel.queue_declare(short(""), options, FieldTable::default()).await?;
    let name = queue.name().clone();
    let bound = channel.queue_bind(
        name.clone(),
        short(&exchange),
        short(""),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await?;
    let mut consumer = subscribe(&channel, name.as_str(), true).await?;
    let own = *shared.members().own().as_bytes();
    let say = async |body: &[u8]| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel.basic_publish(short(&exchange), short(""), options, body, properties).await.map(drop)
    };
    let mut beats = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            () = closing(shared) => {
                let mut goodbye = own.to_vec();
                goodbye.push(0);
                say(&goodbye).await?;
                return std::future::pending().await;
            }
            _ = beats.tick() => {
                say(&own).await?;
                shared.members().expire(std::time::Instant::now());
                // Frames age while nobody asks for one.
                shared.inbox().thin(shared.clock.now());
                shared.tell_shed();
            }
            next = consumer.next() => match next {
                Some(Ok(delivery)) => {
                    let heard = delivery.data.get(..16).and_then(|id| Uuid::from_slice(id).ok());
                    if let Some(member) = heard {
                        let mut members = shared.members();
                        if delivery.data.len() > 16 { members.forget(member) } else { members.hear(member, std::time::Instant::now()) }
                    }
                }
                Some(Err(error)) => return Err(error),
                None => return Err(cancelled()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_spread() {
        let cases = [(0, 0.0, 50), (0, 1.0, 100), (1, 1.0, 200), (4, 0.5, 1200), (6, 1.0, 5000), (4_000, 0.0, 2500)];
        for (tries, jitter, expected) in cases {
            assert_eq!(pause(tries, jitter), Duration::from_millis(expected), "{tries} {jitter}");
        }
        assert!((0..100).all(|_| (0.0..=1.0).contains(&jitter())));
    }
}
