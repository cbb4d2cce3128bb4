//! Several processes, one limit: each counts in its own buckets, and once in [`TURN`] they tell each other through the store what they let
//! through. One statement per process and turn, whatever the number of requests; none while nobody calls.
//!
//! How exact it is: whatever `n` processes let through together within a time `t` is at most `rate × t + burst`, plus what the others let
//! through since they last told of it, which is at most `(n − 1) × (burst + rate × TURN)`; and all of that is paid for later, so that over
//! a long time the rate is the configured one. While the store does not answer, each process enforces the whole limit alone.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use pipeline::{PipelineError, store::Store};

use crate::auth::KeyRing;

/// Time between two reports.
pub const TURN: Duration = Duration::from_secs(1);
/// Turns without a call after which a bucket is not shared any more: it is full by then, or as good as.
const QUIET_TURNS: u32 = 60;

/// What is known of one shared bucket.
struct Shared {
    /// What all processes together had let through at the last turn.
    total: u64,
    /// Turns without a call here.
    quiet: u32,
}

/// Tells what this process let through, and takes in what the others did.
pub struct Sharing {
    store: Arc<dyn Store>,
    keys: Arc<KeyRing>,
    known: HashMap<String, Shared>,
}

impl Sharing {
    /// For the buckets of `keys`.
    pub fn new(store: Arc<dyn Store>, keys: Arc<KeyRing>) -> Self {
        Self { store, keys, known: HashMap::new() }
    }

    /// One turn.
    pub async fn turn(&mut self) -> Result<(), PipelineError> {
        let callers = self.keys.callers();
        let mut used = Vec::new();
        let mut buckets = Vec::new();
        for caller in &callers {
            for (class, bucket) in caller.buckets().iter() {
                let name = format!("{}/{}", caller.id, class.as_str());
                let calls = bucket.report();
                let known = self.known.get_mut(&name);
                match known {
                    None if calls == 0 => continue,
                    Some(shared) => shared.quiet = if calls == 0 { shared.quiet + 1 } else { 0 },
                    None => {}
                }
                used.push((name, calls));
                buckets.push(bucket);
            }
        }
        self.known.retain(|_, shared| shared.quiet <= QUIET_TURNS);
        let names: HashSet<&str> = self.known.keys().map(String::as_str).collect();
        // A bucket that has become quiet is told of no more.
        let told = |(name, calls): &(String, u64)| *calls > 0 || names.contains(name.as_str());
        let (used, buckets): (Vec<_>, Vec<_>) = used.into_iter().zip(buckets).filter(|(used, _)| told(used)).unzip();
        if used.is_empty() {
            return Ok(());
        }
        let totals = match self.store.share_usage(&used).await {
            Ok(totals) => totals,
            Err(error) => {
                used.iter().zip(&buckets).for_each(|((_, calls), bucket)| bucket.unreport(*calls));
                return Err(error);
            }
        };
        for (((name, calls), bucket), total) in used.into_iter().zip(buckets).zip(totals) {
            match self.known.get_mut(&name) {
                Some(shared) => {
                    bucket.owe(total.saturating_sub(shared.total).saturating_sub(calls));
                    shared.total = total;
                }
                // What the others did before nobody called here is no business of this bucket.
                None => {
                    self.known.insert(name, Shared { total, quiet: 0 });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use pipeline::{clock::Clock, store};

    use super::*;
    use crate::{
        auth::{Caller, mint},
        config::{AuthConfig, KeyConfig, KeyLimits, LimitConfig, LimitsConfig, Scope},
    };

    /// A process with one key that may make 60 calls a minute, 10 at once.
    async fn process(store: &Arc<dyn Store>, clock: &Clock) -> (Sharing, Arc<Caller>) {
        let limit = LimitConfig { requests_per_minute: 60, burst: 10, block_seconds: 0 };
        let key = KeyConfig {
            name: "chat".into(),
            sha256: hex::encode(mint::digest("key")),
            tenant: "acme".into(),
            scopes: vec![Scope::Check],
            require_signature: false,
            limits: KeyLimits::from([(Scope::Check, limit)]),
        };
        let auth = AuthConfig { keys: vec![key], signing_secret: None };
        let keys = KeyRing::load(&auth, &LimitsConfig::default(), store.clone(), clock.clone()).await.unwrap();
        let caller = keys.find(&mint::digest("key")).unwrap();
        (Sharing::new(store.clone(), Arc::new(keys)), caller)
    }

    /// Calls that pass, of so many.
    fn call(caller: &Caller, calls: u32) -> u32 {
        let now = Clock::system().now();
        (0..calls).filter(|_| caller.take(Scope::Check, now).is_ok()).count().try_into().unwrap()
    }

    #[tokio::test]
    async fn i2_two_processes_share_one_limit() {
        let (store, clock) = (store::connect("sqlite::memory:").await.unwrap(), Clock::fixed(DateTime::UNIX_EPOCH));
        let ((mut one, left), (mut two, right)) = (process(&store, &clock).await, process(&store, &clock).await);
        // Before they have heard of each other each has a full bucket: this is the inexactness that is documented.
        assert_eq!((call(&left, 4), call(&right, 4)), (4, 4));
        one.turn().await.unwrap();
        two.turn().await.unwrap();
        assert_eq!((call(&left, 2), call(&right, 2)), (2, 2));
        one.turn().await.unwrap();
        two.turn().await.unwrap();
        // Left knows of right's first 4 calls, right of left's last 2.
        one.turn().await.unwrap();
        assert_eq!(call(&right, 9), 10 - 6 - 2, "what the other process let through is gone from the bucket");
        assert!(call(&left, 9) <= 10 - 6);
    }

    #[tokio::test]
    async fn i2_over_time_the_shared_rate_is_exact() {
        let (store, clock) = (store::connect("sqlite::memory:").await.unwrap(), Clock::fixed(DateTime::UNIX_EPOCH));
        let ((mut one, left), (mut two, right)) = (process(&store, &clock).await, process(&store, &clock).await);
        let mut passed = 0;
        for _ in 0..120 {
            passed += call(&left, 3) + call(&right, 3);
            one.turn().await.unwrap();
            two.turn().await.unwrap();
            clock.advance(TimeDelta::from_std(TURN).unwrap());
        }
        // rate × t + burst, and what the other had let through unheard: (n − 1) × (burst + a second's rate).
        assert!((120 + 10 - 1..=120 + 10 + 10 + 1).contains(&passed), "{passed} calls of one per second in 120 s");
    }

    #[tokio::test]
    async fn i2_a_quiet_bucket_costs_no_statement_and_starts_afresh() {
        let (store, clock) = (store::connect("sqlite::memory:").await.unwrap(), Clock::fixed(DateTime::UNIX_EPOCH));
        let ((mut one, left), (mut two, right)) = (process(&store, &clock).await, process(&store, &clock).await);
        one.turn().await.unwrap();
        assert!(one.known.is_empty(), "nobody called");
        call(&left, 1);
        for _ in 0..QUIET_TURNS + 3 {
            one.turn().await.unwrap();
        }
        assert!(one.known.is_empty(), "quiet for a minute");
        assert_eq!(call(&right, 10), 10);
        two.turn().await.unwrap();
        clock.advance(TimeDelta::seconds(60));
        call(&left, 1);
        one.turn().await.unwrap();
        assert_eq!(call(&left, 20), 9, "what the others did long ago is not counted now");
    }
}
