//! Looking at the dead letters, and deciding about them. They are read from their queue over a channel of their own; what is
//! not taken goes back in order when that ends.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use lapin::{
    Acker, BasicProperties, Channel,
    options::{BasicAckOptions, BasicGetOptions, BasicNackOptions},
    types::{AMQPValue, FieldTable},
};
use models::Lane;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    headers,
    message::{self, Letter, Malformed, Parcel},
    names::{self, REASON, X_DEATH},
    session::{Outgoing, Refusal, unavailable},
    shared::{Shared, stamp},
    topology::short,
};
use crate::{
    error::PipelineError,
    hash::sha256_hex,
    item::{Content, Envelope, Item, ItemId, ItemKind, TenantId},
    queue::{CRASHED_WORKER, DeadLetter},
};

/// Messages and bytes read in one look at most.
const MOST: (usize, usize) = (10_000, 64 << 20);

/// One message of the dead letters, taken and not settled.
struct Dead {
    acker: Acker,
    properties: BasicProperties,
    /// With the item, or with what was no item.
    letters: Vec<(DeadLetter, Result<Parcel, Malformed>)>,
}

impl Shared {
    pub(super) async fn dead_channel(&self) -> Result<Channel, PipelineError> {
        let session = self.session_by(Instant::now() + self.patience()).await?;
        session.connection.create_channel().await.map_err(|error| unavailable(&error))
    }

    /// Reads messages, oldest first, until `enough`.
    async fn read_dead(
        &self,
        channel: &Channel,
        mut enough: impl FnMut(&[Dead]) -> bool,
    ) -> Result<Vec<Dead>, PipelineError> {
        let (messages, most_bytes) = MOST;
        let (mut found, mut bytes) = (Vec::new(), 0);
        while found.len() < messages && bytes < most_bytes && !enough(&found) {
            let got = channel.basic_get(short(&self.names.dead()), BasicGetOptions::default()).await;
            let Some(message) = got.map_err(|error| unavailable(&error))? else { break };
            let delivery = message.delivery;
            bytes += delivery.data.len();
            let letters = letters(delivery.data, &delivery.properties, self.clock.now(), self.config.delivery_limit);
            found.push(Dead { acker: delivery.acker, properties: delivery.properties, letters });
        }
        Ok(found)
    }

    pub(super) async fn list_dead(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        let channel = self.dead_channel().await?;
        let enough = |found: &[Dead]| found.iter().map(|dead| dead.letters.len()).sum::<usize>() >= limit;
        let found = self.read_dead(&channel, enough).await?;
        put_back(&channel).await;
        Ok(found.into_iter().flat_map(|dead| dead.letters).map(|(letter, _)| letter).take(limit).collect())
    }

    pub(super) async fn show_dead(&self, id: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError> {
        let channel = self.dead_channel().await?;
        let is_it = |(letter, _): &(DeadLetter, _)| letter.id == id;
        let found = self.read_dead(&channel, |found| found.last().is_some_and(|dead| dead.letters.iter().any(is_it)));
        let found = found.await?;
        put_back(&channel).await;
        let wanted = found.into_iter().flat_map(|dead| dead.letters).find(is_it);
        Ok(wanted.map(|(letter, content)| {
            let item = match content {
                Ok(parcel) => parcel.item,
                Err(malformed) => as_item(&letter, malformed),
            };
            (letter, item)
        }))
    }

    /// Publishes them again (`replay`), or forgets them.
    pub(super) async fn settle_dead(&self, ids: Vec<ItemId>, replay: bool) -> Result<usize, PipelineError> {
        let wanted: HashSet<ItemId> = ids.into_iter().collect();
        let channel = self.dead_channel().await?;
        let mut settled = 0;
        let mut seen = HashSet::new();
        let reading = self.read_dead(&channel, |found| {
            let last = found.last().into_iter().flat_map(|dead| &dead.letters).map(|(letter, _)| letter.id);
            seen.extend(last.filter(|id| wanted.contains(id)));
            seen.len() == wanted.len()
        });
        let found = reading.await?;
        for dead in found {
            if !dead.letters.iter().any(|(letter, _)| wanted.contains(&letter.id)) {
                continue;
            }
            let (taken, rest): (Vec<_>, Vec<_>) =
                dead.letters.into_iter().partition(|(letter, _)| wanted.contains(&letter.id));
            let mut outgoing: Vec<Outgoing> = Vec::new();
            if replay {
                outgoing.extend(taken.iter().map(|taken| self.revived(taken, &dead.properties)));
            }
            outgoing.extend(rest.iter().map(|rest| self.dead_again(rest, &dead.properties)));
            if !outgoing.is_empty() {
                self.publish(&outgoing).await.map_err(Refusal::into_error)?;
            }
            dead.acker.ack(BasicAckOptions::default()).await.map_err(|error| unavailable(&error))?;
            settled += taken.len();
        }
        put_back(&channel).await;
        Ok(settled)
    }

    /// As if it had never been tried.
    fn revived(
        &self,
        (letter, content): &(DeadLetter, Result<Parcel, Malformed>),
        properties: &BasicProperties,
    ) -> Outgoing {
        match content {
            Ok(parcel) => {
                let mut parcel = Parcel { attempts: 0, lost: 0, ..parcel.clone() };
                if parcel.item.envelope.kind == ItemKind::Frame {
                    // Its age begins again, or it would be shed as stale.
                    parcel.item.envelope.received_at = self.clock.now();
                }
                let key = message::key(&parcel.item, letter.lane, self.config.partitions);
                self.to_items(key, message::write_one(&parcel))
            }
            Err(malformed) => {
                let bare = stamp(Letter { body: malformed.body.clone(), properties: properties.clone() }, |_| {});
                self.to_items(names::lane_key(letter.lane), as_first_sent(bare))
            }
        }
    }

    /// Stays dead, as a message of its own.
    fn dead_again(
        &self,
        (letter, content): &(DeadLetter, Result<Parcel, Malformed>),
        properties: &BasicProperties,
    ) -> Outgoing {
        let copy = match content {
            Ok(parcel) => message::write_one(parcel),
            Err(malformed) => Letter { body: malformed.body.clone(), properties: properties.clone() },
        };
        self.to_dead(copy, letter.lane, letter.attempts, &letter.reason)
    }
}

/// Without what we wrote on it.
pub(super) fn as_first_sent(letter: Letter) -> Letter {
    let mut table = FieldTable::default();
    for (name, value) in headers::of(&letter.properties).inner() {
        if !name.as_str().starts_with("chaperone-") {
            table.insert(name.clone(), value.clone());
        }
    }
    Letter { properties: letter.properties.with_headers(table), ..letter }
}

/// Everything that was read and not settled goes back, in order.
pub(super) async fn put_back(channel: &Channel) {
    let options = BasicNackOptions { multiple: true, requeue: true };
    // Tag 0 means all. Where this fails the channel's end does the same.
    let _ = channel.basic_nack(0, options).await;
    let _ = channel.close(200, short("OK")).await;
}

/// What a dead message holds. It may be one that the broker gave up, and then says so in its own words.
fn letters(
    body: Vec<u8>,
    properties: &BasicProperties,
    now: DateTime<Utc>,
    limit: u32,
) -> Vec<(DeadLetter, Result<Parcel, Malformed>)> {
    let table = headers::of(properties);
    let death = headers::text(&table, REASON).is_none().then(|| last_death(&table)).flatten();
    let (broker_reason, queue, broker_at) = death.clone().unwrap_or_default();
    let reason = match headers::text(&table, REASON) {
        Some(reason) => reason.to_owned(),
        None if broker_reason == "delivery_limit" => CRASHED_WORKER.to_owned(),
        None if broker_reason.is_empty() => "unknown".to_owned(),
        None => broker_reason,
    };
    let named =
        headers::text(&table, names::LANE).and_then(|name| Lane::ALL.into_iter().find(|lane| lane.as_str() == name));
    let lane = named.filter(|_| death.is_none()).unwrap_or_else(|| names::lane_of_queue(&queue));
    let at = headers::time(&table, names::DIED_AT).ok().flatten().or(broker_at);
    let opened = message::open(body, properties, now);
    let describe = |content: Result<Parcel, Malformed>| {
        let (id, tenant, kind, bytes) = match &content {
            Ok(parcel) => {
                let envelope = &parcel.item.envelope;
                (envelope.id, envelope.tenant.clone(), envelope.kind, parcel.item.content.len())
            }
            Err(malformed) => {
                let tenant = headers::text(&table, "tenant").unwrap_or("unknown").into();
                (id_of(malformed, properties), tenant, kind_of(properties), malformed.body.len())
            }
        };
        let written = headers::count(&table, names::ATTEMPTS);
        // The limit is what its last worker went over; only suspects' losses are tries.
        let tried = death.is_some() && names::is_of_suspects(&queue);
        let attempts = if tried { written.saturating_add(limit).saturating_add(1) } else { written };
        let letter = DeadLetter {
            id,
            tenant,
            kind,
            lane,
            reason: reason.clone(),
            attempts,
            at: at.unwrap_or(now),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        };
        (letter, content)
    };
    opened.parcels.into_iter().map(describe).collect()
}

/// Reason, queue and time of the broker's latest dead-lettering; waits are not one.
pub(super) fn last_death(table: &FieldTable) -> Option<(String, String, Option<DateTime<Utc>>)> {
    let AMQPValue::FieldArray(deaths) = table.inner().get(X_DEATH)? else { return None };
    let entries = deaths.as_slice().iter().filter_map(|death| match death {
        AMQPValue::FieldTable(death) => Some(death),
        _ => None,
    });
    let mut entries = entries.filter(|death| headers::text(death, "reason").is_some_and(|reason| reason != "expired"));
    let death = entries.next()?;
    let text = |name: &str| headers::text(death, name).unwrap_or_default().to_owned();
    Some((text("reason"), text("queue"), headers::time(death, "time").ok().flatten()))
}

/// What is no item has the id that it names, or one made of its bytes: the same at every look.
fn id_of(malformed: &Malformed, properties: &BasicProperties) -> ItemId {
    let named = properties.message_id().as_ref().and_then(|id| id.as_str().parse().ok());
    named.unwrap_or_else(|| {
        let digest = sha256_hex(&malformed.body);
        ItemId(Uuid::parse_str(&digest[..32]).unwrap_or_default())
    })
}

fn kind_of(properties: &BasicProperties) -> ItemKind {
    let picture = properties.content_type().as_ref().is_some_and(|kind| kind.as_str().starts_with("image/"));
    if picture { ItemKind::Image } else { ItemKind::Text }
}

/// Shows what was no item as if it were one.
fn as_item(letter: &DeadLetter, malformed: Malformed) -> Item {
    let envelope = Envelope {
        id: letter.id,
        tenant: TenantId(letter.tenant.0.clone()),
        kind: letter.kind,
        actor: None,
        conversation: None,
        call: None,
        reference: None,
        message: None,
        occurred_at: letter.at,
        received_at: letter.at,
    };
    let content = match letter.kind {
        ItemKind::Text => Content::Text(String::from_utf8_lossy(&malformed.body).into_owned()),
        ItemKind::Frame | ItemKind::Image => Content::Picture(malformed.body.into()),
    };
    Item { envelope, content }
}
