//! What is done to an item, a participant or a person.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::item::{ActionId, Envelope};

/// The actions, mildest first: of several, the severest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Nothing is done.
    Allow,
    /// Tell the person.
    Warn,
    /// Blur the person's video.
    Blur,
    /// Take the microphone.
    Mute,
    /// Ask a human.
    Review,
    /// Take the item down.
    Remove,
    /// End the person's call.
    Disconnect,
    /// Close the account for a time.
    Suspend,
    /// Close the account.
    Ban,
}

impl ActionKind {
    /// Every action, mildest first.
    pub const ALL: [Self; 9] = [
        Self::Allow,
        Self::Warn,
        Self::Blur,
        Self::Mute,
        Self::Review,
        Self::Remove,
        Self::Disconnect,
        Self::Suspend,
        Self::Ban,
    ];

    /// Name for policy files, logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Blur => "blur",
            Self::Mute => "mute",
            Self::Review => "review",
            Self::Remove => "remove",
            Self::Disconnect => "disconnect",
            Self::Suspend => "suspend",
            Self::Ban => "ban",
        }
    }
}

/// One thing to be done, by whoever receives the event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Idempotency key: performing twice must equal performing once.
    pub id: ActionId,
    /// What.
    pub kind: ActionKind,
    /// To which item, and through it to whom.
    pub subject: Envelope,
    /// Name of the rule that asked for it.
    pub rule: String,
    /// One sentence for the person concerned and for staff.
    pub reason: String,
    /// 0..=1: the score behind it.
    pub confidence: f32,
    /// Policy version that decided.
    pub policy: String,
    /// How many violations the participant had in the window, this one included; 0 outside ladders.
    pub violations: u32,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
    /// When it ends by itself; it does not when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Strikes that come with it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub strikes: u32,
    /// What was asked for before the day's cap made a review of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<ActionKind>,
    /// The action whose strikes led to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ActionId>,
}

fn is_zero(strikes: &u32) -> bool {
    *strikes == 0
}
