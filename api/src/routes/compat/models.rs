//! `GET /v1/models`: OpenAI's list, which many clients ask for before anything else.

use axum::{
    Json,
    extract::{Path, State},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToSearch},
    error::{ApiError, ErrorBody},
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

/// List the models
///
/// OpenAI's shape.
#[utoipa::path(get, path = "/v1/models", tag = "compat", responses((status = 200, description = "The models", body = ModelList), (status = "4XX", description = "The request is wrong", body = ErrorBody)))]
pub async fn list(State(app): State<Shared>, _caller: Allowed<ToSearch>) -> Json<ModelList> {
    let data = app.services.engine.models().iter().map(|model| entry(&model.name)).collect();
    Json(ModelList { object: "list", data })
}

/// Show one model
///
/// OpenAI's shape.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "compat", params(("id" = String, Path, description = "The model's name")),
    responses(
        (status = 200, description = "The model", body = ModelEntry),
        (status = 404, description = "No such model", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    _caller: Allowed<ToSearch>,
    Path(id): Path<String>,
) -> Result<Json<ModelEntry>, ApiError> {
    let found = app.services.engine.models().iter().find(|model| *model.name == *id).map(|model| entry(&model.name));
    found
        .map(Json)
        .ok_or_else(|| ApiError::model_not_found("No such model here: `GET /v1/models` lists what there is."))
}

fn entry(name: &str) -> ModelEntry {
    ModelEntry { id: name.to_owned(), object: "model", created: 0, owned_by: "chaperone" }
}
