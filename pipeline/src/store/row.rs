//! Between rows and the domain's types, whatever the database.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use models::Lane;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{error::ErrorKind, migrate::MigrateError, postgres::PgDatabaseError};

use crate::{error::PipelineError, item::ItemId};

/// SQLite's primary result codes that mean "the database cannot be used now": busy, locked, read-only, I/O, corrupt,
/// full, cannot open, not a database.
const UNUSABLE: [i32; 8] = [5, 6, 8, 10, 11, 13, 14, 26];
/// What PostgreSQL's codes begin with when it cannot be used now: connection, transaction rolled back for another's sake,
/// wrong password or role, no such database, resources, locks, the operator, the system, a server that only reads.
const AWAY: [&str; 9] = ["08", "40", "28", "3D", "53", "55P03", "57", "58", "25006"];

impl From<sqlx::Error> for PipelineError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Encode(inner) => match inner.downcast::<Self>() {
                Ok(own) => *own,
                Err(inner) => Self::from(&sqlx::Error::Encode(inner)),
            },
            error => Self::from(&error),
        }
    }
}

impl From<&sqlx::Error> for PipelineError {
    /// Messages come from the database and name tables and columns, never values.
    fn from(error: &sqlx::Error) -> Self {
        let message = error.to_string();
        match error {
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                let unusable = match database.try_downcast_ref::<PgDatabaseError>() {
                    Some(_) => AWAY.iter().any(|class| code.starts_with(class)),
                    None => UNUSABLE.contains(&(code.parse::<i32>().unwrap_or_default() & 0xff)),
                };
                match database.kind() {
                    ErrorKind::UniqueViolation => Self::Conflict { code: "store_conflict", message },
                    _ if unusable => Self::Unavailable { part: "store", message },
                    _ => Self::Internal { part: "store", message },
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable { part: "store", message },
            _ => Self::Internal { part: "store", message },
        }
    }
}

/// An error of ours on its way through what speaks sqlx's.
pub(in crate::store) fn carried(error: PipelineError) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

/// An error of the migrator, for both kinds of database.
pub(in crate::store) fn migration(error: MigrateError) -> PipelineError {
    match error {
        MigrateError::VersionMissing(version) | MigrateError::VersionTooNew(version, _) => PipelineError::Conflict {
            code: "store_newer",
            message: format!(
                "the database was written by a newer version of this program (migration {version}): start that version, \
                 or point store.url at another file"
            ),
        },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        other => PipelineError::Internal { part: "store", message: other.to_string() },
    }
}

/// Another tenant's item has this id.
pub(in crate::store) fn taken(id: ItemId) -> PipelineError {
    PipelineError::Conflict {
        code: "item_id_taken",
        message: format!("the item id `{id}` is already in use: give every item an id of its own"),
    }
}

/// A value as JSON text.
pub(in crate::store) fn encode<T: Serialize>(value: &T) -> Result<String, PipelineError> {
    serde_json::to_string(value).map_err(|error| unreadable(&error))
}

/// A value from JSON text that we wrote.
pub(in crate::store) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, PipelineError> {
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

/// serde's messages may quote a value: only the place is kept.
fn unreadable(error: &serde_json::Error) -> PipelineError {
    let message = format!("a row does not read back: {:?} at column {}", error.classify(), error.column());
    PipelineError::Internal { part: "store", message }
}

/// Nanoseconds since 1970; times after the year 2262 become its end.
pub(in crate::store) fn stamp(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or(if at.timestamp() < 0 { i64::MIN } else { i64::MAX })
}

/// The inverse of [`stamp`].
pub(in crate::store) fn time(stamp: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(stamp)
}

/// A limit as SQL takes it.
pub(in crate::store) fn limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The lane at a position.
pub(in crate::store) fn lane(index: i64) -> Result<Lane, PipelineError> {
    usize::try_from(index).ok().and_then(|index| Lane::ALL.get(index).copied()).ok_or_else(|| PipelineError::Internal {
        part: "store",
        message: format!("the journal holds a lane {index} that does not exist"),
    })
}

/// A vector as little-endian 32-bit floats.
pub(in crate::store) fn vector_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The inverse of [`vector_bytes`].
pub(in crate::store) fn vector(bytes: &[u8]) -> Arc<[f32]> {
    let (values, _) = bytes.as_chunks::<4>();
    values.iter().map(|value| f32::from_le_bytes(*value)).collect()
}

/// Ids as one JSON array of hex strings: one bound value for any number of ids, so that the statement stays the same.
pub(in crate::store) fn id_list<'a>(ids: impl IntoIterator<Item = &'a ItemId>) -> String {
    let mut list = String::from("[");
    for (position, id) in ids.into_iter().enumerate() {
        if position > 0 {
            list.push(',');
        }
        list.push('"');
        list.push_str(id.0.as_simple().encode_lower(&mut uuid::Uuid::encode_buffer()));
        list.push('"');
    }
    list.push(']');
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_vectors_come_back_exactly() {
        for nanos in [0, 1, -1, 1_795_000_000_123_456_789] {
            assert_eq!(stamp(time(nanos)), nanos);
        }
        let values = [0.0, -1.5, f32::MIN_POSITIVE, 0.1];
        assert_eq!(*vector(&vector_bytes(&values)), values);
    }

    #[test]
    fn id_lists_are_json() {
        let ids = [ItemId::new(), ItemId::new()];
        let list: Vec<String> = serde_json::from_str(&id_list(&ids)).unwrap();
        assert_eq!(list, ids.map(|id| id.0.simple().to_string()));
        assert_eq!(id_list(&[]), "[]");
    }
}
