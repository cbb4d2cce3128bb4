//! Between our points and Qdrant's.

use qdrant_edge::{
    JsonPath, Payload, PayloadSchemaType, PointId, PointStructPersisted, Record, ScoredPoint, VectorInternal,
    VectorStructInternal, VectorStructPersisted, Vectors, WithPayloadInterface,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::VECTOR;
use crate::{
    error::PipelineError,
    index::{Attributes, Held, Hit, Point, Stamp, point},
    item::{ProfileId, TenantId},
};

/// Payload key of the tenant.
pub(super) const TENANT: &str = "tenant";
/// Payload key of the profile's id.
const PROFILE: &str = "profile";
/// Payload key of the point's stamp.
const STAMP: &str = "stamp";
/// Before every attribute's payload key.
const ATTRIBUTE: &str = "a.";

/// The point's id inside the shard.
pub(super) fn number(tenant: &TenantId, id: &ProfileId) -> PointId {
    PointId::Uuid(uuid(tenant, id))
}

/// As [`number`].
pub(super) fn uuid(tenant: &TenantId, id: &ProfileId) -> Uuid {
    point::number(tenant, id)
}

/// A payload key as a path of one step, whatever characters it has.
pub(super) fn path(key: &str) -> JsonPath {
    JsonPath { first_key: key.to_owned(), rest: Vec::new() }
}

/// The path of an attribute.
pub(super) fn attribute(name: &str) -> JsonPath {
    path(&format!("{ATTRIBUTE}{name}"))
}

/// The payload key and the kind of index that suits an attribute; `None` when it is better left without. Answers do not
/// depend on it: a condition that an index cannot decide is checked on the payload.
pub(super) fn index_of(name: &str, value: &Value) -> Option<(String, PayloadSchemaType)> {
    // Qdrant writes paths down as text and knows no escapes.
    if name.contains(['"', '\\']) {
        return None;
    }
    let kind = match value {
        Value::String(_) => PayloadSchemaType::Keyword,
        Value::Array(members) if members.iter().any(Value::is_string) => PayloadSchemaType::Keyword,
        Value::Number(_) => PayloadSchemaType::Float,
        Value::Bool(_) => PayloadSchemaType::Bool,
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    Some((format!("{ATTRIBUTE}{name}"), kind))
}

pub(super) fn write(point: &Point, dimensions: usize) -> Result<PointStructPersisted, PipelineError> {
    point::check(&point.vector, dimensions)?;
    let mut payload = Map::new();
    payload.insert(TENANT.into(), point.tenant.0.clone().into());
    payload.insert(PROFILE.into(), point.id.0.clone().into());
    payload.insert(STAMP.into(), point.stamp().0.into());
    for (name, value) in &point.attributes {
        payload.insert(format!("{ATTRIBUTE}{name}"), value.clone());
    }
    Ok(PointStructPersisted {
        id: number(&point.tenant, &point.id),
        vector: VectorStructPersisted::from(Vectors::new_named([(VECTOR, point.vector.to_vec())]).0),
        payload: Some(Payload(payload)),
    })
}

fn damaged(what: &str) -> PipelineError {
    PipelineError::Internal { part: "index", message: format!("a point has no {what}") }
}

pub(super) fn read(found: ScoredPoint) -> Result<Hit, PipelineError> {
    hit(found.payload, found.score)
}

pub(super) fn hit(payload: Option<Payload>, score: f32) -> Result<Hit, PipelineError> {
    let mut payload = payload.ok_or_else(|| damaged(PROFILE))?.0;
    let Some(Value::String(id)) = payload.remove(PROFILE) else { return Err(damaged(PROFILE)) };
    Ok(Hit { id: ProfileId(id), score, attributes: attributes(payload) })
}

fn attributes(payload: Map<String, Value>) -> Attributes {
    payload.into_iter().filter_map(|(key, value)| Some((key.strip_prefix(ATTRIBUTE)?.to_owned(), value))).collect()
}

/// The vector of a point that was asked for with it.
pub(super) fn vector(found: &Record) -> Result<&[f32], PipelineError> {
    match &found.vector {
        Some(VectorStructInternal::Named(named)) => match named.get(VECTOR) {
            Some(VectorInternal::Dense(values)) => Ok(values),
            _ => Err(damaged("vector")),
        },
        _ => Err(damaged("vector")),
    }
}

/// A point that was asked for with all it has.
pub(super) fn whole(found: Record) -> Result<Point, PipelineError> {
    let vector = vector(&found)?.into();
    let mut payload = found.payload.ok_or_else(|| damaged(PROFILE))?.0;
    let Some(Value::String(tenant)) = payload.remove(TENANT) else { return Err(damaged(TENANT)) };
    let Some(Value::String(id)) = payload.remove(PROFILE) else { return Err(damaged(PROFILE)) };
    Ok(Point { tenant: TenantId(tenant), id: ProfileId(id), vector, attributes: attributes(payload) })
}

/// Payload keys that [`held`] needs.
pub(super) fn held_keys() -> WithPayloadInterface {
    WithPayloadInterface::Fields(vec![path(TENANT), path(PROFILE), path(STAMP)])
}

pub(super) fn held(found: Record) -> Result<Held, PipelineError> {
    let mut payload = found.payload.unwrap_or_default().0;
    let mut text = |key: &str| match payload.remove(key) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(damaged(key)),
    };
    Ok(Held { tenant: TenantId(text(TENANT)?), id: ProfileId(text(PROFILE)?), stamp: Stamp(text(STAMP)?) })
}
