//! `POST /v1/moderations`: OpenAI's shape.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use pipeline::{
    Lane,
    item::{Content, Envelope, Item, ItemId, ItemKind, TenantId},
    process::Mode,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::categories::{Categories, Modality, PerCategory};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToCheck},
    error::{ApiError, ErrorBody},
    extract,
};

/// Most texts, or parts, of one request.
const MAX_INPUTS: usize = 1000;
/// Inputs of one request that are judged at the same time.
const IN_FLIGHT: usize = 64;
/// What callers may call us, and what we answer to a request that names no model.
const DEFAULT_MODEL: &str = "omni-moderation-latest";

/// What is to be judged.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for errors that name the member")]
pub struct ModerationRequest {
    /// A text, several texts, or several parts that are judged together.
    input: ModerationInput,
    /// Any name; echoed. Our own models answer.
    #[schema(example = "omni-moderation-latest")]
    model: Option<String>,
}

/// A text, texts, or parts.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum ModerationInput {
    /// One text: one result.
    Text(String),
    /// Several: one result each.
    Texts(Vec<String>),
    /// Texts and pictures: one result for all.
    Parts(Vec<ModerationPart>),
}

/// One part.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document")]
pub struct ModerationPart {
    /// `text` or `image_url`.
    r#type: String,
    /// Of a part of type `text`.
    text: Option<String>,
    /// Of a part of type `image_url`: a `data:` URL with base64.
    image_url: Option<ModerationImage>,
}

/// A picture.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document")]
pub struct ModerationImage {
    /// `data:image/png;base64,…`; addresses are not fetched.
    url: String,
}

/// The results.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModerationAnswer {
    /// `modr-…`.
    id: String,
    /// The name that the request used.
    model: String,
    /// One per text, or one for all parts.
    results: Vec<ModerationResult>,
}

/// One result.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModerationResult {
    /// Some category holds.
    flagged: bool,
    /// Which, by the thresholds of your policy.
    #[schema(value_type = std::collections::BTreeMap<String, bool>)]
    categories: PerCategory<bool>,
    /// Raw scores, 0 to 1; 0 for what we cannot judge.
    #[schema(value_type = std::collections::BTreeMap<String, f32>)]
    category_scores: PerCategory<f32>,
    /// The inputs that each score comes from: none for what we cannot judge.
    #[schema(value_type = std::collections::BTreeMap<String, Vec<String>>)]
    category_applied_input_types: PerCategory<Vec<&'static str>>,
}

/// What is judged for one result.
type Group = Vec<(Modality, Content)>;

/// Judge texts and pictures, in OpenAI's shape
///
/// Its client libraries work with another base URL. Scores come from our own models; docs/migrate-openai.md has the table. Nothing is stored.
#[utoipa::path(
    post, path = "/v1/moderations", tag = "compat", request_body = ModerationRequest,
    responses(
        (status = 200, description = "The results", body = ModerationAnswer),
        (status = 429, description = "The models are full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn moderate(
    State(app): State<Shared>,
    caller: Allowed<ToCheck>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ModerationAnswer>, ApiError> {
    extract::require_json(&headers)?;
    let body = extract::read_body(body, app.services.config.server.max_body_bytes).await?;
    let request: Value = extract::parse_owned(body).await?;
    let model = model(&request)?;
    // Pictures are decoded from base64: not on an async thread.
    let groups = extract::apart(move || groups(&request)).await?;
    let policy = app.services.policies.of(&caller.tenant);
    let judged: Vec<Categories> =
        stream::iter(groups).map(|group| judge(&app, &caller.tenant, group)).buffered(IN_FLIGHT).try_collect().await?;
    let results = judged.into_iter().map(|categories| {
        let holds = categories.holds(&policy);
        ModerationResult {
            flagged: holds.any(),
            categories: holds,
            category_scores: categories.scores(),
            category_applied_input_types: categories.inputs(),
        }
    });
    Ok(Json(ModerationAnswer { id: format!("modr-{}", Uuid::now_v7().simple()), model, results: results.collect() }))
}

async fn judge(app: &Arc<App>, tenant: &TenantId, group: Group) -> Result<Categories, ApiError> {
    let mut categories = Categories::new();
    for (modality, content) in group {
        let now = app.services.clock.now();
        let kind = match modality {
            Modality::Text => ItemKind::Text,
            Modality::Image => ItemKind::Image,
        };
        let envelope = Envelope {
            id: ItemId::new(),
            tenant: tenant.clone(),
            kind,
            actor: None,
            conversation: None,
            call: None,
            reference: None,
            occurred_at: now,
            received_at: now,
        };
        let item = Item { envelope, content };
        let processed = app.services.pipeline.process(&item, Lane::Interactive, Mode::DryRun).await;
        let processed = processed.map_err(|error| ApiError::from(error).at("input"))?;
        categories.add(modality, &processed.outcome.signals);
    }
    Ok(categories)
}

fn wrong(field: impl Into<String>, message: &str) -> ApiError {
    ApiError::invalid("invalid_field", message).at(field)
}

fn model(request: &Value) -> Result<String, ApiError> {
    match &request["model"] {
        Value::Null => Ok(DEFAULT_MODEL.to_owned()),
        Value::String(name) => Ok(name.chars().take(200).collect()),
        _ => Err(wrong("model", "`model` must be text: send `omni-moderation-latest`, or leave it out.")),
    }
}

/// One group per result.
fn groups(request: &Value) -> Result<Vec<Group>, ApiError> {
    let text = |text: &str| (Modality::Text, Content::Text(text.to_owned()));
    match &request["input"] {
        Value::String(one) => Ok(vec![vec![text(one)]]),
        Value::Array(members) if members.is_empty() || members.len() > MAX_INPUTS => {
            let message = format!("`input` holds {} members: send 1 to {MAX_INPUTS}.", members.len());
            Err(ApiError::invalid("input_size", message).at("input"))
        }
        Value::Array(members) if members.iter().all(Value::is_string) => {
            Ok(members.iter().filter_map(Value::as_str).map(|member| vec![text(member)]).collect())
        }
        Value::Array(members) => {
            let parts: Result<Group, ApiError> =
                members.iter().enumerate().map(|(index, member)| part(index, member)).collect();
            parts.map(|parts| vec![parts])
        }
        Value::Null => Err(wrong("input", "`input` is missing: send a text, several texts, or parts.")),
        _ => Err(wrong("input", "`input` must be a text, several texts, or parts.")),
    }
}

fn part(index: usize, part: &Value) -> Result<(Modality, Content), ApiError> {
    let at = |member: &str| format!("input[{index}]{member}");
    match part["type"].as_str() {
        Some("text") => match part["text"].as_str() {
            Some(text) => Ok((Modality::Text, Content::Text(text.to_owned()))),
            None => Err(wrong(at(".text"), "A part of type `text` needs a member `text`.")),
        },
        Some("image_url") => match part["image_url"]["url"].as_str() {
            Some(url) => {
                Ok((Modality::Image, Content::Picture(picture(url).map_err(|error| error.at(at(".image_url.url")))?)))
            }
            None => Err(wrong(at(".image_url.url"), "A part of type `image_url` needs `image_url.url`.")),
        },
        _ => Err(wrong(at(".type"), "A part is of type `text` or `image_url`; texts and parts are not mixed.")),
    }
}

/// The bytes of a `data:` URL.
fn picture(url: &str) -> Result<Bytes, ApiError> {
    let Some(rest) = url.strip_prefix("data:") else {
        return Err(ApiError::invalid(
            "image_url_not_fetched",
            "Pictures are not fetched from addresses here: send the picture itself as `data:image/jpeg;base64,…`.",
        ));
    };
    let encoded = rest.split_once(',').filter(|(head, _)| head.ends_with(";base64")).map(|(_, encoded)| encoded);
    let bytes = encoded.and_then(|encoded| BASE64_STANDARD.decode(encoded.trim()).ok());
    bytes.map(Bytes::from).ok_or_else(|| {
        ApiError::invalid(
            "image_url_malformed",
            "The data URL cannot be read: send `data:image/jpeg;base64,` and base64.",
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i5_a_text_is_one_result_texts_are_many_parts_are_one() {
        let part = json!({ "type": "text", "text": "b" });
        let image = json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAEC" } });
        for (input, sizes) in
            [(json!("a"), vec![1]), (json!(["a", "b", "c"]), vec![1, 1, 1]), (json!([part, image]), vec![2])]
        {
            let found = groups(&json!({ "input": input })).unwrap();
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{input}");
        }
        let pictures = groups(&json!({ "input": [image] })).unwrap();
        assert_eq!(pictures[0][0], (Modality::Image, Content::Picture(Bytes::from_static(&[0, 1, 2]))));
    }

    #[test]
    fn i5_what_is_wrong_is_named_with_its_member() {
        let image = |url: &str| json!([{ "type": "image_url", "image_url": { "url": url } }]);
        for (input, code) in [
            (json!(null), "invalid_field"),
            (json!(7), "invalid_field"),
            (json!([]), "input_size"),
            (json!(["a", 7]), "invalid_field"),
            (json!(["a", { "type": "text", "text": "b" }]), "invalid_field"),
            (json!([{ "type": "audio" }]), "invalid_field"),
            (json!([{ "type": "text" }]), "invalid_field"),
            (image("https://example.org/cat.jpg"), "image_url_not_fetched"),
            (image("data:image/png;base64,@@@"), "image_url_malformed"),
            (image("data:image/png,abc"), "image_url_malformed"),
        ] {
            assert_eq!(groups(&json!({ "input": input })).unwrap_err().code(), code, "{input}");
        }
        assert_eq!(model(&json!({ "model": 7 })).unwrap_err().code(), "invalid_field");
    }
}
