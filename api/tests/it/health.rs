//! `/health/*`, `/metrics`, `/`.

use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use models::Lane;
use pipeline::{
    PipelineError,
    item::{Item, ItemId},
    queue::{DeadLetter, Delivery, LaneDepth, NoticeDelivery, Queue},
    store::Event,
};
use serde_json::json;

use crate::harness::Service;

/// A queue whose broker is gone.
struct Gone;

fn gone() -> PipelineError {
    PipelineError::Unavailable { part: "queue", message: "secret address refused".into() }
}

#[async_trait]
impl Queue for Gone {
    async fn publish(&self, _: Vec<Item>, _: Lane) -> Result<(), PipelineError> {
        Err(gone())
    }

    fn hold(&self, _: Lane, _: bool) {}
    async fn receive(&self) -> Option<Delivery> {
        None
    }

    async fn depth(&self) -> Result<Vec<LaneDepth>, PipelineError> {
        Err(gone())
    }

    async fn dead_letters(&self, _: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        Err(gone())
    }

    async fn dead_letter(&self, _: ItemId) -> Result<Option<(DeadLetter, Item)>, PipelineError> {
        Err(gone())
    }

    async fn replay(&self, _: Vec<ItemId>) -> Result<usize, PipelineError> {
        Err(gone())
    }

    async fn discard(&self, _: Vec<ItemId>) -> Result<usize, PipelineError> {
        Err(gone())
    }

    fn has_bus(&self) -> bool {
        true
    }

    async fn announce(&self, _: &[Event]) -> Result<(), PipelineError> {
        Err(gone())
    }

    async fn receive_notice(&self) -> Option<NoticeDelivery> {
        None
    }

    async fn close(&self) {}

    async fn health(&self) -> Result<(), PipelineError> {
        Err(gone())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_ready_shows_every_part_with_its_latency() {
    let service = Service::start().await;
    assert_eq!(service.get("/health/live").await.expect(200)["status"], "live");
    let ready = service.get("/health/ready").await.expect(200);
    assert_eq!((&ready["ready"], &ready["stopping"]), (&json!(true), &json!(false)));
    for part in ["models", "store", "queue", "index"] {
        assert_eq!(ready["parts"][part]["state"], "up", "{ready:#}");
        assert!(ready["parts"][part]["latency_ms"].is_number());
    }
    assert_eq!(ready["models"].as_array().unwrap().len(), 5);
    assert_eq!(ready["lanes"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_ready_answers_503_when_a_part_is_down_and_work_says_so() {
    let service = Service::face_only(|_| {}, |services| services.queue = Arc::new(Gone)).await;
    let call = json!({ "id": "call-1" });
    service.post("/v1/calls", &call).await.expect(201);
    assert_eq!(service.get("/health/ready").await.body["relay"], json!({ "lag_events": 1 }), "its bus is told nothing");
    let ready = service.get("/health/ready").await;
    let body = ready.body.to_string();
    let state = ready.expect(503);
    assert_eq!(
        (&state["ready"], &state["parts"]["queue"]["state"], &state["parts"]["store"]["state"]),
        (&json!(false), &json!("down"), &json!("up"))
    );
    assert!(!body.contains("secret"), "{body}");
    service.get("/health/live").await.expect(200);
    let refused = service.post("/v1/items", &json!({ "text": "hello" })).await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(
        !refused.header("retry-after").is_empty() && !refused.body.to_string().contains("secret"),
        "{:#}",
        refused.body
    );
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_ready_answers_503_while_the_service_stops() {
    let service = Service::face_only(|_| {}, |_| {}).await;
    service.get("/health/ready").await.expect(200);
    service.announce_stop();
    assert_eq!(service.get("/health/ready").await.expect(503)["stopping"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_metrics_count_requests_by_route() {
    const COUNTED: [&str; 3] = [
        r#"chaperone_http_requests_total{method="POST",route="/v1/check",status="200"}"#,
        r#"chaperone_http_requests_total{method="GET",route="/v1/items/{id}",status="404"}"#,
        r#"chaperone_http_requests_total{method="GET",route="none",status="404"}"#,
    ];
    let service = Service::start().await;
    // Metrics are of the process: under plain `cargo test` other tests count too, so counters are compared, not pinned.
    let before = metrics(&service).await;
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
    service.get("/v1/items/01890a5d-ac96-774b-bcce-b302099a8057").await.expect(404);
    service.get("/no/such/route").await.expect(404);
    let after = metrics(&service).await;
    for series in COUNTED {
        assert!(value(&after, series) > value(&before, series), "{series} in\n{after}");
    }
    for line in [r#"chaperone_queue_waiting{lane="interactive"} "#, "# TYPE chaperone_http_request_seconds histogram"] {
        assert!(after.contains(line), "{line} in\n{after}");
    }
}

async fn metrics(service: &Service) -> String {
    let metrics = service.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    metrics.body.as_str().expect("text").to_owned()
}

/// The value of one series; 0 when it is not there.
fn value(metrics: &str, series: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(series));
    line.map_or(0, |value| value.trim().parse().expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_service_refuses_work_but_shows_its_health() {
    let service = Service::face_only(|config| config.server.max_requests = 0, |_| {}).await;
    let refused = service.post("/v1/check", &json!({ "text": "hello" })).await;
    assert_eq!((refused.status, refused.code(), refused.header("retry-after")), (429, "too_busy", "1"));
    service.get("/health/ready").await.expect(200);
    service.get("/metrics").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_takes_too_long_is_answered() {
    let service = Service::face_only(|config| config.server.request_seconds = 1, |_| {}).await;
    // A body that begins and never goes on.
    let piece = futures::stream::iter([Ok::<_, std::io::Error>("{")]);
    let body = reqwest::Body::wrap_stream(piece.chain(futures::stream::pending()));
    let refused = service.post_bytes("/v1/items", "application/json", body).await;
    assert_eq!((refused.status, refused.code()), (503, "timeout"));
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_says_what_this_is() {
    let service = Service::start().await;
    let hint = service.get("/").await;
    assert!(hint.body.as_str().unwrap().contains("/openapi.json"));
}
