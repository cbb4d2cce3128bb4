//! Health, metrics, the OpenAPI document, and a hint for whoever opens the service in a browser.

use std::{collections::BTreeMap, future::Future};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use pipeline::{PipelineError, queue::LaneDepth};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, Shared},
    auth::ToAdmin,
    error::ErrorBody,
    parts::{self, PartState},
    seat::{Either, ToViewStats},
    telemetry,
};

const HINT: &str = "\
Chaperone: moderates chats and calls, and finds similar people.

  every route, with its fields     GET  /openapi.json
  is it ready, part by part        GET  /health/ready
  judge a message now              POST /v1/check
  the review console, in a browser GET  /console/

  curl -s localhost:8080/v1/check -H 'content-type: application/json' -d '{\"text\":\"hello there\"}'
";

/// The process runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct Live {
    /// Always `live`.
    status: &'static str,
}

/// Whether the service can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Readiness {
    /// Every required part is up, and the service is not stopping.
    ready: bool,
    /// What this process does: `serve`, `api` or `worker`.
    role: &'static str,
    /// The service is shutting down.
    stopping: bool,
    /// Parts that are down; the rest goes on without those that are not required.
    degraded: Vec<&'static str>,
    /// `models`, `store`, `queue`, `index`.
    parts: BTreeMap<&'static str, PartView>,
    /// Every loaded model.
    models: Vec<ModelView>,
    /// Every lane of the queue.
    lanes: Vec<LaneView>,
    /// The relay of events to the platform's bus, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    relay: Option<RelayView>,
    /// Breakers of all tenants that are open today: humans decide instead. Null when the store does not say.
    open_breakers: Option<usize>,
}

/// The relay of events to the platform's bus.
#[derive(Debug, Serialize, ToSchema)]
pub struct RelayView {
    /// Events that are written and not yet on the bus; null when the store does not say.
    lag_events: Option<u64>,
}

/// One dependency.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Part)]
pub struct PartView {
    /// `up` or `down`.
    state: &'static str,
    /// Without it the service is not ready (`server.required_parts`).
    required: bool,
    /// How long it took to answer.
    latency_ms: f64,
}

/// One loaded model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    /// Model name.
    name: String,
    /// Its version.
    version: String,
    /// What runs it.
    backend: &'static str,
    /// Where it computes: `cpu`, `cuda:0`, …
    device: String,
    /// What it computes with: `fp32`, `bf16`, …
    precision: &'static str,
    /// Warmed up, all its instances alive.
    ready: bool,
    /// Inputs that wait.
    waiting: usize,
}

/// One lane of the queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct LaneView {
    /// Which.
    lane: &'static str,
    /// Items that wait.
    waiting: usize,
    /// Items being judged.
    in_flight: usize,
    /// Items that may wait before 429.
    capacity: usize,
}

/// Does the process run?
#[utoipa::path(get, path = "/health/live", tag = "operation", security(()), responses((status = 200, description = "It does", body = Live)))]
pub async fn live() -> Json<Live> {
    Json(Live { status: "live" })
}

/// Can the service do its work?
///
/// Part by part.
#[utoipa::path(
    get, path = "/health/ready", tag = "operation", security(()),
    responses((status = 200, description = "It can", body = Readiness), (status = 503, description = "It cannot", body = Readiness)),
)]
pub async fn ready(State(app): State<Shared>) -> (StatusCode, Json<Readiness>) {
    let readiness = look(&app).await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn look(app: &App) -> Readiness {
    let services = &app.services;
    let (parts, depth, relay, open_breakers) =
        tokio::join!(parts::look(services), patient(services.queue.depth()), relay(app), open_breakers(app));
    parts::show(&parts);
    let stopping = app.stopping.announced.is_cancelled();
    let models = services.engine.models().into_iter().map(|model| ModelView {
        name: model.name.to_string(),
        version: model.version.to_string(),
        backend: model.backend,
        device: model.device,
        precision: model.precision,
        ready: model.ready,
        waiting: model.waiting,
    });
    Readiness {
        ready: !stopping && parts::is_ready(&parts),
        role: services.role.as_str(),
        stopping,
        degraded: parts.iter().filter(|(_, part)| !part.up).map(|(part, _)| part.as_str()).collect(),
        parts: parts.into_iter().map(|(part, state)| (part.as_str(), state.into())).collect(),
        models: models.collect(),
        lanes: depth.into_iter().map(LaneView::from).collect(),
        relay,
        open_breakers,
    }
}

/// How many breakers are open.
async fn open_breakers(app: &App) -> Option<usize> {
    let open = tokio::time::timeout(parts::PATIENCE, app.services.pipeline.open_breakers()).await;
    open.ok().and_then(Result::ok).map(|open| open.len())
}

/// How far the relay is, where there is one.
async fn relay(app: &App) -> Option<RelayView> {
    if !app.services.queue.has_bus() {
        return None;
    }
    let lag = tokio::time::timeout(parts::PATIENCE, workers::relay::lag(&*app.services.store)).await;
    Some(RelayView { lag_events: lag.ok().and_then(Result::ok) })
}

/// How many wait; nothing, when the queue does not say so in time.
async fn patient(depth: impl Future<Output = Result<Vec<LaneDepth>, PipelineError>>) -> Vec<LaneDepth> {
    let answer = tokio::time::timeout(parts::PATIENCE, depth).await;
    answer.ok().and_then(Result::ok).unwrap_or_default()
}

impl From<LaneDepth> for LaneView {
    fn from(depth: LaneDepth) -> Self {
        Self { lane: depth.lane.as_str(), waiting: depth.waiting, in_flight: depth.in_flight, capacity: depth.capacity }
    }
}

impl From<PartState> for PartView {
    fn from(state: PartState) -> Self {
        let latency_ms = (state.latency.as_secs_f64() * 1e6).round() / 1e3;
        Self { state: if state.up { "up" } else { "down" }, required: state.required, latency_ms }
    }
}

/// Metrics
///
/// In the text format of Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "operation",
    responses(
        (status = 200, description = "Every metric of this process", content_type = "text/plain", body = String),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn metrics(State(app): State<Shared>, _caller: Either<ToAdmin, ToViewStats>) -> impl IntoResponse {
    for depth in patient(app.services.queue.depth()).await {
        metrics::gauge!("chaperone_queue_waiting", "lane" => depth.lane.as_str()).set(depth.waiting as f64);
        metrics::gauge!("chaperone_queue_in_flight", "lane" => depth.lane.as_str()).set(depth.in_flight as f64);
        metrics::gauge!("chaperone_queue_capacity", "lane" => depth.lane.as_str()).set(depth.capacity as f64);
    }
    (plain("text/plain; version=0.0.4"), telemetry::render_metrics())
}

/// This document
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation", security(()),
    responses((status = 200, description = "The OpenAPI document", content_type = "application/json", body = String)),
)]
pub async fn document(State(app): State<Shared>) -> ([(HeaderName, &'static str); 1], Bytes) {
    (plain("application/json"), app.document.clone())
}

/// What is this?
#[utoipa::path(
    get, path = "/", tag = "operation", security(()),
    responses((status = 200, description = "A hint where to go on", content_type = "text/plain", body = String)),
)]
pub async fn hint() -> ([(HeaderName, &'static str); 1], &'static str) {
    (plain("text/plain; charset=utf-8"), HINT)
}

fn plain(media_type: &'static str) -> [(HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, media_type)]
}
