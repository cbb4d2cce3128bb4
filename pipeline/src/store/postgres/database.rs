//! The pool of connections, and what every statement needs: a limit in time, a measure, and a second try when its connection
//! was lost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::FutureExt;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::watch;

use crate::error::PipelineError;

/// How long a statement waits for a connection: with the server down, everything fails after this time.
const ACQUIRE: Duration = Duration::from_secs(3);
/// The longest that one statement, or one batch, may take.
const LIMIT: Duration = Duration::from_secs(15);
/// Tries of what may be done again.
const TRIES: usize = 3;

/// The database, shared by all tasks of one store.
pub(super) struct Database {
    pub(super) pool: PgPool,
    doubt: Arc<Doubt>,
    /// The newest event's number.
    sequence: watch::Sender<i64>,
}

/// When a connection was last lost: all that are older are not used again, since a server that restarted has lost them all.
struct Doubt {
    base: Instant,
    lost_at_ms: AtomicU64,
}

impl Doubt {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// May a connection of this age still be good?
    fn trusts(&self, age: Duration) -> bool {
        let created = self.now_ms().saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        created >= self.lost_at_ms.load(Ordering::Relaxed)
    }
}

impl Database {
    /// A pool of at most `connections`, opened when needed.
    pub(super) fn new(options: PgConnectOptions, connections: u32, sequence: watch::Sender<i64>) -> Self {
        let doubt = Arc::new(Doubt { base: Instant::now(), lost_at_ms: AtomicU64::new(0) });
        let asked = Arc::clone(&doubt);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE)
            // A ping before each statement would double the round trips.
            .test_before_acquire(false)
            .before_acquire(move |_, meta| {
                let trusted = asked.trusts(meta.age);
                async move { Ok(trusted) }.boxed()
            })
            .connect_lazy_with(options);
        Self { pool, doubt, sequence }
    }

    /// Tells the readers in this process that events up to `sequence` are there.
    pub(super) fn raise(&self, sequence: i64) {
        raise(&self.sequence, sequence);
    }

    /// Runs `work`, at most [`LIMIT`] long.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        let answer = tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s", LIMIT.as_secs());
            Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, message)))
        });
        if answer.as_ref().is_err_and(lost) {
            self.doubt();
        }
        answer
    }

    /// A connection was lost: none that is open now is used again.
    pub(super) fn doubt(&self) {
        self.doubt.lost_at_ms.store(self.doubt.now_ms() + 1, Ordering::Relaxed);
    }

    /// As [`Self::within`], measured. For what must not be done twice.
    pub(super) async fn once<T>(
        &self,
        operation: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, PipelineError> {
        let started = Instant::now();
        let answer = self.within(work).await;
        measure(operation, started);
        Ok(answer?)
    }

    /// As [`Self::once`], but `work` is done again when its connection was lost or the server chose it as the victim of a
    /// deadlock. For what may be done twice.
    pub(super) async fn again<T, F: Future<Output = Result<T, sqlx::Error>>>(
        &self,
        operation: &'static str,
        mut work: impl FnMut() -> F,
    ) -> Result<T, PipelineError> {
        let started = Instant::now();
        let mut tries = 1;
        let answer = loop {
            match self.within(work()).await {
                Err(error) if tries < TRIES && (lost(&error) || victim(&error)) => tries += 1,
                answer => break answer,
            }
        };
        measure(operation, started);
        Ok(answer?)
    }
}

/// Sets the newest number; it never falls.
pub(super) fn raise(signal: &watch::Sender<i64>, sequence: i64) {
    signal.send_if_modified(|newest| {
        let newer = sequence > *newest;
        *newest = sequence.max(*newest);
        newer
    });
}

/// Notes how long one operation took, waiting included.
pub(super) fn measure(operation: &'static str, started: Instant) {
    metrics::histogram!("chaperone_store_seconds", "operation" => operation).record(started.elapsed().as_secs_f64());
}

/// Was the connection lost? Then nobody knows what became of the statement.
pub(super) fn lost(error: &sqlx::Error) -> bool {
    match error {
        // A timeout is not tried again: the caller has waited long enough.
        sqlx::Error::Io(io) => io.kind() != std::io::ErrorKind::TimedOut,
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // The server stops, or was hurt.
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
        }
        _ => false,
    }
}

/// Did the server undo it for another's sake?
fn victim(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database)
        if database.code().is_some_and(|code| code == "40001" || code == "40P01"))
}
