//! Messages of a workspace: written to be searched, found by meaning and by words.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use pipeline::{
    PipelineError,
    message::{By, Message, MessageSearch},
    process::messages::FoundMessage,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToItems, ToSearch},
    config::Config,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, name},
};

/// Most messages of one request.
const MAX_BATCH: usize = 200;
/// Largest body of such a request, in bytes.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Messages of a request that are embedded at once.
const IN_FLIGHT: usize = 32;
/// Hits when the caller does not say.
const DEFAULT_LIMIT: usize = 20;

/// Several messages.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "messages": [{ "id": "m1", "conversation": "kitchen", "author": "ann", "at": "2026-11-26T12:00:00Z",
    "text": "Where do we eat tonight?", "access": ["group:kitchen"] }] }))]
pub struct NewMessages {
    /// 1 to 200.
    messages: Vec<NewMessage>,
}

impl Payload for NewMessages {
    fn limit(_: &Config) -> usize {
        MAX_BATCH_BYTES
    }
}

/// A message that can be searched from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// Your id of it; the same again replaces it.
    id: String,
    /// Where it was written.
    conversation: String,
    /// By whom.
    author: String,
    /// When.
    at: DateTime<Utc>,
    /// What.
    text: String,
    /// Who may find it: people, groups, roles in your words; `*` is everybody. At least one.
    access: Vec<String>,
}

impl From<NewMessage> for Message {
    fn from(new: NewMessage) -> Self {
        let NewMessage { id, conversation, author, at, text, access } = new;
        Self { id, conversation, author, at, text, access }
    }
}

/// What became of several messages, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenMessages {
    /// One for each.
    results: Vec<MessageResult>,
    /// How many were written.
    written: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageResult {
    /// Its id.
    id: String,
    /// Why it was not written, as a code of docs/errors.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Write messages to be searched
///
/// A search that starts after the answer finds them. They are not judged: that is `POST /v1/items`. They go with the retention
/// (`store.retention_days`, by their time), or when their author is erased. One that is wrong is told of in its place and keeps no other from
/// being written. When a part of the service is down, the call fails and can be repeated as a whole.
#[utoipa::path(
    post, path = "/v1/messages", tag = "messages", operation_id = "put_messages", request_body = NewMessages,
    responses(
        (status = 200, description = "What became of each", body = WrittenMessages),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Body(new): Body<NewMessages>,
) -> Result<Json<WrittenMessages>, ApiError> {
    if !(1..=MAX_BATCH).contains(&new.messages.len()) {
        let message = format!("`messages` has {} members: send 1 to {MAX_BATCH}.", new.messages.len());
        return Err(ApiError::invalid("batch_size", message).at("messages"));
    }
    let writes = new.messages.into_iter().map(|new| {
        let (pipeline, tenant) = (app.services.pipeline.clone(), caller.tenant.clone());
        async move { (new.id.clone(), pipeline.put_message(&tenant, new.into()).await) }
    });
    let mut writes = futures::stream::iter(writes).buffered(IN_FLIGHT);
    let (mut results, mut written) = (Vec::new(), 0);
    while let Some((id, result)) = writes.next().await {
        results.push(match result {
            Ok(()) => {
                written += 1;
                MessageResult { id, error: None, message: None }
            }
            Err(PipelineError::Invalid { code, message }) => {
                MessageResult { id, error: Some(code.to_owned()), message: Some(message) }
            }
            Err(error) => return Err(error.into()),
        });
    }
    Ok(Json(WrittenMessages { results, written }))
}

/// Forget a message
///
/// No search that starts after the answer finds it.
#[utoipa::path(
    delete, path = "/v1/messages/{id}", tag = "messages", operation_id = "delete_message",
    params(("id" = String, Path, description = "Your id of the message")),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 404, description = "No such message", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn delete(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    name("id", &id)?;
    match app.services.pipeline.delete_message(&caller.tenant, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::not_found("message", &id)),
    }
}

/// By what messages are found.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchBy {
    /// Meaning and words, the ranks of both together.
    #[default]
    Both,
    /// Meaning alone.
    Meaning,
    /// Words alone: any of them, rare ones first.
    Words,
}

/// What to look for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "plans for dinner", "readers": ["ann", "group:kitchen"], "conversations": ["kitchen"] }))]
pub struct MessageQuestion {
    /// In words.
    text: String,
    /// Who asks, and the groups and roles they have: only messages whose `access` names one of these, or `*`, are found. At least one.
    readers: Vec<String>,
    /// In these conversations only.
    #[serde(default)]
    conversations: Vec<String>,
    /// By these authors only.
    #[serde(default)]
    authors: Vec<String>,
    /// Not written before.
    since: Option<DateTime<Utc>>,
    /// Not written after.
    until: Option<DateTime<Utc>>,
    /// `both` when absent.
    #[serde(default)]
    by: SearchBy,
    /// Most hits, 1 to 100; 20 when absent.
    limit: Option<usize>,
}

impl Payload for MessageQuestion {}

/// What was found, best first.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundMessages {
    /// Best first.
    hits: Vec<MessageHit>,
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageHit {
    /// Your id of it.
    id: String,
    /// Where it was written.
    conversation: String,
    /// By whom.
    author: String,
    /// When.
    at: DateTime<Utc>,
    /// What.
    text: String,
    /// Of the ranks by meaning and by words; compares hits of one answer only.
    score: f64,
    /// Cosine of its text and the question, when it was found by meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<f32>,
    /// It holds words of the question.
    has_words: bool,
}

impl From<FoundMessage> for MessageHit {
    fn from(found: FoundMessage) -> Self {
        let FoundMessage { message, score, similarity, has_words } = found;
        let Message { id, conversation, author, at, text, .. } = message;
        Self { id, conversation, author, at, text, score, similarity, has_words }
    }
}

/// Search messages
///
/// By meaning and by words, among those that the readers may find.
#[utoipa::path(
    post, path = "/v1/messages/search", tag = "messages", operation_id = "search_messages", request_body = MessageQuestion,
    responses(
        (status = 200, description = "What was found", body = FoundMessages),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn search(
    State(app): State<Shared>,
    caller: Allowed<ToSearch>,
    Body(asked): Body<MessageQuestion>,
) -> Result<Json<FoundMessages>, ApiError> {
    let MessageQuestion { text, readers, conversations, authors, since, until, by, limit } = asked;
    let by = match by {
        SearchBy::Both => By::Both,
        SearchBy::Meaning => By::Meaning,
        SearchBy::Words => By::Words,
    };
    let limit = limit.unwrap_or(DEFAULT_LIMIT);
    let search = MessageSearch { question: text, readers, conversations, authors, since, until, by, limit };
    let found = app.services.pipeline.search_messages(&caller.tenant, search).await?;
    Ok(Json(FoundMessages { hits: found.into_iter().map(MessageHit::from).collect() }))
}
