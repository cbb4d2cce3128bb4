//! `POST /v1/embeddings`: OpenAI's shape. A hot path: texts are borrowed from the request, the answer is written once.

use std::{borrow::Cow, fmt, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use models::Lane;
use pipeline::item::check_text;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToSearch},
    error::{ApiError, ErrorBody},
    extract,
};

/// Most texts of one request.
const MAX_INPUTS: usize = 2048;
/// Texts of one request that the model may hold at once; the others wait their turn.
const IN_FLIGHT: usize = 512;
/// Requests from this size on are tokenised off the async threads, in bytes.
const COUNT_APART: usize = 8 << 10;
/// Names under which other services offer embeddings: all mean our model.
const ALIASES: [&str; 5] = [
    "text-embedding-3-small",
    "text-embedding-3-large",
    "text-embedding-ada-002",
    "all-MiniLM-L6-v2",
    "sentence-transformers/all-MiniLM-L6-v2",
];

/// Texts to be embedded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingRequest<'a> {
    /// A text, or 1 to 2048 texts.
    #[serde(borrow)]
    #[schema(value_type = TextOrTexts)]
    input: Input<'a>,
    /// The name of a loaded embedding model, or one of OpenAI's: these mean the configured model.
    #[serde(borrow)]
    #[schema(value_type = String, example = "embed-minilm")]
    model: Cow<'a, str>,
    /// `float` when absent; `base64` is smaller and faster: little-endian 32-bit floats.
    #[serde(default)]
    encoding_format: EncodingFormat,
    /// Only the model's own number.
    dimensions: Option<usize>,
    /// Ignored.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    #[expect(dead_code, reason = "accepted, because clients send it, and ignored")]
    user: Option<Cow<'a, str>>,
}

/// How vectors are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// Numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats, base64.
    Base64,
}

/// A text, or several.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum TextOrTexts {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

enum Input<'a> {
    Texts(Vec<Cow<'a, str>>),
    Tokens,
}

/// The vectors, in the order of the texts.
#[derive(Serialize, ToSchema)]
pub struct EmbeddingAnswer<'a> {
    /// Always `list`.
    object: &'static str,
    /// One for each text.
    data: Vec<EmbeddingView>,
    /// The model that was used.
    model: &'a str,
    /// What it cost.
    usage: Usage,
}

/// One vector.
#[derive(Serialize, ToSchema)]
pub struct EmbeddingView {
    /// Always `embedding`.
    object: &'static str,
    /// Position of its text.
    index: usize,
    /// Unit length: numbers, or base64 text.
    #[schema(value_type = Vec<f32>)]
    embedding: Vector,
}

/// Tokens of all texts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    /// Special tokens included.
    prompt_tokens: usize,
    /// The same.
    total_tokens: usize,
}

/// Embed texts
///
/// OpenAI's shape, so that its client libraries work with another base URL. Token arrays are not taken yet.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "people", request_body = EmbeddingRequest,
    responses(
        (status = 200, description = "The vectors", body = EmbeddingAnswer),
        (status = 404, description = "No such model", body = ErrorBody),
        (status = 429, description = "The model is full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn embed(
    State(app): State<Shared>,
    _caller: Allowed<ToSearch>,
    headers: HeaderMap,
    body: Body,
) -> Result<([(HeaderName, &'static str); 1], Bytes), ApiError> {
    extract::require_json(&headers)?;
    let body = extract::read_body(body, app.services.config.server.max_body_bytes).await?;
    let request: EmbeddingRequest<'_> = extract::parse(&body)?;
    let model = resolve(&app, &request.model)?;
    let texts = check(&app, request.input)?;
    let (vectors, tokens) = tokio::try_join!(embed_all(&app, model, &texts), count(&app, model, &texts))?;
    if let Some(wanted) = request.dimensions.filter(|wanted| vectors.iter().any(|vector| vector.len() != *wanted)) {
        let message = format!("`dimensions` is {wanted}, and `{model}` cannot be shortened: leave it out.");
        return Err(ApiError::invalid("dimensions_unsupported", message).at("dimensions"));
    }
    let answer = EmbeddingAnswer {
        object: "list",
        data: view(vectors, request.encoding_format),
        model,
        usage: Usage { prompt_tokens: tokens, total_tokens: tokens },
    };
    let json = serde_json::to_vec(&answer).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], json.into()))
}

/// The loaded model that a name means.
fn resolve<'a>(app: &'a App, name: &str) -> Result<&'a str, ApiError> {
    let ours = app.services.config.pipeline.embedding_model.as_str();
    if name == ours || ALIASES.contains(&name) {
        return Ok(ours);
    }
    let message = format!("No embedding model `{}` here: send `{ours}`.", name.chars().take(100).collect::<String>());
    Err(ApiError::model_not_found(message).at("model"))
}

fn check<'a>(app: &App, input: Input<'a>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let Input::Texts(texts) = input else {
        return Err(ApiError::invalid(
            "tokens_unsupported",
            "`input` holds tokens: send texts; token arrays are not taken yet.",
        )
        .at("input"));
    };
    if !(1..=MAX_INPUTS).contains(&texts.len()) {
        return Err(ApiError::invalid(
            "input_size",
            format!("`input` holds {} texts: send 1 to {MAX_INPUTS}.", texts.len()),
        )
        .at("input"));
    }
    let limit = app.services.config.pipeline.max_text_bytes;
    for (index, text) in texts.iter().enumerate() {
        check_text(text, limit).map_err(|error| ApiError::from(error).at(format!("input[{index}]")))?;
    }
    Ok(texts)
}

/// All texts through the model, in order.
async fn embed_all(app: &App, model: &str, texts: &[Cow<'_, str>]) -> Result<Vec<Arc<[f32]>>, ApiError> {
    let engine = &app.services.engine;
    if let [text] = texts {
        return Ok(vec![engine.embed(model, text, Lane::Interactive).await?]);
    }
    // Futures do nothing before they are polled: `buffered` starts so many of them.
    let waiting: Vec<_> = texts.iter().map(|text| engine.embed(model, text, Lane::Bulk)).collect();
    let vectors = stream::iter(waiting).buffered(IN_FLIGHT);
    Ok(vectors.try_collect().await?)
}

async fn count(app: &App, model: &str, texts: &[Cow<'_, str>]) -> Result<usize, ApiError> {
    let engine = &app.services.engine;
    let bytes: usize = texts.iter().map(|text| text.len()).sum();
    if bytes < COUNT_APART {
        return sum_tokens(engine, model, texts);
    }
    let (engine, model) = (engine.clone(), model.to_owned());
    let texts: Vec<Cow<'static, str>> = texts.iter().map(|text| Cow::Owned(text.to_string())).collect();
    extract::apart(move || sum_tokens(&engine, &model, &texts)).await
}

fn sum_tokens(engine: &models::Engine, model: &str, texts: &[Cow<'_, str>]) -> Result<usize, ApiError> {
    texts.iter().try_fold(0, |sum, text| Ok(sum + engine.count_tokens(model, text)?))
}

fn view(vectors: Vec<Arc<[f32]>>, format: EncodingFormat) -> Vec<EmbeddingView> {
    let vectors = vectors.into_iter().enumerate();
    vectors
        .map(|(index, vector)| EmbeddingView { object: "embedding", index, embedding: Vector { vector, format } })
        .collect()
}

struct Vector {
    vector: Arc<[f32]>,
    format: EncodingFormat,
}

impl Serialize for Vector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.format {
            EncodingFormat::Float => serializer.collect_seq(self.vector.iter()),
            EncodingFormat::Base64 => {
                let mut bytes = Vec::with_capacity(size_of::<f32>() * self.vector.len());
                for number in &*self.vector {
                    bytes.extend_from_slice(&number.to_le_bytes());
                }
                serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Input<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> de::Visitor<'de> for InputVisitor {
    type Value = Input<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an array of texts")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Cow::Borrowed(text)]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Cow::Owned(text.to_owned())]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut texts = Vec::new();
        let mut tokens = false;
        while let Some(member) = members.next_element::<Member<'de>>()? {
            match member {
                // One more than may be sent is enough to know.
                Member::Text(text) if texts.len() <= MAX_INPUTS => texts.push(text),
                Member::Text(_) => {}
                Member::Token => tokens = true,
            }
        }
        Ok(if tokens { Input::Tokens } else { Input::Texts(texts) })
    }
}

/// A member of the array `input`.
enum Member<'a> {
    Text(Cow<'a, str>),
    /// A number, or an array of numbers.
    Token,
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> de::Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Member::Token)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_element::<u64>()?.is_some() {}
        Ok(Member::Token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: &str) -> Result<Input<'_>, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn inputs_are_texts_or_tokens() {
        for (json, expected) in [
            (r#""a""#, Some(vec!["a"])),
            (r#""a\nb""#, Some(vec!["a\nb"])),
            (r#"["a","b\u00fc"]"#, Some(vec!["a", "bü"])),
            ("[]", Some(vec![])),
            ("[1,2]", None),
            ("[[1,2],[3]]", None),
        ] {
            let texts = match input(json) {
                Ok(Input::Texts(texts)) => Some(texts),
                Ok(Input::Tokens) => None,
                Err(error) => panic!("{json}: {error:?}"),
            };
            assert_eq!(texts, expected.map(|texts| texts.into_iter().map(Cow::Borrowed).collect()), "{json}");
        }
        for json in ["7", "null", "{}", "[null]", "[1.5]", "[[\"a\"]]"] {
            assert!(input(json).is_err(), "{json}");
        }
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let Ok(Input::Texts(texts)) = input(r#"["a","b"]"#) else { panic!("no texts") };
        assert!(texts.iter().all(|text| matches!(text, Cow::Borrowed(_))));
    }

    #[test]
    fn i4_base64_is_little_endian_f32_without_a_header() {
        let vector: Arc<[f32]> = Arc::from([1.0_f32, -0.5]);
        let written = |format| serde_json::to_string(&Vector { vector: vector.clone(), format }).unwrap();
        assert_eq!(written(EncodingFormat::Float), "[1.0,-0.5]");
        let base64: String = serde_json::from_str(&written(EncodingFormat::Base64)).unwrap();
        assert_eq!(BASE64_STANDARD.decode(base64).unwrap(), [0, 0, 128, 63, 0, 0, 0, 191]);
    }
}
