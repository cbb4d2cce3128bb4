//! Calls are sessions: start, join, leave, end. CONTRACT: fields are fixed; behaviour is being written.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::item::{ActorId, CallId};

/// One person in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub actor: ActorId,
    /// First join.
    pub joined_at: DateTime<Utc>,
    /// Set while out of the call; cleared by a re-join.
    #[serde(default)]
    pub left_at: Option<DateTime<Utc>>,
}

/// A call from start to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The platform's id.
    pub id: CallId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Set once ended; never cleared.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// In order of first join.
    pub participants: Vec<Participant>,
}

/// What is remembered of one participant of one call: violations per ladder, and the last frame's answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParticipantState {
    /// Ladder name → times of violations inside its window, oldest first.
    pub violations: std::collections::BTreeMap<String, Vec<DateTime<Utc>>>,
    /// Set once the participant was disconnected.
    #[serde(default)]
    pub disconnected_at: Option<DateTime<Utc>>,
    /// Frames judged.
    #[serde(default)]
    pub frames: u64,
}
