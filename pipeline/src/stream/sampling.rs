//! How soon a participant's next frame should be sent. Pure: callers pass the time in.
//!
//! Risk decides first: somebody who has just violated a rule is looked at five times a second, somebody calm every five
//! seconds. Then the budget: when all participants together ask for more frames than can be judged, all pauses are stretched
//! alike, so that those at risk are still looked at most often.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};

use super::call::ParticipantState;

/// The shortest pause between two frames of one participant.
pub const SHORTEST: Duration = Duration::from_millis(200);
/// The pause of a participant without any risk, as long as the budget lasts.
pub const CALM: Duration = Duration::from_secs(5);
/// The longest pause that a budget may lead to; what is too much even then is shed by the queue.
pub const LONGEST: Duration = Duration::from_secs(15);
/// The longest pause during somebody's first frames.
const NEWCOMER: Duration = Duration::from_secs(1);
/// How many frames those are.
const FIRST_FRAMES: u64 = 5;
/// How long somebody is watched closely after a violation.
const WATCHED: TimeDelta = TimeDelta::seconds(60);
/// What is left of a frame's risk at the next frame.
const FADE: f32 = 0.8;
/// Frames of this mean age at their verdict show that more come than can be judged.
const LATE: Duration = Duration::from_millis(300);
/// How long a measured capacity is believed.
const BELIEVED: Duration = Duration::from_secs(60);
/// Participants that a budget is shared among at most; a bound on memory, not a goal.
const MOST_PARTICIPANTS: usize = 200_000;

/// Risk after a frame that scored `score` (0..=1, the highest that a rule looked at): at once as high as that, then fading.
pub fn risk(before: f32, score: f32) -> f32 {
    (before * FADE).max(score).clamp(0.0, 1.0)
}

/// The pause that `state` asks for, whatever the budget; `at` is the time of the last frame.
pub fn wish(state: &ParticipantState, at: DateTime<Utc>) -> Duration {
    let last_violation = state.violations.values().filter_map(|times| times.last()).max();
    if state.disconnected_at.is_some() {
        return CALM;
    }
    if last_violation.is_some_and(|last| at - *last <= WATCHED) {
        return SHORTEST;
    }
    // Geometric between the two ends: each step of risk shortens the pause by the same factor.
    let ends = SHORTEST.as_secs_f64() / CALM.as_secs_f64();
    let pause = CALM.mul_f64(ends.powf(f64::from(state.risk.clamp(0.0, 1.0))));
    if state.frames <= FIRST_FRAMES { pause.min(NEWCOMER) } else { pause }
}

/// Shares a number of frames per second among those who send.
#[derive(Debug, Default)]
pub struct Budget {
    asked: HashMap<u64, Asked>,
    /// Frames per second that all together asked for.
    total: f64,
    swept: Duration,
}

#[derive(Debug)]
struct Asked {
    rate: f64,
    until: Duration,
}

impl Budget {
    /// The pause of participant `key` who asks for `wish`, when all together may send `limit` frames per second (`None`: as many
    /// as they ask for).
    pub fn plan(&mut self, key: u64, wish: Duration, limit: Option<f64>, now: Duration) -> Duration {
        self.sweep(now);
        let rate = 1.0 / wish.max(SHORTEST).as_secs_f64();
        let known = self.asked.get(&key).map_or(0.0, |asked| asked.rate);
        let stretch = limit.map_or(1.0, |limit| ((self.total - known + rate) / limit.max(0.01)).max(1.0));
        let pause = wish.mul_f64(stretch).clamp(SHORTEST, LONGEST);
        if self.asked.len() < MOST_PARTICIPANTS || known > 0.0 {
            self.total += rate - known;
            // Who stays away for three pauses has stopped sending.
            self.asked.insert(key, Asked { rate, until: now + 3 * pause });
        }
        pause
    }

    /// Forgets, about once a second, those who stopped sending.
    fn sweep(&mut self, now: Duration) {
        if now.saturating_sub(self.swept) < Duration::from_secs(1) {
            return;
        }
        self.swept = now;
        self.asked.retain(|_, asked| asked.until >= now);
        // Added up anew, so that rounding does not pile up.
        self.total = self.asked.values().map(|asked| asked.rate).sum();
    }
}

/// How many frames per second this worker can judge, found out whenever it has more than it can.
#[derive(Debug, Default)]
pub struct Meter {
    since: Duration,
    judged: u32,
    age: Duration,
    capacity: Option<(f64, Duration)>,
}

impl Meter {
    /// A frame was judged at `now`, so long after it was accepted.
    pub fn judged(&mut self, now: Duration, age: Duration) {
        let length = now.saturating_sub(self.since);
        if length >= Duration::from_secs(1) {
            let late = self.judged > 0 && self.age / self.judged >= LATE;
            // A pause in between says nothing about what could have been done.
            if late && length < Duration::from_secs(3) {
                let rate = f64::from(self.judged) / length.as_secs_f64();
                let before = self.capacity(now);
                self.capacity = Some((before.map_or(rate, |before| 0.7 * before + 0.3 * rate), now));
            }
            (self.since, self.judged, self.age) = (now, 0, Duration::ZERO);
        }
        self.judged += 1;
        self.age += age;
    }

    /// Frames per second, while known.
    pub fn capacity(&self, now: Duration) -> Option<f64> {
        self.capacity.filter(|(_, at)| now.saturating_sub(*at) <= BELIEVED).map(|(rate, _)| rate)
    }
}

/// All of it: risk, what was measured, and the budget.
#[derive(Debug, Default)]
pub struct Sampler {
    budget: Budget,
    meter: Meter,
    /// Frames per second from the configuration; 0: what was measured.
    configured: f64,
}

impl Sampler {
    /// `configured` frames per second; 0: as many as are found to be possible.
    pub fn new(configured: f64) -> Self {
        Self { configured, ..Self::default() }
    }

    /// The pause until the next frame of participant `key`, after one that was judged at `now` at the age `age`.
    pub fn next(&mut self, key: u64, wish: Duration, age: Duration, now: Duration) -> Duration {
        self.meter.judged(now, age);
        let limit = if self.configured > 0.0 { Some(self.configured) } else { self.meter.capacity(now) };
        self.budget.plan(key, wish, limit, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(10_000 + seconds)
    }

    fn state(frames: u64, risk: f32, violations: &[i64]) -> ParticipantState {
        let times = violations.iter().map(|seconds| at(*seconds)).collect();
        ParticipantState { frames, risk, violations: [("call".to_owned(), times)].into(), ..Default::default() }
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn f5_the_pause_follows_risk() {
        let disconnected = ParticipantState { disconnected_at: Some(at(0)), ..state(9, 1.0, &[0]) };
        for (name, state, millis) in [
            ("calm", state(100, 0.0, &[]), 5000),
            ("the first frames", state(1, 0.0, &[]), 1000),
            ("the last of the first frames", state(5, 0.0, &[]), 1000),
            ("then calm", state(6, 0.0, &[]), 5000),
            ("in between", state(100, 0.5, &[]), 1000),
            ("high", state(100, 1.0, &[]), 200),
            ("new and high", state(1, 1.0, &[]), 200),
            ("violated just now", state(100, 0.0, &[99]), 200),
            ("violated a minute ago", state(100, 0.0, &[40]), 200),
            ("violated longer ago", state(100, 0.0, &[39]), 5000),
            ("gone", disconnected, 5000),
        ] {
            let pause = wish(&state, at(100)).as_millis();
            assert_eq!(pause, millis, "{name}");
        }
    }

    #[test]
    fn f5_risk_rises_at_once_and_fades() {
        let mut now = risk(0.1, 0.9);
        assert!((now - 0.9).abs() < 1e-6);
        for _ in 0..10 {
            now = risk(now, 0.05);
        }
        assert!((0.05..0.1).contains(&now), "{now}");
        assert!((risk(0.0, 7.0) - 1.0).abs() < 1e-6 && risk(f32::NAN, 0.2) <= 1.0);
    }

    #[test]
    fn f5_within_the_budget_everybody_gets_what_they_ask_for() {
        let mut budget = Budget::default();
        for key in 0..10 {
            assert_eq!(budget.plan(key, s(5), Some(2.0), s(0)), s(5));
        }
        assert!(budget.plan(99, SHORTEST, Some(2.0), s(0)) > SHORTEST, "the eleventh is too much");
        assert_eq!(budget.plan(99, SHORTEST, None, s(0)), SHORTEST, "without a limit nothing is");
    }

    #[test]
    fn f5_beyond_the_budget_all_pauses_stretch_alike() {
        let mut budget = Budget::default();
        let mut pauses = Vec::new();
        for _ in 0..2 {
            pauses =
                (0..40).map(|key| budget.plan(key, if key < 10 { SHORTEST } else { s(3) }, Some(20.0), s(0))).collect();
        }
        // 10 × 5/s + 30 × ⅓/s = 60/s, three times the budget.
        let near = |pause: Duration, seconds: f64| (pause.as_secs_f64() - seconds).abs() < 1e-6;
        assert!(pauses[..10].iter().all(|pause| near(*pause, 0.6)), "{pauses:?}");
        assert!(pauses[10..].iter().all(|pause| near(*pause, 9.0)), "{pauses:?}");
    }

    #[test]
    fn f5_who_stops_sending_frees_their_share() {
        let mut budget = Budget::default();
        for key in 0..100 {
            budget.plan(key, SHORTEST, Some(5.0), s(0));
        }
        assert_eq!(budget.plan(0, SHORTEST, Some(5.0), s(1)), LONGEST);
        assert_eq!(budget.plan(0, SHORTEST, Some(5.0), s(100)), SHORTEST);
        assert_eq!(budget.asked.len(), 1);
    }

    #[test]
    fn f5_the_capacity_is_measured_when_frames_come_late() {
        let mut meter = Meter::default();
        for n in 0..500 {
            meter.judged(Duration::from_millis(n * 20), Duration::from_millis(50));
        }
        assert_eq!(meter.capacity(s(10)), None, "nothing was late: nobody knows what is possible");
        for n in 500..1000 {
            meter.judged(Duration::from_millis(n * 20), Duration::from_millis(900));
        }
        let capacity = meter.capacity(s(20)).unwrap();
        assert!((45.0..=55.0).contains(&capacity), "{capacity}");
        assert!(meter.capacity(s(79)).is_some());
        assert_eq!(meter.capacity(s(90)), None, "long ago");
        meter.judged(s(500), Duration::from_millis(900));
        meter.judged(s(600), Duration::from_millis(900));
        assert_eq!(meter.capacity(s(600)), None, "a pause is no measurement");
    }

    #[test]
    fn f5_a_configured_budget_stands_whatever_was_measured() {
        let mut sampler = Sampler::new(1.0);
        for key in 0..10 {
            sampler.next(key, s(5), Duration::ZERO, s(0));
        }
        assert_eq!(sampler.next(0, s(5), Duration::ZERO, s(0)), s(10));
        assert_eq!(Sampler::new(0.0).next(0, s(5), s(9), s(0)), s(5));
    }

    proptest! {
        #[test]
        fn f5_all_together_stay_within_the_budget(
            wishes in prop::collection::vec(200_u64..5000, 1..60), limit in 1.0_f64..200.0,
        ) {
            let mut budget = Budget::default();
            let mut plan = || -> Vec<Duration> {
                let each = wishes.iter().enumerate();
                each.map(|(key, ms)| budget.plan(key as u64, Duration::from_millis(*ms), Some(limit), s(0))).collect()
            };
            plan();
            let pauses = plan();
            let rate: f64 = pauses.iter().filter(|pause| **pause < LONGEST).map(|pause| 1.0 / pause.as_secs_f64()).sum();
            prop_assert!(rate <= limit * 1.001, "{rate} of {limit}");
            for (pause, wish) in pauses.iter().zip(&wishes) {
                prop_assert!(*pause >= Duration::from_millis(*wish) && *pause <= LONGEST);
            }
        }
    }
}
