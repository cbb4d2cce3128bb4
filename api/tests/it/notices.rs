//! `POST /v1/events`, `GET /v1/presence/{actor}`, `/schemas`.

use chrono::TimeDelta;
use pipeline::clock::Clock;
use serde_json::{Value, json};

use crate::harness::{Service, key};

fn notice(kind: &str, seconds_ago: i64, data: &Value) -> Value {
    let at = Clock::system().now() - TimeDelta::seconds(seconds_ago);
    json!({ "type": kind, "version": 1, "id": format!("{kind}-{seconds_ago}"), "at": at, "data": data })
}

fn results(told: &Value) -> Vec<&str> {
    told["results"].as_array().unwrap().iter().map(|told| told["result"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_platform_without_a_bus_tells_over_http() {
    let service = Service::start().await;
    let told = service.post("/v1/events", &notice("user.connected", 60, &json!({ "actor": "ann" }))).await.expect(200);
    assert_eq!(told, json!({ "results": [{ "id": "user.connected-60", "result": "applied" }] }));
    assert_eq!(service.get("/v1/presence/ann").await.expect(200)["connected"], true);
    service.get("/v1/presence/bob").await.expect(404);

    let batch = json!([
        notice("call.started", 50, &json!({ "call": "call-1", "participants": ["ann", "bob"] })),
        notice("call.joined", 40, &json!({ "call": "call-1", "actor": "cid" })),
        { "type": "user.renamed", "anything": 1 },
        notice("user.disconnected", 30, &json!({ "actor": "ann" })),
        notice("call.ended", 20, &json!({ "call": "call-1" })),
        notice("call.joined", 10, &json!({ "call": "call-1", "actor": "dan" })),
    ]);
    for _ in 0..2 {
        let told = service.post("/v1/events", &batch).await.expect(200);
        assert_eq!(results(&told), ["applied", "applied", "ignored", "applied", "applied", "refused"], "{told:#}");
        assert_eq!(told["results"][5]["code"], "call_ended");
    }
    assert_eq!(service.get("/v1/presence/ann").await.expect(200)["connected"], false);
    let call = service.get("/v1/calls/call-1").await.expect(200);
    assert!(call["ended_at"].is_string() && call["participants"].as_array().unwrap().len() == 3, "{call:#}");
    let mut events = service.events("after=0").await;
    for kind in ["call.started", "call.joined", "call.left", "call.ended"] {
        assert_eq!(events.next().await.event, kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_malformed_events_are_refused_together_and_nothing_is_put_into_effect() {
    let service = Service::start().await;
    let good = notice("user.connected", 1, &json!({ "actor": "ann" }));
    let bad = notice("user.connected", 1, &json!({ "actor": "" }));
    for (body, status, code) in [
        (json!([]), 400, "batch_size"),
        (json!(vec![good.clone(); 257]), 400, "batch_size"),
        (json!([good, bad]), 400, "batch_invalid"),
        (bad.clone(), 400, "name_empty"),
        (json!({ "version": 1 }), 400, "notice_invalid"),
        (json!("x"), 400, "invalid_field"),
        (json!([1]), 400, "batch_invalid"),
    ] {
        let refused = service.post("/v1/events", &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{:#}", refused.body);
    }
    service.get("/v1/presence/ann").await.expect(404);
    let request = service.request("POST", "/v1/events").body("[]");
    assert_eq!(service.send(request).await.status, 415);
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_a_key_tells_of_its_own_tenant_only() {
    use api::config::Scope::Items;
    let ((ann, ann_key), (_, bob_key)) = (key("ann", "first", &[Items]), key("bob", "second", &[Items]));
    let service = Service::start_with(|config| config.auth.keys = vec![ann_key, bob_key]).await.with_key(&ann);
    let mut other = notice("user.connected", 1, &json!({ "actor": "ann" }));
    other["tenant"] = json!("second");
    assert_eq!(service.post("/v1/events", &other).await.code(), "notice_tenant");
    other["tenant"] = json!("first");
    service.post("/v1/events", &other).await.expect(200);
    assert!(service.services.store.load_presence(&"second".into(), &"ann".into()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_schemas_are_served_to_everybody() {
    let (_, entry) = key("ann", "acme", &[]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await;
    let schema = service.get("/schemas/events/moderation.action.v1.json").await;
    assert_eq!(schema.header("content-type"), "application/schema+json");
    assert_eq!(schema.expect(200)["title"], "moderation.action");
    service.get("/schemas/notices/call.joined.v1.json").await.expect(200);
    assert_eq!(service.get("/schemas/notices/nothing.v1.json").await.code(), "not_found");
}
