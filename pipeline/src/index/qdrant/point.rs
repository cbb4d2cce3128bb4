//! Between our points and Qdrant's, as gRPC carries them.
//!
//! Payload: `tenant`, `profile`, `stamp`, and `attributes`, a struct. A whole number above `i64::MAX` in an attribute comes back rounded: the
//! wire has no type for it.

use std::{collections::HashMap, fmt::Write as _};

use qdrant_client::qdrant::{
    FieldType, PointId, PointStruct, RetrievedPoint, ScoredPoint, Struct, Value, point_id::PointIdOptions, value::Kind,
};
use serde_json::Value as Json;

use crate::{
    error::PipelineError,
    index::{Attributes, Cursor, Held, Hit, Point, Stamp, point::number},
    item::{ProfileId, TenantId},
};

/// Payload key of the tenant.
pub(super) const TENANT: &str = "tenant";
/// Payload key of the profile's id.
pub(super) const PROFILE: &str = "profile";
/// Payload key of the point's stamp.
pub(super) const STAMP: &str = "stamp";
/// Payload key of the attributes.
const ATTRIBUTES: &str = "attributes";

/// The path of an attribute. Over gRPC a path is text: steps with dots between them, and no way to write a quote or a backslash. So every
/// byte of a name that is no letter, digit or `_` is written as `-` and two hex digits.
pub(super) fn attribute(name: &str) -> String {
    format!("{ATTRIBUTES}.{}", written(name))
}

fn written(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            text.push(byte.into());
        } else {
            // Writing to a string does not fail.
            let _ = write!(text, "-{byte:02x}");
        }
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

/// The name that [`written`] wrote.
fn named(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.strip_prefix('-').filter(|rest| rest.is_empty()).unwrap_or(text);
    while let Some(first) = rest.chars().next() {
        let taken = if first == '-' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            3
        } else {
            bytes.extend(first.to_string().bytes());
            first.len_utf8()
        };
        rest = rest.get(taken..)?;
    }
    String::from_utf8(bytes).ok()
}

/// The payload key and the kind of index that suits an attribute; `None` when it is better left without. Answers do not depend on it: a
/// condition that an index cannot decide is checked on the payload.
pub(super) fn index_of(name: &str, value: &Json) -> Option<(String, FieldType)> {
    let kind = match value {
        Json::String(_) => FieldType::Keyword,
        Json::Array(members) if members.iter().any(Json::is_string) => FieldType::Keyword,
        Json::Number(_) => FieldType::Float,
        Json::Bool(_) => FieldType::Bool,
        Json::Null | Json::Array(_) | Json::Object(_) => return None,
    };
    Some((attribute(name), kind))
}

/// The point's id on the server.
pub(super) fn id(tenant: &TenantId, profile: &ProfileId) -> PointId {
    number(tenant, profile).to_string().into()
}

pub(super) fn write(point: &Point) -> PointStruct {
    let fields = point.attributes.iter().map(|(name, value)| (written(name), value.clone().into())).collect();
    let payload = HashMap::from([
        (TENANT.to_owned(), point.tenant.0.clone().into()),
        (PROFILE.to_owned(), point.id.0.clone().into()),
        (STAMP.to_owned(), point.stamp().0.into()),
        (ATTRIBUTES.to_owned(), Value { kind: Some(Kind::StructValue(Struct { fields })) }),
    ]);
    PointStruct::new(id(&point.tenant, &point.id), point.vector.to_vec(), payload)
}

pub(super) fn hit(found: ScoredPoint) -> Result<Hit, PipelineError> {
    let mut payload = found.payload;
    let id = ProfileId(text(&mut payload, PROFILE)?);
    let attributes = match payload.remove(ATTRIBUTES).and_then(|value| value.kind) {
        Some(Kind::StructValue(fields)) => fields.fields,
        _ => HashMap::new(),
    };
    let attributes: Option<Attributes> =
        attributes.into_iter().map(|(name, value)| Some((named(&name)?, value.into()))).collect();
    let attributes = attributes.ok_or_else(|| damaged("attributes"))?;
    Ok(Hit { id, score: found.score, attributes })
}

pub(super) fn held(found: RetrievedPoint) -> Result<Held, PipelineError> {
    let mut payload = found.payload;
    Ok(Held {
        tenant: TenantId(text(&mut payload, TENANT)?),
        id: ProfileId(text(&mut payload, PROFILE)?),
        stamp: Stamp(text(&mut payload, STAMP)?),
    })
}

pub(super) fn cursor(id: PointId) -> Result<Cursor, PipelineError> {
    match id.point_id_options {
        Some(PointIdOptions::Uuid(text)) => text.parse().map(Cursor).map_err(|_| damaged("id")),
        Some(PointIdOptions::Num(_)) | None => Err(damaged("id")),
    }
}

fn text(payload: &mut HashMap<String, Value>, key: &str) -> Result<String, PipelineError> {
    match payload.remove(key).and_then(|value| value.kind) {
        Some(Kind::StringValue(text)) => Ok(text),
        _ => Err(damaged(key)),
    }
}

fn damaged(key: &str) -> PipelineError {
    let message = format!(
        "a point in the collection has no usable `{key}`: did another program write into it? Give each its own"
    );
    PipelineError::Internal { part: "index", message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attribute_names_survive_whatever_they_contain() {
        for (name, expected) in
            [("city", "city"), ("a_1", "a_1"), ("a.b", "a-2eb"), ("", "-"), ("-", "-2d"), ("ö\"\\", "-c3-b6-22-5c")]
        {
            assert_eq!(written(name), expected);
            assert_eq!(named(expected).as_deref(), Some(name));
        }
        for broken in ["a-", "a-2", "a-zz", "-ff"] {
            assert_eq!(named(broken), None, "{broken}");
        }
    }
}
