//! Notices from the platform's bus: received, put into effect, settled.
//!
//! Notices of one person go through one lane, in the order in which they came; lanes run side by side. One that has to wait for a
//! part that is down is overtaken by those behind it, which does no harm: effects go by the time of what happened.

use std::{
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    panic::AssertUnwindSafe,
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use pipeline::{
    PipelineError,
    notice::Notice,
    process::notices::{Applied, is_final},
    queue::{NoticeDelivery, Queue},
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// Notices that are put into effect at once.
const LANES: usize = 16;
/// Notices that wait in one lane.
const PER_LANE: usize = 4;
/// Wait before a notice is tried again when a part is down.
const AGAIN: Duration = Duration::from_secs(1);

/// What is done with a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// It is in effect, or nobody here knows its type.
    Ack,
    /// A part is down.
    Again,
    /// It will never be right; the stable code of why.
    Reject(&'static str),
}

/// Decides about a notice by what came of it.
pub fn next_step(applied: &Result<Applied, PipelineError>) -> Step {
    match applied {
        Ok(Applied::Done | Applied::Ignored) => Step::Ack,
        Err(PipelineError::Invalid { code, .. } | PipelineError::Conflict { code, .. }) => Step::Reject(code),
        Err(error) if is_final(error) => Step::Reject("not_found"),
        Err(_) => Step::Again,
    }
}

/// Receives until `stop` or until the queue is closed, then waits for what is in flight. `apply` is `Pipeline::apply`, or a test's
/// stand-in. Dropped before: the notices go back.
pub async fn run<P, F>(queue: Arc<dyn Queue>, apply: P, stop: CancellationToken)
where
    P: Fn(Notice) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Applied, PipelineError>> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let lanes: Vec<mpsc::Sender<NoticeDelivery>> = (0..LANES)
        .map(|_| {
            let (lane, waiting) = mpsc::channel(PER_LANE);
            tasks.spawn(work(waiting, apply.clone()));
            lane
        })
        .collect();
    while let Some(Some(delivery)) = stop.run_until_cancelled(queue.receive_notice()).await {
        // A full lane holds the loop back: the broker keeps the rest.
        if lanes[lane(&delivery)].send(delivery).await.is_err() {
            // A lane ends only by a panic, which has been reported; its delivery went back when it was dropped.
            break;
        }
    }
    drop(lanes);
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a lane of notices failed");
        }
    }
}

fn lane(delivery: &NoticeDelivery) -> usize {
    let Ok(notice) = &delivery.notice else { return 0 };
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(notice.subject());
    (hash % LANES as u64) as usize
}

async fn work<P, F>(mut waiting: mpsc::Receiver<NoticeDelivery>, apply: P)
where
    P: Fn(Notice) -> F,
    F: Future<Output = Result<Applied, PipelineError>>,
{
    while let Some(delivery) = waiting.recv().await {
        let (id, applied) = match &delivery.notice {
            Ok(notice) => {
                let id = notice.id.clone();
                match AssertUnwindSafe(async { apply(notice.clone()).await }).catch_unwind().await {
                    Ok(applied) => (id, applied),
                    // Our defect, but one that this notice meets each time.
                    Err(_) => {
                        (id, Err(PipelineError::invalid("panicked", "its processing panicked: the log has the place")))
                    }
                }
            }
            Err(error) => {
                let labels = [("type", "unreadable"), ("result", "refused")];
                metrics::counter!("chaperone_notices_total", &labels).increment(1);
                (String::new(), Err(error.clone()))
            }
        };
        if let Err(error) = &applied {
            // Messages of notices name fields, never values.
            tracing::warn!(notice.id = id, %error, "a notice of the platform has no effect");
        }
        let settled = match next_step(&applied) {
            Step::Ack => delivery.ack().await,
            Step::Again => delivery.retry(AGAIN).await,
            Step::Reject(code) => delivery.reject(code).await,
        };
        if let Err(error) = settled {
            tracing::warn!(notice.id = id, %error, "a notice cannot be settled: it comes again");
        }
    }
}

#[cfg(test)]
mod tests;
