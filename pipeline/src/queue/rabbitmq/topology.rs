//! What we declare in the broker, every time we connect. docs/queue.md shows it as tables.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable, ShortString},
};
use models::Lane;

use super::names::{self, Names, PLATFORM_KEY, WAITS_MS, lane_key, partition_key, suspects_key};
use crate::config::QueueConfig;

/// Queues that keep dead letters and count listings as deliveries: more than anybody looks at them.
const NO_LIMIT: i64 = 1_000_000;

/// Deliveries of a message that end with a lost worker, where that says nothing about the message: whoever is lost with a worker comes
/// back, and only suspects are counted. A message that ends processes before they have looked at it stops here.
const BACKSTOP: i64 = 100;

/// Arguments of a queue, built up.
struct Arguments(FieldTable);

impl Arguments {
    fn quorum() -> Self {
        Self(FieldTable::default()).text("x-queue-type", "quorum")
    }

    fn text(mut self, name: &'static str, value: &str) -> Self {
        self.0.insert(name.into(), AMQPValue::LongString(value.into()));
        self
    }

    fn number(mut self, name: &'static str, value: i64) -> Self {
        self.0.insert(name.into(), AMQPValue::LongLongInt(value));
        self
    }

    /// Dead letters go to `queue` through the default exchange; none is lost on the way.
    fn dead_to(self, queue: &str) -> Self {
        self.text("x-dead-letter-exchange", "")
            .text("x-dead-letter-routing-key", queue)
            .text("x-dead-letter-strategy", "at-least-once")
            .text("x-overflow", "reject-publish")
    }
}

/// Declares everything. Idempotent; fails when something is there with other arguments.
pub(super) async fn declare(channel: &Channel, names: &Names, config: &QueueConfig) -> Result<(), lapin::Error> {
    exchange(channel, &names.items(), ExchangeKind::Direct).await?;
    exchange(channel, &names.waits(), ExchangeKind::Headers).await?;
    exchange(channel, &names.events(), ExchangeKind::Topic).await?;
    exchange(channel, &names.platform(), ExchangeKind::Topic).await?;
    exchange(channel, &names.members(), ExchangeKind::Fanout).await?;

    let dead = names.dead();
    queue(channel, &dead, Arguments::quorum().number("x-delivery-limit", NO_LIMIT)).await?;
    let limit = i64::from(config.delivery_limit);
    let limited = |dead: &str, limit: i64| Arguments::quorum().dead_to(dead).number("x-delivery-limit", limit);
    for lane in Lane::ALL {
        let capacity = i64::try_from(config.capacity()[lane.index()]).unwrap_or(i64::MAX);
        queue(channel, &names.lane(lane), limited(&dead, BACKSTOP).number("x-max-length", capacity)).await?;
        bind(channel, &names.lane(lane), &names.items(), &lane_key(lane)).await?;
        queue(channel, &names.suspects(lane), limited(&dead, limit)).await?;
        bind(channel, &names.suspects(lane), &names.items(), &suspects_key(lane)).await?;
    }
    for partition in 0..config.partitions {
        let arguments = Arguments(FieldTable::default())
            .number("x-message-ttl", frame_ttl(config))
            .number("x-max-length", frames_kept(config))
            .text("x-overflow", "drop-head");
        let arguments = Arguments({
            let mut table = arguments.0;
            table.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
            table
        });
        queue(channel, &names.partition(partition), arguments).await?;
        bind(channel, &names.partition(partition), &names.items(), &partition_key(partition)).await?;
    }

    queue(channel, &names.platform_dead(), Arguments::quorum().number("x-delivery-limit", NO_LIMIT)).await?;
    queue(channel, &names.platform(), limited(&names.platform_dead(), BACKSTOP)).await?;
    bind(channel, &names.platform(), &names.platform(), "#").await?;
    bind(channel, &names.platform(), &names.items(), PLATFORM_KEY).await?;

    for of in waiting_parts() {
        for ms in WAITS_MS {
            declare_wait(channel, names, of, ms).await?;
        }
    }
    Ok(())
}

/// Whose waits are kept apart: the lanes', and those of the platform's events.
pub(super) fn waiting_parts() -> impl Iterator<Item = &'static str> {
    Lane::ALL.into_iter().map(Lane::as_str).chain([PLATFORM_KEY])
}

/// Milliseconds that a frame may wait in the broker: our own age limit sheds the others, and counts them.
fn frame_ttl(config: &QueueConfig) -> i64 {
    i64::try_from(config.live_max_age_ms.saturating_mul(3)).unwrap_or(i64::MAX).max(1)
}

/// Frames that one partition keeps; the oldest goes first.
fn frames_kept(config: &QueueConfig) -> i64 {
    let share = config.live_capacity / usize::try_from(config.partitions.max(1)).unwrap_or(1);
    i64::try_from(share.max(1)).unwrap_or(i64::MAX)
}

/// Messages keep their routing key while they wait and go back by it.
async fn declare_wait(channel: &Channel, names: &Names, of: &str, ms: u32) -> Result<(), lapin::Error> {
    let name = names.wait(of, ms);
    let arguments = Arguments::quorum()
        .number("x-message-ttl", ms.into())
        .text("x-dead-letter-exchange", &names.items())
        .text("x-dead-letter-strategy", "at-least-once")
        .text("x-overflow", "reject-publish");
    queue(channel, &name, arguments).await?;
    let mut matching = FieldTable::default();
    matching.insert("x-match".into(), AMQPValue::LongString("all".into()));
    super::headers::put(&mut matching, names::LANE, of);
    super::headers::put_count(&mut matching, names::WAIT, ms);
    let (queue, exchange) = (short(&name), short(&names.waits()));
    channel.queue_bind(queue, exchange, short(""), QueueBindOptions::default(), matching).await
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(short(name), kind, options, FieldTable::default()).await
}

async fn queue(channel: &Channel, name: &str, arguments: Arguments) -> Result<(), lapin::Error> {
    channel.queue_declare(short(name), QueueDeclareOptions::durable(), arguments.0).await.map(|_| ())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<(), lapin::Error> {
    let options = QueueBindOptions::default();
    channel.queue_bind(short(queue), short(exchange), short(key), options, FieldTable::default()).await
}

/// Our names are short: the prefix is checked when the queue is opened.
pub(super) fn short(text: &str) -> ShortString {
    ShortString::try_new(text).unwrap_or_default()
}

/// Removes everything that was declared.
#[cfg(test)]
pub(super) async fn remove(channel: &Channel, names: &Names, partitions: u32) -> Result<(), lapin::Error> {
    use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
    let lanes = Lane::ALL.into_iter().flat_map(|lane| [names.lane(lane), names.suspects(lane)]);
    let waits = waiting_parts().flat_map(|of| WAITS_MS.map(|ms| names.wait(of, ms)));
    let queues = lanes.chain(waits).chain((0..partitions).map(|partition| names.partition(partition)));
    for queue in queues.chain([names.dead(), names.platform(), names.platform_dead()]) {
        channel.queue_delete(short(&queue), QueueDeleteOptions::default()).await?;
    }
    for exchange in [names.items(), names.waits(), names.events(), names.platform(), names.members()] {
        channel.exchange_delete(short(&exchange), ExchangeDeleteOptions::default()).await?;
    }
    Ok(())
}
