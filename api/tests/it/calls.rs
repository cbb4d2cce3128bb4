//! `/v1/calls`.

use serde_json::{Value, json};

use crate::harness::{Service, png};

async fn show(service: &Service) -> Value {
    service.get("/v1/calls/call-1").await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_a_call_starts_is_joined_left_and_ended() {
    let service = Service::start().await;
    let new = json!({ "id": "call-1", "participants": ["ann"] });
    let call = service.post("/v1/calls", &new).await.expect(201);
    assert_eq!((&call["id"], &call["participants"][0]["actor"]), (&json!("call-1"), &json!("ann")));
    service.post("/v1/calls", &new).await.expect(200);
    service.post("/v1/calls/call-1/participants", &json!({ "actor": "bob" })).await.expect(200);
    service.post("/v1/calls/call-1/participants", &json!({ "actor": "bob" })).await.expect(200);
    let left = service.delete("/v1/calls/call-1/participants/bob").await.expect(200);
    assert!(left["participants"][1]["left_at"].is_string(), "{left:#}");
    let ended = service.post("/v1/calls/call-1/end", &json!({})).await.expect(200);
    assert!(ended["ended_at"].is_string());
    assert_eq!(show(&service).await, ended);

    let mut events = service.events("after=0&kinds=call.started,call.joined,call.left,call.ended").await;
    for (kind, actor) in [
        ("call.started", Value::Null),
        ("call.joined", json!("bob")),
        ("call.left", json!("bob")),
        ("call.ended", Value::Null),
    ] {
        let event = events.next().await;
        assert_eq!(
            (event.event.as_str(), &event.data["data"]["call"], &event.data["data"]["actor"]),
            (kind, &json!("call-1"), &actor)
        );
    }

    for refused in [
        service.post("/v1/calls", &new).await,
        service.post("/v1/calls/call-1/participants", &json!({ "actor": "cid" })).await,
        service.post_bytes("/v1/calls/call-1/participants/ann/frames", "image/png", png(2, 200)).await,
    ] {
        assert_eq!(refused.status, 409, "{:#}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f2_three_violations_in_30_s_disconnect() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann", "bob"] })).await.expect(201);
    let mut events = service.events("after=0&kinds=moderation.action").await;
    for expected in ["warn", "warn", "disconnect"] {
        let path = "/v1/calls/call-1/participants/ann/frames";
        service.post_bytes(path, "image/png", png(3, 250)).await.expect(202);
        let action = events.next().await.data["data"].clone();
        assert_eq!(
            (&action["action"], &action["call"], &action["actor"]),
            (&json!(expected), &json!("call-1"), &json!("ann")),
            "{action:#}"
        );
        assert!(action["reason"].is_string() && action["confidence"].as_f64().unwrap() > 0.9, "{action:#}");
    }
    let call = show(&service).await;
    let state = &call["participants"][0]["state"];
    assert!(state["disconnected_at"].is_string(), "{call:#}");
    assert_eq!(state["frames"], 3);
    assert!(call["participants"][1]["state"].is_null(), "bob has shown nothing: {call:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_frames_below_the_threshold_are_no_violations() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann"] })).await.expect(201);
    for (r, g, flagged) in
        [(3, 189, false), (3, 193, true), (1, 250, true), (4, 250, true), (0, 250, false), (2, 250, false)]
    {
        let accepted =
            service.post_bytes("/v1/calls/call-1/participants/ann/frames", "image/png", png(r, g)).await.expect(202);
        let item = service.judged(accepted["id"].as_str().unwrap()).await;
        assert_eq!(
            (&item["kind"], &item["call"], &item["flagged"]),
            (&json!("frame"), &json!("call-1"), &json!(flagged)),
            "{r} {g}: {item:#}"
        );
        let pause = item["next_frame_ms"].as_u64().unwrap();
        let (disconnected, fits) = (item["action"] == "disconnect", (200..=5000).contains(&pause));
        assert!(
            if disconnected {
                pause == 5000
            } else if flagged {
                pause == 200
            } else {
                fits
            },
            "{item:#}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_participants_keep_their_state_over_a_restart() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann"] })).await.expect(201);
    let path = "/v1/calls/call-1/participants/ann/frames";
    for _ in 0..2 {
        let accepted = service.post_bytes(path, "image/png", png(3, 250)).await.expect(202);
        service.judged(accepted["id"].as_str().unwrap()).await;
    }
    let before = show(&service).await;
    let service = Service::start_in(service.shut_down().await, |_| {}).await;
    assert_eq!(show(&service).await, before);
    let after = service.services.store.last_sequence().await.unwrap();
    service.post_bytes(path, "image/png", png(3, 250)).await.expect(202);
    let mut events = service.events(&format!("after={after}&kinds=moderation.action")).await;
    assert_eq!(events.next().await.data["data"]["action"], "disconnect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_sent_twice_is_judged_once() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann"] })).await.expect(201);
    let path = "/v1/calls/call-1/participants/ann/frames?frame_id=01890a5d-ac96-774b-bcce-b302099a8057&captured_at=2026-01-02T03:04:05Z&reference=f-1";
    let accepted = service.post_bytes(path, "application/octet-stream", png(2, 200)).await.expect(202);
    let item = service.judged(accepted["id"].as_str().unwrap()).await;
    assert_eq!(item["reference"], "f-1");
    let again = service.post_bytes(path, "application/octet-stream", png(2, 200)).await.expect(202);
    assert_eq!(again["status"], "judged");
    assert_eq!(service.post_bytes(path, "application/octet-stream", png(2, 201)).await.status, 409);
    assert_eq!(show(&service).await["participants"][0]["state"]["frames"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_two_joins_at_once_are_both_kept() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1" })).await.expect(201);
    let joins = (0..16).map(|index| {
        let body = json!({ "actor": format!("actor-{index}") });
        let service = &service;
        async move { service.post("/v1/calls/call-1/participants", &body).await.expect(200) }
    });
    futures::future::join_all(joins).await;
    assert_eq!(show(&service).await["participants"].as_array().unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_open_calls_are_listed_page_by_page() {
    let service = Service::start().await;
    for index in 0..7 {
        service.post("/v1/calls", &json!({ "id": format!("call-{index}") })).await.expect(201);
    }
    service.post("/v1/calls/call-3/end", &json!({})).await.expect(200);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for expected in [2, 2, 2] {
        let page = service.get(&format!("/v1/calls?limit=2{cursor}")).await.expect(200);
        let calls = page["calls"].as_array().unwrap();
        assert_eq!(calls.len(), expected, "{page:#}");
        seen.extend(calls.iter().map(|call| call["id"].as_str().unwrap().to_owned()));
        cursor = page["next_cursor"].as_str().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
    }
    assert_eq!(seen, ["call-6", "call-5", "call-4", "call-2", "call-1", "call-0"]);
    assert!(cursor.is_empty(), "no page after the last");
}
