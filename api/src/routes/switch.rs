//! Which embedding model answers, and a change to another one without a pause.

use axum::{Json, extract::State};
use pipeline::process::switch::{NextModel, Shadow, Switch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToAdmin},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Payload},
};

/// The embedding models.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingModels {
    /// The configured one, with its version.
    current: String,
    /// The one that is to take over (`pipeline.next_embedding_model`).
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<NextModelView>,
}

/// A model that is to take over.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NextEmbeddingModel)]
pub struct NextModelView {
    /// With its version.
    model: String,
    /// It answers; otherwise the configured one does.
    serving: bool,
    /// Profiles, of all tenants.
    profiles: u64,
    /// Those that have a vector of it: it can answer when that is all of them.
    covered: u64,
    /// Searches that this process asked of both models since its start.
    compared: u64,
    /// Mean share of hits that both models found.
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<f64>,
}

impl From<Switch> for EmbeddingModels {
    fn from(Switch { current, next }: Switch) -> Self {
        Self { current, next: next.map(NextModelView::from) }
    }
}

impl From<NextModel> for NextModelView {
    fn from(next: NextModel) -> Self {
        let NextModel { model, serving, profiles, covered, shadow: Shadow { compared, overlap } } = next;
        let mean = (compared > 0).then(|| (overlap / compared as f64 * 1e4).round() / 1e4);
        Self { model, serving, profiles, covered, compared, overlap: mean }
    }
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Serving {
    /// The configured one: rolls back.
    Current,
    /// The one that is to take over: cuts over.
    Next,
}

/// Which model is to answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "model": "next" }))]
pub struct ServeModel {
    /// Which.
    model: Serving,
}

impl Payload for ServeModel {}

/// Show the embedding models
///
/// The configured one, the one that is to take over, and how far that is.
#[utoipa::path(
    get, path = "/v1/embedding-models", tag = "operation", operation_id = "list_embedding_models",
    responses(
        (status = 200, description = "The models", body = EmbeddingModels),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(State(app): State<Shared>, _caller: Allowed<ToAdmin>) -> Result<Json<EmbeddingModels>, ApiError> {
    Ok(Json(app.services.pipeline.switch().await?.into()))
}

/// Choose the embedding model that answers
///
/// For all tenants. Both models' vectors go on being written, so it can be taken back at any moment. This process follows at once, others within
/// a second.
#[utoipa::path(
    post, path = "/v1/embedding-models/serve", tag = "operation", operation_id = "serve_embedding_model", request_body = ServeModel,
    responses(
        (status = 200, description = "The models as they are now", body = EmbeddingModels),
        (status = 409, description = "No model is to come, or profiles lack a vector of it", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn serve(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Body(asked): Body<ServeModel>,
) -> Result<Json<EmbeddingModels>, ApiError> {
    let switch = app.services.pipeline.serve_next(asked.model == Serving::Next, &caller.key).await?;
    Ok(Json(switch.into()))
}
