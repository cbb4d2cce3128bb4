//! Calls from web pages, as a browser makes them.

use api::config::{Config, Scope::Check};
use serde_json::json;

use crate::harness::{Answer, Service, key};

const PAGE: &str = "https://forum.example";

fn list(answer: &Answer, header: &str) -> Vec<String> {
    answer.header(header).split(',').map(|name| name.trim().to_ascii_lowercase()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_page_of_a_configured_origin_may_call() {
    let (key, entry) = key("page", "acme", &[Check]);
    let change = |config: &mut Config| {
        config.auth.keys = vec![entry];
        config.server.cors.origins = vec![PAGE.into(), "http://localhost:5173".into()];
    };
    let service = Service::start_with(change).await;
    let preflight = service
        .request("OPTIONS", "/v1/moderations")
        .header("origin", PAGE)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type,x-stainless-lang");
    let preflight = service.send(preflight).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, PAGE), "without a key");
    assert!(list(&preflight, "access-control-allow-methods").contains(&"post".to_owned()));
    let headers = list(&preflight, "access-control-allow-headers");
    assert_eq!(headers, ["authorization", "content-type", "x-stainless-lang"]);
    assert_eq!(preflight.header("access-control-allow-credentials"), "");
    assert!(preflight.header("access-control-max-age").parse::<u32>().unwrap() > 60);

    let call = service.request("POST", "/v1/moderations").header("origin", PAGE).json(&json!({ "input": "hello" }));
    let answer = service.send(call.try_clone().unwrap().bearer_auth(&key)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, PAGE));
    let exposed = list(&answer, "access-control-expose-headers");
    for name in ["x-request-id", "x-ratelimit-remaining-requests", "retry-after", "openai-processing-ms"] {
        assert!(exposed.contains(&name.to_owned()), "{name} is not in {exposed:?}");
    }
    assert!(!answer.header("x-request-id").is_empty() && !answer.header("x-ratelimit-remaining-requests").is_empty());
    assert!(list(&answer, "vary").contains(&"origin".to_owned()));
    // A refusal can be read too.
    let refused = service.send(call).await;
    assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, PAGE));
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_pages_of_other_origins_are_told_nothing() {
    let with = |config: &mut Config| config.server.cors.origins = vec![PAGE.into()];
    for (service, origin) in [(Service::start_with(with).await, "https://evil.example"), (Service::start().await, PAGE)]
    {
        for method in ["OPTIONS", "GET"] {
            let request = service.request(method, "/v1/models").header("origin", origin);
            let answer = service.send(request.header("access-control-request-method", "GET")).await;
            assert_eq!(answer.header("access-control-allow-origin"), "", "{method} from {origin}");
        }
    }
}
