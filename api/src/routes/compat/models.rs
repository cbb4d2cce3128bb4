//! `GET /v1/models`: OpenAI's list, which many clients ask for before anything else.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToSearch},
    error::{ApiError, OpenAiErrorBody},
    extract::Path,
    routes::embeddings::ALIASES,
};

/// The models that are loaded.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelList {
    /// Always `list`.
    object: &'static str,
    /// One entry each.
    data: Vec<ModelEntry>,
}

/// One model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelEntry {
    /// Its name in requests.
    id: String,
    /// Always `model`.
    object: &'static str,
    /// Seconds since 1970; 0, because we do not know when its weights were made.
    created: i64,
    /// Always `chaperone`.
    owned_by: &'static str,
}

/// OpenAI's names that mean our models (its clients ask for them before they begin).
const MODERATION: [&str; 4] =
    ["omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-latest", "text-moderation-stable"];

/// List the models
///
/// OpenAI's shape: the models that are loaded, and OpenAI's names that mean them.
#[utoipa::path(
    get, path = "/v1/models", tag = "compat",
    responses(
        (status = 200, description = "The models", body = ModelList),
        (status = "4XX", description = "The request is wrong", body = OpenAiErrorBody),
    ),
)]
pub async fn list(State(app): State<Shared>, _caller: Allowed<ToSearch>) -> Json<ModelList> {
    Json(ModelList { object: "list", data: names(&app).iter().map(|name| entry(name)).collect() })
}

/// Show one model
///
/// OpenAI's shape.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "compat",
    params(("id" = String, Path, description = "The model's name", example = "embed-minilm")),
    responses(
        (status = 200, description = "The model", body = ModelEntry),
        (status = 404, description = "No such model", body = OpenAiErrorBody),
        (status = "4XX", description = "The request is wrong", body = OpenAiErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    _caller: Allowed<ToSearch>,
    Path(id): Path<String>,
) -> Result<Json<ModelEntry>, ApiError> {
    if names(&app).iter().any(|name| **name == *id) {
        return Ok(Json(entry(&id)));
    }
    Err(ApiError::model_not_found("No such model here: `GET /v1/models` lists what there is.").at("model"))
}

fn names(app: &App) -> Vec<Arc<str>> {
    let loaded = app.services.engine.models().into_iter().map(|model| model.name);
    let known = MODERATION.into_iter().chain(ALIASES).filter(|name| !name.contains('/')).map(Arc::from);
    loaded.chain(known).collect()
}

fn entry(name: &str) -> ModelEntry {
    ModelEntry { id: name.to_owned(), object: "model", created: 0, owned_by: "chaperone" }
}
