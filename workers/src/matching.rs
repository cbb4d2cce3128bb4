//! Matching's loops: moderation's decisions reach it, those who wait are paired, daily lists are made before they are asked for, messages that
//! can be searched go when they are old.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use pipeline::{PipelineError, clock::Clock, process::Pipeline, store::Store};
use tokio_util::sync::CancellationToken;

/// Name of the place up to which moderation's decisions were followed.
pub const STANDINGS: &str = "standings";
/// How often decisions of other processes are looked for, when nothing wakes us. A ban must be everywhere within two seconds.
const LOOK: Duration = Duration::from_millis(300);
/// How long a process that vanished keeps others from a duty.
const LEASE: TimeDelta = TimeDelta::seconds(5);
/// After a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// What one process at a time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// Pairs those who wait.
    Pair,
    /// Makes the lists of a new day.
    Lists,
    /// Retention and upkeep of messages that can be searched.
    Messages,
    /// Embeds profiles for a model that is to take over.
    Switch,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 4] = [Self::Pair, Self::Lists, Self::Messages, Self::Switch];

    /// For leases, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pair => "pairing",
            Self::Lists => "daily_lists",
            Self::Messages => "messages",
            Self::Switch => "embedding_switch",
        }
    }

    /// Between two turns.
    pub fn period(self) -> Duration {
        match self {
            Self::Pair => Duration::from_secs(1),
            Self::Lists => Duration::from_secs(60),
            Self::Messages => Duration::from_secs(600),
            Self::Switch => Duration::from_secs(15),
        }
    }
}

/// The loops' parts.
pub struct Matching {
    /// What decides and writes.
    pub pipeline: Pipeline,
    /// Where events and leases are.
    pub store: Arc<dyn Store>,
    /// Time for leases.
    pub clock: Clock,
    /// Names this process among those that share the store.
    pub holder: String,
    /// How long messages that can be searched are kept.
    pub retention: TimeDelta,
}

impl Matching {
    /// Follows moderation's decisions until `stop`. Every process does: doing it twice changes nothing, and none has to wait for another's
    /// lease.
    pub async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut signal = self.store.event_signal();
        let mut signalled = true;
        let mut position = None;
        loop {
            signal.mark_unchanged();
            let Some(turn) = stop.run_until_cancelled(self.follow_on(&mut position)).await else { return };
            let wait = match turn {
                Ok(true) => continue,
                Ok(false) => LOOK,
                Err(error) => {
                    tracing::warn!(%error, "moderation's decisions do not reach matching; trying again");
                    metrics::counter!("chaperone_match_failures_total", "loop" => STANDINGS).increment(1);
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = signal.changed(), if signalled => signalled = changed.is_ok(),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Follows the next decisions. `false`: there are none.
    async fn follow_on(&self, position: &mut Option<i64>) -> Result<bool, PipelineError> {
        let after = match *position {
            Some(position) => position,
            None => self.store.relay_position(STANDINGS).await?.unwrap_or_default(),
        };
        *position = Some(after);
        let Some(last) = self.pipeline.follow_standings(after).await? else { return Ok(false) };
        self.store.move_relay(STANDINGS, last).await?;
        *position = Some(last);
        Ok(true)
    }

    /// Takes turns of `duty` until `stop`, while this process has it.
    pub async fn repeat(self: Arc<Self>, duty: Duty, stop: CancellationToken) {
        let (name, period) = (duty.as_str(), duty.period());
        loop {
            match stop.run_until_cancelled(self.turn(duty)).await {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => {
                    tracing::warn!(duty = name, %error, "a turn of matching failed; the next one tries again");
                    metrics::counter!("chaperone_match_failures_total", "loop" => name).increment(1);
                }
            }
            if stop.run_until_cancelled(tokio::time::sleep(period)).await.is_none() {
                break;
            }
        }
        // The next process need not wait for the end of the lease. Only its holder can shorten it.
        let now = self.clock.now();
        let _ = self.store.claim_duty(name, &self.holder, now, now).await;
    }

    async fn turn(&self, duty: Duty) -> Result<(), PipelineError> {
        if !self.claim(duty).await? {
            return Ok(());
        }
        match duty {
            Duty::Pair => self.pipeline.pair().await.map(drop),
            Duty::Messages => {
                let before = self.clock.now().checked_sub_signed(self.retention).unwrap_or_default();
                self.pipeline.tend_messages(before).await.map(drop)
            }
            Duty::Switch => {
                while self.pipeline.tend_switch().await? > 0 {
                    self.claim(duty).await?;
                }
                Ok(())
            }
            Duty::Lists => {
                while self.pipeline.refresh_lists().await? > 0 {
                    self.claim(duty).await?;
                }
                Ok(())
            }
        }
    }

    async fn claim(&self, duty: Duty) -> Result<bool, PipelineError> {
        let now = self.clock.now();
        let until = now + LEASE + TimeDelta::from_std(duty.period()).unwrap_or_default();
        self.store.claim_duty(duty.as_str(), &self.holder, now, until).await
    }
}
