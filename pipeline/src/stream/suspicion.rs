//! Consecutive suspected frames: what one frame's models cannot settle, the next frames may.
//!
//! A suspicion is a frame that the first picture models score high in a class that matters. When the model for the second opinion cannot
//! answer, a frame counts only when enough frames of the same participant in a row were suspected, close together in time.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How many frames in a row were suspected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspicion {
    /// Suspected frames without one between that was not.
    pub frames: u32,
    /// When the last of them was captured.
    pub last: Option<DateTime<Utc>>,
}

impl Suspicion {
    /// After one more frame, captured at `at`. Frames further apart than `window` are not in a row.
    #[must_use]
    pub fn after(self, suspected: bool, at: DateTime<Utc>, window: TimeDelta) -> Self {
        if !suspected {
            // A frame that comes late says nothing about those after it.
            return if self.last.is_some_and(|last| at < last) { self } else { Self::default() };
        }
        let in_a_row = self.last.is_some_and(|last| (at - last).abs() <= window);
        Self {
            frames: if in_a_row { self.frames.saturating_add(1) } else { 1 },
            last: Some(self.last.filter(|last| *last > at && in_a_row).unwrap_or(at)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(rows: &[(i64, bool)]) -> u32 {
        let at = |seconds| DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000 + seconds);
        let step = |suspicion: Suspicion, &(seconds, suspected): &(i64, bool)| {
            suspicion.after(suspected, at(seconds), TimeDelta::seconds(10))
        };
        rows.iter().fold(Suspicion::default(), step).frames
    }

    #[test]
    fn f2_suspected_frames_in_a_row_are_counted() {
        for (name, rows, expected) in [
            ("one", &[(0, true)][..], 1),
            ("three in a row", &[(0, true), (1, true), (2, true)], 3),
            ("a clean one between", &[(0, true), (1, false), (2, true)], 1),
            ("too far apart", &[(0, true), (11, true)], 1),
            ("exactly the window apart", &[(0, true), (10, true)], 2),
            ("out of order", &[(5, true), (3, true)], 2),
            ("a late clean one", &[(5, true), (3, false), (6, true)], 2),
            ("only clean ones", &[(0, false), (1, false)], 0),
        ] {
            assert_eq!(frames(rows), expected, "{name}");
        }
    }
}
