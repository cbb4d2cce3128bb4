//! Between our points and Qdrant's.

use qdrant_edge::{
    JsonPath, Payload, PayloadSchemaType, PointId, PointStructPersisted, ScoredPoint, VectorStructPersisted, Vectors,
};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::VECTOR;
use crate::{
    error::PipelineError,
    index::{Attributes, Hit, Point},
    item::{ProfileId, TenantId},
};

/// Payload key of the tenant.
pub(super) const TENANT: &str = "tenant";
/// Payload key of the profile's id.
const PROFILE: &str = "profile";
/// Before every attribute's payload key.
const ATTRIBUTE: &str = "a.";

/// The point's id inside the shard: a hash of tenant and profile, shaped as a UUID.
pub(super) fn number(tenant: &TenantId, id: &ProfileId) -> PointId {
    let mut hash = Sha256::new();
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    hash.update((tenant.0.len() as u64).to_le_bytes());
    hash.update(tenant.0.as_bytes());
    hash.update(id.0.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    PointId::Uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
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

/// Refuses a vector that cannot be searched with.
pub(super) fn check(vector: &[f32], dimensions: usize) -> Result<(), PipelineError> {
    if vector.len() != dimensions {
        let message = format!("the vector has {} dimensions, the index has {dimensions}", vector.len());
        return Err(PipelineError::invalid("vector_dimensions", message));
    }
    let square: f32 = vector.iter().map(|value| value * value).sum();
    if !square.is_finite() || square <= 0.0 {
        return Err(PipelineError::invalid("vector_length", "the vector must be finite and of unit length"));
    }
    Ok(())
}

pub(super) fn write(point: &Point, dimensions: usize) -> Result<PointStructPersisted, PipelineError> {
    check(&point.vector, dimensions)?;
    let mut payload = Map::new();
    payload.insert(TENANT.into(), point.tenant.0.clone().into());
    payload.insert(PROFILE.into(), point.id.0.clone().into());
    for (name, value) in &point.attributes {
        payload.insert(format!("{ATTRIBUTE}{name}"), value.clone());
    }
    Ok(PointStructPersisted {
        id: number(&point.tenant, &point.id),
        vector: VectorStructPersisted::from(Vectors::new_named([(VECTOR, point.vector.to_vec())]).0),
        payload: Some(Payload(payload)),
    })
}

pub(super) fn read(found: ScoredPoint) -> Result<Hit, PipelineError> {
    let damaged = || PipelineError::Internal { part: "index", message: "a point has no profile id".into() };
    let mut payload = found.payload.ok_or_else(damaged)?.0;
    let Some(Value::String(id)) = payload.remove(PROFILE) else { return Err(damaged()) };
    let attributes: Attributes =
        payload.into_iter().filter_map(|(key, value)| Some((key.strip_prefix(ATTRIBUTE)?.to_owned(), value))).collect();
    Ok(Hit { id: ProfileId(id), score: found.score, attributes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_by_tenant_and_profile() {
        let number = |tenant: &str, id: &str| number(&tenant.into(), &id.into());
        assert_eq!(number("a", "x"), number("a", "x"));
        assert_ne!(number("a", "x"), number("b", "x"));
        assert_ne!(number("ab", "c"), number("a", "bc"));
    }

    #[test]
    fn unusable_vectors_are_refused() {
        let code = |vector: &[f32]| match check(vector, 2) {
            Err(PipelineError::Invalid { code, .. }) => code,
            Ok(()) => "fine",
            Err(other) => panic!("{other}"),
        };
        assert_eq!(code(&[0.6, 0.8]), "fine");
        assert_eq!(code(&[1.0]), "vector_dimensions");
        assert_eq!(code(&[0.0, 0.0]), "vector_length");
        assert_eq!(code(&[f32::NAN, 0.0]), "vector_length");
    }
}
