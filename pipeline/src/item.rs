//! An item: anything judged.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{config::PipelineConfig, error::PipelineError};

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
uuid_id!(
    /// Names one report for ever; also its idempotency key.
    ReportId
);
uuid_id!(
    /// Names one piece of feedback for ever.
    FeedbackId
);
uuid_id!(
    /// Names one case of the reviewers for ever.
    CaseId
);
uuid_id!(
    /// Names one piece of a case's evidence.
    EvidenceId
);
uuid_id!(
    /// Names one reviewer's decision for ever.
    DecisionId
);
uuid_id!(
    /// Names one appeal for ever; also its idempotency key.
    AppealId
);
uuid_id!(
    /// Names one account of the console for ever.
    UserId
);
uuid_id!(
    /// Names one match of two people for ever.
    MatchId
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
    /// The platform's id of the message that this text is a version of: the first one, or an edit (`review::version`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
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

impl Item {
    /// Checks the form: names, sizes, emptiness, and that content and kind fit. Cheap; decodes nothing. Errors, all
    /// `Invalid`: `name_empty`, `name_too_long`, `name_invalid`, `reference_too_long`, `content_mismatch`,
    /// `frame_without_call`, `frame_without_actor`, `message_not_text`, `message_without_actor`, `text_empty`, `text_too_long`, `picture_empty`, `picture_too_large`.
    pub fn check(&self, limits: &PipelineConfig) -> Result<(), PipelineError> {
        self.envelope.check()?;
        match (self.envelope.kind, &self.content) {
            (ItemKind::Text, Content::Text(text)) => check_text(text, limits.max_text_bytes),
            (ItemKind::Frame, Content::Picture(bytes)) => crate::decode::check_size(bytes, limits.max_frame_bytes),
            (ItemKind::Image, Content::Picture(bytes)) => crate::decode::check_size(bytes, limits.max_picture_bytes),
            (kind, _) => {
                let kind = kind.as_str();
                let message = format!(
                    "an item of kind `{kind}` has other content: a text has words, a frame or image has a picture"
                );
                Err(PipelineError::invalid("content_mismatch", message))
            }
        }
    }
}

impl Envelope {
    fn check(&self) -> Result<(), PipelineError> {
        check_name("tenant", self.tenant.as_str())?;
        self.actor.as_ref().map_or(Ok(()), |name| check_name("actor", name.as_str()))?;
        self.conversation.as_ref().map_or(Ok(()), |name| check_name("conversation", name.as_str()))?;
        self.call.as_ref().map_or(Ok(()), |name| check_name("call", name.as_str()))?;
        if let Some(long) = self.reference.as_ref().filter(|reference| reference.len() > MAX_NAME_BYTES) {
            let message = format!("`reference` has {} bytes, at most {MAX_NAME_BYTES}: shorten it", long.len());
            return Err(PipelineError::invalid("reference_too_long", message));
        }
        self.check_message()?;
        if self.kind == ItemKind::Frame && self.call.is_none() {
            return Err(PipelineError::invalid(
                "frame_without_call",
                "a frame needs `call`: the id of the call it is from",
            ));
        }
        if self.kind == ItemKind::Frame && self.actor.is_none() {
            return Err(PipelineError::invalid(
                "frame_without_actor",
                "a frame needs `actor`: the participant it shows",
            ));
        }
        Ok(())
    }
}

impl Envelope {
    /// Versions are kept as somebody's words: of a text, and of a person who can ask to have them erased.
    fn check_message(&self) -> Result<(), PipelineError> {
        let Some(message) = &self.message else { return Ok(()) };
        check_name("message", message)?;
        if self.kind != ItemKind::Text {
            let message = "only texts have versions: leave `message` out, or name a picture by `reference`";
            return Err(PipelineError::invalid("message_not_text", message));
        }
        if self.actor.is_none() {
            let message = "a text with `message` needs `actor`: whose words are kept, so that they can be erased";
            return Err(PipelineError::invalid("message_without_actor", message));
        }
        Ok(())
    }
}

/// Refuses names that are empty, too long, or not printable (they go into logs and headers).
pub fn check_name(field: &str, name: &str) -> Result<(), PipelineError> {
    if name.trim().is_empty() {
        return Err(PipelineError::invalid(
            "name_empty",
            format!("`{field}` is empty: leave it out or name something"),
        ));
    }
    if name.len() > MAX_NAME_BYTES {
        let message = format!("`{field}` has {} bytes, at most {MAX_NAME_BYTES}: use a shorter id", name.len());
        return Err(PipelineError::invalid("name_too_long", message));
    }
    if name.chars().any(char::is_control) {
        return Err(PipelineError::invalid("name_invalid", format!("`{field}` has control characters: take them out")));
    }
    Ok(())
}

/// Refuses texts that are too long or have nothing to read in them.
pub fn check_text(text: &str, most: usize) -> Result<(), PipelineError> {
    if text.len() > most {
        let message = format!("the text has {} bytes, at most {most} are judged: split it", text.len());
        return Err(PipelineError::invalid("text_too_long", message));
    }
    if crate::normalise::is_blank(text) {
        return Err(PipelineError::invalid(
            "text_empty",
            "the text has nothing to read in it: send at least one character",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: ItemKind, content: Content) -> Item {
        let envelope = Envelope {
            id: ItemId::new(),
            tenant: "t".into(),
            kind,
            actor: Some("ann".into()),
            conversation: None,
            call: Some("room".into()),
            reference: None,
            message: None,
            occurred_at: DateTime::UNIX_EPOCH,
            received_at: DateTime::UNIX_EPOCH,
        };
        Item { envelope, content }
    }

    fn text(text: &str) -> Item {
        item(ItemKind::Text, Content::Text(text.into()))
    }

    fn picture(kind: ItemKind, bytes: usize) -> Item {
        item(kind, Content::Picture(vec![0; bytes].into()))
    }

    fn with(change: impl FnOnce(&mut Envelope)) -> Item {
        let mut item = picture(ItemKind::Frame, 10);
        change(&mut item.envelope);
        item
    }

    #[test]
    fn bad_items_are_refused_at_the_door() {
        let limits =
            PipelineConfig { max_text_bytes: 10, max_frame_bytes: 20, max_picture_bytes: 30, ..Default::default() };
        let good = [
            text("1234567890"),
            text("ä"),
            picture(ItemKind::Frame, 20),
            picture(ItemKind::Image, 30),
            with(|e| e.reference = Some("x".repeat(200))),
            {
                let mut edited = text("a");
                edited.envelope.message = Some("m-1".into());
                edited
            },
        ];
        for item in good {
            item.check(&limits).unwrap();
        }
        let table = [
            ("text_empty", text("")),
            ("text_empty", text(" \n\u{200b}")),
            ("text_too_long", text("12345678901")),
            ("text_too_long", text("ääääää")),
            ("picture_empty", picture(ItemKind::Image, 0)),
            ("picture_too_large", picture(ItemKind::Frame, 21)),
            ("picture_too_large", picture(ItemKind::Image, 31)),
            ("content_mismatch", item(ItemKind::Image, Content::Text("x".into()))),
            ("content_mismatch", picture(ItemKind::Text, 5)),
            ("frame_without_call", with(|e| e.call = None)),
            ("frame_without_actor", with(|e| e.actor = None)),
            ("name_empty", with(|e| e.tenant = " ".into())),
            ("name_too_long", with(|e| e.actor = Some("x".repeat(201).as_str().into()))),
            ("name_invalid", with(|e| e.conversation = Some("a\nb".into()))),
            ("reference_too_long", with(|e| e.reference = Some("x".repeat(201)))),
            ("name_empty", with(|e| e.message = Some(" ".into()))),
            ("message_not_text", with(|e| e.message = Some("m-1".into()))),
            ("message_without_actor", {
                let mut item = text("a");
                (item.envelope.message, item.envelope.actor) = (Some("m-1".into()), None);
                item
            }),
        ];
        for (expected, item) in table {
            match item.check(&limits) {
                Err(PipelineError::Invalid { code, message }) => {
                    assert_eq!(code, expected);
                    assert!(message.contains(": "), "says what to do: {message}");
                }
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn items_are_logged_without_their_content() {
        let logged = format!("{:?}", text("a secret"));
        assert!(!logged.contains("secret") && logged.contains("8 bytes"), "{logged}");
    }
}
