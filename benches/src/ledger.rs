//! Who was judged how often, and what a platform did: read from the events, as a stranger would.

use std::{collections::HashMap, time::Duration};

use anyhow::Context;
use futures::StreamExt;
use lapin::{
    Connection, ConnectionProperties, ExchangeKind,
    options::{BasicAckOptions, BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use pipeline::{record, store::Store};
use tokio::sync::watch;

/// What the store's events say.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Item → how often it was judged.
    pub judged: HashMap<String, u32>,
    /// Item → its actions' ids.
    pub actions: HashMap<String, Vec<String>>,
    sequence: i64,
}

impl Ledger {
    /// Reads what is new. A store that is away is no error: nothing is new then.
    pub async fn read(&mut self, store: &dyn Store) {
        while let Ok(events) = store.events_after(None, self.sequence, 2000).await {
            let Some(last) = events.last() else { return };
            self.sequence = last.sequence;
            for event in events {
                let item = event.data["item"].as_str().unwrap_or_default().to_owned();
                match event.kind.as_str() {
                    record::ITEM_JUDGED => *self.judged.entry(item).or_default() += 1,
                    record::MODERATION_ACTION => self.actions.entry(item).or_default().push(event.key),
                    _ => {}
                }
            }
        }
    }
}

/// What a platform that listens to the bus has performed.
#[derive(Debug, Default, Clone)]
pub struct Performed {
    /// Action id → how often it was told.
    pub told: HashMap<String, u32>,
    /// Action id → its item.
    pub items: HashMap<String, String>,
}

impl Performed {
    /// Messages that a platform has to ignore because it knows their id.
    pub fn duplicates(&self) -> u32 {
        self.told.values().map(|times| times - 1).sum()
    }
}

/// A platform: a durable queue on the events exchange, each action performed once by its id. Goes on after the broker restarts.
pub async fn listen(url: String, exchange: String, performed: watch::Sender<Performed>) {
    loop {
        if let Err(error) = listen_once(&url, &exchange, &performed).await {
            // A restart of the broker is part of the experiment.
            let _ = error;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

async fn listen_once(url: &str, exchange: &str, performed: &watch::Sender<Performed>) -> anyhow::Result<()> {
    const QUEUE: &str = "platform.actions";
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(exchange.into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(QUEUE.into(), durable, arguments).await?;
    let binding = format!("{}.#", record::MODERATION_ACTION);
    channel
        .queue_bind(
            QUEUE.into(),
            exchange.into(),
            binding.as_str().into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    let mut deliveries =
        channel.basic_consume(QUEUE.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await?;
    while let Some(delivery) = deliveries.next().await {
        let delivery = delivery?;
        let id = delivery.properties.message_id().as_ref().context("every event has a message id")?.to_string();
        let event: serde_json::Value = serde_json::from_slice(&delivery.data)?;
        let item = event["data"]["item"].as_str().unwrap_or_default().to_owned();
        performed.send_modify(|performed| {
            *performed.told.entry(id.clone()).or_default() += 1;
            performed.items.insert(id, item);
        });
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}
