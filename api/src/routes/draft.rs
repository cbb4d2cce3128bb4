//! An item as the platform sends it, and its way to an `Item`.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::{
    clock::clamp_occurred,
    item::{ActorId, Content, ConversationId, Envelope, Item, ItemId, ItemKind, TenantId},
};
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use crate::error::ApiError;

/// What sort of thing is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NewKind {
    /// A chat message: `text`.
    Text,
    /// An uploaded picture: `image`.
    Image,
}

/// One thing to be judged. Exactly one of `text` and `image` is sent.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "hello there", "actor": "ann", "conversation": "room-7", "reference": "msg-1" }))]
pub struct NewItem {
    /// Names the item for ever: sent again, it changes nothing. Made by us when absent.
    #[schema(value_type = Option<Uuid>)]
    pub id: Option<ItemId>,
    /// May be left out: `text` or `image` tells.
    pub kind: Option<NewKind>,
    /// A chat message.
    #[schema(example = "hello there")]
    pub text: Option<String>,
    /// A picture (JPEG, PNG, WebP, GIF, BMP, TIFF), base64.
    #[schema(value_type = Option<String>, content_encoding = "base64")]
    pub image: Option<Base64>,
    /// Who wrote or showed it.
    #[schema(value_type = Option<String>, example = "ann")]
    pub actor: Option<ActorId>,
    /// Where it was written. With `actor`, texts are judged together with the author's last ones.
    #[schema(value_type = Option<String>, example = "room-7")]
    pub conversation: Option<ConversationId>,
    /// Your own id of it; comes back in every answer and event.
    pub reference: Option<String>,
    /// Texts: your id of the message that this is a version of, the first one or an edit. Every version is judged, kept with its scores for reviewers
    /// (`version_days` of the review settings), and a report pins the one that was seen. Needs `actor`.
    #[schema(example = "msg-1")]
    pub message: Option<String>,
    /// When it was written; now, when absent.
    pub occurred_at: Option<DateTime<Utc>>,
}

impl NewItem {
    /// Completes the item. What the pipeline checks (sizes, names, emptiness) is left to it.
    pub fn into_item(self, tenant: TenantId, received_at: DateTime<Utc>) -> Result<Item, ApiError> {
        let (kind, content) = match (self.text, self.image) {
            (Some(text), None) => (NewKind::Text, Content::Text(text)),
            (None, Some(image)) => (NewKind::Image, Content::Picture(image.0)),
            (None, None) => {
                return Err(ApiError::invalid(
                    "content_missing",
                    "The item has no content: send `text`, or `image` as base64.",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("content_ambiguous", "The item has `text` and `image`: send two items."));
            }
        };
        if let Some(said) = self.kind.filter(|said| *said != kind) {
            let message =
                format!("`kind` says {said:?}, the content is {kind:?}: send them alike, or leave `kind` out.")
                    .to_lowercase();
            return Err(ApiError::invalid("kind_mismatch", message).at("kind"));
        }
        let envelope = Envelope {
            id: self.id.unwrap_or_else(ItemId::new),
            tenant,
            kind: match kind {
                NewKind::Text => ItemKind::Text,
                NewKind::Image => ItemKind::Image,
            },
            actor: self.actor,
            conversation: self.conversation,
            call: None,
            reference: self.reference,
            message: self.message,
            occurred_at: clamp_occurred(self.occurred_at, received_at),
            received_at,
        };
        Ok(Item { envelope, content })
    }
}

/// Bytes that travel as base64 text in JSON; decoded while the JSON is parsed, without a copy of the text.
pub struct Base64(pub Bytes);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a base64 string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                let bytes = BASE64_STANDARD.decode(text).map_err(|error| E::custom(format!("not base64: {error}")))?;
                Ok(Base64(bytes.into()))
            }
        }

        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::parse;

    fn item(json: &str) -> Result<Item, ApiError> {
        parse::<NewItem>(json.as_bytes())?.into_item("acme".into(), DateTime::UNIX_EPOCH)
    }

    #[test]
    fn content_decides_the_kind() {
        assert_eq!(item(r#"{"text":"hi"}"#).unwrap().content, Content::Text("hi".into()));
        assert_eq!(item(r#"{"kind":"text","text":"hi"}"#).unwrap().envelope.kind, ItemKind::Text);
        let image = item(r#"{"image":"AQID"}"#).unwrap();
        assert_eq!(
            (image.envelope.kind, image.content),
            (ItemKind::Image, Content::Picture(Bytes::from_static(&[1, 2, 3])))
        );
    }

    #[test]
    fn what_does_not_fit_is_refused_by_code() {
        for (json, code) in [
            ("{}", "content_missing"),
            (r#"{"text":"a","image":"AQID"}"#, "content_ambiguous"),
            (r#"{"text":"a","kind":"image"}"#, "kind_mismatch"),
            (r#"{"text":"a","kind":"video"}"#, "unknown_value"),
            (r#"{"image":"***"}"#, "invalid_field"),
            (r#"{"text":"a","id":"17"}"#, "invalid_field"),
            (r#"{"text":"a","occurred_at":"yesterday"}"#, "invalid_field"),
            (r#"{"text":"a","colour":"red"}"#, "unknown_field"),
        ] {
            assert_eq!(item(json).unwrap_err().code(), code, "{json}");
        }
    }

    #[test]
    fn a_time_from_the_future_becomes_now() {
        let item = item(r#"{"text":"a","occurred_at":"2999-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(item.envelope.occurred_at, DateTime::UNIX_EPOCH);
    }
}
