//! `/v1/webhooks/deliveries`: what became of the webhooks' deliveries, and their replay. A key sees those of its own tenant's events only.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::store::{Delivery, DeliveryFilter, DeliveryState};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::Shared,
    auth::ToAdmin,
    error::{ApiError, ErrorBody},
    extract::{Path, Query},
    seat::{Either, ToManageKeys},
};

/// Deliveries of one page when the caller does not say.
const PAGE: usize = 100;
/// Most deliveries of one page.
const MAX_PAGE: usize = 1000;

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DeliveryState)]
pub enum StateName {
    /// It waits for its first or next try, or is being tried.
    Due,
    /// The webhook answered 2xx.
    Delivered,
    /// Given up: a dead letter.
    Dead,
}

impl From<StateName> for DeliveryState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Due => Self::Due,
            StateName::Delivered => Self::Delivered,
            StateName::Dead => Self::Dead,
        }
    }
}

/// Which deliveries to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// In this state only.
    #[param(inline)]
    state: Option<StateName>,
    /// To this webhook only.
    webhook: Option<String>,
    /// Most deliveries of one page, 1 to 1000; 100 when absent.
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    cursor: Option<i64>,
}

/// One delivery, without the event's body.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivery)]
pub struct DeliveryView {
    /// Names it.
    pub id: i64,
    /// The webhook's name in the configuration.
    pub webhook: String,
    /// Whose event.
    pub tenant: String,
    /// `due`, `delivered` or `dead`.
    #[schema(example = "delivered")]
    pub state: &'static str,
    /// Tries since it was made or replayed.
    pub attempts: u32,
    /// How the last try failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "answered 500")]
    pub error: Option<String>,
    /// The event's kind.
    #[schema(example = "moderation.action")]
    pub event_kind: String,
    /// The event's idempotency key, as in `chaperone-event-id`.
    pub event_key: String,
    /// The event's number in the stream.
    pub event_sequence: i64,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_at: Option<DateTime<Utc>>,
    /// When the webhook answered 2xx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<DateTime<Utc>>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            webhook: delivery.webhook,
            tenant: delivery.tenant.0,
            state: delivery.state.as_str(),
            attempts: delivery.attempts,
            error: delivery.error,
            event_kind: delivery.kind,
            event_key: delivery.key,
            event_sequence: delivery.sequence,
            created_at: delivery.created_at,
            next_at: delivery.next_at,
            delivered_at: delivery.delivered_at,
        }
    }
}

/// A page, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryPage {
    /// Of the caller's tenant.
    pub deliveries: Vec<DeliveryView>,
    /// Send it as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<i64>,
}

impl DeliveryPage {
    /// Of one row more than `limit`, if there is one.
    pub fn new(mut deliveries: Vec<Delivery>, limit: usize) -> Self {
        let more = deliveries.len() > limit;
        deliveries.truncate(limit);
        let next_cursor = deliveries.last().map(|last| last.id).filter(|_| more);
        Self { deliveries: deliveries.into_iter().map(DeliveryView::from).collect(), next_cursor }
    }
}

/// List webhook deliveries
///
/// Newest first. Settled ones are kept for `store.retention_days`.
#[utoipa::path(
    get, path = "/v1/webhooks/deliveries", tag = "operation",
    params(ListOptions),
    responses(
        (status = 200, description = "Those of the key's tenant", body = DeliveryPage),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Either<ToAdmin, ToManageKeys>,
    Query(options): Query<ListOptions>,
) -> Result<Json<DeliveryPage>, ApiError> {
    let limit = options.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        let message = format!("`limit` is {limit}: ask for 1 to {MAX_PAGE}.");
        return Err(ApiError::invalid("limit_out_of_range", message).at("limit"));
    }
    let filter = DeliveryFilter {
        tenant: Some(caller.tenant.clone()),
        webhook: options.webhook,
        state: options.state.map(DeliveryState::from),
        before: options.cursor,
    };
    let deliveries = app.services.store.deliveries(&filter, limit + 1).await?;
    Ok(Json(DeliveryPage::new(deliveries, limit)))
}

/// Show one webhook delivery
#[utoipa::path(
    get, path = "/v1/webhooks/deliveries/{id}", tag = "operation",
    params(("id" = i64, Path, description = "The delivery's id")),
    responses(
        (status = 200, description = "The delivery", body = DeliveryView),
        (status = 404, description = "No such delivery", body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Either<ToAdmin, ToManageKeys>,
    Path(id): Path<i64>,
) -> Result<Json<DeliveryView>, ApiError> {
    let found = app.services.store.load_delivery(Some(&caller.tenant), id).await?;
    found.map(|delivery| Json(delivery.into())).ok_or_else(|| ApiError::not_found("delivery", id))
}

/// Deliver once more
///
/// A delivery that was given up, or that the receiver lost, is due again as if never tried: the same event with the same key, and a new
/// signature.
#[utoipa::path(
    post, path = "/v1/webhooks/deliveries/{id}/replay", tag = "operation",
    params(("id" = i64, Path, description = "The delivery's id")),
    responses(
        (status = 202, description = "It is due"),
        (status = 404, description = "No such delivery", body = ErrorBody),
        (status = 409, description = "It is due already", body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn replay(
    State(app): State<Shared>,
    caller: Either<ToAdmin, ToManageKeys>,
    Path(id): Path<i64>,
) -> Result<StatusCode, ApiError> {
    let (store, now) = (&app.services.store, app.services.clock.now());
    if store.load_delivery(Some(&caller.tenant), id).await?.is_none() {
        return Err(ApiError::not_found("delivery", id));
    }
    match store.replay_deliveries(Some(&caller.tenant), &[id], now).await? {
        0 => {
            Err(ApiError::conflict("delivery_due", "This delivery is due already: it is tried without being replayed."))
        }
        _ => {
            let about = format!("delivery:{id}");
            app.services.pipeline.desk().note(&caller, "delivery.replayed", about, json!({})).await?;
            Ok(StatusCode::ACCEPTED)
        }
    }
}
