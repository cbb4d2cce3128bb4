//! Items as messages and back: the bodies and headers of docs/queue.md. Pure.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{FieldTable, ShortString},
};
use models::Lane;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{headers, names};
use crate::{
    clock::clamp_occurred,
    item::{ActorId, CallId, Content, ConversationId, Envelope, Item, ItemId, ItemKind, TenantId},
};

/// Items in one message at most.
pub(super) const BATCH: usize = 256;
/// Bytes at which a batch that we make is closed.
const BATCH_BYTES: usize = 256 << 10;
/// The largest body that is read.
pub(super) const MAX_BODY: usize = 64 << 20;
/// Bodies above this are read on a thread of their own.
pub(super) const LARGE_BODY: usize = 256 << 10;

/// An item on its way, with what the message says about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parcel {
    pub(super) item: Item,
    /// Tries of its own before this one.
    pub(super) attempts: u32,
    /// Workers lost with it in their hands; not a try.
    pub(super) lost: u32,
    /// W3C trace context.
    pub(super) trace: Option<String>,
}

/// A body with its properties, not yet addressed.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) body: Vec<u8>,
    pub(super) properties: BasicProperties,
}

/// Something in a message that is no item. `code` is stable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Malformed {
    pub(super) code: &'static str,
    /// Its own bytes: of the one item, or of the whole message.
    pub(super) body: Vec<u8>,
}

/// What a message holds.
#[derive(Debug, PartialEq)]
pub(super) struct Opened {
    pub(super) parcels: Vec<Result<Parcel, Malformed>>,
    /// Written as a batch, even if of one.
    pub(super) batch: bool,
}

/// One text as JSON.
#[derive(Serialize, Deserialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    text: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conversation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received_at: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    traceparent: Option<String>,
}

/// Writes parcels as messages, in order: texts of equal history together, everything else alone.
pub(super) fn write(parcels: &[Parcel]) -> Vec<(Letter, std::ops::Range<usize>)> {
    let mut letters = Vec::new();
    let mut start = 0;
    while start < parcels.len() {
        let mut end = start + 1;
        let mut bytes = parcels[start].item.content.len();
        let history = |parcel: &Parcel| (parcel.attempts, parcel.lost);
        let same = |next: &Parcel| history(next) == history(&parcels[start]) && is_text(&next.item);
        while is_text(&parcels[start].item)
            && end < parcels.len()
            && end - start < BATCH
            && bytes + parcels[end].item.content.len() <= BATCH_BYTES
            && same(&parcels[end])
        {
            bytes += parcels[end].item.content.len();
            end += 1;
        }
        let letter = if end - start == 1 { write_one(&parcels[start]) } else { write_batch(&parcels[start..end]) };
        letters.push((letter, start..end));
        start = end;
    }
    letters
}

fn is_text(item: &Item) -> bool {
    matches!(item.content, Content::Text(_))
}

/// Writes one parcel alone.
pub(super) fn write_one(parcel: &Parcel) -> Letter {
    let envelope = &parcel.item.envelope;
    let mut table = history(parcel);
    if let Some(trace) = &parcel.trace {
        headers::put(&mut table, "traceparent", trace);
    }
    let (body, content_type) = match &parcel.item.content {
        Content::Text(text) => (json(&written(envelope, text, None)), "application/json"),
        Content::Picture(bytes) => {
            put_envelope(&mut table, envelope);
            (bytes.to_vec(), picture_type(bytes))
        }
    };
    let properties = properties(content_type, table).with_message_id(ShortString::from(envelope.id.to_string()));
    // A live frame is worth nothing after a restart of the broker.
    let mode = if envelope.kind == ItemKind::Frame { 1 } else { 2 };
    Letter { body, properties: properties.with_delivery_mode(mode) }
}

fn write_batch(parcels: &[Parcel]) -> Letter {
    #[derive(Serialize)]
    struct Batch<'a> {
        items: Vec<Written<'a>>,
    }
    let table = parcels.first().map(history).unwrap_or_default();
    let items = parcels.iter().filter_map(|parcel| match &parcel.item.content {
        Content::Text(text) => Some(written(&parcel.item.envelope, text, parcel.trace.as_deref())),
        Content::Picture(_) => None,
    });
    let body = json(&Batch { items: items.collect() });
    Letter { body, properties: properties("application/json", table).with_delivery_mode(2) }
}

/// The headers that tell what became of it before.
fn history(parcel: &Parcel) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, count) in [(names::ATTEMPTS, parcel.attempts), (names::LOST, parcel.lost)] {
        if count > 0 {
            headers::put_count(&mut table, name, count);
        }
    }
    table
}

/// What is a string, a number or a list of them always becomes JSON.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn properties(content_type: &'static str, table: FieldTable) -> BasicProperties {
    BasicProperties::default().with_content_type(ShortString::from(content_type)).with_headers(table)
}

fn written<'a>(envelope: &Envelope, text: &'a str, trace: Option<&str>) -> Written<'a> {
    Written {
        id: Some(envelope.id.to_string()),
        tenant: envelope.tenant.0.clone(),
        kind: None,
        text: text.into(),
        actor: envelope.actor.as_ref().map(|name| name.0.clone()),
        conversation: envelope.conversation.as_ref().map(|name| name.0.clone()),
        call: envelope.call.as_ref().map(|name| name.0.clone()),
        reference: envelope.reference.clone(),
        message: envelope.message.clone(),
        occurred_at: Some(envelope.occurred_at),
        received_at: Some(envelope.received_at),
        traceparent: trace.map(str::to_owned),
    }
}

fn put_envelope(table: &mut FieldTable, envelope: &Envelope) {
    headers::put(table, "tenant", envelope.tenant.as_str());
    headers::put(table, "kind", envelope.kind.as_str());
    let mut maybe = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            headers::put(table, name, value);
        }
    };
    maybe("actor", envelope.actor.as_ref().map(ActorId::as_str));
    maybe("conversation", envelope.conversation.as_ref().map(ConversationId::as_str));
    maybe("call", envelope.call.as_ref().map(CallId::as_str));
    maybe("reference", envelope.reference.as_deref());
    maybe("message", envelope.message.as_deref());
    headers::put(table, "occurred_at", &envelope.occurred_at.to_rfc3339());
    headers::put(table, "received_at", &envelope.received_at.to_rfc3339());
}

/// The content type by the first bytes; what is none of these is told apart when it is decoded.
fn picture_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xFF, 0xD8, ..] => "image/jpeg",
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'B', b'M', ..] => "image/bmp",
        [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => "image/tiff",
        _ => "application/octet-stream",
    }
}

/// Reads a message. `now`: when we got it, for items that do not say when they were accepted.
pub(super) fn open(body: Vec<u8>, properties: &BasicProperties, now: DateTime<Utc>) -> Opened {
    let table = headers::of(properties);
    let (attempts, lost) = (headers::count(&table, names::ATTEMPTS), headers::count(&table, names::LOST));
    if body.len() > MAX_BODY {
        return refused("message_too_large", body);
    }
    let content_type = properties.content_type().as_ref().map_or("", ShortString::as_str);
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    match content_type {
        "application/json" | "text/json" => open_json(body, properties, &table, (attempts, lost), now),
        picture if picture.starts_with("image/") || picture == "application/octet-stream" => {
            match picture_envelope(properties, &table, now) {
                Ok(envelope) => {
                    let item = Item { envelope, content: Content::Picture(Bytes::from(body)) };
                    Opened { parcels: vec![Ok(Parcel { item, attempts, lost, trace: trace(&table) })], batch: false }
                }
                Err(code) => refused(code, body),
            }
        }
        _ => refused("content_type_unknown", body),
    }
}

/// A message that holds no item.
pub(super) fn refused(code: &'static str, body: Vec<u8>) -> Opened {
    Opened { parcels: vec![Err(Malformed { code, body })], batch: false }
}

fn trace(table: &FieldTable) -> Option<String> {
    headers::text(table, "traceparent").filter(|trace| trace.len() <= 128).map(str::to_owned)
}

fn open_json(
    body: Vec<u8>,
    properties: &BasicProperties,
    table: &FieldTable,
    (attempts, lost): (u32, u32),
    now: DateTime<Utc>,
) -> Opened {
    #[derive(Deserialize)]
    struct Batch<'a> {
        #[serde(borrow)]
        items: Option<Vec<&'a RawValue>>,
    }
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let items: Option<Vec<&RawValue>> = match first {
        Some(b'[') => match serde_json::from_slice(&body) {
            Ok(items) => Some(items),
            Err(_) => return refused("body_not_json", body),
        },
        Some(b'{') => match serde_json::from_slice::<Batch<'_>>(&body) {
            Ok(batch) => batch.items,
            Err(_) => return refused("body_not_json", body),
        },
        _ => return refused("body_not_json", body),
    };
    match items {
        Some(items) if items.is_empty() => refused("batch_empty", body),
        Some(items) if items.len() > BATCH => refused("batch_too_large", body),
        Some(items) => {
            let one = |raw: &&RawValue| {
                open_text(raw.get(), None, now)
                    .map(|(item, own)| Parcel { item, attempts, lost, trace: own.or_else(|| trace(table)) })
                    .map_err(|code| Malformed { code, body: raw.get().as_bytes().to_vec() })
            };
            Opened { parcels: items.iter().map(one).collect(), batch: true }
        }
        None => {
            let id = properties.message_id().as_ref().map(ShortString::as_str);
            let opened = match std::str::from_utf8(&body) {
                Ok(text) => open_text(text, id, now),
                Err(_) => Err("body_not_json"),
            };
            match opened {
                Ok((item, own)) => {
                    let trace = own.or_else(|| trace(table));
                    Opened { parcels: vec![Ok(Parcel { item, attempts, lost, trace })], batch: false }
                }
                Err(code) => refused(code, body),
            }
        }
    }
}

fn open_text(json: &str, message_id: Option<&str>, now: DateTime<Utc>) -> Result<(Item, Option<String>), &'static str> {
    let written: Written<'_> = serde_json::from_str(json).map_err(|_| "item_malformed")?;
    if written.kind.as_deref().is_some_and(|kind| kind != ItemKind::Text.as_str()) {
        return Err("kind_unknown");
    }
    let received_at = written.received_at.unwrap_or(now);
    let envelope = Envelope {
        id: item_id(written.id.as_deref().or(message_id))?,
        tenant: TenantId(written.tenant),
        kind: ItemKind::Text,
        actor: written.actor.map(ActorId),
        conversation: written.conversation.map(ConversationId),
        call: written.call.map(CallId),
        reference: written.reference,
        message: written.message,
        occurred_at: clamp_occurred(written.occurred_at, received_at),
        received_at,
    };
    let content = Content::Text(written.text.into_owned());
    Ok((Item { envelope, content }, written.traceparent.filter(|trace| trace.len() <= 128)))
}

fn picture_envelope(
    properties: &BasicProperties,
    table: &FieldTable,
    now: DateTime<Utc>,
) -> Result<Envelope, &'static str> {
    let text = |name: &str| headers::text(table, name).map(str::to_owned);
    let time = |name: &str| headers::time(table, name).map_err(|()| "time_malformed");
    let kind = match headers::text(table, "kind") {
        Some("frame") => ItemKind::Frame,
        Some("image") => ItemKind::Image,
        Some(_) => return Err("kind_unknown"),
        None if table.contains_key("call") => ItemKind::Frame,
        None => ItemKind::Image,
    };
    let received_at = time("received_at")?.unwrap_or(now);
    Ok(Envelope {
        id: item_id(properties.message_id().as_ref().map(ShortString::as_str))?,
        tenant: text("tenant").map(TenantId).ok_or("tenant_missing")?,
        kind,
        actor: text("actor").map(ActorId),
        conversation: text("conversation").map(ConversationId),
        call: text("call").map(CallId),
        reference: text("reference"),
        message: text("message"),
        occurred_at: clamp_occurred(time("occurred_at")?, received_at),
        received_at,
    })
}

/// Without an id of the publisher's own a redelivery could not be told from a new item.
fn item_id(id: Option<&str>) -> Result<ItemId, &'static str> {
    id.ok_or("id_missing")?.parse().map_err(|_| "id_malformed")
}

/// The routing key of an item that is accepted into `lane`.
pub(super) fn key(item: &Item, lane: Lane, partitions: u32) -> String {
    let envelope = &item.envelope;
    match (lane, envelope.kind, &envelope.call, &envelope.actor) {
        (Lane::Live, ItemKind::Frame, Some(call), Some(actor)) => {
            let tenant = envelope.tenant.as_str();
            names::partition_key(names::partition(tenant, call.as_str(), actor.as_str(), partitions))
        }
        _ => names::lane_key(lane),
    }
}

#[cfg(test)]
mod tests;
