//! Live frames that wait: of each participant the newest, participants in turn, and none that is too old. Pure.
//!
//! A participant takes its place in the queue of turns with its first frame and keeps it when a newer frame displaces that
//! one. So under any overload everybody gets one frame judged per round, and that frame is as old as the pause between two
//! of its frames, not as old as the round is long.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

/// Why a live frame is given up without a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// A newer frame of the same participant came while it waited.
    Displaced,
    /// It waited for longer than [`QueueConfig::live_wait`](crate::config::QueueConfig::live_wait).
    Stale,
}

impl Shed {
    /// Counts one in `chaperone_frames_shed_total`.
    pub(crate) fn count(self) {
        let reason = match self {
            Self::Displaced => "displaced",
            Self::Stale => "stale",
        };
        metrics::counter!("chaperone_frames_shed_total", "reason" => reason).increment(1);
    }
}

/// Frames that wait, at most one per participant. Memory and the cost of a step depend on the number of participants that
/// wait, not on how much they send; every step is O(log participants).
///
/// Times are since any fixed start, the same for all calls.
#[derive(Debug)]
pub(crate) struct Fresh<T> {
    max_age: Duration,
    waiting: HashMap<u64, Waiting<T>>,
    /// Ticket → participant: the lowest ticket is next.
    turns: BTreeMap<u64, u64>,
    /// The oldest frame first, for [`Fresh::take_stale`].
    ages: BTreeSet<(Duration, u64)>,
    ticket: u64,
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: u64,
    captured: Duration,
    item: T,
}

impl<T> Fresh<T> {
    /// Frames older than `max_age` are stale.
    pub(crate) fn new(max_age: Duration) -> Self {
        Self { max_age, waiting: HashMap::new(), turns: BTreeMap::new(), ages: BTreeSet::new(), ticket: 0 }
    }

    /// Lets a frame wait. `key`: hash of tenant, call and actor. `captured`: when its age began.
    ///
    /// Answers the frame that has to go because this participant may have only one: the older of the two, which is `item`
    /// itself when frames come out of order. Of two equally old ones the later arrival stays.
    pub(crate) fn push(&mut self, key: u64, captured: Duration, item: T) -> Option<T> {
        if let Some(present) = self.waiting.get_mut(&key) {
            if captured < present.captured {
                return Some(item);
            }
            self.ages.remove(&(present.captured, key));
            self.ages.insert((captured, key));
            present.captured = captured;
            return Some(std::mem::replace(&mut present.item, item));
        }
        let ticket = self.ticket;
        self.ticket += 1;
        self.turns.insert(ticket, key);
        self.ages.insert((captured, key));
        self.waiting.insert(key, Waiting { ticket, captured, item });
        None
    }

    /// The frame of the participant whose turn it is. A stale one is passed over and stays for [`Fresh::take_stale`],
    /// which should be called first.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<T> {
        let fresh = |key: &u64| self.waiting.get(key).is_some_and(|waiting| !self.is_stale(waiting.captured, now));
        let key = *self.turns.values().find(|key| fresh(key))?;
        self.remove(key)
    }

    /// Takes out every frame that is older than the limit, the oldest first.
    pub(crate) fn take_stale(&mut self, now: Duration) -> Vec<T> {
        let mut stale = Vec::new();
        while let Some((captured, key)) = self.ages.first().copied()
            && self.is_stale(captured, now)
        {
            stale.extend(self.remove(key));
        }
        stale
    }

    /// What waits, in order of turns.
    pub(crate) fn ahead(&self) -> impl Iterator<Item = &T> {
        self.turns.values().filter_map(|key| self.waiting.get(key)).map(|waiting| &waiting.item)
    }

    /// How many wait, stale ones not yet taken included.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn is_stale(&self, captured: Duration, now: Duration) -> bool {
        now.saturating_sub(captured) > self.max_age
    }

    fn remove(&mut self, key: u64) -> Option<T> {
        let waiting = self.waiting.remove(&key)?;
        self.turns.remove(&waiting.ticket);
        self.ages.remove(&(waiting.captured, key));
        Some(waiting.item)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// `+K@T` a frame of participant K captured at T, `?T` who is next at T, `!T` who is stale at T.
    fn play(script: &str) -> String {
        let mut fresh = Fresh::new(ms(100));
        let mut seen = Vec::new();
        for step in script.split(' ') {
            let (what, rest) = step.split_at(1);
            match what {
                "+" => {
                    let (key, at) = rest.split_once('@').unwrap();
                    let at = at.parse().unwrap();
                    let gone = fresh.push(key.as_bytes()[0].into(), ms(at), format!("{key}{at}"));
                    seen.extend(gone.map(|gone| format!("-{gone}")));
                }
                "?" => {
                    seen.push(fresh.pop(ms(rest.parse().unwrap())).unwrap_or_else(|| ".".into()));
                }
                _ => {
                    seen.extend(
                        fresh.take_stale(ms(rest.parse().unwrap())).into_iter().map(|stale| format!("!{stale}")),
                    );
                }
            }
        }
        format!("{} {}", seen.join(" "), fresh.len())
    }

    #[test]
    fn f5_the_newest_frame_of_each_participant_in_turn() {
        for (name, script, expected) in [
            ("nothing waits", "?0 !500", ". 0"),
            ("one", "+a@0 ?10 ?10", "a0 . 0"),
            ("in order of arrival", "+b@0 +a@1 +c@2 ?9 ?9 ?9", "b0 a1 c2 0"),
            ("a newer one displaces and keeps the turn", "+a@0 +b@1 +a@50 ?60 ?60", "-a0 a50 b1 0"),
            ("an older one that comes late goes itself", "+a@50 +a@0 ?60 ?60", "-a0 a50 . 0"),
            ("of equals the later stays", "+a@7 +a@7 ?7 ?7", "-a7 a7 . 0"),
            ("who was served goes to the end", "+a@0 +b@0 ?1 +a@2 ?3 ?3", "a0 b0 a2 0"),
            ("who sends most gets no more", "+a@0 +b@0 ?1 +a@1 +a@2 +a@3 ?4 ?4", "a0 -a1 -a2 b0 a3 0"),
            ("exactly as old as allowed is fresh", "+a@0 !100 ?100", "a0 0"),
            ("older is stale, and only then", "+a@0 +b@1 ?101 !101 ?101", "b1 !a0 . 0"),
            ("stale ones wait to be taken", "+a@0 ?500 ?500", ". . 1"),
            ("oldest first", "+b@1 +a@0 +c@400 !450", "!a0 !b1 1"),
            ("displacing makes fresh", "+a@0 +a@90 !150 ?150", "-a0 a90 0"),
            ("a clock that goes back makes nothing stale", "+a@500 !0 ?0", "a500 0"),
        ] {
            assert_eq!(play(script), expected, "{name}: {script}");
        }
    }

    /// 200 participants at 5 frames/s each, one worker that can do 50/s: everybody is judged equally often, and what is
    /// judged is no older than the pause between two frames.
    #[test]
    fn f5_a_storm_is_shared_equally_and_stays_young() {
        let mut fresh = Fresh::new(ms(2000));
        let (mut judged, mut oldest) = (vec![0; 200], Duration::ZERO);
        for now in 0..40_000_u64 {
            // One participant every millisecond, each every 200 ms.
            fresh.push(now % 200, ms(now), (now % 200, ms(now)));
            assert!(fresh.take_stale(ms(now)).is_empty());
            if now % 20 == 19
                && let Some((who, captured)) = fresh.pop(ms(now))
            {
                judged[usize::try_from(who).unwrap()] += 1;
                oldest = oldest.max(ms(now) - captured);
            }
        }
        assert_eq!((judged.iter().min(), judged.iter().max()), (Some(&10), Some(&10)));
        assert!(oldest <= ms(200), "{oldest:?}");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Push(u64, u64),
        Pop(u64),
        TakeStale(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..6_u64, 0..400_u64).prop_map(|(key, at)| Step::Push(key, at)),
            3 => (0..400_u64).prop_map(Step::Pop),
            1 => (0..400_u64).prop_map(Step::TakeStale),
        ]
    }

    proptest! {
        #[test]
        fn f5_nothing_is_lost_or_doubled_and_only_the_newest_waits(steps in prop::collection::vec(step(), 0..120)) {
            let mut fresh = Fresh::new(ms(100));
            // The model: what waits, in order of turns: (key, captured, number).
            let mut model: Vec<(u64, u64, usize)> = Vec::new();
            let (mut pushed, mut gone) = (0, 0);
            for step in steps {
                match step {
                    Step::Push(key, at) => {
                        let new = (key, at, pushed);
                        pushed += 1;
                        let expected = match model.iter_mut().find(|waits| waits.0 == key) {
                            Some(waits) if waits.1 > at => Some(new),
                            Some(waits) => Some(std::mem::replace(waits, new)),
                            None => {
                                model.push(new);
                                None
                            }
                        };
                        gone += usize::from(expected.is_some());
                        prop_assert_eq!(fresh.push(key, ms(at), new), expected);
                    }
                    Step::Pop(now) => {
                        let turn = model.iter().position(|(_, at, _)| now.saturating_sub(*at) <= 100);
                        let expected = turn.map(|turn| model.remove(turn));
                        gone += usize::from(expected.is_some());
                        prop_assert_eq!(fresh.pop(ms(now)), expected);
                    }
                    Step::TakeStale(now) => {
                        let mut expected: Vec<_> = model.extract_if(.., |waits| now.saturating_sub(waits.1) > 100).collect();
                        expected.sort_unstable_by_key(|(key, at, _)| (*at, *key));
                        gone += expected.len();
                        prop_assert_eq!(fresh.take_stale(ms(now)), expected);
                    }
                }
                prop_assert_eq!(fresh.len(), model.len());
                prop_assert_eq!(fresh.len() + gone, pushed);
                prop_assert_eq!((fresh.turns.len(), fresh.ages.len()), (model.len(), model.len()), "nothing is left behind");
            }
        }
    }
}
