//! How many live frames may be in flight, so that none becomes old in our own hands. Pure: callers pass the time in.
//!
//! A worker with many permits and a slow processor would take more frames than it can judge in time; taken frames cannot be
//! displaced by newer ones any more. So the limit follows the time that a frame takes from delivery to verdict: it grows by
//! one per round of frames while they are quick, and shrinks by a third when one was slow (additive increase, multiplicative
//! decrease: Chiu and Jain, "Analysis of the Increase and Decrease Algorithms for Congestion Avoidance", 1989). It starts
//! low and doubles per round until the first slow frame, as TCP does.

use std::time::Duration;

/// Frames in flight before anything is known.
const START: f64 = 16.0;
/// What is left of the limit after a slow frame.
const SHRINK: f64 = 0.7;

/// The limit on live frames in flight.
#[derive(Debug, Clone)]
pub struct Pace {
    limit: f64,
    most: f64,
    target: Duration,
    doubling: bool,
    shrunk_at: Duration,
}

impl Pace {
    /// At most `most` frames, each done within about `target`.
    pub fn new(most: usize, target: Duration) -> Self {
        let most = (most.max(1)) as f64;
        Self { limit: START.min(most), most, target, doubling: true, shrunk_at: Duration::ZERO }
    }

    /// How many may be in flight; at least 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the permits")]
    pub fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A frame is done that was taken at `started` (both times since any fixed start). `in_flight`: how many there were with
    /// it; a limit that nobody comes near says nothing about whether a higher one would do.
    pub fn finished(&mut self, started: Duration, now: Duration, in_flight: usize) {
        if now.saturating_sub(started) > self.target {
            // Those that were taken before the limit shrank tell of the old one.
            if started >= self.shrunk_at {
                self.limit = (self.limit * SHRINK).max(1.0);
                self.doubling = false;
                self.shrunk_at = now;
            }
        } else if in_flight >= self.limit() {
            self.limit += if self.doubling { 1.0 } else { 1.0 / self.limit };
            self.limit = self.limit.min(self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(500);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn f5_the_limit_follows_what_frames_take() {
        // (started, now, in flight) of each frame; the limit afterwards.
        type Row<'a> = (&'a str, &'a [(u64, u64, usize)], usize);
        let table: &[Row<'_>] = &[
            ("nothing known", &[], 16),
            ("quick frames double", &[(0, 9, 16), (0, 9, 17)], 18),
            ("an unused limit does not grow", &[(0, 9, 15), (0, 9, 3)], 16),
            ("exactly on target is quick", &[(0, 500, 16)], 17),
            ("a slow one shrinks", &[(1, 502, 16)], 11),
            ("its companions do not shrink it again", &[(1, 502, 16), (2, 503, 15), (501, 1100, 16)], 11),
            ("one that was taken after it does", &[(1, 502, 16), (502, 1003, 11)], 7),
            ("then it grows by one per round", &[(1, 502, 16), (510, 520, 11), (510, 520, 11)], 11),
        ];
        for (name, frames, expected) in table {
            let mut pace = Pace::new(96, TARGET);
            for (started, now, in_flight) in *frames {
                pace.finished(ms(*started), ms(*now), *in_flight);
            }
            assert_eq!(pace.limit(), *expected, "{name}");
        }
    }

    #[test]
    fn f5_the_limit_stays_between_one_and_the_most() {
        let mut pace = Pace::new(20, TARGET);
        for now in 0..1000 {
            pace.finished(ms(now), ms(now + 1), 1000);
        }
        assert_eq!(pace.limit(), 20);
        for round in 1..100 {
            pace.finished(ms(round * 1000 + 2000), ms(round * 1000 + 2900), 1000);
        }
        assert_eq!(pace.limit(), 1);
        assert_eq!(Pace::new(0, TARGET).limit(), 1);
    }

    /// One server that takes `service` per frame, always as many frames at hand as the limit lets in.
    fn settle(service: Duration, seconds: u64) -> (Duration, usize) {
        let mut pace = Pace::new(96, TARGET);
        let mut queue = std::collections::VecDeque::new();
        let (mut now, mut slowest) = (Duration::ZERO, Duration::ZERO);
        while now < Duration::from_secs(seconds) {
            while queue.len() < pace.limit() {
                queue.push_back(now);
            }
            let in_flight = queue.len();
            now += service;
            let started = queue.pop_front().unwrap();
            // The first seconds find the limit.
            if now > Duration::from_secs(seconds / 2) {
                slowest = slowest.max(now - started);
            }
            pace.finished(started, now, in_flight);
        }
        (slowest, pace.limit())
    }

    #[test]
    fn f5_frames_on_a_slow_worker_stay_young_and_a_fast_one_is_not_held_back() {
        for (service, limits) in [(5, 60..=96), (20, 15..=26), (100, 3..=6), (400, 1..=2)] {
            let (slowest, limit) = settle(ms(service), 120);
            assert!(slowest <= TARGET + 2 * ms(service), "{service} ms each: one took {slowest:?}");
            assert!(limits.contains(&limit), "{service} ms each: {limit}");
        }
    }
}
