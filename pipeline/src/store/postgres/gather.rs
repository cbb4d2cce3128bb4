//! Gathers the requests of many callers into one statement.
//!
//! While one batch is on its way to the server and back, the next callers' requests collect in the channel; whoever is free
//! takes them all (up to `most`). A lone request waits for nobody.

use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::PipelineError;

/// Requests that wait at most; one more makes its caller wait.
const MAX_WAITING: usize = 1024;

type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, PipelineError>>);

/// Takes questions `Q`, gives answers `A`. Its tasks end when the last handle is dropped.
pub(super) struct Gather<Q, A> {
    inbox: mpsc::Sender<Waiting<Q, A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Starts `tasks` tasks. `work` answers a batch: one answer for each question, in the same order.
    pub(super) fn start<F>(name: &'static str, tasks: usize, most: usize, work: F) -> Self
    where
        F: Fn(Vec<Q>) -> BoxFuture<'static, Vec<Result<A, PipelineError>>> + Send + Sync + 'static,
    {
        let (inbox, requests) = mpsc::channel(MAX_WAITING);
        let (requests, work) = (Arc::new(Mutex::new(requests)), Arc::new(work));
        for _ in 0..tasks {
            tokio::spawn(run(name, Arc::clone(&requests), most, Arc::clone(&work)));
        }
        Self { inbox }
    }

    /// Asks, and waits for the answer. A caller that leaves does not undo what it asked for.
    pub(super) async fn ask(&self, question: Q) -> Result<A, PipelineError> {
        let (reply, answer) = oneshot::channel();
        self.inbox.send((question, reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

async fn run<Q, A, F>(
    name: &'static str,
    requests: Arc<Mutex<mpsc::Receiver<Waiting<Q, A>>>>,
    most: usize,
    work: Arc<F>,
) where
    F: Fn(Vec<Q>) -> BoxFuture<'static, Vec<Result<A, PipelineError>>>,
{
    let mut batch: Vec<Waiting<Q, A>> = Vec::with_capacity(most);
    loop {
        // Held while waiting: the others wait for the lock instead of the channel.
        if requests.lock().await.recv_many(&mut batch, most).await == 0 {
            return;
        }
        metrics::histogram!("chaperone_store_batch", "operation" => name).record(batch.len() as f64);
        let (questions, replies): (Vec<Q>, Vec<_>) = batch.drain(..).unzip();
        let mut answers = work(questions).await.into_iter();
        for reply in replies {
            // A caller that left does not want the answer.
            let _ = reply.send(answers.next().unwrap_or_else(|| Err(stopped())));
        }
    }
}

fn stopped() -> PipelineError {
    PipelineError::Unavailable { part: "store", message: "the task that talks to the database has stopped".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_gets_their_own_answer_and_batches_form() {
        let (sizes, mut seen) = mpsc::channel(500);
        let gather = Arc::new(Gather::start("test", 2, 16, move |batch: Vec<u32>| {
            let _ = sizes.try_send(batch.len());
            Box::pin(async move {
                tokio::task::yield_now().await;
                let answer = |n| if n % 7 == 0 { Err(stopped()) } else { Ok(n * 2) };
                batch.into_iter().map(answer).collect()
            })
        }));
        let asking = (1..=500_u32).map(|n| {
            let gather = Arc::clone(&gather);
            tokio::spawn(async move { (n, gather.ask(n).await) })
        });
        for (n, answer) in futures::future::try_join_all(asking).await.unwrap() {
            assert_eq!(answer.ok(), (n % 7 != 0).then_some(n * 2));
        }
        drop(gather);
        let mut batches = Vec::new();
        while let Some(size) = seen.recv().await {
            batches.push(size);
        }
        assert_eq!(batches.iter().sum::<usize>(), 500);
        assert!(batches.len() < 250 && batches.iter().all(|size| *size <= 16), "{batches:?}");
    }
}
