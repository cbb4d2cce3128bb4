//! Limits of keys over HTTP: headers, refusals in each dialect, classes and keys apart.

use api::config::{
    KeyLimits, LimitConfig,
    Scope::{self, Admin, Check},
};
use pipeline::store::ApiKey;
use serde_json::json;

use crate::harness::{Answer, Service};

/// A limit that does not fill again while a test runs.
fn limited(class: Scope, burst: u32, block_seconds: u32) -> impl FnOnce(&mut ApiKey) {
    let limit = LimitConfig { requests_per_minute: 1, burst, block_seconds };
    move |row| row.limits = serde_json::to_value(KeyLimits::from([(class, limit)])).unwrap()
}

fn standing(answer: &Answer) -> (&str, &str, &str) {
    let header = |name: &str| answer.header(&format!("x-ratelimit-{name}-requests"));
    (header("limit"), header("remaining"), header("reset"))
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_every_counted_answer_says_how_the_key_stands() {
    let service = Service::start().await;
    let key = service.make_key("chat", "acme", &[Admin], limited(Check, 3, 0)).await;
    let open = service.get("/health/live").await;
    assert_eq!(standing(&open), ("", "", ""), "nothing is counted");
    let service = service.with_key(&key.key);
    let text = json!({ "text": "hello" });
    let answer = service.post("/v1/check", &text).await;
    assert_eq!((answer.status, standing(&answer)), (200, ("3", "2", "1m0s")));
    // A call that fails has come all the same.
    let wrong = service.post("/v1/check", &json!({})).await;
    assert_eq!((wrong.status, standing(&wrong).1), (400, "1"));
    assert_eq!(standing(&service.post("/v1/moderations", &json!({ "input": "hello" })).await).1, "0", "one class");
    let refused = service.post("/v1/check", &text).await;
    assert_eq!((refused.status, refused.code(), standing(&refused).1), (429, "rate_limited", "0"));
    let (seconds, milliseconds): (u64, u64) =
        (refused.header("retry-after").parse().unwrap(), refused.header("retry-after-ms").parse().unwrap());
    assert!((1..=60).contains(&seconds) && milliseconds <= seconds * 1000 && milliseconds + 1000 > seconds * 1000);
    assert_eq!(service.get("/v1/calls").await.status, 200, "another class");
    let other = service.make_key("other", "acme", &[Check], |_| {}).await;
    assert_eq!(service.with_key(&other.key).post("/v1/check", &text).await.status, 200, "another key");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_key_that_calls_too_often_is_refused_in_each_dialect() {
    let service = Service::start().await;
    let key = service.make_key("chat", "acme", &[Check], limited(Check, 1, 7)).await;
    let service = service.with_key(&key.key);
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);

    let own = service.post("/v1/check", &json!({ "text": "hello" })).await;
    assert_eq!((own.status, own.code()), (429, "rate_limited"));
    let openai = service.post("/v1/moderations", &json!({ "input": "hello" })).await;
    assert_eq!((openai.status, openai.code()), (429, "rate_limit_exceeded"));
    assert_eq!((&openai.body["error"]["type"], openai.header("x-should-retry")), (&json!("requests"), "true"));
    let body = json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} } });
    let google = service.post(&format!("/v1alpha1/comments:analyze?key={}", key.key), &body).await;
    let error = &google.body["error"];
    assert_eq!((google.status, &error["code"], &error["status"]), (429, &json!(429), &json!("RESOURCE_EXHAUSTED")));
    for answer in [own, openai, google] {
        let milliseconds: u64 = answer.header("retry-after-ms").parse().unwrap();
        assert!(milliseconds > 5000, "the block time of 7 s, or a token's minute: {milliseconds}");
        assert_eq!(standing(&answer).1, "0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_defaults_come_from_the_configuration_and_nobody_is_limited_without_keys() {
    let tight = LimitConfig { requests_per_minute: 1, burst: 2, block_seconds: 0 };
    let service = Service::start_with(|config| config.limits.items = tight).await;
    for _ in 0..5 {
        assert_eq!(standing(&service.get("/v1/calls").await), ("", "", ""));
    }
    let key = service.make_key("chat", "acme", &[Admin], |_| {}).await;
    let service = service.with_key(&key.key);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(service.get("/v1/calls").await.status);
    }
    assert_eq!(statuses, [200, 200, 429]);
}
