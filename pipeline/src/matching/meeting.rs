//! What is remembered of people and between them: rows of the store.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{behaviour::Behaviour, standing::Standing};
use crate::item::{MatchId, ProfileId, TenantId};

/// What is remembered of a person. Written over the version that it was made from only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    /// What they did and had done to them.
    pub behaviour: Behaviour,
    /// What moderation thinks of them.
    pub standing: Standing,
    /// When they last did something here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_at: Option<DateTime<Utc>>,
}

/// A person's record with its version; 0 when there is none yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Remembered {
    /// What is remembered.
    pub record: Record,
    /// Rises by one with every write.
    pub version: u64,
}

/// What one person said of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieKind {
    /// Yes.
    Like,
    /// No.
    Pass,
    /// Never again.
    Block,
}

impl TieKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Like, Self::Pass, Self::Block];

    /// Name for rows and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Like => "like",
            Self::Pass => "pass",
            Self::Block => "block",
        }
    }
}

/// A like, a pass or a block. Of two people there is one answer each way, the newest, and beside it a block or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tie {
    /// Who said it.
    pub from: ProfileId,
    /// Of whom.
    pub to: ProfileId,
    /// What.
    pub kind: TieKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// How two people came together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Both liked each other.
    Mutual,
    /// Both waited.
    Live,
}

/// The end of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: DateTime<Utc>,
    /// `left`, `skipped`, `expired`, `blocked`, `moderation`, `erased`.
    pub reason: String,
    /// Who ended it, if one of them did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ProfileId>,
}

/// Two people who were brought together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Its id.
    pub id: MatchId,
    /// Whose.
    pub tenant: TenantId,
    /// Both, in order.
    pub participants: [ProfileId; 2],
    /// How.
    pub origin: Origin,
    /// 0..=1, when it was made.
    pub score: f64,
    /// Why, in codes.
    pub reasons: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Over?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// What each rated the other, 1 to 5.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ratings: BTreeMap<ProfileId, u8>,
}

impl Match {
    /// Is this one of the two?
    pub fn has(&self, person: &ProfileId) -> bool {
        self.participants.contains(person)
    }

    /// The other one.
    pub fn other(&self, person: &ProfileId) -> Option<&ProfileId> {
        self.has(person).then(|| self.participants.iter().find(|one| *one != person)).flatten()
    }
}

/// Somebody who waits for a partner now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id: a new one each time that somebody begins to wait.
    pub id: Uuid,
    /// Whose.
    pub tenant: TenantId,
    /// Who.
    pub person: ProfileId,
    /// 0 for everybody; higher ones have a head start.
    pub tier: u8,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when, if nobody asks for it again.
    pub until: DateTime<Utc>,
}

/// The recommendations of a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DailyList {
    /// Of which day (UTC).
    pub day: NaiveDate,
    /// Best first.
    pub people: Vec<ProfileId>,
}

/// All that one step changes, committed together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Records with the versions that they were made from.
    pub people: Vec<(ProfileId, Record, u64)>,
    /// Answers and blocks; the newest stays.
    pub ties: Vec<Tie>,
    /// Blocks that are lifted: (who, whom).
    pub unblocked: Vec<(ProfileId, ProfileId)>,
    /// New matches.
    pub matches: Vec<Match>,
    /// Matches that changed, with whether each was still open when it was read.
    pub changed: Vec<(Match, bool)>,
    /// People who begin to wait; who waits already keeps the ticket, with the new `until`.
    pub waiting: Vec<Ticket>,
    /// Tickets that are given up or fulfilled: they must be there.
    pub taken: Vec<Uuid>,
}
