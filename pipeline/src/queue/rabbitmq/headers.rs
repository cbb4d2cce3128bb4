//! Reading and writing AMQP headers, whose types differ from client to client.

use chrono::{DateTime, Utc};
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, LongString, ShortString},
};

/// A text, whichever of AMQP's two types it has.
pub(super) fn text<'a>(table: &'a FieldTable, name: &str) -> Option<&'a str> {
    as_text(table.inner().get(name)?)
}

fn as_text(value: &AMQPValue) -> Option<&str> {
    match value {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok(),
        AMQPValue::ShortString(text) => Some(text.as_str()),
        _ => None,
    }
}

/// A number, whichever of AMQP's eight types it has.
pub(super) fn number(table: &FieldTable, name: &str) -> Option<i64> {
    match table.inner().get(name)? {
        AMQPValue::ShortShortInt(n) => Some((*n).into()),
        AMQPValue::ShortShortUInt(n) => Some((*n).into()),
        AMQPValue::ShortInt(n) => Some((*n).into()),
        AMQPValue::ShortUInt(n) => Some((*n).into()),
        AMQPValue::LongInt(n) => Some((*n).into()),
        AMQPValue::LongUInt(n) => Some((*n).into()),
        AMQPValue::LongLongInt(n) => Some(*n),
        _ => None,
    }
}

/// A count: what is missing or negative is none.
pub(super) fn count(table: &FieldTable, name: &str) -> u32 {
    number(table, name).and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

/// A point in time: RFC 3339, AMQP's timestamp (seconds), or milliseconds since 1970. `Err`: there, but not readable.
pub(super) fn time(table: &FieldTable, name: &str) -> Result<Option<DateTime<Utc>>, ()> {
    let Some(value) = table.inner().get(name) else { return Ok(None) };
    let read = match value {
        AMQPValue::Void => return Ok(None),
        AMQPValue::Timestamp(seconds) => i64::try_from(*seconds).ok().and_then(|at| DateTime::from_timestamp(at, 0)),
        other => match as_text(other) {
            Some(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)),
            None => number(table, name).and_then(DateTime::from_timestamp_millis),
        },
    };
    read.map(Some).ok_or(())
}

/// Adds a text.
pub(super) fn put(table: &mut FieldTable, name: &str, value: &str) {
    table.insert(ShortString::from(name), AMQPValue::LongString(LongString::from(value)));
}

/// Adds a count.
pub(super) fn put_count(table: &mut FieldTable, name: &str, value: u32) {
    table.insert(ShortString::from(name), AMQPValue::LongLongInt(value.into()));
}

/// The headers of a message; empty when there are none.
pub(super) fn of(properties: &BasicProperties) -> FieldTable {
    properties.headers().clone().unwrap_or_default()
}
