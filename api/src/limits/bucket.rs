//! One token bucket (GCRA, by the crate `governor`), with block time, and with debt for what other processes let through.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use governor::{
    Quota, RateLimiter, clock,
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use pipeline::clock::Clock;

use super::LimitConfig;

/// How a caller stands after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Most calls at once.
    pub limit: u32,
    /// Calls that may come now.
    pub remaining: u32,
    /// Until the bucket is full again.
    pub reset: Duration,
}

/// The call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// How the caller stands.
    pub standing: Standing,
    /// After this time another call is worth it.
    pub wait: Duration,
}

/// Our steady time, as the crate asks for it.
#[derive(Debug, Clone)]
struct Ticks(Clock);

impl clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.steady()
    }
}

/// A token bucket.
#[derive(Debug)]
pub struct Bucket {
    limiter: RateLimiter<NotKeyed, InMemoryState, Ticks, StateInformationMiddleware>,
    clock: Clock,
    limit: LimitConfig,
    /// Time in which one token comes back.
    interval: Duration,
    /// Until then everything is refused, in nanoseconds of the clock's steady time.
    blocked_until: AtomicU64,
    /// Tokens that other processes took and that this bucket has not given yet.
    debt: AtomicU64,
    /// Calls let through since [`Bucket::report`].
    unreported: AtomicU64,
}

impl Bucket {
    /// A full bucket; `None` when `limit` limits nothing.
    pub fn new(limit: &LimitConfig, clock: &Clock) -> Option<Self> {
        let interval = Duration::from_secs(60).checked_div(limit.requests_per_minute)?;
        let burst = NonZeroU32::new(limit.burst)?;
        let quota = Quota::with_period(interval)?.allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, Ticks(clock.clone())).with_middleware();
        let counter = || AtomicU64::new(0);
        Some(Self {
            limiter,
            clock: clock.clone(),
            limit: *limit,
            interval,
            blocked_until: counter(),
            debt: counter(),
            unreported: counter(),
        })
    }

    /// What it enforces.
    pub fn limit(&self) -> &LimitConfig {
        &self.limit
    }

    /// Takes a token for one call.
    pub fn take(&self) -> Result<Standing, Refused> {
        let now = self.clock.steady();
        let blocked_until = Duration::from_nanos(self.blocked_until.load(Ordering::Relaxed));
        if let Some(wait) = blocked_until.checked_sub(now).filter(|wait| !wait.is_zero()) {
            return Err(self.refused(wait));
        }
        let debt = self.pay();
        if debt > 0 {
            let wait = self.interval.saturating_mul(u32::try_from(debt).unwrap_or(u32::MAX).saturating_add(1));
            return Err(self.block(now, wait));
        }
        match self.limiter.check() {
            Ok(state) => {
                self.unreported.fetch_add(1, Ordering::Relaxed);
                Ok(self.standing(state.remaining_burst_capacity()))
            }
            Err(not_until) => Err(self.block(now, not_until.wait_time_from(now))),
        }
    }

    /// Refuses everything for the block time, or for `wait` when that is longer (before then there is no token anyway).
    fn block(&self, now: Duration, wait: Duration) -> Refused {
        let wait = wait.max(Duration::from_secs(self.limit.block_seconds.into()));
        let until = u64::try_from(now.saturating_add(wait).as_nanos()).unwrap_or(u64::MAX);
        self.blocked_until.store(until, Ordering::Relaxed);
        self.refused(wait)
    }

    fn refused(&self, wait: Duration) -> Refused {
        Refused { standing: self.standing(0), wait }
    }

    fn standing(&self, remaining: u32) -> Standing {
        let remaining = remaining.min(self.limit.burst);
        Standing { limit: self.limit.burst, remaining, reset: self.interval * (self.limit.burst - remaining) }
    }

    /// Calls let through since the last report.
    pub fn report(&self) -> u64 {
        self.unreported.swap(0, Ordering::Relaxed)
    }

    /// Takes a report back that did not arrive.
    pub fn unreport(&self, calls: u64) {
        self.unreported.fetch_add(calls, Ordering::Relaxed);
    }

    /// Other processes let these calls through: this bucket gives tokens for them too.
    pub fn owe(&self, calls: u64) {
        self.debt.fetch_add(calls, Ordering::Relaxed);
        self.pay();
    }

    /// Pays as much as there are tokens for. Answers what is still owed.
    fn pay(&self) -> u64 {
        let owed = self.debt.swap(0, Ordering::Relaxed);
        let mut left = owed;
        let mut chunk = u32::try_from(owed).unwrap_or(u32::MAX).min(self.limit.burst);
        while let Some(tokens) = NonZeroU32::new(chunk) {
            match self.limiter.check_n(tokens) {
                Ok(Ok(_)) => {
                    left -= u64::from(chunk);
                    chunk = u32::try_from(left).unwrap_or(u32::MAX).min(chunk);
                }
                // Not that many: half of them, down to one.
                _ => chunk /= 2,
            }
        }
        if left > 0 {
            self.debt.fetch_add(left, Ordering::Relaxed);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn bucket(requests_per_minute: u32, burst: u32, block_seconds: u32) -> Bucket {
        let clock = Clock::fixed(DateTime::UNIX_EPOCH);
        Bucket::new(&LimitConfig { requests_per_minute, burst, block_seconds }, &clock).unwrap()
    }

    fn wait(bucket: &Bucket, milliseconds: i64) {
        bucket.clock.advance(TimeDelta::milliseconds(milliseconds));
    }

    fn passed(bucket: &Bucket, calls: u32) -> u32 {
        (0..calls).filter(|_| bucket.take().is_ok()).count().try_into().unwrap()
    }

    #[test]
    fn i2_a_bucket_empties_and_fills() {
        let bucket = bucket(60, 3, 0);
        for remaining in [2, 1, 0] {
            let standing = bucket.take().unwrap();
            let reset = Duration::from_secs(u64::from(3 - remaining));
            assert_eq!(standing, Standing { limit: 3, remaining, reset });
        }
        let refused = bucket.take().unwrap_err();
        assert_eq!((refused.standing.remaining, refused.wait), (0, Duration::from_secs(1)));
        wait(&bucket, 999);
        assert_eq!(bucket.take().unwrap_err().wait, Duration::from_millis(1));
        wait(&bucket, 1);
        assert!(bucket.take().is_ok() && bucket.take().is_err());
        wait(&bucket, 3_600_000);
        assert_eq!(passed(&bucket, 10), 3, "never more than the burst");
    }

    #[test]
    fn i2_an_empty_bucket_blocks_for_its_time() {
        let bucket = bucket(6000, 1, 5);
        assert!(bucket.take().is_ok());
        assert_eq!(bucket.take().unwrap_err().wait, Duration::from_secs(5));
        wait(&bucket, 4_000);
        assert_eq!(bucket.take().unwrap_err().wait, Duration::from_secs(1), "tokens are there, but it is blocked");
        wait(&bucket, 1_000);
        assert!(bucket.take().is_ok());
    }

    #[test]
    fn i2_what_others_took_is_paid_first() {
        let bucket = bucket(60, 10, 0);
        assert_eq!(passed(&bucket, 2), 2);
        assert_eq!((bucket.report(), bucket.report()), (2, 0));
        bucket.owe(5);
        assert_eq!(passed(&bucket, 3), 3);
        bucket.owe(4);
        assert_eq!(bucket.take().unwrap_err().wait, Duration::from_secs(5), "four for the others, one for us");
        wait(&bucket, 5_000);
        assert_eq!(passed(&bucket, 9), 1);
        bucket.unreport(2);
        assert_eq!(bucket.report(), 6);
    }

    #[test]
    fn i2_no_limit_is_no_bucket() {
        for limit in [
            LimitConfig { requests_per_minute: 0, burst: 5, block_seconds: 1 },
            LimitConfig { requests_per_minute: 5, burst: 0, block_seconds: 1 },
        ] {
            assert!(Bucket::new(&limit, &Clock::system()).is_none());
        }
        let most = LimitConfig { requests_per_minute: u32::MAX, burst: u32::MAX, block_seconds: u32::MAX };
        assert!(Bucket::new(&most, &Clock::system()).unwrap().take().is_ok());
    }
}
