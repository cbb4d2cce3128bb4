//! One task owns the writing connection and commits many callers' writes together.
//!
//! A commit costs one disk flush, whatever is in it. While one runs, the next callers' operations collect in the
//! channel; the writer takes them all (up to [`MAX_BATCH`]) into one transaction. Each operation has a savepoint of its
//! own, so that one that fails spoils only itself. Nobody is answered before the commit.

use std::time::Instant;

use futures::future::BoxFuture;
use sqlx::{Connection, SqliteConnection, sqlite::SqliteQueryResult};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::PipelineError;

/// Operations that one transaction holds at most.
const MAX_BATCH: usize = 256;
/// Operations that wait for the writer at most; one more makes its caller wait.
const MAX_WAITING: usize = 1024;

/// What an operation works on.
pub(super) struct Scope {
    /// Inside a transaction.
    pub(super) connection: SqliteConnection,
    /// The newest event that this transaction appended.
    pub(super) appended: Option<i64>,
}

/// An operation, whatever it answers.
trait Operation: Send {
    fn apply<'c>(&'c mut self, scope: &'c mut Scope) -> BoxFuture<'c, bool>;
    fn answer(self: Box<Self>, committed: Result<(), PipelineError>);
}

struct Pending<T, F> {
    work: Option<F>,
    result: Option<Result<T, PipelineError>>,
    reply: oneshot::Sender<Result<T, PipelineError>>,
}

impl<T, F> Operation for Pending<T, F>
where
    T: Send,
    F: for<'c> FnOnce(&'c mut Scope) -> BoxFuture<'c, Result<T, PipelineError>> + Send,
{
    fn apply<'c>(&'c mut self, scope: &'c mut Scope) -> BoxFuture<'c, bool> {
        Box::pin(async move {
            let Some(work) = self.work.take() else { return false };
            let result = work(scope).await;
            let done = result.is_ok();
            self.result = Some(result);
            done
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), PipelineError>) {
        let result = match (committed, self.result) {
            (_, Some(Err(own))) => Err(own),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(shared), _) => Err(shared),
            (Ok(()), None) => Err(stopped()),
        };
        // A caller that left does not want the answer.
        let _ = self.reply.send(result);
    }
}

/// Sends operations to the writer's task. The task ends when the last handle is dropped.
#[derive(Clone)]
pub(super) struct Writer {
    inbox: mpsc::Sender<Box<dyn Operation>>,
}

impl Writer {
    /// Starts the task. `signal` is set to the newest event's sequence after each commit that appended one.
    pub(super) fn start(connection: SqliteConnection, signal: watch::Sender<i64>) -> Self {
        let (inbox, operations) = mpsc::channel(MAX_WAITING);
        tokio::spawn(run(Scope { connection, appended: None }, operations, signal));
        Self { inbox }
    }

    /// Runs `work` in a transaction; returns when it is durable. A caller that leaves does not undo it.
    pub(super) async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Scope) -> BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        let started = Instant::now();
        let (reply, answer) = oneshot::channel();
        let pending = Pending { work: Some(work), result: None, reply };
        self.inbox.send(Box::new(pending)).await.map_err(|_| stopped())?;
        let result = answer.await.map_err(|_| stopped())?;
        measure(operation, started);
        result
    }
}

/// Notes how long one operation took, waiting included.
pub(super) fn measure(operation: &'static str, started: Instant) {
    metrics::histogram!("chaperone_store_seconds", "operation" => operation).record(started.elapsed().as_secs_f64());
}

fn stopped() -> PipelineError {
    PipelineError::Unavailable { part: "store", message: "the writer has stopped".into() }
}

async fn run(mut scope: Scope, mut operations: mpsc::Receiver<Box<dyn Operation>>, signal: watch::Sender<i64>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    while operations.recv_many(&mut batch, MAX_BATCH).await > 0 {
        metrics::histogram!("chaperone_store_commit_operations").record(batch.len() as f64);
        let committed = commit(&mut scope, &mut batch).await;
        match (&committed, scope.appended.take()) {
            (Ok(()), Some(sequence)) => {
                signal.send_replace(sequence);
            }
            (Err(error), _) => {
                tracing::error!(store.error = %error, "a transaction was lost");
                let _ = control(&mut scope, "ROLLBACK").await;
            }
            (Ok(()), None) => {}
        }
        for operation in batch.drain(..) {
            operation.answer(committed.clone());
        }
    }
    if let Err(error) = scope.connection.close().await {
        tracing::warn!(store.error = %error, "the store did not close cleanly");
    }
}

/// One transaction. `Err` means that nothing of it was written.
async fn commit(scope: &mut Scope, batch: &mut [Box<dyn Operation>]) -> Result<(), PipelineError> {
    control(scope, "BEGIN IMMEDIATE; SAVEPOINT operation").await?;
    let mut fresh = true;
    for operation in batch {
        if !fresh {
            control(scope, "RELEASE operation; SAVEPOINT operation").await?;
        }
        let before = scope.appended;
        fresh = !operation.apply(scope).await;
        if fresh {
            scope.appended = before;
            control(scope, "ROLLBACK TO operation").await?;
        }
    }
    control(scope, "RELEASE operation; COMMIT").await?;
    Ok(())
}

async fn control(scope: &mut Scope, sql: &'static str) -> Result<SqliteQueryResult, PipelineError> {
    Ok(sqlx::query(sql).execute(&mut scope.connection).await?)
}
