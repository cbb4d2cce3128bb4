//! The circuit breaker: how many severe actions a day may be decided without a human. Beyond that they become reviews.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{action::ActionKind, item::TenantId};

/// Table `[breaker]` of a policy: actions of a kind per day and tenant. A kind that is absent has no cap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caps(pub BTreeMap<ActionKind, u32>);

impl Caps {
    /// The most actions of this kind a day.
    pub fn of(&self, kind: ActionKind) -> Option<u32> {
        self.0.get(&kind).copied()
    }
}

/// The day that an action counts for: UTC's.
pub fn day(at: DateTime<Utc>) -> NaiveDate {
    at.date_naive()
}

/// What became of an action's place under its cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// It has one.
    Taken,
    /// There was none: the breaker is open. `first`: it opened by this.
    Refused {
        /// Nobody was refused before, since the day began or somebody closed it.
        first: bool,
    },
}

/// A day's count of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerState {
    /// Whose.
    pub tenant: TenantId,
    /// Which day.
    pub day: NaiveDate,
    /// Which kind of action.
    pub kind: ActionKind,
    /// Decided so far.
    pub count: u32,
    /// When it opened; closed while absent.
    pub opened_at: Option<DateTime<Utc>>,
}
