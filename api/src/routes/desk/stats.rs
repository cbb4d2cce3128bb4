//! Counts of the queues, numbers over time, and search.

use axum::{
    Json,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    review::staff::Staff,
    store::desk::{
        search::Found,
        stats::{QueueCount, Stats},
    },
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    length,
    views::{FoundView, QueueCountView, StatsView},
};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::Query,
    seat::{Seat, ToView, ToViewStats},
};

/// Show what waits in each queue
#[utoipa::path(
    get, path = "/v1/review/queues", tag = "review", operation_id = "count_queues",
    responses(
        (status = 200, description = "The queues, in their order", body = Vec<QueueCountView>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn queues(State(app): State<Shared>, staff: Seat<ToView>) -> Result<Json<Vec<QueueCount>>, ApiError> {
    Ok(Json(app.services.pipeline.desk().queue_counts(&staff).await?))
}

/// Over which time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct StatsOptions {
    /// Not before; 30 days ago, when absent.
    from: Option<DateTime<Utc>>,
    /// Before; now, when absent.
    to: Option<DateTime<Utc>>,
}

/// Show what happened, by day
#[utoipa::path(
    get, path = "/v1/stats", tag = "review", operation_id = "show_stats", params(StatsOptions),
    responses(
        (status = 200, description = "The numbers", body = StatsView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn stats(
    State(app): State<Shared>,
    staff: Seat<ToViewStats>,
    Query(options): Query<StatsOptions>,
) -> Result<Json<Stats>, ApiError> {
    within(&app, &staff, options).await.map(Json)
}

async fn within(app: &Shared, staff: &Staff, options: StatsOptions) -> Result<Stats, ApiError> {
    let desk = app.services.pipeline.desk();
    let to = options.to.unwrap_or_else(|| desk.now() + TimeDelta::seconds(1));
    let from = options.from.unwrap_or(to - TimeDelta::days(30));
    Ok(desk.stats(&staff.tenant, from, to).await?)
}

/// Export what happened, by day
///
/// The numbers of `/v1/stats` as CSV, for transparency reports: a row per day (UTC), thing counted and name. Reports, appeals and sums are of the whole
/// time.
#[utoipa::path(
    get, path = "/v1/stats/export", tag = "review", operation_id = "export_stats", params(StatsOptions),
    responses(
        (status = 200, description = "The table", content_type = "text/csv", body = String),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn export(
    State(app): State<Shared>,
    staff: Seat<ToViewStats>,
    Query(options): Query<StatsOptions>,
) -> Result<Response, ApiError> {
    let stats = within(&app, &staff, options).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"chaperone-numbers.csv\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, stats.csv()).into_response())
}

/// What to look for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SearchOptions {
    /// Words; texts that hold all of them are found.
    #[param(example = "buy followers")]
    q: String,
    /// Rows: 1 to 200; 50, when absent.
    #[serde(default)]
    limit: Option<usize>,
}

/// Search the kept texts
///
/// Texts of cases' evidence: messages, reports, appeals, notes; newest first.
#[utoipa::path(
    get, path = "/v1/review/search", tag = "review", operation_id = "search_evidence", params(SearchOptions),
    responses(
        (status = 200, description = "What was found", body = Vec<FoundView>),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn search(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Query(options): Query<SearchOptions>,
) -> Result<Json<Vec<Found>>, ApiError> {
    let limit = length(options.limit)?;
    Ok(Json(app.services.pipeline.desk().search(&staff.tenant, &options.q, limit).await?))
}
