//! What both implementations need to know of a point: its number, its stamp, whether its vector fits.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Point;
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId},
};

/// Tells two contents of a point apart: a digest of its vector and attributes, as hex digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(pub String);

impl Point {
    /// The stamp of what this point holds.
    pub fn stamp(&self) -> Stamp {
        let mut hash = Sha256::new();
        for value in &*self.vector {
            hash.update(value.to_le_bytes());
        }
        for (name, value) in &self.attributes {
            // Lengths keep neighbours apart.
            let value = value.to_string();
            for part in [name, &value] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        // Half of it is enough: nobody gains by two contents with one stamp.
        Stamp(hex::encode(&hash.finalize()[..16]))
    }
}

/// The point's id inside Qdrant: a hash of tenant and profile, shaped as a UUID.
pub(super) fn number(tenant: &TenantId, id: &ProfileId) -> Uuid {
    let mut hash = Sha256::new();
    // The length keeps ("ab", "c") and ("a", "bc") apart.
    hash.update((tenant.0.len() as u64).to_le_bytes());
    hash.update(tenant.0.as_bytes());
    hash.update(id.0.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::index::contract::point;

    #[test]
    fn numbers_differ_by_tenant_and_profile() {
        let number = |tenant: &str, id: &str| number(&tenant.into(), &id.into());
        assert_eq!(number("a", "x"), number("a", "x"));
        assert_ne!(number("a", "x"), number("b", "x"));
        assert_ne!(number("ab", "c"), number("a", "bc"));
    }

    #[test]
    fn stamps_differ_by_vector_and_attributes_alone() {
        let stamp = |tenant, id, seed, attributes| point(tenant, id, seed, attributes).stamp();
        let one = stamp("a", "x", 1, json!({ "city": "Oslo", "age": 3 }));
        assert_eq!(one, stamp("b", "y", 1, json!({ "age": 3, "city": "Oslo" })));
        for other in [
            stamp("a", "x", 2, json!({ "city": "Oslo", "age": 3 })),
            stamp("a", "x", 1, json!({ "city": "Oslo", "age": "3" })),
            stamp("a", "x", 1, json!({ "city": "Oslo" })),
            stamp("a", "x", 1, json!({ "cit": "yOslo", "age": 3 })),
        ] {
            assert_ne!(one, other);
        }
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
