//! What moderation thinks of a person, for matching; and how attention is spread.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use pipeline::{
    item::ProfileId,
    matching::{exposure::gini, standing::Standing},
    process::matching::StandingChange,
};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::{
    app::Shared,
    auth::{Allowed, ToAdmin, ToSearch},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, name},
};

/// People whose exposure is read for a summary.
const READ: usize = 200_000;

/// A person's standing.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
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
    /// 0 to 1, as it was set: little trust lowers scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    trust: Option<f64>,
    /// Shown to nobody, without being told.
    shadow_limited: bool,
}

impl StandingView {
    fn new(standing: &Standing, now: DateTime<Utc>) -> Self {
        use pipeline::matching::standing::Out;
        let word = |out| match out {
            Out::Banned => "banned",
            Out::Suspended => "suspended",
            Out::ShadowLimited => "shadow_limited",
        };
        Self {
            out: standing.out(now).map(word),
            out_until: standing.out_until(now),
            may_pair: standing.may_pair(now),
            strikes: standing.strikes(now),
            trust: standing.trust,
            shadow_limited: standing.shadow_limited,
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
/// Bans, suspensions and strikes come from moderation, within two seconds; trust and limits from you.
#[utoipa::path(
    get, path = "/v1/profiles/{id}/standing", tag = "matching", params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "The standing", body = StandingView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToSearch>,
    Path(id): Path<String>,
) -> Result<Json<StandingView>, ApiError> {
    name("id", &id)?;
    let standing = app.services.pipeline.standing(&caller.tenant, &ProfileId(id)).await?;
    Ok(Json(StandingView::new(&standing, app.services.clock.now())))
}

/// Set trust or a limit
///
/// Holds for every answer that begins afterwards.
#[utoipa::path(
    patch, path = "/v1/profiles/{id}/standing", tag = "matching", request_body = NewStanding,
    params(("id" = String, Path, description = "Your id of the person")),
    responses(
        (status = 200, description = "Set", body = StandingView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn set(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
    Path(id): Path<String>,
    Body(new): Body<NewStanding>,
) -> Result<Json<StandingView>, ApiError> {
    name("id", &id)?;
    let change = StandingChange { trust: new.trust, shadow_limited: new.shadow_limited };
    let standing = app.services.pipeline.set_standing(&caller.tenant, &ProfileId(id), change).await?;
    Ok(Json(StandingView::new(&standing, app.services.clock.now())))
}

/// How attention was spread over people this week.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExposureView {
    /// People who were on somebody's list.
    people: usize,
    /// Gini coefficient: 0 when all got the same, towards 1 when one got everything.
    gini: f64,
    /// Share of all attention that each tenth of these people got, from the least shown to the most shown.
    deciles: Vec<f64>,
}

/// Show how attention is spread
#[utoipa::path(
    get, path = "/v1/exposure", tag = "matching",
    responses(
        (status = 200, description = "This week's lists", body = ExposureView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show_exposure(
    State(app): State<Shared>,
    caller: Allowed<ToAdmin>,
) -> Result<Json<ExposureView>, ApiError> {
    let mut shown = app.services.pipeline.exposures(&caller.tenant, READ).await?;
    shown.sort_by(f64::total_cmp);
    let sum: f64 = shown.iter().sum();
    let count = shown.len();
    let tenth = |n: usize| shown[n * count / 10..(n + 1) * count / 10].iter().sum::<f64>();
    let deciles = (0..10).map(|n| if sum > 0.0 { (tenth(n) / sum * 1e4).round() / 1e4 } else { 0.0 }).collect();
    Ok(Json(ExposureView { people: count, gini: (gini(&shown) * 1e4).round() / 1e4, deciles }))
}
