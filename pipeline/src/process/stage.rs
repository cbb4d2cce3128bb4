//! Where an item's time goes, as the histogram `chaperone_item_stage_seconds`: from its acceptance to the end of its delivery, without gaps
//! except the few microseconds between two stages.

use std::time::Duration;

use crate::verdict::Timings;

/// A part of an item's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage(&'static str);

/// From acceptance to the start of work: on its way into the queue, in it, and in the hands of a busy process.
pub const WAIT: Stage = Stage("wait");
/// Asking the store whether it was judged before.
pub const SEEN: Stage = Stage("seen");
/// Decoding a picture, folding a text.
pub const PREPARE: Stage = Stage("prepare");
/// Models, their queues and, for texts, the author's turn and context included.
pub const JUDGE: Stage = Stage("judge");
/// Policy and state; for frames the participant's turn.
pub const DECIDE: Stage = Stage("decide");
/// Writing outcome and events, together with those of others.
pub const COMMIT: Stage = Stage("commit");
/// Telling the queue.
pub const SETTLE: Stage = Stage("settle");

impl Stage {
    /// Every one, in their order.
    pub const ALL: [Self; 7] = [WAIT, SEEN, PREPARE, JUDGE, DECIDE, COMMIT, SETTLE];

    /// Its label.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// An item has spent `time` here.
    pub fn took(self, time: Duration) {
        metrics::histogram!("chaperone_item_stage_seconds", "stage" => self.0).record(time.as_secs_f64());
    }
}

/// An item was judged and its outcome committed.
pub(super) fn of_item(timings: &Timings, commit: Duration) {
    for (stage, time) in split(timings) {
        stage.took(time);
    }
    COMMIT.took(commit);
}

fn split(timings: &Timings) -> [(Stage, Duration); 4] {
    let time = |ms: f32| Duration::from_secs_f32(ms.max(0.0) / 1000.0);
    let decide = timings.total_ms - timings.prepare_ms - timings.infer_ms;
    [
        (WAIT, time(timings.waiting_ms)),
        (PREPARE, time(timings.prepare_ms)),
        (JUDGE, time(timings.infer_ms)),
        (DECIDE, time(decide)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i6_the_stages_add_up_to_the_whole() {
        let timings = Timings { waiting_ms: 100.0, prepare_ms: 1.0, infer_ms: 5.0, total_ms: 8.0 };
        let parts = split(&timings);
        let total: Duration = parts.iter().map(|(_, time)| *time).sum();
        assert!((total.as_secs_f64() - 0.108).abs() < 1e-6, "{parts:?}");
        assert!((parts[3].1.as_secs_f64() - 0.002).abs() < 1e-6, "what is left is deciding");
        // A clock that went backwards is no reason to panic.
        let odd = Timings { waiting_ms: -3.0, prepare_ms: 9.0, infer_ms: 0.0, total_ms: 8.0 };
        assert_eq!(split(&odd)[0].1, Duration::ZERO);
    }
}
