//! How often a key may call: one token bucket for each key and class, the class being the scope that a route demands.
//!
//! | part | module |
//! |---|---|
//! | one bucket, with block time and debt | [`bucket`] |
//! | processes that share a store tell each other what they let through | [`share`] |
//!
//! A request never waits for the store: it asks the bucket of its own process.

pub mod bucket;
pub mod share;

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use pipeline::clock::Clock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::Scope;
pub use bucket::{Bucket, Refused, Standing};

/// OpenAI's names: how many calls may come at once, …
const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
/// … how many may come now, …
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
/// … and when it will be all of them again.
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitConfig {
    /// Tokens that come back per minute; 0: no limit.
    #[schema(example = 600)]
    pub requests_per_minute: u32,
    /// Most tokens: calls that may come at once.
    #[schema(example = 50)]
    pub burst: u32,
    /// Seconds that an empty bucket refuses everything; 0: until the next token.
    #[serde(default = "block_seconds")]
    #[schema(example = 1)]
    pub block_seconds: u32,
}

fn block_seconds() -> u32 {
    1
}

impl LimitConfig {
    const fn new(requests_per_minute: u32, burst: u32) -> Self {
        Self { requests_per_minute, burst, block_seconds: 1 }
    }
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self::new(30_000, 1000)
    }
}

/// A key's own limits, by class; a class that is absent has the configured one.
pub type KeyLimits = BTreeMap<Scope, LimitConfig>;

/// Section `[limits]`: what a key has that has no limits of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// `POST /v1/check` and the drop-in endpoints that judge.
    pub check: LimitConfig,
    /// Items, calls, frames, events.
    pub items: LimitConfig,
    /// Profiles.
    pub profiles: LimitConfig,
    /// Similarity and embeddings.
    pub search: LimitConfig,
    /// The desk, by key; a lead's routes too.
    pub review: LimitConfig,
    /// Not used by a route of today: the desk counts all its calls as `review`.
    pub lead: LimitConfig,
    /// Keys, dead letters, deliveries, metrics.
    pub admin: LimitConfig,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            check: LimitConfig::new(60_000, 2000),
            // A video call sends frames all the time.
            items: LimitConfig::new(300_000, 10_000),
            profiles: LimitConfig::default(),
            search: LimitConfig::default(),
            review: LimitConfig::default(),
            lead: LimitConfig::default(),
            admin: LimitConfig::new(3000, 300),
        }
    }
}

impl LimitsConfig {
    /// The limit of a class.
    pub fn of(&self, class: Scope) -> &LimitConfig {
        match class {
            Scope::Check => &self.check,
            Scope::Items => &self.items,
            Scope::Profiles => &self.profiles,
            Scope::Search => &self.search,
            Scope::Review => &self.review,
            Scope::Lead => &self.lead,
            Scope::Admin => &self.admin,
        }
    }
}

/// The buckets of one key.
#[derive(Debug, Default)]
pub struct Buckets {
    classes: BTreeMap<Scope, Bucket>,
}

impl Buckets {
    /// As `defaults` say, save where the key has limits of its own.
    pub fn new(defaults: &LimitsConfig, own: &KeyLimits, clock: &Clock) -> Self {
        let limit = |class: Scope| own.get(&class).unwrap_or_else(|| defaults.of(class));
        let classes = Scope::ALL.into_iter().filter_map(|class| Some((class, Bucket::new(limit(class), clock)?)));
        Self { classes: classes.collect() }
    }

    /// The bucket of a class; `None` where nothing is limited.
    pub fn of(&self, class: Scope) -> Option<&Bucket> {
        self.classes.get(&class)
    }

    /// Every bucket with its class.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Scope, &Bucket)> {
        self.classes.iter().map(|(class, bucket)| (*class, bucket))
    }
}

/// Where a request's standing is noted, for the headers of its answer.
pub type Note = OnceLock<Standing>;

/// Writes the headers that say how a caller stands.
pub fn announce(standing: Standing, headers: &mut HeaderMap) {
    headers.insert(LIMIT, standing.limit.into());
    headers.insert(REMAINING, standing.remaining.into());
    if let Ok(reset) = HeaderValue::from_str(&period(standing.reset)) {
        headers.insert(RESET, reset);
    }
}

/// A time as OpenAI's headers have it: `20ms`, `7s`, `6m0s`, `1h0m0s`; never less than what is left.
fn period(time: Duration) -> String {
    let milliseconds = time.as_nanos().div_ceil(1_000_000);
    if milliseconds < 1000 {
        return format!("{milliseconds}ms");
    }
    let seconds = milliseconds.div_ceil(1000);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i2_periods_are_written_as_openai_does() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (20, "20ms"),
            (999, "999ms"),
            (1000, "1s"),
            (6001, "7s"),
            (60_000, "1m0s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(period(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(period(Duration::from_nanos(1)), "1ms");
    }

    #[test]
    fn i2_a_keys_own_limits_win_and_zero_means_none() {
        let own = KeyLimits::from([
            (Scope::Check, LimitConfig { requests_per_minute: 0, burst: 1, block_seconds: 1 }),
            (Scope::Search, LimitConfig { requests_per_minute: 60, burst: 7, block_seconds: 1 }),
        ]);
        let buckets = Buckets::new(&LimitsConfig::default(), &own, &Clock::system());
        let burst = |class| buckets.of(class).map(|bucket| bucket.limit().burst);
        assert_eq!((burst(Scope::Check), burst(Scope::Search), burst(Scope::Admin)), (None, Some(7), Some(300)));
    }
}
