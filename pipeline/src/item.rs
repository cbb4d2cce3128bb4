//! An item: anything judged.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares a newtype over UUIDv7 (time-ordered, so that database pages fill in order).
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id whose time part is now.
            #[expect(clippy::new_without_default, reason = "two calls differ: a default would mislead")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

/// Declares a newtype over a string that the platform chose: its own user, room or tenant name.
macro_rules! name_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The name as the platform wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

uuid_id!(
    /// Names one item for ever; also its idempotency key.
    ItemId
);
uuid_id!(
    /// Names one action; consumers deduplicate by it.
    ActionId
);
name_id!(
    /// A customer of this installation. Every row carries one.
    TenantId
);
name_id!(
    /// A user of the platform: author, participant.
    ActorId
);
name_id!(
    /// A room, chat or thread of the platform.
    ConversationId
);
name_id!(
    /// A voice or video call of the platform.
    CallId
);
name_id!(
    /// A person who can be matched. Usually the same string as the `ActorId`.
    ProfileId
);

/// The longest name, reference or id string that is accepted, in bytes.
pub const MAX_NAME_BYTES: usize = 200;

/// What sort of thing is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// A chat message.
    Text,
    /// One picture out of a running call.
    Frame,
    /// An uploaded picture.
    Image,
}

impl ItemKind {
    /// Name for policy rules, logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Frame => "frame",
            Self::Image => "image",
        }
    }

    /// The lane that an item of this kind takes through the queue.
    pub fn lane(self) -> models::Lane {
        match self {
            Self::Text => models::Lane::Interactive,
            Self::Frame => models::Lane::Live,
            Self::Image => models::Lane::Bulk,
        }
    }
}

/// The thing itself.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// A message.
    Text(String),
    /// An encoded picture (JPEG, PNG, WebP, …) as it came.
    Picture(Bytes),
}

impl fmt::Debug for Content {
    /// Never shows content: items are logged, content is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Picture(bytes) => write!(f, "Picture({} bytes)", bytes.len()),
        }
    }
}

impl Content {
    /// Size in bytes as received.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Picture(bytes) => bytes.len(),
        }
    }

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Everything about an item except its content. Small; goes into logs and events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Unique; given by the platform or made at acceptance.
    pub id: ItemId,
    /// Whose item.
    pub tenant: TenantId,
    /// What it is.
    pub kind: ItemKind,
    /// Who wrote or showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<ActorId>,
    /// Where it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<ConversationId>,
    /// In which call; set for frames.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The platform's own id of it, echoed in every answer and event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it was written or captured, by the platform's clock; clamped at acceptance (see `clock`).
    pub occurred_at: DateTime<Utc>,
    /// When we accepted it.
    pub received_at: DateTime<Utc>,
}

/// Anything judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Who, where, when.
    pub envelope: Envelope,
    /// What.
    pub content: Content,
}
