//! Time, injected. Nothing else in the product asks the system for it.

use std::{
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};

/// The current time: the system's, or one that a test moves by hand.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    fixed: Option<Arc<Mutex<DateTime<Utc>>>>,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands still at `start` until [`Clock::advance`].
    pub fn fixed(start: DateTime<Utc>) -> Self {
        Self { fixed: Some(Arc::new(Mutex::new(start))) }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        match &self.fixed {
            #[expect(clippy::disallowed_methods, reason = "the one place that may ask")]
            None => Utc::now(),
            Some(fixed) => *fixed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Time since a moment that stays the same while the process runs. The system's never goes back, whoever sets the machine's clock: for
    /// rates and waits.
    pub fn steady(&self) -> Duration {
        static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
        match &self.fixed {
            None => BEGAN.elapsed(),
            Some(_) => (self.now() - DateTime::UNIX_EPOCH).to_std().unwrap_or_default(),
        }
    }

    /// Moves a fixed clock; does nothing to the system's.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(fixed) = &self.fixed {
            *fixed.lock().unwrap_or_else(PoisonError::into_inner) += by;
        }
    }
}

/// The farthest that a platform's clock may run ahead of ours before we use ours instead.
pub const MAX_AHEAD: TimeDelta = TimeDelta::seconds(5);
/// The oldest time that a platform may claim; older claims are taken as they are for uploads but never enter windows.
pub const MAX_BEHIND: TimeDelta = TimeDelta::hours(24);

/// What an item's own timestamp is worth: a claim from the future becomes `received`, a claim older than
/// [`MAX_BEHIND`] becomes `received − MAX_BEHIND`, all else stands.
pub fn clamp_occurred(claimed: Option<DateTime<Utc>>, received: DateTime<Utc>) -> DateTime<Utc> {
    match claimed {
        Some(at) if at > received + MAX_AHEAD => received,
        Some(at) => at.max(received - MAX_BEHIND),
        None => received,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_skew_is_clamped() {
        let received = DateTime::UNIX_EPOCH + TimeDelta::days(1000);
        let table = [
            ("none", None, received),
            ("a little ahead", Some(received + TimeDelta::seconds(5)), received + TimeDelta::seconds(5)),
            ("far ahead", Some(received + TimeDelta::seconds(6)), received),
            ("late", Some(received - TimeDelta::hours(3)), received - TimeDelta::hours(3)),
            ("years behind", Some(DateTime::UNIX_EPOCH), received - TimeDelta::hours(24)),
            ("the far past", Some(DateTime::<Utc>::MIN_UTC), received - TimeDelta::hours(24)),
            ("the far future", Some(DateTime::<Utc>::MAX_UTC), received),
        ];
        for (name, claimed, expected) in table {
            assert_eq!(clamp_occurred(claimed, received), expected, "{name}");
        }
    }

    #[test]
    fn a_fixed_clock_stands_still_until_it_is_moved() {
        let clock = Clock::fixed(DateTime::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(TimeDelta::seconds(3));
        assert_eq!(other.now(), DateTime::UNIX_EPOCH + TimeDelta::seconds(3));
        assert_eq!(other.steady(), Duration::from_secs(3));
    }
}
