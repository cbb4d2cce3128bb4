//! One thing that was done to somebody, and what became of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::acknowledge::Acknowledge;
use crate::item::{ActionId, ActorId, ItemId, TenantId};

/// What was done. Never changed; what becomes of it is its [`Fate`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionEntry {
    /// Its id, which the platform deduplicates by.
    pub id: ActionId,
    /// Whose.
    pub tenant: TenantId,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActorId>,
    /// Because of which item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<ItemId>,
    /// An action's name, or that of its inverse.
    pub kind: String,
    /// The rule that asked for it; `strikes` for a step of the strikes, `manual` for a human's.
    pub rule: String,
    /// One sentence for the person concerned.
    pub reason: String,
    /// `policy`, `expiry`, or who.
    pub by: String,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// When it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Strikes that came with it.
    #[serde(default)]
    pub strikes: u32,
    /// Until when they count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strikes_until: Option<DateTime<Utc>>,
    /// The action whose strikes led to this one: taken back together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ActionId>,
    /// The action that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<ActionId>,
    /// The platform is to acknowledge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge: Option<Acknowledge>,
    /// What the platform was told: the `data` of the event. Told again as it is.
    pub told: serde_json::Value,
}

/// Whether the platform has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Receipt {
    /// Nobody asked for its word.
    Unasked,
    /// Its word is awaited.
    Awaited,
    /// It has performed it.
    Acknowledged,
    /// It was told as often as it may be, and has not answered.
    Missing,
}

impl Receipt {
    /// Every receipt; the position is its number in the store.
    pub const ALL: [Self; 4] = [Self::Unasked, Self::Awaited, Self::Acknowledged, Self::Missing];

    /// Name for events and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Awaited => "awaited",
            Self::Acknowledged => "acknowledged",
            Self::Missing => "missing",
        }
    }
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Whether the platform has it.
    pub receipt: Receipt,
    /// How often it was told because no word came; 1 at first.
    pub told: u32,
    /// When it is told again.
    pub due_at: Option<DateTime<Utc>>,
    /// When the platform's word came.
    pub acknowledged_at: Option<DateTime<Utc>>,
    /// The action that took it back.
    pub reversed_by: Option<ActionId>,
    /// It ended because its time was over: its strikes stay.
    pub expired: bool,
}

/// An action with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Enforced {
    /// What was done.
    pub entry: ActionEntry,
    /// What became of it.
    pub fate: Fate,
}
