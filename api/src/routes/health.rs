//! Health, metrics, the OpenAPI document, and a hint for whoever opens the service in a browser.

use std::{
    collections::BTreeMap,
    future::Future,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
};
use bytes::Bytes;
use pipeline::PipelineError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, Shared},
    auth::{Allowed, ToAdmin},
    error::{ApiError, ErrorBody},
    telemetry,
};

/// A part that has not answered by then counts as down.
const PATIENCE: Duration = Duration::from_secs(2);

const HINT: &str = "\
Chaperone: moderates chats and calls, and finds similar people.

  every route, with its fields     GET  /openapi.json
  is it ready, part by part        GET  /health/ready
  judge a message now              POST /v1/check

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
    /// Every part is up, and the service is not stopping.
    ready: bool,
    /// The service is shutting down.
    stopping: bool,
    /// `models`, `store`, `queue`, `index`.
    parts: BTreeMap<&'static str, Part>,
    /// Every loaded model.
    models: Vec<ModelView>,
    /// Every lane of the queue.
    lanes: Vec<LaneView>,
}

/// One dependency.
#[derive(Debug, Serialize, ToSchema)]
pub struct Part {
    /// `up` or `down`.
    state: &'static str,
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
    let started = Instant::now();
    let states = services.engine.models();
    let models_up = !states.is_empty() && states.iter().all(|model| model.ready);
    let models = Part { state: state(models_up), latency_ms: milliseconds(started) };
    let (store, queue, index, depth) = tokio::join!(
        probe("store", services.store.health()),
        probe("queue", services.queue.health()),
        probe("index", services.index.health()),
        services.queue.depth(),
    );
    let parts = BTreeMap::from([("models", models), ("store", store), ("queue", queue), ("index", index)]);
    let stopping = app.stop.is_cancelled();
    let lanes = depth.unwrap_or_default().into_iter().map(|depth| LaneView {
        lane: depth.lane.as_str(),
        waiting: depth.waiting,
        in_flight: depth.in_flight,
        capacity: depth.capacity,
    });
    let models = states.into_iter().map(|model| ModelView {
        name: model.name.to_string(),
        version: model.version.to_string(),
        backend: model.backend,
        ready: model.ready,
        waiting: model.waiting,
    });
    Readiness {
        ready: !stopping && parts.values().all(|part| part.state == state(true)),
        stopping,
        parts,
        models: models.collect(),
        lanes: lanes.collect(),
    }
}

/// Asks one part; what it says of itself goes to the log only.
async fn probe(name: &'static str, health: impl Future<Output = Result<(), PipelineError>>) -> Part {
    let started = Instant::now();
    let up = match tokio::time::timeout(PATIENCE, health).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(part = name, error = %error, "part is down");
            false
        }
        Err(_) => {
            tracing::warn!(part = name, "part does not answer");
            false
        }
    };
    Part { state: state(up), latency_ms: milliseconds(started) }
}

fn state(up: bool) -> &'static str {
    if up { "up" } else { "down" }
}

fn milliseconds(since: Instant) -> f64 {
    (since.elapsed().as_secs_f64() * 1e6).round() / 1e3
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
pub async fn metrics(State(app): State<Shared>, _caller: Allowed<ToAdmin>) -> Result<impl IntoResponse, ApiError> {
    for depth in app.services.queue.depth().await? {
        metrics::gauge!("chaperone_queue_waiting", "lane" => depth.lane.as_str()).set(depth.waiting as f64);
        metrics::gauge!("chaperone_queue_in_flight", "lane" => depth.lane.as_str()).set(depth.in_flight as f64);
        metrics::gauge!("chaperone_queue_capacity", "lane" => depth.lane.as_str()).set(depth.capacity as f64);
    }
    Ok((plain("text/plain; version=0.0.4"), telemetry::render_metrics()))
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
