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

/// Over what a ladder counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One person's part in one call.
    #[default]
    Call,
    /// One person, in all their calls and texts.
    Person,
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
    /// Over what it counts.
    pub scope: Scope,
    /// How long a step that was taken is not taken again; a higher one is taken at once. Zero: each violation acts.
    pub cooldown: TimeDelta,
    /// How long somebody must be calm to come down by one step, even when the window has moved past what they did. Zero: the window
    /// alone counts.
    pub calm: TimeDelta,
}

/// Where somebody stands on a ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The step that was reached, from 1.
    pub step: usize,
    /// When a step was last taken.
    pub acted_at: DateTime<Utc>,
    /// The newest violation.
    pub last_at: DateTime<Utc>,
}

/// One person's way up a ladder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Climbing {
    /// Violations in the window, ascending.
    pub times: Vec<DateTime<Utc>>,
    /// Where they stand, for a ladder with cooldown or calm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
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

    /// As [`Ladder::climb`], with cooldown and calm. `held` is `None` for a ladder without them, before and after.
    pub fn climb_held(&self, times: &mut Vec<DateTime<Utc>>, held: &mut Option<Held>, at: DateTime<Utc>) -> Climb {
        let climb = self.climb(times, at);
        if climb.violations == 0 || (self.cooldown.is_zero() && self.calm.is_zero()) {
            return climb;
        }
        let reached = self.steps.iter().take_while(|step| climb.violations >= step.violations).count();
        let stands = held.map_or(0, |held| self.stands(&held, at));
        let step = reached.max(stands);
        let cooling = held.filter(|held| step <= held.step && at - held.acted_at < self.cooldown);
        let action = if cooling.is_some() { None } else { step.checked_sub(1).map(|index| self.steps[index].action) };
        if step > 0 {
            // While it cools down, the step that was taken last is still the one that counts.
            let step = cooling.map_or(step, |held| held.step.max(step));
            let acted_at = cooling.map_or(at, |held| held.acted_at);
            let last_at = held.map_or(at, |held| held.last_at.max(at));
            *held = Some(Held { step, acted_at, last_at });
        }
        Climb { action, ..climb }
    }

    /// The step on which somebody still stands at `at`: one lower for each time that they were calm for long enough.
    fn stands(&self, held: &Held, at: DateTime<Utc>) -> usize {
        if self.calm.is_zero() {
            return 0;
        }
        let quiet = (at - held.last_at).num_milliseconds().max(0);
        let down = usize::try_from(quiet / self.calm.num_milliseconds().max(1)).unwrap_or(usize::MAX);
        held.step.min(self.steps.len()).saturating_sub(down)
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
            scope: Scope::Call,
            cooldown: TimeDelta::zero(),
            calm: TimeDelta::zero(),
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
            ..ladder()
        };
        let mut times = Vec::new();
        assert_eq!(strict.climb(&mut times, at(0)), Climb { violations: 1, action: None });
        assert_eq!(strict.climb(&mut times, at(900)), Climb { violations: 2, action: Some(ActionKind::Ban) });
        assert_eq!(strict.climb(&mut times, at(2_500)), Climb { violations: 1, action: None });
    }

    /// Seconds of violations, and what each leads to.
    #[track_caller]
    fn held(name: &str, cooldown: i64, calm: i64, rows: &[(i64, Option<ActionKind>)]) {
        let ladder = Ladder {
            cooldown: TimeDelta::seconds(cooldown),
            calm: TimeDelta::seconds(calm),
            steps: [(1, ActionKind::Warn), (2, ActionKind::Blur), (3, ActionKind::Mute), (4, ActionKind::Disconnect)]
                .map(|(violations, action)| Step { violations, action })
                .to_vec(),
            ..ladder()
        };
        let mut climbing = Climbing::default();
        for (second, expected) in rows {
            let climb = ladder.climb_held(&mut climbing.times, &mut climbing.held, at(second * 1000));
            assert_eq!(climb.action, *expected, "{name}: at {second} s");
        }
    }

    #[test]
    fn f4_a_step_is_not_repeated_while_it_cools_down_and_a_higher_one_is_taken_at_once() {
        use ActionKind::{Blur, Disconnect, Mute, Warn};
        let each = [
            (0, Some(Warn)),
            (1, Some(Blur)),
            (2, Some(Mute)),
            (3, Some(Disconnect)),
            (4, None),
            (12, None),
            (13, Some(Disconnect)),
        ];
        held("escalates", 10, 0, &each);
        // The window has moved past the first: the count falls to one again, which is no reason to warn at once.
        held("the same step", 40, 0, &[(0, Some(Warn)), (35, None), (41, Some(Blur))]);
    }

    #[test]
    fn f4_who_was_not_calm_for_long_enough_stays_on_their_step() {
        use ActionKind::{Blur, Mute, Warn};
        let rise = [(0, Some(Warn)), (1, Some(Blur)), (2, Some(Mute))];
        held("without calm the window counts alone", 0, 0, &[&rise[..], &[(60, Some(Warn))]].concat());
        held("still on the step", 0, 100, &[&rise[..], &[(60, Some(Mute))]].concat());
        held("one step down", 0, 100, &[&rise[..], &[(102, Some(Blur))]].concat());
        held("all the way down", 0, 100, &[&rise[..], &[(402, Some(Warn))]].concat());
    }

    #[test]
    fn f4_a_ladder_without_cooldown_and_calm_remembers_nothing_more() {
        let mut climbing = Climbing::default();
        for ms in [0, 10, 20] {
            ladder().climb_held(&mut climbing.times, &mut climbing.held, at(ms));
        }
        assert_eq!((climbing.times.len(), climbing.held), (3, None));
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
