//! `/v1/feedback`: what people say that scores should have been (`comments:suggestscore`), for whoever tunes thresholds.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use pipeline::{
    feedback::{Feedback, SuggestedScores},
    item::FeedbackId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::{
    app::Shared,
    auth::{Allowed, ToAdmin},
    error::{ApiError, ErrorBody},
    extract::Query,
};

/// Suggestions that a page shows when the caller does not say.
const DEFAULT_LIMIT: usize = 100;
/// Most that it shows.
const MAX_LIMIT: usize = 1000;

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FeedbackOptions {
    /// `next_cursor` of the page before.
    cursor: Option<Uuid>,
    /// Most suggestions, 1 to 1000; 100 when absent.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A page of suggestions.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackPage {
    /// In the order in which they came.
    feedback: Vec<FeedbackView>,
    /// Leads to the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<Uuid>,
}

/// One suggestion.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackView {
    /// Its id.
    id: Uuid,
    /// What was scored.
    text: String,
    /// Attribute → what its scores should have been.
    scores: BTreeMap<String, SuggestedScoresView>,
    /// Languages of the text, as the caller named them.
    languages: Vec<String>,
    /// The community whose norms it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    community: Option<String>,
    /// The caller's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// When it came.
    at: DateTime<Utc>,
}

/// What the scores of one attribute should have been.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedScores)]
pub struct SuggestedScoresView {
    /// Of the whole text, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<f32>,
    /// Of stretches of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<SuggestedSpanView>,
}

/// What the score of a stretch should have been.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SuggestedSpan)]
pub struct SuggestedSpanView {
    /// First UTF-16 unit.
    begin: u32,
    /// One past the last.
    end: u32,
    /// 0 to 1.
    score: f32,
}

/// What was erased.
#[derive(Debug, Serialize, ToSchema)]
pub struct FeedbackErased {
    /// How many suggestions went.
    erased: u64,
}

impl From<SuggestedScores> for SuggestedScoresView {
    fn from(scores: SuggestedScores) -> Self {
        let spans = scores.spans.into_iter();
        let spans = spans.map(|span| SuggestedSpanView { begin: span.begin, end: span.end, score: span.score });
        Self { summary: scores.summary, spans: spans.collect() }
    }
}

impl From<Feedback> for FeedbackView {
    fn from(feedback: Feedback) -> Self {
        Self {
            id: feedback.id.0,
            text: feedback.text,
            scores: feedback.scores.into_iter().map(|(name, scores)| (name, scores.into())).collect(),
            languages: feedback.languages,
            community: feedback.community,
            session: feedback.session,
            at: feedback.at,
        }
    }
}

/// List feedback
///
/// What `comments:suggestscore` was told, oldest first. Kept for `store.retention_days`.
#[utoipa::path(
    get, path = "/v1/feedback", tag = "compat", params(FeedbackOptions),
    responses(
        (status = 200, description = "A page", body = FeedbackPage),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Query(options): Query<FeedbackOptions>,
) -> Result<Json<FeedbackPage>, ApiError> {
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}: send 1 to {MAX_LIMIT}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    // One more than asked for tells whether there is a next page.
    let mut rows = app.services.store.feedback_after(&caller.tenant, options.cursor.map(FeedbackId), limit + 1).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows.last().filter(|_| more).map(|feedback| feedback.id.0);
    Ok(Json(FeedbackPage { feedback: rows.into_iter().map(FeedbackView::from).collect(), next_cursor }))
}

/// Erase feedback
///
/// All of the key's tenant, at once.
#[utoipa::path(
    delete, path = "/v1/feedback", tag = "compat",
    responses(
        (status = 200, description = "Erased", body = FeedbackErased),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn erase(State(app): State<Shared>, caller: Allowed<ToAdmin>) -> Result<Json<FeedbackErased>, ApiError> {
    Ok(Json(FeedbackErased { erased: app.services.store.erase_feedback(&caller.tenant).await? }))
}
