//! Pictures of profiles: remembered as a fingerprint, so that the picture of somebody who is banned is known again.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use pipeline::item::ProfileId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::frames::require_picture;
use crate::{
    app::Shared,
    auth::{Allowed, ToProfiles},
    error::{ApiError, ErrorBody},
    extract::{self, Path, Payload, name, read_body},
};

/// Where a picture is, instead of the picture.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "url": "https://img.example.org/ann.jpg" }))]
pub struct AvatarAddress {
    /// `http` or `https`, on a host that the tenant's pictures may be fetched from (`[[compat.image_fetch.allow]]`).
    url: String,
}

impl Payload for AvatarAddress {}

/// What became of a picture.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({ "known_again": true, "resembles_banned": [] }))]
pub struct AvatarView {
    /// `false`: there is too little in it (a plain colour) to know it again, so nothing is remembered.
    known_again: bool,
    /// Banned people with nearly the same picture; reviewers are told (event `evasion.suspected`), and nothing else is done.
    resembles_banned: Vec<String>,
}

/// Remember a profile's picture
///
/// The body is the picture itself (JPEG, PNG, WebP, GIF, BMP, TIFF). 256 bits of its structure are kept, not the picture: copies of it, smaller,
/// recompressed or mirrored, are known again. It is not judged: send it to `POST /v1/items`, too.
#[utoipa::path(
    put, path = "/v1/profiles/{id}/avatar", tag = "people",
    params(("id" = String, Path, description = "Your id of the person")),
    request_body(content((Vec<u8> = "image/jpeg"), (Vec<u8> = "image/png"), (Vec<u8> = "image/webp"), (Vec<u8> = "application/octet-stream"))),
    responses(
        (status = 200, description = "Remembered, and compared with those of the banned", body = AvatarView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = 413, description = "The picture is too large", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put_avatar(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<AvatarView>, ApiError> {
    name("id", &id)?;
    require_picture(&headers)?;
    let picture = read_body(body, app.services.config.pipeline.max_picture_bytes).await?;
    remember(&app, &caller, ProfileId(id), picture).await
}

/// Remember the picture at an address as a profile's
///
/// It is fetched once, now, under the rules of `[compat.image_fetch]`, and remembered as if it had been sent.
#[utoipa::path(
    post, path = "/v1/profiles/{id}/avatar", tag = "people",
    params(("id" = String, Path, description = "Your id of the person")),
    request_body = AvatarAddress,
    responses(
        (status = 200, description = "Remembered, and compared with those of the banned", body = AvatarView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = 429, description = "Too many pictures are being fetched", body = ErrorBody),
        (status = "4XX", description = "The request is wrong, or the address has no picture", body = ErrorBody),
    ),
)]
pub async fn fetch_avatar(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
    extract::Json(address): extract::Json<AvatarAddress>,
) -> Result<Json<AvatarView>, ApiError> {
    name("id", &id)?;
    let picture = app.fetcher.fetch(&caller.tenant, &address.url).await.map_err(|error| error.at("url"))?;
    remember(&app, &caller, ProfileId(id), picture).await
}

async fn remember(
    app: &Shared,
    caller: &Allowed<ToProfiles>,
    id: ProfileId,
    picture: Bytes,
) -> Result<Json<AvatarView>, ApiError> {
    let found = app.services.pipeline.put_avatar(&caller.tenant, &id, picture).await?;
    let known_again = found.is_some();
    let resembles_banned = found.unwrap_or_default().into_iter().map(|(id, _)| id.0).collect();
    Ok(Json(AvatarView { known_again, resembles_banned }))
}

/// Forget a profile's picture
#[utoipa::path(
    delete, path = "/v1/profiles/{id}/avatar", tag = "people",
    params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 404, description = "None is remembered", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn delete_avatar(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    name("id", &id)?;
    app.services.pipeline.delete_avatar(&caller.tenant, &ProfileId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
