//! `/v1/profiles/{id}`: people who can be matched.

use std::collections::BTreeMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use futures::StreamExt;
use pipeline::{PipelineError, item::ProfileId, process::ProfileDraft, profile::Profile};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::terms::{self, About, Seeks, Wishes};
use crate::{
    app::Shared,
    auth::{Allowed, ToProfiles},
    config::Config,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, name},
};

/// Most profiles of one request.
const MAX_BATCH: usize = 200;
/// Largest body of such a request, in bytes.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Profiles of a request that are embedded at once.
const IN_FLIGHT: usize = 32;

/// What a profile is made of.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "interests": ["hiking", "chess"], "bio": "Up early, out late.", "attributes": { "city": "Bern" }, "about": { "age": 31, "gender": "f" }, "seeks": { "min_age": 25 } }))]
pub struct NewProfile {
    /// Short phrases, most important first.
    interests: Vec<String>,
    /// Free text.
    bio: String,
    /// What searches filter by: strings, numbers, booleans, lists of strings.
    attributes: BTreeMap<String, serde_json::Value>,
    /// Who they are, for matching.
    about: About,
    /// Whom they seek: hard limits.
    seeks: Seeks,
    /// What they would like best: soft limits of live pairing.
    wishes: Wishes,
}

impl Payload for NewProfile {}

impl From<NewProfile> for ProfileDraft {
    fn from(new: NewProfile) -> Self {
        let NewProfile { interests, bio, attributes, about, seeks, wishes } = new;
        Self { interests, bio, attributes, terms: terms::terms(about, seeks, wishes) }
    }
}

/// Several profiles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "profiles": [{ "id": "ann", "interests": ["hiking"] }] }))]
pub struct NewProfiles {
    /// 1 to 200.
    profiles: Vec<NamedProfile>,
}

impl Payload for NewProfiles {
    /// Two hundred of the largest profiles are more than others may send.
    fn limit(_: &Config) -> usize {
        MAX_BATCH_BYTES
    }
}

/// A profile with its id.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedProfile {
    /// Your id of the person.
    #[schema(example = "ann")]
    id: String,
    /// Short phrases, most important first.
    #[serde(default)]
    interests: Vec<String>,
    /// Free text.
    #[serde(default)]
    bio: String,
    /// What searches filter by.
    #[serde(default)]
    attributes: BTreeMap<String, serde_json::Value>,
    /// Who they are, for matching.
    #[serde(default)]
    about: About,
    /// Whom they seek: hard limits.
    #[serde(default)]
    seeks: Seeks,
    /// What they would like best: soft limits of live pairing.
    #[serde(default)]
    wishes: Wishes,
}

impl From<NamedProfile> for (String, ProfileDraft) {
    fn from(named: NamedProfile) -> Self {
        let NamedProfile { id, interests, bio, attributes, about, seeks, wishes } = named;
        (id, NewProfile { interests, bio, attributes, about, seeks, wishes }.into())
    }
}

/// What became of several profiles, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenProfiles {
    /// One for each.
    results: Vec<ProfileResult>,
    /// How many were written.
    written: usize,
}

/// What became of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileResult {
    /// Its id.
    id: String,
    /// Its version, when it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    /// Why not, as a code of docs/errors.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

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
    /// Who they are, for matching.
    #[serde(skip_serializing_if = "terms::is_default")]
    about: About,
    /// Whom they seek.
    #[serde(skip_serializing_if = "terms::is_default")]
    seeks: Seeks,
    /// What they would like best.
    #[serde(skip_serializing_if = "terms::is_default")]
    wishes: Wishes,
    /// Rises when interests or bio change.
    version: u32,
    /// Last write.
    updated_at: DateTime<Utc>,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        let (about, seeks, wishes) = terms::views(profile.terms);
        Self {
            about,
            seeks,
            wishes,
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
    /// Banned people whose profiles are nearly the same; reviewers are told (event `evasion.suspected`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resembles_banned: Vec<String>,
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
    let written = app.services.pipeline.put_profile(&caller.tenant, ProfileId(id), new.into()).await?;
    let resembles_banned = written.resembles.into_iter().map(|(id, _)| id.0).collect();
    Ok(Json(WrittenProfile { profile: written.profile.into(), indexed: written.indexed, resembles_banned }))
}

/// Write several profiles
///
/// Each as `PUT /v1/profiles/{id}` would. One that is wrong is told of in its place and keeps no other from being written. When a part of the
/// service is down, the call fails and can be repeated as a whole.
#[utoipa::path(
    post, path = "/v1/profiles", tag = "people", request_body = NewProfiles,
    responses(
        (status = 200, description = "What became of each", body = WrittenProfiles),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put_profiles(
    State(app): State<Shared>,
    caller: Allowed<ToProfiles>,
    Body(new): Body<NewProfiles>,
) -> Result<Json<WrittenProfiles>, ApiError> {
    if !(1..=MAX_BATCH).contains(&new.profiles.len()) {
        let message = format!("`profiles` has {} members: send 1 to {MAX_BATCH}.", new.profiles.len());
        return Err(ApiError::invalid("batch_size", message).at("profiles"));
    }
    let writes = new.profiles.into_iter().map(|named| {
        let (pipeline, tenant) = (app.services.pipeline.clone(), caller.tenant.clone());
        let (id, draft): (String, ProfileDraft) = named.into();
        async move { (id.clone(), pipeline.put_profile(&tenant, ProfileId(id), draft).await) }
    });
    let mut writes = futures::stream::iter(writes).buffered(IN_FLIGHT);
    let (mut results, mut written) = (Vec::new(), 0);
    while let Some((id, result)) = writes.next().await {
        results.push(match result {
            Ok(done) => {
                written += 1;
                ProfileResult { id, version: Some(done.profile.version), error: None, message: None }
            }
            Err(PipelineError::Invalid { code, message }) => {
                ProfileResult { id, version: None, error: Some(code.to_owned()), message: Some(message) }
            }
            Err(error) => return Err(error.into()),
        });
    }
    Ok(Json(WrittenProfiles { results, written }))
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
