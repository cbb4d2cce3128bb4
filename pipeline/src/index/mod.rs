//! The vector index seam: who is similar to whom.
//!
//! Semantics that every implementation keeps (`contract.rs` checks them): cosine similarity on unit vectors; a search
//! sees its own tenant only; an upsert or delete that returned is seen by the next search; scores of two
//! implementations agree to 1e-4.

#[cfg(test)]
pub(crate) mod contract;
pub mod edge;
pub mod missed;
mod point;
pub mod qdrant;
mod ties;
mod values;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    config::IndexConfig,
    error::PipelineError,
    item::{ProfileId, TenantId},
};

pub use point::Stamp;

/// What a point can be filtered by: strings, numbers, booleans, lists of strings.
pub type Attributes = BTreeMap<String, Value>;

/// One vector with what it can be filtered by.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Whose.
    pub tenant: TenantId,
    /// Which profile.
    pub id: ProfileId,
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// Filterable.
    pub attributes: Attributes,
}

/// One condition on an attribute. A point that lacks the attribute does not match.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "op", deny_unknown_fields)]
pub enum Condition {
    /// The attribute (or one member, when it is a list) equals one of `values` (strings, whole numbers or booleans).
    Any {
        /// Attribute name.
        attribute: String,
        /// Accepted values; at least one.
        values: Vec<Value>,
    },
    /// The attribute equals none of `values`; a point without the attribute does match.
    None {
        /// Attribute name.
        attribute: String,
        /// Refused values.
        values: Vec<Value>,
    },
    /// The attribute is a number in the range, both ends included.
    Range {
        /// Attribute name.
        attribute: String,
        /// Lower end.
        #[serde(default)]
        min: Option<f64>,
        /// Upper end.
        #[serde(default)]
        max: Option<f64>,
    },
}

impl Condition {
    /// Whether a point with these attributes passes.
    pub fn holds(&self, attributes: &Attributes) -> bool {
        let equals = |attribute: &str, values: &[Value]| match attributes.get(attribute) {
            Some(Value::Array(members)) => members.iter().any(|member| values.contains(member)),
            Some(value) => values.contains(value),
            None => false,
        };
        match self {
            Self::Any { attribute, values } => equals(attribute, values),
            Self::None { attribute, values } => !equals(attribute, values),
            Self::Range { attribute, min, max } => attributes
                .get(attribute)
                .and_then(Value::as_f64)
                .is_some_and(|value| min.is_none_or(|min| min <= value) && max.is_none_or(|max| value <= max)),
        }
    }
}

/// A question to the index.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// Whose points.
    pub tenant: TenantId,
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// All must hold.
    pub filter: Vec<Condition>,
    /// Never in the answer.
    pub exclude: Vec<ProfileId>,
    /// At most so many.
    pub limit: usize,
}

/// One hit.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Which profile.
    pub id: ProfileId,
    /// Cosine similarity, −1..=1.
    pub score: f32,
    /// As upserted.
    pub attributes: Attributes,
}

/// One point as the index holds it, without its vector: to compare with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose.
    pub tenant: TenantId,
    /// Which profile.
    pub id: ProfileId,
    /// Of vector and attributes, as upserted.
    pub stamp: Stamp,
}

/// Where the next page of [`VectorIndex::held`] begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub(crate) uuid::Uuid);

/// Finds near vectors.
#[async_trait]
pub trait VectorIndex: Send + Sync {
    /// Length of its vectors.
    fn dimensions(&self) -> usize;
    /// Writes points; one that is there is replaced.
    async fn upsert(&self, points: Vec<Point>) -> Result<(), PipelineError>;
    /// Removes points; unknown ids are no error.
    async fn delete(&self, tenant: &TenantId, ids: Vec<ProfileId>) -> Result<(), PipelineError>;
    /// Removes every point of every tenant: before a rebuild.
    async fn clear(&self) -> Result<(), PipelineError>;
    /// Nearest points, best first; ties by id.
    async fn search(&self, query: Query) -> Result<Vec<Hit>, PipelineError>;
    /// The stamps of these profiles' points, in the same order; `None` where there is none.
    async fn stamps(&self, profiles: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError>;
    /// Points of all tenants from `from` on, in an order of the index's own, and where the next page begins; `None`: that was the last.
    /// Points written meanwhile may be left out.
    async fn held(&self, from: Option<Cursor>, limit: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError>;
    /// How many points, all tenants.
    async fn count(&self) -> Result<usize, PipelineError>;
    /// Makes everything written so far durable.
    async fn flush(&self) -> Result<(), PipelineError>;
    /// Background duty: merge, build graphs. Searches go on meanwhile.
    async fn optimise(&self) -> Result<(), PipelineError>;
    /// Reachable?
    async fn health(&self) -> Result<(), PipelineError>;
}

/// Opens the index that `config.url` names: `edge:<folder>` (created when missing), or a Qdrant server's gRPC address, which need not
/// answer yet. Errors, all of them to be mended by whoever configures: `Invalid` (`index_url`, …), `Conflict` (`index_dimensions`, `index_in_use`).
pub async fn connect(config: &IndexConfig, dimensions: usize) -> Result<Arc<dyn VectorIndex>, PipelineError> {
    match config.url.split_once(':') {
        Some(("edge", folder)) => Ok(Arc::new(edge::EdgeIndex::open_as(folder.as_ref(), dimensions, config).await?)),
        Some(("http" | "https", _)) => Ok(Arc::new(qdrant::QdrantIndex::connect(config, dimensions)?)),
        _ => Err(PipelineError::invalid(
            "index_url",
            "index.url is not known: use `edge:<folder>`, or `http://<host>:6334` or `https://<host>:<port>` for a Qdrant server",
        )),
    }
}
