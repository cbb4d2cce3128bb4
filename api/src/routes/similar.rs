//! `POST /v1/similar`: who is like this text, or like this person.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use pipeline::{
    index::{self, Hit},
    item::ProfileId,
    process::{
        Like,
        matching::{Found, Search},
    },
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

/// What to look for: `text` or `profile`, or several examples in `like`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "hiking, photography", "limit": 5 }))]
pub struct SimilarRequest {
    /// People like this text.
    #[schema(example = "hiking, photography")]
    text: Option<String>,
    /// People like this one, who is left out of the answer.
    profile: Option<String>,
    /// People like these examples, which are left out of the answer.
    #[serde(default)]
    like: Vec<Example>,
    /// And not like these.
    #[serde(default)]
    unlike: Vec<Example>,
    /// All must hold.
    #[serde(default)]
    filter: Vec<Condition>,
    /// Only people whom this one may meet: the hard limits of both sides, blocks, answers.
    fits: Option<String>,
    /// 0 (by likeness alone) to 1 (as different from each other as can be); 0 when absent.
    diversity: Option<f32>,
    /// Hits that earlier pages had: `next_offset` of the page before.
    #[serde(default)]
    offset: usize,
    /// Most hits, 1 to 100; 10 when absent.
    limit: Option<usize>,
}

/// An example: exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// A text.
    text: Option<String>,
    /// A person.
    profile: Option<String>,
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
    /// Best first. Nobody whom moderation keeps out.
    hits: Vec<HitView>,
    /// `offset` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_offset: Option<usize>,
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
    /// Why: similarity to each example, when there are several; `text` and `profile` come first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    similarities: Vec<f32>,
    /// Why: interests shared with the first example, when that is a person.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shared_interests: Vec<String>,
}

impl From<Found> for HitView {
    fn from(Found { hit: Hit { id, score, attributes }, mut similarities, shared_interests }: Found) -> Self {
        if similarities.len() == 1 {
            similarities.clear();
        }
        Self { id: id.0, score, attributes, similarities, shared_interests }
    }
}

impl Example {
    fn read(self) -> Result<Like, ApiError> {
        match (self.text, self.profile) {
            (Some(text), None) => Ok(Like::Text(text)),
            (None, Some(profile)) => {
                name("profile", &profile)?;
                Ok(Like::Profile(ProfileId(profile)))
            }
            _ => Err(ApiError::invalid("like_ambiguous", "Send exactly one of `text` and `profile`.")),
        }
    }
}

/// Find similar people
///
/// By text, by person, or by examples for and against; with conditions on attributes, for one person's limits, spread out, in pages.
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
    let SimilarRequest { text, profile, like, unlike, filter, fits, diversity, offset, limit } = request;
    let mut examples = Vec::new();
    if text.is_some() || profile.is_some() || like.is_empty() {
        examples.push(Example { text, profile }.read()?);
    }
    for example in like {
        examples.push(example.read()?);
    }
    if let Some(fits) = &fits {
        name("fits", fits)?;
    }
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let search = Search {
        like: examples,
        unlike: unlike.into_iter().map(Example::read).collect::<Result<_, _>>()?,
        filter: filter.into_iter().map(index::Condition::from).collect(),
        fits: fits.map(ProfileId),
        diversity: diversity.unwrap_or_default(),
        offset,
        limit,
    };
    let found = app.services.pipeline.search(&caller.tenant, search).await?;
    let next_offset = (found.len() == limit).then_some(offset + limit);
    Ok(Json(SimilarAnswer { hits: found.into_iter().map(HitView::from).collect(), next_offset }))
}
