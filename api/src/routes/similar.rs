//! `POST /v1/similar`: who is like this text, or like this person.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use pipeline::{
    index::{self, Hit},
    item::ProfileId,
    process::Like,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToSearch},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Payload, name},
};

/// Hits when the caller does not say.
const DEFAULT_LIMIT: usize = 10;

/// What to look for: exactly one of `text` and `profile`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "hiking, photography", "limit": 5 }))]
pub struct SimilarRequest {
    /// People like this text.
    #[schema(example = "hiking, photography")]
    text: Option<String>,
    /// People like this one, who is left out of the answer.
    profile: Option<String>,
    /// All must hold.
    #[serde(default)]
    filter: Vec<Condition>,
    /// Most hits, 1 to 100; 10 when absent.
    limit: Option<usize>,
}

impl Payload for SimilarRequest {}

/// One condition on an attribute.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "op", deny_unknown_fields)]
pub enum Condition {
    /// The attribute, or one member of it, is one of `values`.
    Any {
        /// Attribute name.
        attribute: String,
        /// Strings, whole numbers or booleans.
        values: Vec<Value>,
    },
    /// The attribute is none of `values`, or absent.
    None {
        /// Attribute name.
        attribute: String,
        /// Strings, whole numbers or booleans.
        values: Vec<Value>,
    },
    /// The attribute is a number in the range, both ends included.
    Range {
        /// Attribute name.
        attribute: String,
        /// Lower end.
        min: Option<f64>,
        /// Upper end.
        max: Option<f64>,
    },
}

impl From<Condition> for index::Condition {
    fn from(condition: Condition) -> Self {
        match condition {
            Condition::Any { attribute, values } => Self::Any { attribute, values },
            Condition::None { attribute, values } => Self::None { attribute, values },
            Condition::Range { attribute, min, max } => Self::Range { attribute, min, max },
        }
    }
}

/// Who is near, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SimilarAnswer {
    /// Best first.
    hits: Vec<HitView>,
}

/// One person.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitView {
    /// Your id of the person.
    id: String,
    /// Cosine similarity, −1 to 1.
    score: f32,
    /// As written.
    attributes: BTreeMap<String, Value>,
}

impl From<Hit> for HitView {
    fn from(Hit { id, score, attributes }: Hit) -> Self {
        Self { id: id.0, score, attributes }
    }
}

/// Find similar people
///
/// By text or by person, with conditions on attributes.
#[utoipa::path(
    post, path = "/v1/similar", tag = "people", request_body = SimilarRequest,
    responses(
        (status = 200, description = "Who is near", body = SimilarAnswer),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn similar(
    State(app): State<Shared>,
    caller: Allowed<ToSearch>,
    Body(request): Body<SimilarRequest>,
) -> Result<Json<SimilarAnswer>, ApiError> {
    let like = match (request.text, request.profile) {
        (Some(text), None) => Like::Text(text),
        (None, Some(profile)) => {
            name("profile", &profile)?;
            Like::Profile(ProfileId(profile))
        }
        _ => return Err(ApiError::invalid("like_ambiguous", "Send exactly one of `text` and `profile`.")),
    };
    let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
    let filter = request.filter.into_iter().map(index::Condition::from).collect();
    let hits = app.services.pipeline.similar(&caller.tenant, like, filter, limit).await?;
    Ok(Json(SimilarAnswer { hits: hits.into_iter().map(HitView::from).collect() }))
}
