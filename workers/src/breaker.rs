//! The store is down: stop taking work, hold what is in flight, knock, and go on by ourselves when it is back.
//!
//! The rule is pure ([`Breaker`]); [`Gate`] shares it between the loops of one process. An item that meets a store that is down waits in
//! its task and is tried again there: it goes back to nobody, and no try is counted against it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use pipeline::{PipelineError, store::Store};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::backoff::{Backoff, Jitter};

/// Failures in a row that open it: one alone may be a connection that was closed while it was idle.
const THRESHOLD: u32 = 3;
/// Waits between two knocks.
const KNOCKING: Backoff = Backoff { first: Duration::from_millis(250), most: Duration::from_secs(5) };
/// A knock without an answer has failed after this.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Work goes on. `failures` in a row so far.
    Closed {
        /// Since the last success.
        failures: u32,
    },
    /// Nothing is tried before the wait is over. `knocks` have failed since it opened.
    Open {
        /// Since it opened.
        knocks: u32,
    },
    /// One probe is on its way; its result decides.
    HalfOpen {
        /// Failed before this one.
        knocks: u32,
    },
}

/// The rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    threshold: u32,
    knocking: Backoff,
}

impl Breaker {
    /// Closed. Opens after `threshold` failures in a row.
    pub fn new(threshold: u32, knocking: Backoff) -> Self {
        Self { state: State::Closed { failures: 0 }, threshold: threshold.max(1), knocking }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// May work be begun?
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    /// Work succeeded.
    pub fn succeeded(&mut self) {
        // Only a probe closes it: what succeeds now may have begun before it opened.
        if self.is_closed() {
            self.state = State::Closed { failures: 0 };
        }
    }

    /// Work failed because the part did not answer.
    pub fn failed(&mut self) {
        if let State::Closed { failures } = self.state {
            let failures = failures + 1;
            self.state =
                if failures >= self.threshold { State::Open { knocks: 0 } } else { State::Closed { failures } };
        }
    }

    /// How long to wait before the next probe; `None`: it is closed, or a probe is on its way. `jitter` in 0..1.
    pub fn wait(&self, jitter: f64) -> Option<Duration> {
        match self.state {
            State::Open { knocks } => Some(self.knocking.wait(knocks + 1, jitter)),
            State::Closed { .. } | State::HalfOpen { .. } => None,
        }
    }

    /// The wait is over: the one who gets `true` probes.
    pub fn probe(&mut self) -> bool {
        match self.state {
            State::Open { knocks } => {
                self.state = State::HalfOpen { knocks };
                true
            }
            State::Closed { .. } | State::HalfOpen { .. } => false,
        }
    }

    /// What the probe found.
    pub fn probed(&mut self, up: bool) {
        if let State::HalfOpen { knocks } = self.state {
            self.state = if up { State::Closed { failures: 0 } } else { State::Open { knocks: knocks + 1 } };
        }
    }
}

/// One breaker for all loops of a process.
#[derive(Clone)]
pub struct Gate {
    breaker: Arc<Mutex<Breaker>>,
    open: Arc<watch::Sender<bool>>,
    jitter: Jitter,
}

impl Gate {
    /// Work may begin. `jitter` spreads the knocks of several processes.
    pub fn new(jitter: Jitter) -> Self {
        let breaker = Arc::new(Mutex::new(Breaker::new(THRESHOLD, KNOCKING)));
        Self { breaker, open: Arc::new(watch::Sender::new(true)), jitter }
    }

    /// Applies `change`, then tells those who wait.
    fn with<T>(&self, change: impl FnOnce(&mut Breaker) -> T) -> T {
        // The rule cannot panic halfway.
        let mut breaker = self.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = change(&mut breaker);
        let is_open = breaker.is_closed();
        self.open.send_if_modified(|open| std::mem::replace(open, is_open) != is_open);
        answer
    }

    /// May work begin now?
    pub fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until work may begin.
    pub async fn pass(&self) {
        // The sender lives as long as this.
        let _ = self.open.subscribe().wait_for(|open| *open).await;
    }

    /// Learns from the end of one piece of work.
    pub fn learn<T>(&self, result: &Result<T, PipelineError>) {
        match result {
            Err(error) if is_store_away(error) => self.with(Breaker::failed),
            // Other errors say nothing of the store.
            Err(_) => {}
            Ok(_) => self.with(Breaker::succeeded),
        }
    }

    /// Something hung that the store may be the cause of: counts as a failure; when the store is well, the first knock opens the gate.
    pub fn suspect(&self) {
        self.with(Breaker::failed);
    }

    /// Knocks at the store while work may not begin, until `stop`.
    pub async fn knock(self, store: Arc<dyn Store>, stop: CancellationToken) {
        let mut seen = self.open.subscribe();
        let gauge = metrics::gauge!("chaperone_store_breaker_open");
        gauge.set(0.0);
        loop {
            let shut = async { seen.wait_for(|open| !*open).await.is_ok() };
            if stop.run_until_cancelled(shut).await != Some(true) {
                return;
            }
            tracing::error!("the store does not answer: no work is taken until it does; what is in flight is held");
            gauge.set(1.0);
            while let Some(wait) = self.with(|breaker| breaker.wait(self.jitter.draw())) {
                if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                    return;
                }
                if self.with(Breaker::probe) {
                    let up = matches!(tokio::time::timeout(PATIENCE, store.health()).await, Ok(Ok(())));
                    self.with(|breaker| breaker.probed(up));
                }
            }
            gauge.set(0.0);
            tracing::info!("the store answers again: work goes on");
        }
    }
}

/// Is it the store that does not answer?
pub fn is_store_away(error: &PipelineError) -> bool {
    matches!(error, PipelineError::Unavailable { part: "store", .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(8) };

    #[derive(Debug, Clone, Copy)]
    enum Step {
        Failed,
        Succeeded,
        Probe,
        ProbedUp,
        ProbedDown,
    }

    #[test]
    fn i7_the_breaker_as_a_table() {
        use State::{Closed, HalfOpen, Open};
        use Step::{Failed, Probe, ProbedDown, ProbedUp, Succeeded};
        let table: [(&[Step], State, Option<u64>); 11] = [
            (&[], Closed { failures: 0 }, None),
            (&[Failed, Failed], Closed { failures: 2 }, None),
            (&[Failed, Failed, Succeeded, Failed], Closed { failures: 1 }, None),
            (&[Failed, Failed, Failed], Open { knocks: 0 }, Some(1)),
            // Stragglers change nothing.
            (&[Failed, Failed, Failed, Failed, Succeeded], Open { knocks: 0 }, Some(1)),
            (&[Failed, Failed, Failed, Probe], HalfOpen { knocks: 0 }, None),
            (&[Failed, Failed, Failed, Probe, Succeeded, Failed], HalfOpen { knocks: 0 }, None),
            (&[Failed, Failed, Failed, Probe, ProbedDown], Open { knocks: 1 }, Some(2)),
            (&[Failed, Failed, Failed, Probe, ProbedDown, Probe, ProbedDown], Open { knocks: 2 }, Some(4)),
            (&[Failed, Failed, Failed, Probe, ProbedDown, Probe, ProbedUp], Closed { failures: 0 }, None),
            (&[Probe, ProbedDown], Closed { failures: 0 }, None),
        ];
        for (steps, state, wait) in table {
            let mut breaker = Breaker::new(3, BACKOFF);
            for step in steps {
                match step {
                    Failed => breaker.failed(),
                    Succeeded => breaker.succeeded(),
                    Probe => drop(breaker.probe()),
                    ProbedUp => breaker.probed(true),
                    ProbedDown => breaker.probed(false),
                }
            }
            assert_eq!((breaker.state(), breaker.wait(1.0)), (state, wait.map(Duration::from_secs)), "{steps:?}");
        }
    }

    #[test]
    fn i7_one_of_several_probes() {
        let mut breaker = Breaker::new(1, BACKOFF);
        breaker.failed();
        assert_eq!((breaker.probe(), breaker.probe()), (true, false));
    }

    #[tokio::test]
    async fn i7_the_gate_shuts_after_failures_in_a_row_and_opens_when_the_store_answers() {
        let gate = Gate::new(Jitter::from_fn(|| 0.0));
        let away = Err::<(), _>(PipelineError::Unavailable { part: "store", message: "gone".into() });
        gate.learn(&Err::<(), _>(PipelineError::Unavailable { part: "index", message: "gone".into() }));
        (0..THRESHOLD).for_each(|_| gate.learn(&away));
        assert!(!gate.is_open());
        let stop = CancellationToken::new();
        let knocking = tokio::spawn(gate.clone().knock(crate::fixtures::empty_store().await, stop.clone()));
        gate.pass().await;
        assert!(gate.is_open());
        stop.cancel();
        knocking.await.unwrap();
    }
}
