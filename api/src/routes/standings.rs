//! What moderation thinks of a person, for matching: who is out, who is held back and by how much.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use pipeline::{
    item::ProfileId,
    matching::standing::Out,
    process::matching::{Stand, StandingChange},
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::{Allowed, ToAdmin, ToSearch},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query, name},
    seat::{Either, ToView},
};

/// People on one page, at most and when the caller does not say.
const MAX_LIMIT: usize = 200;

/// A person's standing in matching.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchStanding {
    /// Your id of the person.
    id: String,
    /// Why they are in no answer: `banned`, `suspended`, `shadow_limited`; absent when they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<&'static str>,
    /// When that ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    out_until: Option<DateTime<Utc>>,
    /// May be paired live: neither out nor disconnected for a violation a moment ago.
    may_pair: bool,
    /// Strikes that count now: they lower scores.
    strikes: u32,
    /// Reports against them that count now, those that were dismissed left out: they lower scores.
    reports: u32,
    /// 0 to 1, as it was set: little trust lowers scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<f64>,
    /// Shown to nobody, without being told.
    shadow_limited: bool,
    /// What strikes, reports, ratings and trust add to every score in which they are shown, in log odds. Below 0: a penalty.
    reputation_log_odds: f64,
}

impl MatchStanding {
    fn new(stand: Stand, now: DateTime<Utc>) -> Self {
        let Stand { person, standing, reputation } = stand;
        let word = |out| match out {
            Out::Banned => "banned",
            Out::Suspended => "suspended",
            Out::ShadowLimited => "shadow_limited",
        };
        Self {
            id: person.0,
            out: standing.out(now).map(word),
            out_until: standing.out_until(now),
            may_pair: standing.may_pair(now),
            strikes: standing.strikes(now),
            reports: standing.reports(now),
            trust: standing.trust,
            shadow_limited: standing.shadow_limited,
            reputation_log_odds: (reputation * 1e4).round() / 1e4,
        }
    }
}

/// What staff set. What is absent stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "trust": 0.4 }))]
pub struct NewStanding {
    /// 0 to 1; null forgets it.
    #[serde(deserialize_with = "given")]
    #[schema(value_type = Option<f64>)]
    trust: Option<Option<f64>>,
    /// Show them to nobody, without telling them.
    shadow_limited: Option<bool>,
}

impl Payload for NewStanding {}

/// `null` is something else than nothing.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<f64>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// Show a person's standing in matching
///
/// Bans, suspensions, strikes and reports come from moderation, within two seconds; trust and limits from you.
#[utoipa::path(
    get, path = "/v1/profiles/{id}/standing", tag = "matching", params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "The standing", body = MatchStanding),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToView>,
    Path(id): Path<String>,
) -> Result<Json<MatchStanding>, ApiError> {
    name("id", &id)?;
    let stand = app.services.pipeline.standing(&caller.tenant, &ProfileId(id)).await?;
    Ok(Json(MatchStanding::new(stand, app.services.clock.now())))
}

/// Set trust or a limit
///
/// Holds for every answer that begins afterwards.
#[utoipa::path(
    patch, path = "/v1/profiles/{id}/standing", tag = "matching", request_body = NewStanding,
    params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "Set", body = MatchStanding),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn set(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<String>,
    Body(new): Body<NewStanding>,
) -> Result<Json<MatchStanding>, ApiError> {
    name("id", &id)?;
    let change = StandingChange { trust: new.trust, shadow_limited: new.shadow_limited };
    let stand = app.services.pipeline.set_standing(&caller.tenant, &ProfileId(id), change).await?;
    Ok(Json(MatchStanding::new(stand, app.services.clock.now())))
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StandingOptions {
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Most people, 1 to 200; 200 when absent.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
}

/// People of whom moderation or staff said something.
#[derive(Debug, Serialize, ToSchema)]
pub struct MatchStandings {
    /// In the order of their ids. What is over by now (an old strike, a suspension that ended) is still listed, with nothing held against them.
    people: Vec<MatchStanding>,
    /// Pass it as `cursor` for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List moderation's penalties in matching
///
/// Everybody of whom moderation or staff said something: who is out, and by how much others are held back.
#[utoipa::path(
    get, path = "/v1/standings", tag = "matching", operation_id = "list_standings", params(StandingOptions),
    responses(
        (status = 200, description = "A page of people", body = MatchStandings),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Either<ToSearch, ToView>,
    Query(options): Query<StandingOptions>,
) -> Result<Json<MatchStandings>, ApiError> {
    let limit = options.limit.unwrap_or(MAX_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        let message = format!("`limit` is {limit}: send 1 to {MAX_LIMIT}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    let after = options.cursor.map(ProfileId);
    let mut found = app.services.pipeline.marked_people(&caller.tenant, after.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| more).map(|stand| stand.person.0.clone());
    let now = app.services.clock.now();
    let people = found.into_iter().map(|stand| MatchStanding::new(stand, now)).collect();
    Ok(Json(MatchStandings { people, next_cursor }))
}
