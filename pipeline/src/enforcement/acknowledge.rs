//! The platform's word that it has performed an action. Who asks for it tells again until it comes.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The longest wait between two tellings, whatever the policy says.
const MOST: TimeDelta = TimeDelta::hours(1);

/// Table `[acknowledge]` of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Seconds that the platform has to acknowledge an action.
    pub seconds: u32,
    /// How often it is told in all.
    pub tries: u32,
}

impl Acknowledge {
    /// When an action that was told `told` times, last at `at`, is told again: twice as long after each telling. `None`: never.
    pub fn due(&self, told: u32, at: DateTime<Utc>) -> DateTime<Utc> {
        let doublings = told.saturating_sub(1).min(20);
        let seconds = i64::from(self.seconds).saturating_mul(1 << doublings);
        at + TimeDelta::try_seconds(seconds).unwrap_or(MOST).min(MOST)
    }

    /// Was it told as often as it may be?
    pub fn exhausted(&self, told: u32) -> bool {
        told >= self.tries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f4_an_action_that_nobody_acknowledges_is_told_again_ever_more_slowly() {
        let terms = Acknowledge { seconds: 60, tries: 4 };
        let start = DateTime::UNIX_EPOCH;
        let waits: Vec<i64> = (1..=8).map(|told| (terms.due(told, start) - start).num_seconds()).collect();
        assert_eq!(waits, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!([3, 4, 5].map(|told| terms.exhausted(told)), [false, true, true]);
        let extreme = Acknowledge { seconds: u32::MAX, tries: u32::MAX };
        assert_eq!(extreme.due(u32::MAX, start) - start, MOST);
    }
}
