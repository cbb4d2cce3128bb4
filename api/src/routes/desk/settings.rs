//! `/v1/review/settings`: queues, times, shares.

use axum::{Json, extract::State};
use pipeline::{review::routing::ReviewSettings, store::desk::KeptSettings};
use serde::Deserialize;
use utoipa::ToSchema;

use super::views::{KeptSettingsView, ReviewSettingsView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Payload},
    seat::{Seat, ToEditSettings, ToView},
};

/// Show how review works here
#[utoipa::path(
    get, path = "/v1/review/settings", tag = "review", operation_id = "show_review_settings",
    responses(
        (status = 200, description = "The settings", body = KeptSettingsView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(State(app): State<Shared>, staff: Seat<ToView>) -> Result<Json<KeptSettings>, ApiError> {
    Ok(Json(app.services.pipeline.desk().kept_settings(&staff.tenant).await?))
}

/// Changed settings.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "version": 0, "settings": ReviewSettings::builtin() }))]
pub struct NewSettings {
    /// `version` of the settings that you changed: refused with `settings_changed` when somebody else changed them meanwhile.
    version: i64,
    /// All of them.
    #[schema(value_type = ReviewSettingsView)]
    settings: ReviewSettings,
}

impl Payload for NewSettings {}

/// Change how review works here
///
/// In force at once in this process, within five seconds in others. Cases that wait stay where they are.
#[utoipa::path(
    put, path = "/v1/review/settings", tag = "review", operation_id = "put_review_settings", request_body = NewSettings,
    responses(
        (status = 200, description = "Changed", body = KeptSettingsView),
        (status = 409, description = "Somebody else changed them meanwhile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put(
    State(app): State<Shared>,
    staff: Seat<ToEditSettings>,
    Body(new): Body<NewSettings>,
) -> Result<Json<KeptSettings>, ApiError> {
    Ok(Json(app.services.pipeline.desk().put_settings(&staff, new.settings, new.version).await?))
}
