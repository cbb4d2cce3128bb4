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
    signal::Signal,
};
use serde::Serialize;
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use super::categories::{Categories, Modality, PerCategory};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToCheck},
    error::{ApiError, OpenAiErrorBody},
    extract,
};

/// Most texts, or parts, of one request.
const MAX_INPUTS: usize = 1000;
/// Most pictures of one request.
const MAX_PICTURES: usize = 16;
/// Inputs of one request that are judged at the same time.
const IN_FLIGHT: usize = 64;
/// What callers may call us, and what we answer to a request that names no model.
const DEFAULT_MODEL: &str = "omni-moderation-latest";

/// What is to be judged.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape in the OpenAPI document; read by hand for errors that name the member")]
#[schema(example = json!({ "model": "omni-moderation-latest", "input": "what a lovely day" }))]
pub struct ModerationRequest {
    /// A text, several texts, or several parts that are judged together.
    input: ModerationInput,
    /// `omni-moderation-latest` when absent. `text-moderation-latest` takes texts only and answers in the older form. Our own models answer
    /// either way.
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
    /// `data:image/png;base64,…`; or an address, where fetching from its host is allowed (`[compat.image_fetch]`).
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
    /// Which, by the thresholds of your policy. `null` for `illicit` and `illicit/violent` from the text-only models.
    #[schema(schema_with = PerCategory::<Option<bool>>::schema)]
    categories: PerCategory<Option<bool>>,
    /// Raw scores, 0 to 1; 0 for what we cannot judge.
    #[schema(schema_with = PerCategory::<f32>::schema)]
    category_scores: PerCategory<f32>,
    /// The inputs that each score comes from: none for what we cannot judge. Absent from the text-only models.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = PerCategory::<Vec<String>>::schema)]
    category_applied_input_types: Option<PerCategory<Vec<&'static str>>>,
}

/// Which of OpenAI's models is stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Texts and pictures.
    Omni,
    /// Texts only; results have an older form.
    Text,
}

/// One piece of what is judged.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Picture(Bytes),
    /// A picture's address, and the member that holds it.
    Address(String, String),
}

/// What is judged for one result.
type Group = Vec<Piece>;

/// Judge texts and pictures, in OpenAI's shape
///
/// Its client libraries work with another base URL. Scores come from our own models; docs/migrate-openai.md has the table. Nothing is stored.
#[utoipa::path(
    post, path = "/v1/moderations", tag = "compat", operation_id = "create_moderation", request_body = ModerationRequest,
    responses(
        (status = 200, description = "The results", body = ModerationAnswer),
        (status = 404, description = "No such model", body = OpenAiErrorBody),
        (status = 429, description = "The models are full", body = OpenAiErrorBody),
        (status = "4XX", description = "The request is wrong", body = OpenAiErrorBody),
        (status = "5XX", description = "A part is down", body = OpenAiErrorBody),
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
    let (model, family) = model(&request)?;
    // Pictures are decoded from base64: not on an async thread.
    let groups = extract::apart(move || groups(&request, family)).await?;
    let policy = app.services.policies.of(&caller.tenant);
    let judged: Vec<Categories> = stream::iter(groups)
        .map(|group| judge(&app, &caller.tenant, Categories::new(policy.clone()), group))
        .buffered(IN_FLIGHT)
        .try_collect()
        .await?;
    let results = judged.into_iter().map(|categories| ModerationResult {
        flagged: categories.flagged(),
        category_scores: categories.scores(),
        categories: match family {
            Family::Omni => categories.holds(),
            Family::Text => categories.holds_of_text_model(),
        },
        category_applied_input_types: (family == Family::Omni).then(|| categories.inputs()),
    });
    Ok(Json(ModerationAnswer { id: format!("modr-{}", Uuid::now_v7().simple()), model, results: results.collect() }))
}

async fn judge(
    app: &Arc<App>,
    tenant: &TenantId,
    mut categories: Categories,
    group: Group,
) -> Result<Categories, ApiError> {
    let judged = stream::iter(group).map(|piece| judge_piece(app, tenant, piece)).buffered(IN_FLIGHT);
    let judged: Vec<(Modality, Vec<Signal>)> = judged.try_collect().await?;
    for (modality, signals) in judged {
        categories.add(modality, &signals);
    }
    Ok(categories)
}

async fn judge_piece(app: &Arc<App>, tenant: &TenantId, piece: Piece) -> Result<(Modality, Vec<Signal>), ApiError> {
    let (modality, kind, content) = match piece {
        Piece::Text(text) => (Modality::Text, ItemKind::Text, Content::Text(text)),
        Piece::Picture(bytes) => (Modality::Image, ItemKind::Image, Content::Picture(bytes)),
        Piece::Address(address, member) => {
            let bytes = app.fetcher.fetch(tenant, &address).await.map_err(|error| error.at(member))?;
            (Modality::Image, ItemKind::Image, Content::Picture(bytes))
        }
    };
    let now = app.services.clock.now();
    let envelope = Envelope {
        id: ItemId::new(),
        tenant: tenant.clone(),
        kind,
        actor: None,
        conversation: None,
        call: None,
        reference: None,
        message: None,
        occurred_at: now,
        received_at: now,
    };
    let item = Item { envelope, content };
    let processed = app.services.pipeline.process(&item, Lane::Interactive, Mode::DryRun).await;
    let processed = processed.map_err(|error| ApiError::from(error).at("input"))?;
    Ok((modality, processed.outcome.signals))
}

fn wrong(field: impl Into<String>, message: &str) -> ApiError {
    ApiError::invalid("invalid_field", message).at(field)
}

fn model(request: &Value) -> Result<(String, Family), ApiError> {
    let name = match &request["model"] {
        Value::Null => return Ok((DEFAULT_MODEL.to_owned(), Family::Omni)),
        Value::String(name) => name,
        _ => return Err(wrong("model", "`model` must be text: send `omni-moderation-latest`, or leave it out.")),
    };
    let shown: String = name.chars().take(100).collect();
    if name.starts_with("omni-moderation-") || name == "chaperone" {
        Ok((shown, Family::Omni))
    } else if name.starts_with("text-moderation-") {
        Ok((shown, Family::Text))
    } else {
        let message =
            format!("No moderation model `{shown}` here: send `omni-moderation-latest` or `text-moderation-latest`.");
        Err(ApiError::model_not_found(message).at("model"))
    }
}

/// One group per result.
fn groups(request: &Value, family: Family) -> Result<Vec<Group>, ApiError> {
    let text = |text: &str| Piece::Text(text.to_owned());
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
            let parts = members.iter().enumerate().map(|(index, member)| part(index, member, family));
            let parts: Group = parts.collect::<Result<_, _>>()?;
            let pictures = parts.iter().filter(|part| !matches!(part, Piece::Text(_))).count();
            if pictures > MAX_PICTURES {
                let message = format!("`input` holds {pictures} pictures: send at most {MAX_PICTURES} in one request.");
                return Err(ApiError::invalid("input_size", message).at("input"));
            }
            Ok(vec![parts])
        }
        Value::Null => Err(wrong("input", "`input` is missing: send a text, several texts, or parts.")),
        _ => Err(wrong("input", "`input` must be a text, several texts, or parts.")),
    }
}

fn part(index: usize, part: &Value, family: Family) -> Result<Piece, ApiError> {
    let at = |member: &str| format!("input[{index}]{member}");
    match part["type"].as_str() {
        Some("text") => match part["text"].as_str() {
            Some(text) => Ok(Piece::Text(text.to_owned())),
            None => Err(wrong(at(".text"), "A part of type `text` needs a member `text`.")),
        },
        Some("image_url") if family == Family::Text => {
            Err(wrong("model", "The text-moderation models take no pictures: send `omni-moderation-latest`."))
        }
        Some("image_url") => match part["image_url"]["url"].as_str() {
            Some(url) if has_data_scheme(url) => {
                picture(url).map(Piece::Picture).map_err(|error| error.at(at(".image_url.url")))
            }
            Some(url) => Ok(Piece::Address(url.to_owned(), at(".image_url.url"))),
            None => Err(wrong(at(".image_url.url"), "A part of type `image_url` needs `image_url.url`.")),
        },
        _ => Err(wrong(at(".type"), "A part is of type `text` or `image_url`; texts and parts are not mixed.")),
    }
}

/// Schemes are written in any case.
fn has_data_scheme(url: &str) -> bool {
    url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
}

/// The bytes of a `data:` URL.
fn picture(url: &str) -> Result<Bytes, ApiError> {
    let encoded = url.split_once(',').filter(|(head, _)| head.to_ascii_lowercase().ends_with(";base64"));
    let bytes = encoded.and_then(|(_, encoded)| BASE64_STANDARD.decode(encoded.trim()).ok());
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

    fn read(input: &Value, family: Family) -> Result<Vec<Group>, ApiError> {
        groups(&json!({ "input": input }), family)
    }

    #[test]
    fn i5_a_text_is_one_result_texts_are_many_parts_are_one() {
        let part = json!({ "type": "text", "text": "b" });
        let image = json!({ "type": "image_url", "image_url": { "url": "Data:image/png;base64,AAEC" } });
        for (input, sizes) in
            [(json!("a"), vec![1]), (json!(["a", "b", "c"]), vec![1, 1, 1]), (json!([part, image]), vec![2])]
        {
            let found = read(&input, Family::Omni).unwrap();
            assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), sizes, "{input}");
        }
        let pictures = read(&json!([image]), Family::Omni).unwrap();
        assert_eq!(pictures[0][0], Piece::Picture(Bytes::from_static(&[0, 1, 2])));
        let address = json!([part, { "type": "image_url", "image_url": { "url": "https://example.org/cat.jpg" } }]);
        let address = read(&address, Family::Omni).unwrap();
        assert_eq!(
            address[0][1],
            Piece::Address("https://example.org/cat.jpg".into(), "input[1].image_url.url".into())
        );
    }

    #[test]
    fn i5_what_is_wrong_is_named_with_its_member() {
        let image = |url: &str| json!({ "type": "image_url", "image_url": { "url": url } });
        let png = image("data:image/png;base64,AAEC");
        for (input, code) in [
            (json!(null), "invalid_field"),
            (json!(7), "invalid_field"),
            (json!([]), "input_size"),
            (json!(vec![png.clone(); 17]), "input_size"),
            (json!(["a", 7]), "invalid_field"),
            (json!(["a", { "type": "text", "text": "b" }]), "invalid_field"),
            (json!([{ "type": "audio" }]), "invalid_field"),
            (json!([{ "type": "text" }]), "invalid_field"),
            (json!([{ "type": "image_url", "image_url": "https://a.example" }]), "invalid_field"),
            (json!([image("data:image/png;base64,@@@")]), "image_url_malformed"),
            (json!([image("data:image/png,abc")]), "image_url_malformed"),
        ] {
            assert_eq!(read(&input, Family::Omni).unwrap_err().code(), code, "{input}");
        }
        assert_eq!(read(&json!([png]), Family::Text).unwrap_err().code(), "invalid_field");
    }

    #[test]
    fn i5_openais_model_names_are_known_and_others_are_not() {
        for (name, expected) in [
            (json!(null), Ok(Family::Omni)),
            (json!("omni-moderation-latest"), Ok(Family::Omni)),
            (json!("omni-moderation-2024-09-26"), Ok(Family::Omni)),
            (json!("text-moderation-stable"), Ok(Family::Text)),
            (json!("gpt-9"), Err("model_not_found")),
            (json!(7), Err("invalid_field")),
        ] {
            let found = model(&json!({ "model": name }));
            let found = found.as_ref().map(|(_, family)| *family).map_err(ApiError::code);
            assert_eq!(found, expected, "{name}");
        }
    }
}
