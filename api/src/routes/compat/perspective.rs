//! Perspective's API: `POST /v1alpha1/comments:analyze`. Same path, same `key`, same shapes, same errors. Nothing is stored, whatever `doNotStore` says.

mod attributes;
mod request;
mod sentences;

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use pipeline::{
    Lane,
    item::{Content, Envelope, Item, ItemId, ItemKind, TenantId},
    process::Mode,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use attributes::Attribute;
use request::Analysis;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToCheck},
    error::{ApiError, ErrorBody},
    extract,
};

/// Largest comment, in bytes: Perspective's limit.
const MAX_COMMENT: usize = 20 * 1024;
/// Largest body, in bytes: a comment whose every character is escaped, and its context, which nobody reads.
const MAX_BODY: usize = 1 << 20;
/// The language that our models were trained on.
const LANGUAGE: &str = "en";

/// A comment and what to judge it for. docs/migrate-perspective.md has every member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for Perspective's own error words")]
#[schema(rename_all = "camelCase")]
pub struct AnalyzeRequest {
    /// `{ "text": "…" }`, up to 20 KiB.
    comment: BTreeMap<String, String>,
    /// Attribute → `{}`, or `{ "scoreThreshold": 0.5 }`.
    requested_attributes: BTreeMap<String, BTreeMap<String, f32>>,
    /// Scores sentence by sentence.
    span_annotations: Option<bool>,
    /// `["en"]`.
    languages: Option<Vec<String>>,
    /// Nothing is stored either way.
    do_not_store: Option<bool>,
    /// Echoed.
    client_token: Option<String>,
}

/// The scores.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzeAnswer {
    /// Attribute → its scores; one below its `scoreThreshold` is left out.
    attribute_scores: BTreeMap<String, AttributeScores>,
    /// As requested.
    languages: Vec<String>,
    /// Empty: languages are not detected yet.
    detected_languages: Vec<String>,
    /// Echoed.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<String>,
}

/// One attribute's scores.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeScores {
    /// Of the whole comment.
    summary_score: Score,
    /// Of its sentences, when `spanAnnotations` asked for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    span_scores: Vec<SpanScore>,
}

/// A probability.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Score {
    /// 0 to 1.
    value: f32,
    /// Always `PROBABILITY`.
    r#type: &'static str,
}

/// A sentence's score.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct SpanScore {
    /// First UTF-16 unit.
    begin: usize,
    /// One past the last.
    end: usize,
    /// Its score.
    score: Score,
}

impl Score {
    fn probability(value: f32) -> Self {
        Self { value, r#type: "PROBABILITY" }
    }
}

/// Score a comment, in Perspective's shape
///
/// Its client libraries work with another base URL and key (`?key=` or `X-Goog-Api-Key`). docs/migrate-perspective.md says what maps to what.
#[utoipa::path(
    post, path = "/v1alpha1/comments:analyze", tag = "compat", request_body = AnalyzeRequest,
    responses(
        (status = 200, description = "The scores", body = AnalyzeAnswer),
        (status = 429, description = "The models are full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn analyze(
    State(app): State<Shared>,
    caller: Allowed<ToCheck>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AnalyzeAnswer>, ApiError> {
    extract::require_json(&headers)?;
    let body = extract::read_body(body, MAX_BODY).await?;
    let request: Value = extract::parse_owned(body).await?;
    let analysis = Analysis::read(&request)?;
    let whole = score(&app, &caller.tenant, &analysis.text).await?;
    let mut spans = Vec::new();
    if analysis.spans {
        for sentence in sentences::split(&analysis.text) {
            // A comment of one sentence has been judged already.
            let scores = match sentence.text == analysis.text.trim() {
                true => whole.clone(),
                false => score(&app, &caller.tenant, sentence.text).await?,
            };
            spans.push((sentence, scores));
        }
    }
    let mut attribute_scores = BTreeMap::new();
    for wanted in analysis.attributes {
        let Some(value) = whole.get(wanted.attribute.label()).copied() else {
            return Err(ApiError::unavailable(
                "unavailable",
                format!("No model scores {} here now: check `pipeline.text_models`.", wanted.name),
            ));
        };
        if wanted.threshold.is_some_and(|threshold| value < threshold) {
            continue;
        }
        let of_sentence = |(sentence, scores): &(sentences::Sentence<'_>, BTreeMap<String, f32>)| SpanScore {
            begin: sentence.begin,
            end: sentence.end,
            score: Score::probability(scores.get(wanted.attribute.label()).copied().unwrap_or(0.0)),
        };
        let span_scores = spans.iter().map(of_sentence).collect();
        attribute_scores.insert(wanted.name, AttributeScores { summary_score: Score::probability(value), span_scores });
    }
    Ok(Json(AnalyzeAnswer {
        attribute_scores,
        languages: analysis.languages.unwrap_or_else(|| vec![LANGUAGE.to_owned()]),
        detected_languages: Vec::new(),
        client_token: analysis.client_token,
    }))
}

/// Label → score of one text. Judged, not recorded.
async fn score(app: &Arc<App>, tenant: &TenantId, text: &str) -> Result<BTreeMap<String, f32>, ApiError> {
    let now = app.services.clock.now();
    let envelope = Envelope {
        id: ItemId::new(),
        tenant: tenant.clone(),
        kind: ItemKind::Text,
        actor: None,
        conversation: None,
        call: None,
        reference: None,
        occurred_at: now,
        received_at: now,
    };
    let item = Item { envelope, content: Content::Text(text.to_owned()) };
    let processed = app.services.pipeline.process(&item, Lane::Interactive, Mode::DryRun).await?;
    Ok(processed.outcome.signals.into_iter().map(|signal| (signal.label, signal.score)).collect())
}
