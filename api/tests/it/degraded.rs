//! A part is down, or the models fail: the rest goes on, and says so.

use std::sync::Arc;

use api::{config::Part, services::Services};
use async_trait::async_trait;
use pipeline::{
    PipelineError,
    fallback::{OnCheckFailure, OnModelFailure},
    index::{Cursor, Held, Hit, Point, Query, Stamp, VectorIndex},
    item::{ProfileId, TenantId},
    process::Pipeline,
};
use serde_json::{Value, json};

use crate::harness::Service;

/// An index whose server is gone.
struct Gone;

fn gone<T>() -> Result<T, PipelineError> {
    Err(PipelineError::Unavailable { part: "index", message: "secret address refused".into() })
}

#[async_trait]
impl VectorIndex for Gone {
    fn dimensions(&self) -> usize {
        1
    }

    async fn stamps(&self, _: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError> {
        gone()
    }

    async fn held(&self, _: Option<Cursor>, _: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError> {
        gone()
    }

    async fn upsert(&self, _: Vec<Point>) -> Result<(), PipelineError> {
        gone()
    }

    async fn delete(&self, _: &TenantId, _: Vec<ProfileId>) -> Result<(), PipelineError> {
        gone()
    }

    async fn clear(&self) -> Result<(), PipelineError> {
        gone()
    }

    async fn search(&self, _: Query) -> Result<Vec<Hit>, PipelineError> {
        gone()
    }

    async fn count(&self) -> Result<usize, PipelineError> {
        gone()
    }

    async fn flush(&self) -> Result<(), PipelineError> {
        gone()
    }

    async fn optimise(&self) -> Result<(), PipelineError> {
        gone()
    }

    async fn health(&self) -> Result<(), PipelineError> {
        gone()
    }
}

fn without_index(services: &mut Services) {
    services.index = Arc::new(Gone);
    services.pipeline = Pipeline::new(
        services.engine.clone(),
        services.policies.clone(),
        services.store.clone(),
        services.index.clone(),
        services.clock.clone(),
        services.config.pipeline.clone(),
        Vec::new(),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_without_the_index_moderation_goes_on() {
    api::telemetry::init_metrics().unwrap();
    let service = Service::face_only(|_| {}, without_index).await;
    let ready = service.get("/health/ready").await.expect(200);
    assert_eq!((&ready["ready"], &ready["degraded"]), (&json!(true), &json!(["index"])));
    assert_eq!(
        (&ready["parts"]["index"]["state"], &ready["parts"]["index"]["required"]),
        (&json!("down"), &json!(false))
    );
    let refused = service.post("/v1/similar", &json!({ "text": "hiking" })).await;
    assert_eq!((refused.status, refused.code()), (503, "unavailable"));
    assert!(!refused.header("retry-after").is_empty() && !refused.body.to_string().contains("secret"));
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
    service.post("/v1/items", &json!({ "text": "hello" })).await.expect(202);
    let metrics = service.get("/metrics").await.expect(200);
    let shown = metrics.as_str().unwrap_or_default().contains("chaperone_degraded{part=\"index\"} 1");
    assert!(shown, "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i6_an_installation_may_require_the_index() {
    let require = |config: &mut api::config::Config| config.server.required_parts = Part::ALL.to_vec();
    let service = Service::face_only(require, without_index).await;
    assert_eq!(service.get("/health/ready").await.expect(503)["degraded"], json!(["index"]));
}

/// Sends a text that every model fails on, and shows its outcome.
async fn failed(service: &Service) -> Value {
    let accepted = service.post("/v1/items", &json!({ "text": "fake:fail", "actor": "ann" })).await.expect(202);
    service.judged(accepted["id"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_an_item_whose_models_fail_gets_the_lanes_answer_and_says_so() {
    for (answer, action, flagged) in [
        (OnModelFailure::Hold, "review", true),
        (OnModelFailure::Closed, "remove", true),
        (OnModelFailure::Open, "allow", false),
    ] {
        let service = Service::start_with(|config| {
            config.pipeline.on_model_failure.interactive = answer;
            config.pipeline.on_model_failure.attempts = 2;
        })
        .await;
        let outcome = failed(&service).await;
        assert_eq!((&outcome["action"], &outcome["flagged"]), (&json!(action), &json!(flagged)), "{outcome:#}");
        assert_eq!((&outcome["degraded"], &outcome["scores"]), (&json!(true), &json!({})));
        assert_eq!(outcome["reasons"][0]["rule"], "model_failure");
        assert_eq!(outcome["actions"].as_array().map(Vec::len), Some(usize::from(action != "allow")));
        let told = service.events("after=0&kinds=item.judged").await.next().await;
        assert_eq!(told.data["data"]["degraded"], true, "{:#}", told.data);
        // Its neighbours are judged as ever.
        let fine = service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
        assert_eq!((&fine["action"], &fine["degraded"]), (&json!("allow"), &json!(false)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_caller_who_waits_gets_an_error_or_the_configured_answer() {
    let service = Service::face_only(|_| {}, |_| {}).await;
    let refused = service.post("/v1/check", &json!({ "text": "fake:fail" })).await;
    assert_eq!((refused.status, refused.code()), (503, "model_failed"));
    assert!(!refused.header("retry-after").is_empty());

    let open = |config: &mut api::config::Config| config.pipeline.on_model_failure.check = OnCheckFailure::Open;
    let service = Service::face_only(open, |_| {}).await;
    let outcome = service.post("/v1/check", &json!({ "text": "fake:fail" })).await.expect(200);
    assert_eq!((&outcome["action"], &outcome["degraded"]), (&json!("allow"), &json!(true)), "{outcome:#}");
}
