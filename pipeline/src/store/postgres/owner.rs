//! One process owns the journal: a session lock in the database, on a connection that is kept for as long as the process lives.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;

use crate::error::PipelineError;

/// The lock's number, ours alone in this database.
const LOCK: i64 = 0x63_68_61_70_65_72_6f_6e;
/// Tries, and the pause between them: a process that has just died lets go of the lock within a moment.
const TRIES: u32 = 15;
const PAUSE: Duration = Duration::from_millis(200);
/// How often the connection is looked after.
const LOOK: Duration = Duration::from_secs(5);
/// Longest time that a connection, or a sign of life on it, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// The right to the journal.
pub(super) struct Owner {
    options: PgConnectOptions,
    held: Mutex<Option<PgConnection>>,
    kept: AtomicBool,
    /// Another process took the journal while the database was away.
    lost: AtomicBool,
}

impl Owner {
    pub(super) fn new(options: PgConnectOptions) -> Arc<Self> {
        let (kept, lost) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { options, held: Mutex::new(None), kept, lost })
    }

    /// Takes the journal for this process, once and for all. A `Conflict` when another has it.
    pub(super) async fn take(self: &Arc<Self>) -> Result<(), PipelineError> {
        self.hold().await?;
        if !self.kept.swap(true, Ordering::Relaxed) {
            let owner = Arc::downgrade(self);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(LOOK).await;
                    let Some(owner) = owner.upgrade() else { return };
                    owner.look().await;
                }
            });
        }
        Ok(())
    }

    /// May this process write the journal? It may until somebody else is known to have it.
    pub(super) fn check(&self) -> Result<(), PipelineError> {
        match self.lost.load(Ordering::Relaxed) {
            false => Ok(()),
            true => Err(PipelineError::Unavailable {
                part: "store",
                message: "another process took over the embedded queue's journal: stop one of the two".into(),
            }),
        }
    }

    async fn look(&self) {
        match self.hold().await {
            Ok(()) => self.lost.store(false, Ordering::Relaxed),
            Err(error @ PipelineError::Conflict { .. }) => {
                self.lost.store(true, Ordering::Relaxed);
                tracing::error!(store.error = %error, "the journal was lost to another process");
            }
            // The database is away; whoever needs it says so.
            Err(_) => {}
        }
    }

    async fn hold(&self) -> Result<(), PipelineError> {
        let mut held = self.held.lock().await;
        if let Some(connection) = held.as_mut() {
            if matches!(tokio::time::timeout(PATIENCE, connection.ping()).await, Ok(Ok(()))) {
                return Ok(());
            }
            *held = None;
        }
        let late = |_| PipelineError::Unavailable { part: "store", message: "no connection for the journal".into() };
        let mut connection = tokio::time::timeout(PATIENCE, self.options.connect()).await.map_err(late)??;
        for turn in 1..=TRIES {
            let taken: bool =
                sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK).fetch_one(&mut connection).await?;
            if taken {
                *held = Some(connection);
                return Ok(());
            }
            if turn < TRIES {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Err(PipelineError::Conflict {
            code: "journal_taken",
            message:
                "another process holds the embedded queue's journal in this database: set queue.url to amqp://… when \
                      several processes share a store, or stop the other process"
                    .into(),
        })
    }
}
