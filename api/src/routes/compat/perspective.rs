//! Perspective's API: `comments:analyze` and `comments:suggestscore`. Same paths, same `key`, same shapes, same errors.
//!
//! A comment that is analyzed is stored nowhere, whatever `doNotStore` says; a suggestion is kept as feedback unless it says so.

mod attributes;
mod fields;
mod language;
mod parameters;
mod request;
mod sentences;
mod suggestion;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Uri},
    response::Response,
};
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::{
    Lane,
    feedback::Feedback,
    item::{Content, Envelope, FeedbackId, Item, ItemId, ItemKind, TenantId},
    process::Mode,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use attributes::Offer;
use parameters::Parameters;
use request::Analysis;
use sentences::Sentence;
use suggestion::Suggestion;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToCheck},
    error::{ApiError, GoogleErrorBody},
    extract,
};

/// Largest comment, in bytes: Perspective's limit.
const MAX_COMMENT: usize = 20 * 1024;
/// Largest body, in bytes: a comment whose every character is escaped, and its context, which nobody reads.
const MAX_BODY: usize = 1 << 20;
/// Most stretches of a comment that are scored by themselves.
const MAX_SPANS: usize = 100;
/// Stretches of one comment that are scored at the same time.
const IN_FLIGHT: usize = 32;

/// A comment.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for Perspective's own error words")]
pub struct Comment {
    /// The words, up to 20 KiB.
    #[schema(example = "What a kind thing to say.")]
    text: String,
    /// `PLAIN_TEXT`, the default and the only one.
    #[schema(example = "PLAIN_TEXT")]
    r#type: Option<String>,
}

/// How an attribute is scored.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document")]
#[schema(rename_all = "camelCase")]
pub struct AttributeParameters {
    /// `PROBABILITY`, the default and the only one.
    #[schema(example = "PROBABILITY")]
    score_type: Option<String>,
    /// A score below is left out of the answer.
    #[schema(example = 0.0)]
    score_threshold: Option<f32>,
}

/// A comment and what to judge it for. docs/migrate-perspective.md has every member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for Perspective's own error words")]
#[schema(
    rename_all = "camelCase",
    example = json!({ "comment": { "text": "What a kind thing to say." }, "requestedAttributes": { "TOXICITY": {} }, "languages": ["en"] })
)]
pub struct AnalyzeRequest {
    /// What is judged.
    comment: Comment,
    /// Attribute, with or without `@version` → how it is scored.
    requested_attributes: BTreeMap<String, AttributeParameters>,
    /// What the comment answers: accepted, not used.
    context: Option<BTreeMap<String, Value>>,
    /// Scores sentence by sentence too.
    span_annotations: Option<bool>,
    /// Languages of the comment; detected when absent.
    languages: Option<Vec<String>>,
    /// Nothing is stored either way.
    do_not_store: Option<bool>,
    /// Echoed.
    client_token: Option<String>,
    /// Accepted, not used.
    session_id: Option<String>,
    /// Accepted, not used.
    community_id: Option<String>,
}

/// The scores.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalyzeAnswer {
    /// Attribute → its scores; one below its `scoreThreshold` is left out.
    attribute_scores: BTreeMap<String, AttributeScores>,
    /// As requested, or as detected.
    languages: Vec<String>,
    /// The most likely first; absent when the request named languages, and when none can be told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
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
    // `fields` is read too; it is not in the document, because no schema fits every partial answer.
    params(
        ("prettyPrint" = Option<bool>, Query, description = "`false`: the answer on one line"),
        ("alt" = Option<String>, Query, description = "`json`, the default and the only one"),
    ),
    responses(
        (status = 200, description = "The scores", body = AnalyzeAnswer),
        (status = 429, description = "The models are full", body = GoogleErrorBody),
        (status = "4XX", description = "The request is wrong", body = GoogleErrorBody),
        (status = "5XX", description = "A part is down", body = GoogleErrorBody),
    ),
)]
pub async fn analyze(
    State(app): State<Shared>,
    caller: Allowed<ToCheck>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let parameters = Parameters::of(&uri)?;
    let offer = Offer::of(&app.services.engine, &app.services.config.pipeline.text_models);
    let analysis = Analysis::read(&json(&headers, body).await?, &offer)?;
    let spoken = language::settle(&analysis, &offer, |text| language::detect(&app.services.pipeline, text))?;
    let whole = score(&app, &caller.tenant, &analysis.text).await?;
    let spans =
        if analysis.spans { score_sentences(&app, &caller.tenant, &analysis.text, &whole).await? } else { Vec::new() };
    let mut attribute_scores = BTreeMap::new();
    for wanted in analysis.attributes {
        let labels = offer.speaking(&wanted.labels, &spoken.languages);
        let highest = |scores: &Scores| {
            let all: Option<Vec<f32>> = labels.iter().map(|label| scores.get(*label).copied()).collect();
            all?.into_iter().reduce(f32::max)
        };
        let Some(value) = highest(&whole) else {
            // The models are there, and one did not say: it failed, and `pipeline.on_model_failure.check` let the text pass.
            return Err(ApiError::unavailable(
                "unavailable",
                format!("No model scores {} now: try again.", wanted.name),
            ));
        };
        if wanted.threshold.is_some_and(|threshold| value < threshold) {
            continue;
        }
        let of_sentence = |(sentence, scores): &(Sentence<'_>, Scores)| SpanScore {
            begin: sentence.begin,
            end: sentence.end,
            score: Score::probability(highest(scores).unwrap_or(0.0)),
        };
        let span_scores = spans.iter().map(of_sentence).collect();
        attribute_scores.insert(wanted.name, AttributeScores { summary_score: Score::probability(value), span_scores });
    }
    parameters.answer(&AnalyzeAnswer {
        attribute_scores,
        languages: spoken.languages,
        detected_languages: spoken.detected,
        client_token: analysis.client_token,
    })
}

/// What a comment's scores should have been. docs/migrate-perspective.md has every member.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for Perspective's own error words")]
#[schema(
    rename_all = "camelCase",
    example = json!({ "comment": { "text": "What a kind thing to say." }, "attributeScores": { "TOXICITY": { "summaryScore": { "value": 0.0 } } } })
)]
pub struct SuggestRequest {
    /// What was scored.
    comment: Comment,
    /// Attribute → what its scores should have been: `summaryScore`, `spanScores`, or both.
    attribute_scores: BTreeMap<String, BTreeMap<String, Value>>,
    /// Accepted, not kept.
    context: Option<BTreeMap<String, Value>>,
    /// Languages of the comment.
    languages: Option<Vec<String>>,
    /// Nothing is kept, not even the suggestion.
    do_not_store: Option<bool>,
    /// Whose norms the suggestion follows.
    community_id: Option<String>,
    /// The caller's session.
    session_id: Option<String>,
    /// Echoed.
    client_token: Option<String>,
}

/// A suggestion was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuggestAnswer {
    /// Echoed.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_token: Option<String>,
    /// The most likely first; empty when the request named languages, and when none can be told.
    detected_languages: Vec<String>,
    /// As requested.
    requested_languages: Vec<String>,
}

/// Suggest a comment's scores, in Perspective's shape
///
/// Kept as feedback for tuning (`GET /v1/feedback`); no score changes by it. With `doNotStore`, nothing is kept.
#[utoipa::path(
    post, path = "/v1alpha1/comments:suggestscore", tag = "compat", request_body = SuggestRequest,
    // `fields` is read too; it is not in the document, because no schema fits every partial answer.
    params(
        ("prettyPrint" = Option<bool>, Query, description = "`false`: the answer on one line"),
        ("alt" = Option<String>, Query, description = "`json`, the default and the only one"),
    ),
    responses(
        (status = 200, description = "Taken", body = SuggestAnswer),
        (status = "4XX", description = "The request is wrong", body = GoogleErrorBody),
        (status = "5XX", description = "A part is down", body = GoogleErrorBody),
    ),
)]
pub async fn suggest(
    State(app): State<Shared>,
    caller: Allowed<ToCheck>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let parameters = Parameters::of(&uri)?;
    let suggestion = Suggestion::read(&json(&headers, body).await?)?;
    let detected = match suggestion.languages.is_empty() {
        true => language::detect(&app.services.pipeline, &suggestion.text),
        false => Vec::new(),
    };
    let answer = SuggestAnswer {
        client_token: suggestion.client_token,
        detected_languages: detected,
        requested_languages: suggestion.languages.clone(),
    };
    if !suggestion.do_not_store {
        let feedback = Feedback {
            id: FeedbackId::new(),
            tenant: caller.tenant.clone(),
            text: suggestion.text,
            scores: suggestion.scores,
            languages: suggestion.languages,
            community: suggestion.community,
            session: suggestion.session,
            at: app.services.clock.now(),
        };
        app.services.store.put_feedback(&feedback).await?;
        metrics::counter!("chaperone_feedback_total").increment(1);
    }
    parameters.answer(&answer)
}

async fn json(headers: &HeaderMap, body: Body) -> Result<Value, ApiError> {
    extract::require_json(headers)?;
    extract::parse_owned(extract::read_body(body, MAX_BODY).await?).await
}

/// Label → score.
type Scores = BTreeMap<String, f32>;

async fn score_sentences<'a>(
    app: &Arc<App>,
    tenant: &TenantId,
    text: &'a str,
    whole: &Scores,
) -> Result<Vec<(Sentence<'a>, Scores)>, ApiError> {
    // Futures do nothing before they are polled: `buffered` starts so many of them.
    let waiting: Vec<_> = sentences::split(text, MAX_SPANS)
        .into_iter()
        .map(|sentence| async move {
            // A comment of one sentence has been judged already; one without anything to see has nothing to be judged.
            let scores = match sentence.text {
                same if same == text.trim() => whole.clone(),
                blank if pipeline::normalise::is_blank(blank) => Scores::new(),
                words => score(app, tenant, words).await?,
            };
            Ok((sentence, scores))
        })
        .collect();
    stream::iter(waiting).buffered(IN_FLIGHT).try_collect().await
}

/// The scores of one text; of two models with one label, the higher score. Judged, not recorded.
async fn score(app: &Arc<App>, tenant: &TenantId, text: &str) -> Result<Scores, ApiError> {
    let now = app.services.clock.now();
    let envelope = Envelope {
        id: ItemId::new(),
        tenant: tenant.clone(),
        kind: ItemKind::Text,
        actor: None,
        conversation: None,
        call: None,
        reference: None,
        message: None,
        occurred_at: now,
        received_at: now,
    };
    let item = Item { envelope, content: Content::Text(text.to_owned()) };
    let processed = app.services.pipeline.process_in_any_language(&item, Lane::Interactive, Mode::DryRun).await?;
    let mut scores = Scores::new();
    for signal in processed.outcome.signals {
        let score = scores.entry(signal.label).or_insert(signal.score);
        *score = score.max(signal.score);
    }
    Ok(scores)
}
