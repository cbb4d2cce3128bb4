//! `/v1/profiles/{id}`: people who can be matched.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{item::ProfileId, process::ProfileDraft, profile::Profile};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToProfiles},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, name},
};

/// What a profile is made of.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "interests": ["hiking", "chess"], "bio": "Up early, out late.", "attributes": { "city": "Bern" } }))]
pub struct NewProfile {
    /// Short phrases, most important first.
    interests: Vec<String>,
    /// Free text.
    bio: String,
    /// What searches filter by: strings, numbers, booleans, lists of strings.
    attributes: BTreeMap<String, serde_json::Value>,
}

impl Payload for NewProfile {}

/// A person who can be matched.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileView {
    /// Your id of the person.
    id: String,
    /// Short phrases, most important first.
    interests: Vec<String>,
    /// Free text.
    bio: String,
    /// What searches filter by.
    attributes: BTreeMap<String, serde_json::Value>,
    /// Rises when interests or bio change.
    version: u32,
    /// Last write.
    updated_at: DateTime<Utc>,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id.0,
            interests: profile.interests,
            bio: profile.bio,
            attributes: profile.attributes,
            version: profile.version,
            updated_at: profile.updated_at,
        }
    }
}

/// A profile that was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenProfile {
    /// The profile.
    #[serde(flatten)]
    profile: ProfileView,
    /// `true`: a search that starts now sees it. `false`: it is stored, but the vector index is down; searches see it some seconds after the
    /// index is back, and nothing needs to be sent again.
    indexed: bool,
}

/// Write a profile
///
/// Replaces what was there. A search that starts after the answer sees it, unless `indexed` is `false`. Unchanged texts are not embedded
/// again.
#[utoipa::path(
    put, path = "/v1/profiles/{id}", tag = "people", request_body = NewProfile,
    params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "Written", body = WrittenProfile),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
    Body(new): Body<NewProfile>,
) -> Result<Json<WrittenProfile>, ApiError> {
    name("id", &id)?;
    let draft = ProfileDraft { interests: new.interests, bio: new.bio, attributes: new.attributes };
    let written = app.services.pipeline.put_profile(&caller.tenant, ProfileId(id), draft).await?;
    Ok(Json(WrittenProfile { profile: written.profile.into(), indexed: written.indexed }))
}

/// Show a profile
#[utoipa::path(
    get, path = "/v1/profiles/{id}", tag = "people", params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "The profile", body = ProfileView),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
) -> Result<Json<ProfileView>, ApiError> {
    name("id", &id)?;
    let id = ProfileId(id);
    let profile = app.services.store.load_profile(&caller.tenant, &id).await?;
    profile.map(|profile| Json(profile.into())).ok_or_else(|| ApiError::not_found("profile", &id))
}

/// Delete a profile
///
/// After 204, a search that starts does not find it. After 202 the row is gone, but the vector index is down: once it is back, searches may
/// find the person for some seconds, until the index is repaired. Nothing needs to be sent again.
#[utoipa::path(
    delete, path = "/v1/profiles/{id}", tag = "people", params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 202, description = "Deleted; the vector index, which is down, follows later"),
        (status = 204, description = "Deleted"),
        (status = 404, description = "No such profile", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn delete(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    name("id", &id)?;
    let indexed = app.services.pipeline.delete_profile(&caller.tenant, &ProfileId(id)).await?;
    Ok(if indexed { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED })
}
