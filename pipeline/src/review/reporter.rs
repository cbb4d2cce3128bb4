//! How far a reporter is believed, and where a report stands. Pure.
//!
//! What is known about a reporter is a Beta distribution: reports that were upheld against reports that were dismissed, on a prior of one each
//! (Laplace's rule of succession; used for reporters like this in A. Jøsang, R. Ismail, "The Beta Reputation System", 2002, which also forgets
//! by a factor). The past counts half after each half-life, so that people may change.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::case::Priority;
use crate::error::PipelineError;

/// Below this, the mean is not believed: the report waits behind others.
pub const DOUBTED_BELOW: f64 = 0.3;
/// So many decided reports are needed before anybody is doubted.
pub const DOUBTED_AFTER: f64 = 3.0;

/// A reporter's past.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Credibility {
    /// Reports that were upheld, faded.
    pub upheld: f64,
    /// Reports that were dismissed, faded.
    pub dismissed: f64,
    /// As of when.
    pub at: DateTime<Utc>,
}

impl Credibility {
    /// Nothing is known.
    pub fn unknown(at: DateTime<Utc>) -> Self {
        Self { upheld: 0.0, dismissed: 0.0, at }
    }

    /// As it is at `now`, with a half-life.
    #[must_use]
    pub fn faded(self, now: DateTime<Utc>, half_life: TimeDelta) -> Self {
        let age = (now - self.at).num_seconds().max(0) as f64;
        let half = half_life.num_seconds().max(1) as f64;
        let keep = 0.5_f64.powf(age / half);
        Self { upheld: self.upheld * keep, dismissed: self.dismissed * keep, at: self.at.max(now) }
    }

    /// After one more decision.
    #[must_use]
    pub fn after(self, upheld: bool, now: DateTime<Utc>, half_life: TimeDelta) -> Self {
        let mut next = self.faded(now, half_life);
        if upheld {
            next.upheld += 1.0;
        } else {
            next.dismissed += 1.0;
        }
        next
    }

    /// The chance that the next report is right: the mean of the posterior, 0 to 1; a half when nothing is known.
    pub fn mean(&self) -> f64 {
        (self.upheld + 1.0) / (self.upheld + self.dismissed + 2.0)
    }

    /// How urgent this reporter's reports are at most.
    pub fn at_most(&self) -> Option<Priority> {
        let doubted = self.upheld + self.dismissed >= DOUBTED_AFTER && self.mean() < DOUBTED_BELOW;
        doubted.then_some(Priority::Low)
    }
}

/// Where a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportState {
    /// It came in.
    Open,
    /// It waits in a queue, as part of a case.
    Queued,
    /// Somebody has it.
    Assigned,
    /// A lead has to decide.
    Escalated,
    /// It is over.
    Closed,
}

impl ReportState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Open, Self::Queued, Self::Assigned, Self::Escalated, Self::Closed];

    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Queued => "queued",
            Self::Assigned => "assigned",
            Self::Escalated => "escalated",
            Self::Closed => "closed",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Where a report may go from here. The one table; nothing else changes a state.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Open => &[Self::Closed, Self::Escalated, Self::Queued, Self::Assigned],
            Self::Queued => &[Self::Assigned, Self::Open, Self::Closed],
            Self::Assigned => &[Self::Open, Self::Closed, Self::Escalated, Self::Queued],
            Self::Escalated => &[Self::Open, Self::Closed],
            Self::Closed => &[Self::Open],
        }
    }

    /// Refuses a step that the table does not have.
    pub fn step(self, to: Self) -> Result<Self, PipelineError> {
        if self.next().contains(&to) {
            return Ok(to);
        }
        let ways: Vec<&str> = self.next().iter().map(|state| state.as_str()).collect();
        let message = format!(
            "a report that is `{}` cannot become `{}`: it can become {}",
            self.as_str(),
            to.as_str(),
            ways.join(", ")
        );
        Err(PipelineError::Conflict { code: "report_state", message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(days)
    }

    #[test]
    fn c5_credibility_follows_decisions_and_fades() {
        let half = TimeDelta::days(90);
        let mut known = Credibility::unknown(at(0));
        assert!((known.mean() - 0.5).abs() < 1e-9 && known.at_most().is_none());
        for _ in 0..2 {
            known = known.after(false, at(0), half);
        }
        assert_eq!(known.at_most(), None, "two decisions are not enough to doubt somebody");
        for _ in 0..6 {
            known = known.after(false, at(0), half);
        }
        assert!((known.mean() - 0.1).abs() < 1e-9, "{known:?}");
        assert_eq!(known.at_most(), Some(Priority::Low));
        let later = known.faded(at(90), half);
        assert!((later.dismissed - 4.0).abs() < 1e-9, "half after one half-life: {later:?}");
        assert!(known.faded(at(3650), half).at_most().is_none(), "forgotten after ten years");
        let back = known.faded(at(-5), half);
        assert_eq!((back.dismissed, back.at), (known.dismissed, known.at), "a clock that goes back changes nothing");
    }

    #[test]
    fn c5_reports_move_by_the_table_only() {
        use ReportState::{Assigned, Closed, Escalated, Open, Queued};
        let allowed = [
            (Open, vec![Closed, Escalated, Queued, Assigned]),
            (Queued, vec![Assigned, Open, Closed]),
            (Assigned, vec![Open, Closed, Escalated, Queued]),
            (Escalated, vec![Open, Closed]),
            (Closed, vec![Open]),
        ];
        for (from, to) in allowed {
            for state in ReportState::ALL {
                assert_eq!(from.step(state).is_ok(), to.contains(&state), "{from:?} {state:?}");
                assert_eq!(ReportState::named(state.as_str()), Some(state));
            }
        }
    }
}
