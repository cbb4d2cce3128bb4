//! One delivery: do the work within its time, then settle. What becomes of it is a pure table ([`decide`]).

use std::{panic::AssertUnwindSafe, time::Duration};

use futures::FutureExt;
use models::{ModelError, error::Kind};
use pipeline::{
    PipelineError,
    process::{Processed, stage},
    queue::Delivery,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::{Backoff, Jitter},
    breaker::{Gate, is_store_away},
};

/// A delivery whose store is down is held so long; then it goes back to the queue, where another process may get it. Well below the half hour
/// after which RabbitMQ takes an unsettled message away.
pub const HOLD: Duration = Duration::from_secs(60);

/// What decides about a try that failed.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Tries before an item that breaks us is dead-lettered.
    pub max_attempts: u32,
    /// Time that one try may take.
    pub limit: Duration,
    /// Waits while a part is busy or away.
    pub away: Backoff,
    /// Waits after our own fault.
    pub broken: Backoff,
}

impl Rules {
    /// The product's waits with the configured limits.
    pub fn new(max_attempts: u32, limit: Duration) -> Self {
        let away = Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) };
        let broken = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };
        Self { max_attempts, limit, away, broken }
    }
}

/// Why one try failed, as far as the decision needs to know. `code` is stable and holds no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The item is wrong: another try would end the same.
    Refused {
        /// The error's code.
        code: &'static str,
    },
    /// A part is busy or away: the same try succeeds later.
    Away {
        /// Shortest wait that makes sense, when the part said so.
        at_least: Duration,
    },
    /// A live frame that became too old: another try would find it older.
    Late,
    /// Our fault: perhaps another try succeeds.
    Broken {
        /// The error's code.
        code: &'static str,
    },
}

impl Failure {
    /// Reads an error of the pipeline.
    pub fn of(error: &PipelineError) -> Self {
        match error {
            PipelineError::Invalid { code, .. } | PipelineError::Conflict { code, .. } => Self::Refused { code },
            PipelineError::Stale { .. } => Self::Late,
            PipelineError::NotFound { .. } => Self::Refused { code: "not_found" },
            PipelineError::Full { retry_after_s, .. } => {
                Self::Away { at_least: Duration::from_secs(u64::from(*retry_after_s)) }
            }
            // The configuration asks for a model that is not there: no fault of the item.
            PipelineError::Model(ModelError::UnknownModel(_)) => Self::Broken { code: "model_not_loaded" },
            other => match other.kind() {
                Kind::TooBusy | Kind::Unavailable => Self::Away { at_least: Duration::ZERO },
                Kind::Internal => Self::Broken { code: "internal" },
                Kind::Invalid => Self::Refused { code: "model_input" },
                Kind::NotFound | Kind::Conflict | Kind::Unauthenticated | Kind::Forbidden => {
                    Self::Refused { code: "refused" }
                }
            },
        }
    }
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The outcome is recorded: forget the item.
    Ack,
    /// Forget the item although it has no outcome: it is worthless now.
    Shed,
    /// Again, after this wait.
    Retry(Duration),
    /// Give up, with this reason.
    DeadLetter(&'static str),
}

/// Decides about try number `attempt` (from 1) that ended in `failure`, or well when `None`. `jitter` in 0..1.
pub fn decide(failure: Option<Failure>, attempt: u32, rules: &Rules, jitter: f64) -> Decision {
    match failure {
        None => Decision::Ack,
        Some(Failure::Late) => Decision::Shed,
        Some(Failure::Refused { code }) => Decision::DeadLetter(code),
        Some(Failure::Away { at_least }) => Decision::Retry(rules.away.wait(attempt, jitter).max(at_least)),
        Some(Failure::Broken { code }) if attempt >= rules.max_attempts => Decision::DeadLetter(code),
        Some(Failure::Broken { .. }) => Decision::Retry(rules.broken.wait(attempt, jitter)),
    }
}

/// What every delivery of a process is handled with.
#[derive(Clone)]
pub struct Terms {
    /// What decides about failures.
    pub rules: Rules,
    /// Spreads retries.
    pub jitter: Jitter,
    /// Shut while the store is down.
    pub gate: Gate,
    /// Longest time that a delivery is held while the store is down: [`HOLD`].
    pub hold: Duration,
    /// Nothing is held any longer.
    pub stop: CancellationToken,
}

/// How one try ended.
enum Tried {
    Well,
    Failed(Failure, Option<String>),
    /// The store did not answer: no fault of the item, and no use to give it to anybody else.
    StoreAway(String),
}

/// One try within its time. A panic counts as our fault and goes no further.
async fn try_once(work: impl Future<Output = Result<Processed, PipelineError>>, terms: &Terms) -> Tried {
    // A panic leaves nothing half-changed behind: the work's own state is dropped with it, what it shares is written in transactions.
    let tried = tokio::time::timeout(terms.rules.limit, AssertUnwindSafe(work).catch_unwind()).await;
    match tried {
        Ok(Ok(result)) => {
            terms.gate.learn(&result);
            match result {
                Ok(_) => Tried::Well,
                Err(error) if is_store_away(&error) => Tried::StoreAway(error.to_string()),
                Err(error) => Tried::Failed(Failure::of(&error), loggable(&error)),
            }
        }
        Ok(Err(_panic)) => Tried::Failed(Failure::Broken { code: "panicked" }, None),
        Err(_elapsed) => {
            // Perhaps a store that hangs instead of failing: a knock will tell.
            terms.gate.suspect();
            Tried::Failed(Failure::Broken { code: "timed_out" }, None)
        }
    }
}

/// Runs `work` on `delivery` and settles it. While the store is down it is held, and tried again here when the store is back.
pub async fn handle<F>(delivery: Delivery, mut work: impl FnMut() -> F, terms: &Terms) -> Decision
where
    F: Future<Output = Result<Processed, PipelineError>>,
{
    let Terms { rules, jitter, gate, hold, stop } = terms;
    let held_until = Instant::now() + *hold;
    let mut tries = 0;
    let (failure, cause) = loop {
        // A service that stops still does what it has in hand, unless it would have to wait for that.
        let goes_on = gate.is_open()
            || matches!(tokio::time::timeout_at(held_until, stop.run_until_cancelled(gate.pass())).await, Ok(Some(())));
        if !goes_on {
            break (Some(Failure::Away { at_least: Duration::ZERO }), Some("the store is down".to_owned()));
        }
        match try_once(work(), terms).await {
            Tried::Well => break (None, None),
            Tried::Failed(failure, cause) => break (Some(failure), cause),
            Tried::StoreAway(cause) if Instant::now() >= held_until || stop.is_cancelled() => {
                break (Some(Failure::Away { at_least: Duration::ZERO }), Some(cause));
            }
            Tried::StoreAway(_) => {
                tries += 1;
                let wait = tokio::time::sleep(rules.away.wait(tries, jitter.draw()));
                stop.run_until_cancelled(wait).await;
            }
        }
    };
    let (id, lane, attempt) = (delivery.item().envelope.id, delivery.lane().as_str(), delivery.attempt());
    let decision = decide(failure, attempt, rules, jitter.draw());
    let (result, settled) = match decision {
        Decision::Ack => {
            let begun = Instant::now();
            let acked = delivery.ack().await;
            stage::SETTLE.took(begun.elapsed());
            ("ack", acked)
        }
        Decision::Shed => ("shed", delivery.ack().await),
        Decision::Retry(after) => {
            tracing::warn!(item.id = %id, item.lane = lane, attempt, ?failure, cause, ?after, "try failed, again later");
            ("retry", delivery.retry(after).await)
        }
        Decision::DeadLetter(reason) => {
            tracing::error!(item.id = %id, item.lane = lane, attempt, reason, cause, "item given up");
            ("dead_letter", delivery.dead_letter(reason).await)
        }
    };
    metrics::counter!("chaperone_deliveries_total", "lane" => lane, "result" => result).increment(1);
    if let Err(error) = settled {
        // Nothing is lost: what is not settled is delivered again, and an outcome that is there is not written twice.
        tracing::warn!(item.id = %id, result, %error, "could not settle a delivery");
    }
    decision
}

/// The words of an error that are meant for the log. Those about an item are not: they might quote it.
fn loggable(error: &PipelineError) -> Option<String> {
    matches!(error.kind(), Kind::Internal | Kind::Unavailable | Kind::TooBusy).then(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fixtures::{Settled, item, processed, settlements};

    const RULES: Rules = Rules {
        max_attempts: 5,
        limit: Duration::from_millis(50),
        away: Backoff { first: Duration::from_millis(200), most: Duration::from_secs(30) },
        broken: Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) },
    };

    fn terms() -> Terms {
        let jitter = Jitter::from_fn(|| 1.0);
        Terms { rules: RULES, gate: Gate::new(jitter.clone()), jitter, hold: HOLD, stop: CancellationToken::new() }
    }

    fn internal() -> PipelineError {
        PipelineError::Internal { part: "store", message: "disk".into() }
    }

    fn unavailable() -> PipelineError {
        PipelineError::Unavailable { part: "store", message: "gone".into() }
    }

    #[test]
    fn i7_what_becomes_of_a_delivery() {
        let refused = |code| Some(Failure::Refused { code });
        let away = |seconds| Some(Failure::Away { at_least: Duration::from_secs(seconds) });
        let broken = |code| Some(Failure::Broken { code });
        let retry = |millis| Decision::Retry(Duration::from_millis(millis));
        let table = [
            (None, 1, Decision::Ack),
            (None, 99, Decision::Ack),
            (Some(Failure::Late), 1, Decision::Shed),
            (Some(Failure::Late), 99, Decision::Shed),
            (refused("text_too_long"), 1, Decision::DeadLetter("text_too_long")),
            (refused("text_too_long"), 99, Decision::DeadLetter("text_too_long")),
            (away(0), 1, retry(200)),
            (away(0), 2, retry(400)),
            (away(0), 6, retry(6_400)),
            (away(0), 1_000, retry(30_000)),
            (away(3), 1, retry(3_000)),
            (away(3), 7, retry(12_800)),
            (broken("internal"), 1, retry(1_000)),
            (broken("internal"), 4, retry(8_000)),
            (broken("internal"), 5, Decision::DeadLetter("internal")),
            (broken("timed_out"), 6, Decision::DeadLetter("timed_out")),
        ];
        for (failure, attempt, expected) in table {
            assert_eq!(decide(failure, attempt, &RULES, 1.0), expected, "{failure:?}, attempt {attempt}");
        }
    }

    #[test]
    fn jitter_shortens_a_wait_by_at_most_half() {
        let failure = Some(Failure::Broken { code: "internal" });
        assert_eq!(decide(failure, 1, &RULES, 0.0), Decision::Retry(Duration::from_millis(500)));
    }

    #[test]
    fn errors_are_read_by_what_helps() {
        let table = [
            (PipelineError::invalid("image_truncated", "…"), Failure::Refused { code: "image_truncated" }),
            (PipelineError::NotFound { what: "call", id: "c".into() }, Failure::Refused { code: "not_found" }),
            (
                PipelineError::Conflict { code: "call_ended", message: "…".into() },
                Failure::Refused { code: "call_ended" },
            ),
            (
                PipelineError::Full { what: "model", retry_after_s: 2 },
                Failure::Away { at_least: Duration::from_secs(2) },
            ),
            (PipelineError::Stale { age_ms: 2001 }, Failure::Late),
            (unavailable(), Failure::Away { at_least: Duration::ZERO }),
            (ModelError::Stopped("m".into()).into(), Failure::Away { at_least: Duration::ZERO }),
            (ModelError::Full { model: "m".into(), waiting: 4096 }.into(), Failure::Away { at_least: Duration::ZERO }),
            (ModelError::InvalidInput("…".into()).into(), Failure::Refused { code: "model_input" }),
            (ModelError::UnknownModel("m".into()).into(), Failure::Broken { code: "model_not_loaded" }),
            (ModelError::Backend { backend: "ort", message: "…".into() }.into(), Failure::Broken { code: "internal" }),
            (internal(), Failure::Broken { code: "internal" }),
        ];
        for (error, expected) in table {
            assert_eq!(Failure::of(&error), expected, "{error:?}");
        }
    }

    /// Handles one delivery of try number `attempt` and answers how it was settled.
    async fn settle(attempt: u32, work: impl Future<Output = Result<Processed, PipelineError>>) -> Settled {
        let (settle, seen) = settlements();
        let delivery = Delivery::new(item("hello"), models::Lane::Bulk, attempt, Arc::new(settle));
        let mut work = Some(work);
        handle(delivery, || work.take().unwrap(), &terms()).await;
        let mut seen = seen.lock().unwrap().clone();
        assert_eq!(seen.len(), 1, "settled more than once: {seen:?}");
        seen.remove(0).1
    }

    #[tokio::test]
    async fn i7_a_delivery_is_settled_once_whatever_happens() {
        let done = || async { Ok(processed(true)) };
        assert_eq!(settle(1, done()).await, Settled::Ack);
        assert_eq!(settle(1, async { Ok(processed(false)) }).await, Settled::Ack);
        assert_eq!(
            settle(1, async { Err(PipelineError::invalid("text_empty", "secret words")) }).await,
            Settled::Dead("text_empty".into())
        );
        assert_eq!(settle(1, async { Err(PipelineError::Stale { age_ms: 2001 }) }).await, Settled::Ack, "given up");
        let full = || PipelineError::Full { what: "model", retry_after_s: 0 };
        assert_eq!(settle(1, async { Err(full()) }).await, Settled::Retry(Duration::from_millis(200)));
        assert_eq!(settle(1, async { Err(internal()) }).await, Settled::Retry(Duration::from_secs(1)));
        assert_eq!(settle(5, async { Err(internal()) }).await, Settled::Dead("internal".into()));
    }

    #[tokio::test]
    async fn i7_a_panic_counts_as_a_failed_try() {
        let panics = || async { panic!("a defect") };
        assert_eq!(settle(1, panics()).await, Settled::Retry(Duration::from_secs(1)));
        assert_eq!(settle(5, panics()).await, Settled::Dead("panicked".into()));
    }

    #[tokio::test]
    async fn i7_work_that_never_ends_is_cut_off() {
        assert_eq!(settle(1, std::future::pending()).await, Settled::Retry(Duration::from_secs(1)));
        assert_eq!(settle(5, std::future::pending()).await, Settled::Dead("timed_out".into()));
    }

    /// Fails because the store is away until the gate shuts, and works once it is open again.
    #[tokio::test]
    async fn i7_a_delivery_is_held_while_the_store_is_down_and_no_try_is_counted() {
        let (settle, seen) = settlements();
        let delivery = Delivery::new(item("hello"), models::Lane::Bulk, 1, Arc::new(settle));
        let (terms, mut tries) = (terms(), 0);
        let mut work = || {
            tries += 1;
            let result = if tries <= 3 { Err(unavailable()) } else { Ok(processed(true)) };
            async { result }
        };
        let knocking = tokio::spawn(terms.gate.clone().knock(crate::fixtures::empty_store().await, terms.stop.clone()));
        assert_eq!(handle(delivery, &mut work, &terms).await, Decision::Ack);
        assert_eq!((tries, seen.lock().unwrap()[0].1.clone()), (4, Settled::Ack));
        terms.stop.cancel();
        knocking.await.unwrap();
    }

    #[tokio::test]
    async fn i7_what_is_held_goes_back_when_the_store_stays_down_or_the_service_stops() {
        for stops in [false, true] {
            let (settle, seen) = settlements();
            let delivery = Delivery::new(item("hello"), models::Lane::Bulk, 7, Arc::new(settle));
            let hold = if stops { HOLD } else { Duration::from_millis(300) };
            let terms = Terms { hold, ..terms() };
            let stop = terms.stop.clone();
            let stopper = async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                if stops {
                    stop.cancel();
                }
            };
            let started = Instant::now();
            let (decision, ()) = tokio::join!(handle(delivery, || async { Err(unavailable()) }, &terms), stopper);
            assert!(matches!(decision, Decision::Retry(_)), "{decision:?}");
            assert!(matches!(seen.lock().unwrap()[0].1, Settled::Retry(_)));
            let most = Duration::from_secs(10);
            assert!(started.elapsed() <= most, "held for {:?}", started.elapsed());
        }
    }

    #[tokio::test]
    async fn i7_a_dropped_task_gives_its_delivery_back() {
        let (settle, seen) = settlements();
        let delivery = Delivery::new(item("hello"), models::Lane::Bulk, 1, Arc::new(settle));
        let terms = terms();
        let never = handle(delivery, std::future::pending, &terms);
        let cut = tokio::time::timeout(Duration::from_millis(10), never).await;
        assert!(cut.is_err());
        assert_eq!(seen.lock().unwrap()[0].1, Settled::Abandoned);
    }
}
