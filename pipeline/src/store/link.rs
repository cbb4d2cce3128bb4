//! One set of statements for both databases: for areas whose rows are few and whose rules are many (the reviewers' desk).
//!
//! Both databases read `$1`, `RETURNING`, `ON CONFLICT … DO UPDATE` and row comparisons alike. What differs stays here: types of columns, NUL in
//! texts, locks, transactions, how events are appended. A statement only uses `bigint`, `text` and `bytea` columns.

mod actions;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    AssertSqlSafe, Column as _, PgConnection, Row as _, SqliteConnection, TypeInfo, ValueRef, postgres::PgRow,
    sqlite::SqliteRow,
};

use super::{
    Event,
    postgres::link::{PostgresLink, escape, unescape},
    row::{decode, encode, stamp, time},
    sqlite::SqliteStore,
};
use crate::{
    error::PipelineError,
    record::{WebhookInterest, interested},
};

/// A value on its way into a statement or out of a row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// `bigint`.
    Int(Option<i64>),
    /// `text`.
    Text(Option<String>),
    /// `text` that is JSON of ours: it has no NUL, so it is kept as it is.
    Json(String),
    /// `bytea`.
    Bytes(Option<Vec<u8>>),
}

/// A value as JSON text.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<Value, PipelineError> {
    encode(value).map(Value::Json)
}

macro_rules! from {
    ($($from:ty => $variant:ident($convert:expr)),+ $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                let convert: fn($from) -> _ = $convert;
                Self::$variant(convert(value))
            }
        }
    )+};
}

from! {
    i64 => Int(Some),
    bool => Int(|value| Some(i64::from(value))),
    Option<i64> => Int(|value| value),
    DateTime<Utc> => Int(|at| Some(stamp(at))),
    Option<DateTime<Utc>> => Int(|at| at.map(stamp)),
    &str => Text(|text| Some(text.to_owned())),
    String => Text(Some),
    &String => Text(|text| Some(text.clone())),
    Option<String> => Text(|text| text),
    Option<&str> => Text(|text| text.map(ToOwned::to_owned)),
    Vec<u8> => Bytes(Some),
}

/// Values of a statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::store::link::Value::from($value)),*] };
}
pub(crate) use values;

/// One row of an answer.
pub(crate) struct Row {
    values: Vec<Value>,
    /// Texts as their column holds them, where that is something else: JSON is read from here.
    held: BTreeMap<usize, String>,
}

impl Row {
    fn at(&self, column: usize) -> Result<&Value, PipelineError> {
        self.values.get(column).ok_or_else(|| odd(column))
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64, PipelineError> {
        self.maybe_int(column)?.ok_or_else(|| odd(column))
    }

    pub(crate) fn maybe_int(&self, column: usize) -> Result<Option<i64>, PipelineError> {
        match self.at(column)? {
            Value::Int(value) => Ok(*value),
            Value::Text(None) | Value::Bytes(None) => Ok(None),
            _ => Err(odd(column)),
        }
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool, PipelineError> {
        Ok(self.int(column)? != 0)
    }

    pub(crate) fn count(&self, column: usize) -> Result<u64, PipelineError> {
        Ok(u64::try_from(self.maybe_int(column)?.unwrap_or_default()).unwrap_or_default())
    }

    pub(crate) fn time(&self, column: usize) -> Result<DateTime<Utc>, PipelineError> {
        self.int(column).map(time)
    }

    pub(crate) fn maybe_time(&self, column: usize) -> Result<Option<DateTime<Utc>>, PipelineError> {
        Ok(self.maybe_int(column)?.map(time))
    }

    pub(crate) fn text(&self, column: usize) -> Result<&str, PipelineError> {
        self.maybe_text(column)?.ok_or_else(|| odd(column))
    }

    pub(crate) fn maybe_text(&self, column: usize) -> Result<Option<&str>, PipelineError> {
        match self.at(column)? {
            Value::Text(value) => Ok(value.as_deref()),
            Value::Int(None) | Value::Bytes(None) => Ok(None),
            _ => Err(odd(column)),
        }
    }

    pub(crate) fn string(&self, column: usize) -> Result<String, PipelineError> {
        self.text(column).map(ToOwned::to_owned)
    }

    pub(crate) fn maybe_string(&self, column: usize) -> Result<Option<String>, PipelineError> {
        Ok(self.maybe_text(column)?.map(ToOwned::to_owned))
    }

    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], PipelineError> {
        match self.at(column)? {
            Value::Bytes(Some(bytes)) => Ok(bytes),
            _ => Err(odd(column)),
        }
    }

    /// JSON that we wrote.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, PipelineError> {
        match self.held.get(&column) {
            Some(text) => decode(text),
            None => decode(self.text(column)?),
        }
    }

    /// A name or id that we wrote.
    pub(crate) fn parse<T: std::str::FromStr>(&self, column: usize) -> Result<T, PipelineError> {
        self.text(column)?.parse().map_err(|_| odd(column))
    }

    fn of_sqlite(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        let value = |column: usize| -> Result<Value, sqlx::Error> {
            let raw = row.try_get_raw(column)?;
            if raw.is_null() {
                return Ok(Value::Text(None));
            }
            let kind = raw.type_info().name().to_owned();
            match kind.as_str() {
                "INTEGER" => row.try_get(column).map(|value| Value::Int(Some(value))),
                "BLOB" => row.try_get(column).map(|value| Value::Bytes(Some(value))),
                _ => row.try_get(column).map(|value| Value::Text(Some(value))),
            }
        };
        let values = (0..row.columns().len()).map(value).collect::<Result<_, _>>()?;
        Ok(Self { values, held: BTreeMap::new() })
    }

    fn of_postgres(row: &PgRow) -> Result<Self, PipelineError> {
        let mut held = BTreeMap::new();
        let mut value = |column: usize| -> Result<Value, PipelineError> {
            let kind = row.column(column).type_info().name().to_owned();
            Ok(match kind.as_str() {
                "INT8" => Value::Int(row.try_get(column)?),
                "INT4" => Value::Int(row.try_get::<Option<i32>, _>(column)?.map(i64::from)),
                "BYTEA" => Value::Bytes(row.try_get(column)?),
                _ => match row.try_get::<Option<String>, _>(column)? {
                    Some(text) if text.contains('\\') => {
                        held.insert(column, text.clone());
                        // JSON has escapes of its own: it is read as it is held.
                        Value::Text(Some(unescape(text).unwrap_or_default()))
                    }
                    text => Value::Text(text),
                },
            })
        };
        let values = (0..row.columns().len()).map(&mut value).collect::<Result<_, _>>()?;
        Ok(Self { values, held })
    }
}

fn odd(column: usize) -> PipelineError {
    PipelineError::Internal { part: "store", message: format!("column {column} of a row does not hold what it should") }
}

/// Which connection.
enum Wire<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// What a transaction wants to have told, and what went wrong with its connection.
#[derive(Default)]
pub(crate) struct Told {
    events: Vec<Event>,
    /// What the connection said last, when it failed.
    pub(in crate::store) failure: Option<sqlx::Error>,
}

impl Told {
    /// The events, and who is told of each.
    pub(in crate::store) fn split(self, hooks: &[WebhookInterest]) -> (Vec<Event>, Vec<(usize, String)>) {
        let webhooks = interested(&self.events, hooks);
        (self.events, webhooks)
    }

    /// Keeps the connection's own words, which say whether another try may help.
    fn failed(&mut self, error: sqlx::Error) -> PipelineError {
        let ours = PipelineError::from(&error);
        self.failure = Some(error);
        ours
    }
}

/// A connection, inside a transaction when it writes.
pub(crate) struct Link<'c> {
    wire: Wire<'c>,
    told: &'c mut Told,
}

impl<'c> Link<'c> {
    pub(in crate::store) fn sqlite(connection: &'c mut SqliteConnection, told: &'c mut Told) -> Self {
        Self { wire: Wire::Sqlite(connection), told }
    }

    pub(in crate::store) fn postgres(connection: &'c mut PgConnection, told: &'c mut Told) -> Self {
        Self { wire: Wire::Postgres(connection), told }
    }

    /// Appended to the events at the end of the transaction.
    pub(crate) fn tell(&mut self, event: Event) {
        self.told.events.push(event);
    }

    /// Of two forms of a statement, the one that this database reads.
    pub(crate) fn choose(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.wire {
            Wire::Sqlite(_) => sqlite,
            Wire::Postgres(_) => postgres,
        }
    }

    /// What a `SELECT` ends with so that its rows are ours until the commit. SQLite has one writer.
    pub(crate) fn lock(&self) -> &'static str {
        self.choose("", " FOR UPDATE")
    }

    /// As [`Self::lock`], leaving out what others have.
    pub(crate) fn lock_free(&self) -> &'static str {
        self.choose("", " FOR UPDATE SKIP LOCKED")
    }

    /// All rows. `sql` is made of constants; values are only ever bound.
    pub(crate) async fn rows(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<Vec<Row>, PipelineError> {
        let sql = AssertSqlSafe(sql.into());
        match &mut self.wire {
            Wire::Sqlite(connection) => {
                let rows = sqlite_query(sqlx::query(sql), values).fetch_all(&mut **connection).await?;
                Ok(rows.iter().map(Row::of_sqlite).collect::<Result<_, _>>()?)
            }
            Wire::Postgres(connection) => {
                let rows = postgres_query(sqlx::query(sql), values).fetch_all(&mut **connection).await;
                let rows = rows.map_err(|error| self.told.failed(error))?;
                rows.iter().map(Row::of_postgres).collect()
            }
        }
    }

    /// The first row.
    pub(crate) async fn row(
        &mut self,
        sql: impl Into<String>,
        values: Vec<Value>,
    ) -> Result<Option<Row>, PipelineError> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Changes rows; answers how many.
    pub(crate) async fn run(&mut self, sql: impl Into<String>, values: Vec<Value>) -> Result<u64, PipelineError> {
        let sql = AssertSqlSafe(sql.into());
        match &mut self.wire {
            Wire::Sqlite(connection) => {
                Ok(sqlite_query(sqlx::query(sql), values).execute(&mut **connection).await?.rows_affected())
            }
            Wire::Postgres(connection) => {
                let done = postgres_query(sqlx::query(sql), values).execute(&mut **connection).await;
                Ok(done.map_err(|error| self.told.failed(error))?.rows_affected())
            }
        }
    }
}

type SqliteQuery<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;
type PostgresQuery<'q> = sqlx::query::Query<'q, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn sqlite_query(query: SqliteQuery<'_>, values: Vec<Value>) -> SqliteQuery<'_> {
    values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Json(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

fn postgres_query(query: PostgresQuery<'_>, values: Vec<Value>) -> PostgresQuery<'_> {
    values.into_iter().fold(query, |query, value| match value {
        Value::Int(value) => query.bind(value),
        Value::Text(value) => query.bind(value.map(|text| escape(&text).into_owned())),
        Value::Json(value) => query.bind(value),
        Value::Bytes(value) => query.bind(value),
    })
}

/// The tables of one store, whichever database holds them. Cheap to clone.
#[derive(Clone)]
pub struct Tables(Inner);

#[derive(Clone)]
enum Inner {
    Sqlite(SqliteStore),
    Postgres(PostgresLink),
}

impl std::fmt::Debug for Tables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Inner::Sqlite(_) => "Tables(sqlite)",
            Inner::Postgres(_) => "Tables(postgres)",
        })
    }
}

impl Tables {
    pub(in crate::store) fn sqlite(store: SqliteStore) -> Self {
        Self(Inner::Sqlite(store))
    }

    pub(in crate::store) fn postgres(link: PostgresLink) -> Self {
        Self(Inner::Postgres(link))
    }

    /// Runs a reading `work`.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Link<'c>) -> BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        match &self.0 {
            Inner::Sqlite(store) => {
                let work = store.read(operation, move |connection| {
                    Box::pin(async move {
                        let mut told = Told::default();
                        work(Link::sqlite(connection, &mut told)).await
                    })
                });
                Box::pin(work).await
            }
            Inner::Postgres(link) => Box::pin(link.read(operation, work)).await,
        }
    }

    /// Runs `work` in a transaction together with the events that it wants told; returns when all is durable. It is tried once.
    pub(crate) async fn write<T, F>(
        &self,
        operation: &'static str,
        hooks: &std::sync::Arc<[WebhookInterest]>,
        work: F,
    ) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Link<'c>) -> BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        let hooks = hooks.clone();
        match &self.0 {
            Inner::Sqlite(store) => Box::pin(store.write_told(operation, hooks, work)).await,
            Inner::Postgres(link) => Box::pin(link.write(operation, &hooks, work)).await,
        }
    }
}

/// The longest that one piece of work may take.
pub(in crate::store) const LIMIT: Duration = Duration::from_secs(15);

/// Notes how long one operation took, waiting included.
pub(in crate::store) fn measure(operation: &'static str, started: Instant) {
    metrics::histogram!("chaperone_store_seconds", "operation" => operation).record(started.elapsed().as_secs_f64());
}
