//! `POST /v1/embeddings`: OpenAI's shape. A hot path: texts are borrowed from the request, the answer is written once.

mod input;
mod tokens;

use std::{borrow::Cow, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, header},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use models::{Input as ModelInput, Lane};
use pipeline::item::check_text;
use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use input::Input;
use tokens::Vocabulary;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToSearch},
    error::{ApiError, OpenAiErrorBody},
    extract,
};

/// Most texts of one request.
const MAX_INPUTS: usize = 2048;
/// Texts of one request that the model may hold at once; the others wait their turn.
const IN_FLIGHT: usize = 512;
/// Requests from this size on are tokenised off the async threads, in bytes.
const COUNT_APART: usize = 8 << 10;
/// OpenAI's names of embedding models: all mean ours. Their clients send tokens of OpenAI's vocabulary.
const OPENAI: [&str; 3] = ["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"];
/// Names under which other services offer embeddings: all mean our model.
pub(crate) const ALIASES: [&str; 5] =
    [OPENAI[0], OPENAI[1], OPENAI[2], "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"];

/// Texts to be embedded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "model": "embed-minilm", "input": ["hiking in the alps", "a quiet evening with chess"] }))]
pub struct EmbeddingRequest<'a> {
    /// A text, 1 to 2048 texts, an array of token ids, or 1 to 2048 of those. Under OpenAI's model names the ids are of its
    /// vocabulary `cl100k_base`; under ours, of the model's own tokenizer.
    #[serde(borrow)]
    #[schema(value_type = EmbeddingInput)]
    input: Input<'a>,
    /// The name of a loaded embedding model, or one of OpenAI's: these mean the configured model.
    #[serde(borrow)]
    #[schema(value_type = String, example = "embed-minilm")]
    model: Cow<'a, str>,
    /// `float` when absent; `base64` is smaller and faster: little-endian 32-bit floats.
    #[serde(default)]
    encoding_format: EncodingFormat,
    /// Shorter vectors: the first so many numbers, brought to unit length again. At most the model's own number, which is the default.
    #[schema(minimum = 1)]
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

/// What is embedded.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// One text.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// One array of token ids.
    Tokens(Vec<u32>),
    /// Several.
    TokenArrays(Vec<Vec<u32>>),
}

/// A vector as `encoding_format` asks for it.
#[derive(ToSchema)]
#[serde(untagged)]
pub enum EncodedVector {
    /// `float`.
    Numbers(Vec<f32>),
    /// `base64`: little-endian 32-bit floats.
    Base64(String),
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
    #[schema(value_type = EncodedVector)]
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
/// OpenAI's shape, so that its client libraries work with another base URL. Vectors are of our model: docs/migrate-openai.md.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "people", operation_id = "create_embedding", request_body = EmbeddingRequest,
    responses(
        (status = 200, description = "The vectors", body = EmbeddingAnswer),
        (status = 404, description = "No such model", body = OpenAiErrorBody),
        (status = 429, description = "The model is full", body = OpenAiErrorBody),
        (status = "4XX", description = "The request is wrong", body = OpenAiErrorBody),
        (status = "5XX", description = "A part is down", body = OpenAiErrorBody),
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
    let (model, vocabulary) = resolve(&app, &request.model)?;
    let dimensions = check_dimensions(&app, model, &request)?;
    let inputs = prepare(&app, request.input, vocabulary).await?;
    let (mut vectors, tokens) = tokio::try_join!(embed_all(&app, model, &inputs), count(&app, model, &inputs))?;
    if let Some(dimensions) = dimensions {
        vectors.iter_mut().for_each(|vector| *vector = shorten(vector, dimensions));
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

/// The loaded model that a name means, and whose token ids go with the name.
fn resolve<'a>(app: &'a App, name: &str) -> Result<(&'a str, Vocabulary), ApiError> {
    let ours = app.services.config.pipeline.embedding_model.as_str();
    if name == ours || ALIASES.contains(&name) {
        return Ok((ours, if OPENAI.contains(&name) { Vocabulary::OpenAi } else { Vocabulary::Own }));
    }
    let message = format!("No embedding model `{}` here: send `{ours}`.", name.chars().take(100).collect::<String>());
    Err(ApiError::model_not_found(message).at("model"))
}

/// The length that vectors are cut to; `None`: they stay whole.
fn check_dimensions(app: &App, model: &str, request: &EmbeddingRequest<'_>) -> Result<Option<usize>, ApiError> {
    let whole = app.services.engine.spec(model)?.dimensions;
    match request.dimensions {
        Some(wanted) if !(1..=whole).contains(&wanted) => {
            let message = format!("`dimensions` is {wanted}: `{model}` makes vectors of 1 to {whole} numbers.");
            Err(ApiError::invalid("dimensions_unsupported", message).at("dimensions"))
        }
        wanted => Ok(wanted.filter(|wanted| *wanted < whole)),
    }
}

/// The beginning of a vector, at unit length.
fn shorten(vector: &[f32], dimensions: usize) -> Arc<[f32]> {
    let start = &vector[..dimensions.min(vector.len())];
    let norm = start.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    start.iter().map(|x| (f64::from(*x) / norm) as f32).collect()
}

/// What goes into the model; each with its member's name if it is wrong.
async fn prepare<'a>(app: &App, input: Input<'a>, vocabulary: Vocabulary) -> Result<Vec<Prepared<'a>>, ApiError> {
    let limit = app.services.config.pipeline.max_text_bytes;
    let (count, what) = match &input {
        Input::Texts(texts) => (texts.len(), "texts"),
        Input::Tokens(arrays) => (arrays.len(), "token arrays"),
    };
    if !(1..=MAX_INPUTS).contains(&count) {
        let message = format!("`input` holds {count} {what}: send 1 to {MAX_INPUTS}.");
        return Err(ApiError::invalid("input_size", message).at("input"));
    }
    let texts = match input {
        Input::Texts(texts) => texts,
        Input::Tokens(arrays) => {
            tokens::check(&arrays)?;
            match vocabulary {
                Vocabulary::Own => return Ok(arrays.into_iter().map(|ids| Prepared::Tokens(ids.into())).collect()),
                Vocabulary::OpenAi => extract::apart(move || tokens::to_texts(&arrays, limit)).await?,
            }
        }
    };
    for (index, text) in texts.iter().enumerate() {
        check_text(text, limit).map_err(|error| ApiError::from(error).at(format!("input[{index}]")))?;
    }
    Ok(texts.into_iter().map(Prepared::Text).collect())
}

/// One input of the model.
#[derive(Clone)]
enum Prepared<'a> {
    Text(Cow<'a, str>),
    /// Of the model's own tokenizer.
    Tokens(Arc<[u32]>),
}

impl Prepared<'_> {
    fn input(&self) -> ModelInput {
        match self {
            Self::Text(text) => ModelInput::Text((&**text).into()),
            Self::Tokens(ids) => ModelInput::Tokens(Arc::clone(ids)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Tokens(_) => 0,
        }
    }
}

/// All inputs through the model, in order.
async fn embed_all(app: &App, model: &str, inputs: &[Prepared<'_>]) -> Result<Vec<Arc<[f32]>>, ApiError> {
    let engine = &app.services.engine;
    let lane = if inputs.len() == 1 { Lane::Interactive } else { Lane::Bulk };
    // Futures do nothing before they are polled: `buffered` starts so many of them.
    let waiting = inputs.iter().enumerate().map(|(index, one)| async move {
        let vector = engine.embed_input(model, one.input(), lane).await;
        vector.map_err(|error| ApiError::from(error).at(format!("input[{index}]")))
    });
    let waiting: Vec<_> = waiting.collect();
    stream::iter(waiting).buffered(IN_FLIGHT).try_collect().await
}

async fn count(app: &App, model: &str, inputs: &[Prepared<'_>]) -> Result<usize, ApiError> {
    let engine = &app.services.engine;
    let bytes: usize = inputs.iter().map(Prepared::len).sum();
    if bytes < COUNT_APART {
        return sum_tokens(engine, model, inputs);
    }
    let (engine, model) = (engine.clone(), model.to_owned());
    let inputs: Vec<Prepared<'static>> = inputs
        .iter()
        .map(|input| match input {
            Prepared::Text(text) => Prepared::Text(Cow::Owned(text.to_string())),
            Prepared::Tokens(ids) => Prepared::Tokens(Arc::clone(ids)),
        })
        .collect();
    extract::apart(move || sum_tokens(&engine, &model, &inputs)).await
}

fn sum_tokens(engine: &models::Engine, model: &str, inputs: &[Prepared<'_>]) -> Result<usize, ApiError> {
    inputs.iter().try_fold(0, |sum, input| {
        let tokens = match input {
            Prepared::Text(text) => engine.count_tokens(model, text),
            Prepared::Tokens(ids) => engine.count_ids(model, ids),
        };
        Ok(sum + tokens?)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_a_shortened_vector_has_unit_length_again() {
        let short = shorten(&[0.6, 0.0, 0.8], 2);
        assert_eq!(&*short, [1.0, 0.0]);
        let whole: Vec<f32> = (1..=384).map(|n| 1.0 / n as f32).collect();
        let short = shorten(&whole, 100);
        let length: f32 = short.iter().map(|x| x * x).sum();
        assert!(short.len() == 100 && (length - 1.0).abs() < 1e-6, "{length}");
        assert!((short[1] / short[0] - whole[1] / whole[0]).abs() < 1e-6, "the direction stays");
        assert_eq!(&*shorten(&[0.0, 1.0], 1), [0.0], "nothing to make longer");
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
