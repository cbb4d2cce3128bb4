//! What is known of a person when their next item is judged.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    action::ActionKind,
    item::{ActionId, ActorId},
    stream::ladder::Climbing,
};

/// What is remembered of a person across calls and texts. Written over the version that it was made from only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PersonState {
    /// Ladders whose scope is the person, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ladders: BTreeMap<String, Climbing>,
}

/// Something that keeps a person out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The action that did.
    pub action: ActionId,
    /// `suspend` or `ban`.
    pub kind: ActionKind,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Until when; for good when absent.
    pub until: Option<DateTime<Utc>>,
}

/// A person at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Person {
    /// Version of `state`; 0 when there is none.
    pub version: u64,
    /// What is remembered of them.
    pub state: PersonState,
    /// Strikes that count now.
    pub strikes: u32,
    /// Strikes ever, without those that were given back.
    pub strikes_total: u32,
    /// What keeps them out now.
    pub restrictions: Vec<Restriction>,
    /// When their account was made, if the platform said so.
    pub account_created_at: Option<DateTime<Utc>>,
    /// How many kinds of traces they share with people who are banned, if the platform gave any.
    pub evasion: Option<u32>,
}

/// The new state of a person.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonChange {
    /// Who.
    pub actor: ActorId,
    /// The state after this item.
    pub state: PersonState,
    /// The version that was read before; 0 when there was none. It becomes `seen + 1`.
    pub seen: u64,
}

/// What the platform says of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonFacts {
    /// When their account was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_created_at: Option<DateTime<Utc>>,
    /// How many traces are known (they are kept apart, as keyed digests).
    #[serde(default)]
    pub traces: u32,
    /// How often they tried to get around a restriction.
    #[serde(default)]
    pub circumvention_attempts: u32,
}
