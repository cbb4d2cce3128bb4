//! When a suspect may be judged: alone, with nothing else in flight in its process. Pure.
//!
//! A suspect is an item whose process ended more than once while it had the item. Nobody knows yet whether the item was the cause
//! or a bystander. So the process first finishes what it has in hand, then judges suspects one after another, then
//! opens for all again. If it ends meanwhile the one that was being judged counts a lost process, and nobody else does.
//!
//! Suspects take no more than half of the time: after each closed period the queue is open for as long. And a process that has just started
//! works for the others first: if a suspect ends it again, something was done.

use std::time::Duration;

/// Suspects are judged for so long in a row; one is in any case.
const SLICE: Duration = Duration::from_millis(250);
/// What is in flight must have ended after so long, or suspects wait for another chance: one item that hangs must not stop a worker.
const PATIENCE: Duration = Duration::from_secs(5);

/// A process that has just started judges no suspects.
const HEAD_START: Duration = Duration::from_secs(1);

/// A point in time as this module sees it: since some start.
type Instant = Duration;

/// Who may be handed out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Anybody but suspects. Ask again at this time, when there is one: suspects wait for it.
    Others(Option<Instant>),
    /// One suspect.
    Suspect,
    /// Nobody, until what is in flight has ended. Ask again at this time at the latest.
    Nobody(Option<Instant>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked yet.
    New,
    /// For everybody but suspects until then, whether there is anybody else or not.
    Starting { until: Instant },
    /// For everybody, suspects excepted; not for suspects before `until`.
    Open { until: Instant },
    /// Nobody, since then: what is in flight ends.
    Emptying { since: Instant },
    /// Suspects one by one. Closed for others since `since`; the last one begins before `until`.
    Alone { since: Instant, until: Instant },
}

/// The rule with its state.
#[derive(Debug)]
pub(super) struct Isolation {
    phase: Phase,
}

impl Isolation {
    pub(super) fn new() -> Self {
        Self { phase: Phase::New }
    }

    /// Do others wait for a suspect, or it for them? Then whoever ends has to be told of.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Emptying { .. } | Phase::Alone { .. })
    }

    /// Whose turn it is at `now`. `suspects`: some wait. `others`: somebody else waits. `in_flight`: handed out, suspects included.
    pub(super) fn turn(&mut self, now: Instant, suspects: bool, others: bool, in_flight: usize) -> Turn {
        loop {
            self.phase = match self.phase {
                Phase::New => Phase::Starting { until: now + HEAD_START },
                Phase::Starting { until } if now >= until => Phase::Open { until: now },
                Phase::Starting { .. } | Phase::Open { .. } if !suspects => return Turn::Others(None),
                Phase::Starting { until } => return Turn::Others(Some(until)),
                // Who has nothing else to do need not share.
                Phase::Open { until } if now >= until || (!others && in_flight == 0) => Phase::Emptying { since: now },
                Phase::Open { until } => return Turn::Others(Some(until)),
                Phase::Emptying { since } if !suspects || now.saturating_sub(since) >= PATIENCE => reopened(since, now),
                Phase::Emptying { since } if in_flight > 0 => return Turn::Nobody(Some(since + PATIENCE)),
                Phase::Emptying { since } => Phase::Alone { since, until: now + SLICE },
                Phase::Alone { .. } if in_flight > 0 => return Turn::Nobody(None),
                Phase::Alone { since, until } if !suspects || now >= until => reopened(since, now),
                Phase::Alone { .. } => return Turn::Suspect,
            }
        }
    }
}

/// Open for as long as it was closed.
fn reopened(since: Instant, now: Instant) -> Phase {
    Phase::Open { until: now + now.saturating_sub(since) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Instant {
        Duration::from_millis(ms)
    }

    #[test]
    fn i7_suspects_have_their_turn_alone_and_half_of_the_time() {
        let mut isolation = Isolation::new();
        let until = |at| Turn::Others(Some(ms(at)));
        let steps = [
            ("nobody is suspected", 0, false, 9, Turn::Others(None)),
            ("a new process works for the others first", 100, true, 2, until(1_000)),
            ("what is in flight ends first", 1_100, true, 2, Turn::Nobody(Some(ms(6_100)))),
            ("still one", 1_150, true, 1, Turn::Nobody(Some(ms(6_100)))),
            ("nothing else is in flight", 1_200, true, 0, Turn::Suspect),
            ("it is being judged", 1_220, true, 1, Turn::Nobody(None)),
            ("the next one", 1_300, true, 0, Turn::Suspect),
            ("that one takes long", 1_900, true, 1, Turn::Nobody(None)),
            ("closed for 900 ms, open for 900 ms", 2_000, true, 0, until(2_900)),
            ("others have their time", 2_899, true, 64, until(2_900)),
            ("then it begins again", 2_900, true, 3, Turn::Nobody(Some(ms(7_900)))),
            ("one hangs: open again for as long as that took", 7_900, true, 1, until(12_900)),
            ("the last suspect is gone", 13_000, false, 1, Turn::Others(None)),
        ];
        for (what, at, suspects, in_flight, expected) in steps {
            assert_eq!(isolation.turn(ms(at), suspects, true, in_flight), expected, "{what}");
        }
    }

    #[test]
    fn i7_suspects_need_not_wait_for_others_that_are_not_there() {
        let mut isolation = Isolation::new();
        assert_eq!(isolation.turn(ms(0), true, false, 0), Turn::Others(Some(ms(1_000))), "others may be about to come");
        assert_eq!(isolation.turn(ms(1_000), true, true, 0), Turn::Suspect);
        assert_eq!(isolation.turn(ms(2_000), true, true, 0), Turn::Others(Some(ms(3_000))));
        assert_eq!(isolation.turn(ms(2_001), true, false, 1), Turn::Others(Some(ms(3_000))), "somebody is in flight");
        assert_eq!(isolation.turn(ms(2_002), true, false, 0), Turn::Suspect);
    }
}
