//! `/v1/events`.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Events, Service, key};

#[tokio::test(flavor = "multi_thread")]
async fn p1_actions_are_published_as_events() {
    let service = Service::start().await;
    let mut events = service.events("kinds=moderation.action").await;
    let judged = service
        .post("/v1/check", &json!({ "text": "fake:toxic=0.97", "actor": "ann", "reference": "m-1" }))
        .await
        .expect(200);
    let event = events.next().await;
    assert_eq!(event.event, "moderation.action");
    assert_eq!(event.data["key"], judged["actions"][0]["id"], "the action's id is the idempotency key");
    let action = &event.data["data"];
    assert_eq!((&action["action"], &action["id"]), (&judged["action"], &event.data["key"]), "{action:#}");
    assert_eq!(
        (&action["item"], &action["actor"], &action["reference"]),
        (&judged["id"], &json!("ann"), &json!("m-1"))
    );
    assert!(action["reason"].is_string() && action["confidence"].is_number());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_comes_back_misses_nothing() {
    let service = Service::start().await;
    let mut events = service.events("after=0").await;
    for index in 0..3 {
        service.post("/v1/calls", &json!({ "id": format!("call-{index}") })).await.expect(201);
    }
    let first = events.next().await;
    drop(events);
    for index in 3..6 {
        service.post("/v1/calls", &json!({ "id": format!("call-{index}") })).await.expect(201);
    }
    let request = service.request("GET", "/v1/events?after=0").header("last-event-id", first.id.to_string());
    let mut events = Events::of(request.send().await.unwrap());
    let mut last = first.id;
    for index in 1..6 {
        let event = events.next().await;
        assert_eq!(event.data["data"]["call"], format!("call-{index}"));
        assert!(event.id > last && event.data["sequence"] == event.id);
        last = event.id;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kinds_filter_and_tenants_separate() {
    use api::config::Scope::Admin;
    let ((ann, ann_key), (bob, bob_key)) = (key("ann", "first", &[Admin]), key("bob", "second", &[Admin]));
    let service = Service::start_with(|config| config.auth.keys = vec![ann_key, bob_key]).await.with_key(&ann);
    service.post("/v1/calls", &json!({ "id": "of-first" })).await.expect(201);
    let service = service.with_key(&bob);
    service.post("/v1/calls", &json!({ "id": "of-second" })).await.expect(201);
    service.post("/v1/calls/of-second/end", &json!({})).await.expect(200);
    let mut all = service.events("after=0").await;
    assert_eq!(all.next().await.data["data"]["call"], "of-second");
    let mut ended = service.events("after=0&kinds=call.ended").await;
    assert_eq!(ended.next().await.event, "call.ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_holds_nobody_up() {
    let service = Service::start().await;
    let asleep = service.request("GET", "/v1/events?after=0").send().await.unwrap();
    for round in 0..8 {
        let items: Vec<_> = (0..256)
            .map(|index| json!({ "text": format!("message {round} {index}"), "reference": "r".repeat(150) }))
            .collect();
        service.post("/v1/items", &json!({ "items": items })).await.expect(202);
    }
    // Another reader sees all of it while the first one sleeps; afterwards the first one finds everything as well.
    let mut awake = service.events("after=0&kinds=item.judged").await;
    let mut asleep = Events::of(asleep);
    for _ in 0..8 * 256 {
        awake.next().await;
    }
    for _ in 0..8 * 256 {
        while asleep.next().await.event != "item.judged" {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_service_stops() {
    let service = Service::start().await;
    let mut events = service.events("").await;
    // Less than `drain_seconds`: the stream is ended, not cut off.
    let stopping = tokio::time::timeout(Duration::from_secs(4), service.shut_down());
    let (stopped, event) = tokio::join!(stopping, events.try_next());
    assert!(event.is_none(), "{event:?}");
    stopped.expect("an open stream does not delay the end");
}
