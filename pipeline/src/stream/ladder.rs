//! Violations in a sliding window, and what a number of them leads to.
//!
//! The window ends at the newest violation that was ever seen, not at the time of processing: the same frames in any
//! order leave the same state behind. A frame that arrives when the window has moved past it neither counts nor acts.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::action::ActionKind;

/// The most violations that one window remembers, and so the highest step that a policy may ask for.
pub const MAX_REMEMBERED: usize = 256;

/// From how many violations on an action is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Violations inside the window, the new one included.
    pub violations: u32,
    /// What is done.
    pub action: ActionKind,
}

/// A sliding window and its steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    /// Name that rules refer to.
    pub name: String,
    /// Length; two violations exactly this far apart share a window.
    pub window: TimeDelta,
    /// Ascending by `violations`.
    pub steps: Vec<Step>,
}

/// What a violation led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Climb {
    /// Violations in the window, the new one included; 0 when it came too late to count.
    pub violations: u32,
    /// The highest step that this number reaches.
    pub action: Option<ActionKind>,
}

impl Ladder {
    /// Adds a violation at `at` to `times` (ascending; stays so) and answers what it leads to.
    pub fn climb(&self, times: &mut Vec<DateTime<Utc>>, at: DateTime<Utc>) -> Climb {
        let newest = times.last().map_or(at, |last| at.max(*last));
        let start = newest - self.window;
        if at < start {
            return Climb { violations: 0, action: None };
        }
        times.insert(times.partition_point(|time| *time <= at), at);
        let outside = times.partition_point(|time| *time < start);
        let excess = times.len().saturating_sub(MAX_REMEMBERED);
        times.drain(..outside.max(excess));
        let violations = u32::try_from(times.len()).unwrap_or(u32::MAX);
        Climb { violations, action: self.action(violations) }
    }

    /// The highest step that `violations` reach.
    pub fn action(&self, violations: u32) -> Option<ActionKind> {
        self.steps.iter().rev().find(|step| violations >= step.violations).map(|step| step.action)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ladder() -> Ladder {
        Ladder {
            name: "call".into(),
            window: TimeDelta::seconds(30),
            steps: vec![
                Step { violations: 1, action: ActionKind::Warn },
                Step { violations: 3, action: ActionKind::Disconnect },
            ],
        }
    }

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(10_000_000 + millis)
    }

    fn climbs(millis: &[i64]) -> Vec<(u32, Option<ActionKind>)> {
        let mut times = Vec::new();
        let climb = |&ms: &i64| {
            let climb = ladder().climb(&mut times, at(ms));
            (climb.violations, climb.action)
        };
        millis.iter().map(climb).collect()
    }

    #[test]
    fn f2_three_violations_in_30_s_disconnect() {
        use ActionKind::{Disconnect, Warn};
        type Row<'a> = (&'a str, &'a [i64], &'a [(u32, Option<ActionKind>)]);
        let table: &[Row<'_>] = &[
            ("one warns", &[0], &[(1, Some(Warn))]),
            ("three within", &[0, 10_000, 20_000], &[(1, Some(Warn)), (2, Some(Warn)), (3, Some(Disconnect))]),
            ("30 s apart is within", &[0, 15_000, 30_000], &[(1, Some(Warn)), (2, Some(Warn)), (3, Some(Disconnect))]),
            ("30.001 s apart is not", &[0, 15_000, 30_001], &[(1, Some(Warn)), (2, Some(Warn)), (2, Some(Warn))]),
            ("slow ones only warn", &[0, 31_000, 62_000], &[(1, Some(Warn)), (1, Some(Warn)), (1, Some(Warn))]),
            ("same instant counts twice", &[5, 5, 5], &[(1, Some(Warn)), (2, Some(Warn)), (3, Some(Disconnect))]),
            ("out of order", &[20_000, 0, 10_000], &[(1, Some(Warn)), (2, Some(Warn)), (3, Some(Disconnect))]),
            ("late, outside", &[40_000, 0, 41_000], &[(1, Some(Warn)), (0, None), (2, Some(Warn))]),
        ];
        for (name, input, expected) in table {
            assert_eq!(climbs(input), *expected, "{name}");
        }
    }

    #[test]
    fn f2_steps_and_window_are_data() {
        let strict = Ladder {
            name: "strict".into(),
            window: TimeDelta::seconds(1),
            steps: vec![Step { violations: 2, action: ActionKind::Ban }],
        };
        let mut times = Vec::new();
        assert_eq!(strict.climb(&mut times, at(0)), Climb { violations: 1, action: None });
        assert_eq!(strict.climb(&mut times, at(900)), Climb { violations: 2, action: Some(ActionKind::Ban) });
        assert_eq!(strict.climb(&mut times, at(2_500)), Climb { violations: 1, action: None });
    }

    #[test]
    fn f2_memory_is_bounded() {
        let mut times = Vec::new();
        for ms in 0..5_000 {
            ladder().climb(&mut times, at(ms));
        }
        assert_eq!(times.len(), MAX_REMEMBERED);
        assert_eq!(times.last(), Some(&at(4_999)));
    }

    proptest! {
        #[test]
        fn f2_the_window_never_holds_what_is_outside(millis in prop::collection::vec(0_i64..120_000, 1..60)) {
            let mut times = Vec::new();
            for ms in &millis {
                let climb = ladder().climb(&mut times, at(*ms));
                prop_assert!(times.is_sorted());
                let newest = *times.last().unwrap();
                prop_assert!(times.iter().all(|time| newest - *time <= TimeDelta::seconds(30)));
                prop_assert!(climb.violations as usize == times.len() || climb.violations == 0);
            }
        }

        #[test]
        fn f2_the_order_of_arrival_does_not_matter(
            (sorted, shuffled) in prop::collection::vec(0_i64..120_000, 1..400).prop_flat_map(|millis| {
                let mut sorted = millis.clone();
                sorted.sort_unstable();
                (Just(sorted), Just(millis).prop_shuffle())
            })
        ) {
            let mut first = Vec::new();
            sorted.iter().for_each(|ms| { ladder().climb(&mut first, at(*ms)); });
            let mut second = Vec::new();
            shuffled.iter().for_each(|ms| { ladder().climb(&mut second, at(*ms)); });
            prop_assert_eq!(first, second);
        }
    }
}
