//! Which version of a tenant's policy is in force, and how the next one comes in. Pure.
//!
//! A rollout is never changed: every change is a new one with the next revision, so that the list of them is the history. Version
//! number 0 is the installation's own policy (the file, or the built-in one).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::PipelineError,
    interval::{Z95, wilson},
    item::TenantId,
};

/// The installation's own policy, as a version number.
pub const INSTALLATION: u32 = 0;
/// Longest note, in bytes.
pub const MAX_NOTE_BYTES: usize = 1000;

/// One text of a tenant's policy, as it was handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// Whose.
    pub tenant: TenantId,
    /// From 1, in the order in which they came.
    pub number: u32,
    /// Name and short digest, as verdicts carry it.
    pub version: String,
    /// SHA-256 of the text, hex.
    pub digest: String,
    /// Who handed it in.
    pub author: String,
    /// Why, in their words.
    pub note: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The policy.
    pub text: String,
}

/// Which of two policies judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The one in force.
    #[default]
    Live,
    /// The one on trial with a share of the people.
    Canary,
}

/// How many items were judged, and how many of them passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// All.
    pub judged: u64,
    /// Those with the action `allow`.
    pub passed: u64,
}

impl Tally {
    /// Share that passed; 1 when nothing was judged.
    pub fn pass_rate(self) -> f64 {
        if self.judged == 0 { 1.0 } else { self.passed as f64 / self.judged as f64 }
    }
}

/// A version on trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Which.
    pub number: u32,
    /// Of how many people in a hundred it judges the items.
    pub percent: u8,
}

/// When a new version is taken back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// How far its pass-rate may be from the one before, 0..=1.
    pub limit: f64,
    /// Items that it must have judged first.
    pub least: u64,
    /// What it is compared with when there is no other side to compare: the version before, up to the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Tally>,
}

/// What a rollout did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A version came into force for everybody.
    Live,
    /// A version came on trial.
    Canary,
    /// Somebody went back to an earlier version, or ended a trial.
    RolledBack,
    /// The alarm did.
    Alarm,
}

impl Change {
    /// Name for events, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Canary => "canary",
            Self::RolledBack => "rolled_back",
            Self::Alarm => "alarm",
        }
    }
}

/// What is in force for a tenant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// Whose.
    pub tenant: TenantId,
    /// Rises by one with every change.
    pub revision: u64,
    /// The version in force; 0 is the installation's own.
    pub live: u32,
    /// The version on trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// When the new version is taken back by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Alarm>,
    /// What was in force before `live`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
    /// What this change was.
    pub change: Change,
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub note: String,
}

/// Who changes what is in force, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hand {
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub note: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl Rollout {
    /// Before the first change: the installation's own policy.
    pub fn initial(tenant: TenantId) -> Self {
        let (change, at) = (Change::Live, DateTime::UNIX_EPOCH);
        let (by, note) = (String::new(), String::new());
        let (canary, alarm, before) = (None, None, None);
        Self { tenant, revision: 0, live: INSTALLATION, canary, alarm, before, change, at, by, note }
    }

    fn next(&self, change: Change, hand: Hand) -> Self {
        let Hand { by, note, at } = hand;
        Self { revision: self.revision + 1, change, by, note, at, ..self.clone() }
    }

    /// Version `number` comes into force for `percent` of the people: on trial below 100. `seen`: what the version in force has
    /// judged so far.
    pub fn go_live(
        &self,
        number: u32,
        percent: u8,
        alarm: Option<Alarm>,
        seen: Tally,
        hand: Hand,
    ) -> Result<Self, PipelineError> {
        if !(1..=100).contains(&percent) {
            let message =
                format!("`percent` is {percent}: 1 to 99 is a trial with that share of the people, 100 is everybody");
            return Err(PipelineError::invalid("percent_out_of_range", message));
        }
        if let Some(Alarm { limit, .. }) = alarm
            && !(limit > 0.0 && limit <= 1.0)
        {
            let message =
                "the alarm's `limit` is a difference of shares, above 0 and at most 1: 0.05 is five in a hundred";
            return Err(PipelineError::invalid("alarm_out_of_range", message));
        }
        if number == self.live {
            let message = format!("version {number} is in force already: nothing was changed");
            return Err(PipelineError::Conflict { code: "policy_in_force", message });
        }
        if percent < 100 {
            let alarm = alarm.map(|alarm| Alarm { baseline: None, ..alarm });
            return Ok(Self { canary: Some(Canary { number, percent }), alarm, ..self.next(Change::Canary, hand) });
        }
        let alarm = alarm.map(|alarm| Alarm { baseline: Some(seen), ..alarm });
        Ok(Self { live: number, canary: None, alarm, before: Some(self.live), ..self.next(Change::Live, hand) })
    }

    /// Ends the trial, if there is one; else goes back to `to`, or to what was in force before.
    pub fn roll_back(&self, to: Option<u32>, change: Change, hand: Hand) -> Result<Self, PipelineError> {
        if to.is_none() && self.canary.is_some() {
            return Ok(Self { canary: None, alarm: None, ..self.next(change, hand) });
        }
        let Some(to) = to.or(self.before) else {
            let message = "nothing was in force before: name a version with `to` (0 is the installation's own policy)";
            return Err(PipelineError::Conflict { code: "policy_nothing_before", message: message.into() });
        };
        if to == self.live && self.canary.is_none() {
            let message = format!("version {to} is in force already: nothing was changed");
            return Err(PipelineError::Conflict { code: "policy_in_force", message });
        }
        Ok(Self { live: to, canary: None, alarm: None, before: Some(self.live), ..self.next(change, hand) })
    }

    /// Has the new version's pass-rate moved too far? `live` and `canary` are what the two sides have judged in this revision. Beyond
    /// doubt only: its whole 95 % interval must lie outside the limit.
    pub fn alarmed(&self, live: Tally, canary: Tally) -> Option<Breach> {
        let alarm = self.alarm?;
        let (new, old) = match (self.canary, alarm.baseline) {
            (Some(_), _) => (canary, live),
            (None, Some(baseline)) => (live, baseline),
            (None, None) => return None,
        };
        // Nothing to compare with is no reason to go back to it.
        if new.judged < alarm.least.max(1) || old.judged == 0 {
            return None;
        }
        let (low, high) = wilson(new.passed, new.judged, Z95);
        let expected = old.pass_rate();
        let beyond = high < expected - alarm.limit || low > expected + alarm.limit;
        beyond.then(|| Breach { found: new.pass_rate(), expected, judged: new.judged })
    }
}

/// A pass-rate that moved too far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Breach {
    /// The new version's.
    pub found: f64,
    /// The one before's.
    pub expected: f64,
    /// Items behind `found`.
    pub judged: u64,
}

impl Breach {
    /// For the note of the roll-back.
    pub fn note(&self) -> String {
        let (found, expected) = (self.found * 100.0, self.expected * 100.0);
        format!("pass-rate {found:.1} % after {} items, expected {expected:.1} %", self.judged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand() -> Hand {
        Hand { by: "lea".into(), note: "why".into(), at: DateTime::UNIX_EPOCH }
    }

    fn code(result: Result<Rollout, PipelineError>) -> &'static str {
        match result.unwrap_err() {
            PipelineError::Invalid { code, .. } | PipelineError::Conflict { code, .. } => code,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn p2_versions_come_into_force_on_trial_or_whole_and_go_back() {
        let start = Rollout::initial("acme".into());
        let one = start.go_live(1, 100, None, Tally::default(), hand()).unwrap();
        assert_eq!((one.revision, one.live, one.before, one.change), (1, 1, Some(0), Change::Live));
        let trial = one.go_live(2, 10, None, Tally::default(), hand()).unwrap();
        assert_eq!((trial.live, trial.canary), (1, Some(Canary { number: 2, percent: 10 })));
        let ended = trial.roll_back(None, Change::RolledBack, hand()).unwrap();
        assert_eq!((ended.live, ended.canary, ended.revision), (1, None, 3));
        let two = trial.go_live(2, 100, None, Tally::default(), hand()).unwrap();
        assert_eq!((two.live, two.canary, two.before), (2, None, Some(1)));
        let back = two.roll_back(None, Change::RolledBack, hand()).unwrap();
        assert_eq!((back.live, back.before, back.revision), (1, Some(2), 4));
        assert_eq!(two.roll_back(Some(0), Change::RolledBack, hand()).unwrap().live, INSTALLATION);
    }

    #[test]
    fn p2_changes_that_change_nothing_are_refused() {
        let start = Rollout::initial("acme".into());
        let one = start.go_live(1, 100, None, Tally::default(), hand()).unwrap();
        let alarm = |limit| Some(Alarm { limit, least: 1, baseline: None });
        for (result, expected) in [
            (start.go_live(1, 0, None, Tally::default(), hand()), "percent_out_of_range"),
            (start.go_live(1, 101, None, Tally::default(), hand()), "percent_out_of_range"),
            (start.go_live(1, 5, alarm(0.0), Tally::default(), hand()), "alarm_out_of_range"),
            (start.go_live(1, 5, alarm(f64::NAN), Tally::default(), hand()), "alarm_out_of_range"),
            (one.go_live(1, 100, None, Tally::default(), hand()), "policy_in_force"),
            (one.roll_back(Some(1), Change::RolledBack, hand()), "policy_in_force"),
            (start.roll_back(None, Change::RolledBack, hand()), "policy_nothing_before"),
        ] {
            assert_eq!(code(result), expected);
        }
    }

    #[test]
    fn p4_a_pass_rate_that_moves_beyond_doubt_raises_the_alarm() {
        let tally = |judged, passed| Tally { judged, passed };
        let alarm = Some(Alarm { limit: 0.05, least: 200, baseline: None });
        let start = Rollout::initial("acme".into());
        let trial = start.go_live(1, 10, alarm, Tally::default(), hand()).unwrap();
        for (name, live, canary, raised) in [
            ("the same", tally(1000, 950), tally(1000, 950), false),
            ("far below", tally(1000, 950), tally(1000, 800), true),
            ("far above", tally(1000, 700), tally(1000, 950), true),
            ("too few yet", tally(1000, 950), tally(199, 100), false),
            ("beyond, but not beyond doubt", tally(1000, 950), tally(200, 178), false),
            ("nothing to compare", tally(0, 0), tally(1000, 10), false),
        ] {
            assert_eq!(trial.alarmed(live, canary).is_some(), raised, "{name}");
        }
        let whole = start.go_live(1, 100, alarm, tally(1000, 950), hand()).unwrap();
        assert!(whole.alarmed(tally(1000, 800), tally(0, 0)).is_some(), "compared with what was before");
        assert!(whole.alarmed(tally(1000, 940), tally(0, 0)).is_none());
        assert!(start.alarmed(tally(1000, 0), tally(0, 0)).is_none(), "no alarm was set");
        let breach = trial.alarmed(tally(1000, 950), tally(1000, 800)).unwrap();
        assert_eq!(breach.note(), "pass-rate 80.0 % after 1000 items, expected 95.0 %");
    }
}
