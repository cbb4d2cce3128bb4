//! The JSON Schemas of events, in and out.

use axum::http::{HeaderName, header};
use pipeline::schemas;

use crate::{
    error::{ApiError, ErrorBody},
    extract::Path,
};

/// A schema of an event
///
/// `events` are told by us, `notices` by the platform. JSON Schema, draft 2020-12.
#[utoipa::path(
    get, path = "/schemas/{group}/{name}", tag = "operation", security(()),
    params(
        ("group" = String, Path, description = "`events` or `notices`"),
        ("name" = String, Path, description = "Kind and version: `moderation.action.v1.json`"),
    ),
    responses(
        (status = 200, description = "The schema", content_type = "application/schema+json", body = String),
        (status = 404, description = "No such schema", body = ErrorBody),
    ),
)]
pub async fn schema(
    Path((group, name)): Path<(String, String)>,
) -> Result<([(HeaderName, &'static str); 1], &'static str), ApiError> {
    let text = schemas::find(&group, &name).ok_or_else(|| ApiError::not_found("schema", format!("{group}/{name}")))?;
    Ok(([(header::CONTENT_TYPE, "application/schema+json")], text))
}
