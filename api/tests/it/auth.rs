//! Keys, scopes, tenants.

use std::collections::BTreeMap;

use api::config::Scope::{self, Admin, Check, Items, Lead, Profiles, Review, Search};
use serde_json::{Value, json};

use crate::harness::{Service, key};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every route with the scope that it needs; `None` is open to everybody. A new route has to be added here.
fn routes() -> BTreeMap<String, Option<Scope>> {
    let rows = [
        ("GET /", None),
        ("GET /openapi.json", None),
        ("GET /health/live", None),
        ("GET /health/ready", None),
        ("GET /metrics", Some(Admin)),
        ("GET /v1/queue", Some(Admin)),
        ("GET /v1/queue/dead-letters", Some(Admin)),
        ("GET /v1/queue/dead-letters/{id}", Some(Admin)),
        ("POST /v1/queue/dead-letters/{id}/replay", Some(Admin)),
        ("DELETE /v1/queue/dead-letters/{id}", Some(Admin)),
        ("GET /v1/queue/notices", Some(Admin)),
        ("POST /v1/queue/notices/{id}/replay", Some(Admin)),
        ("DELETE /v1/queue/notices/{id}", Some(Admin)),
        ("POST /v1/items", Some(Items)),
        ("GET /v1/items/{id}", Some(Items)),
        ("POST /v1/check", Some(Check)),
        ("POST /v1/calls", Some(Items)),
        ("GET /v1/calls", Some(Items)),
        ("GET /v1/calls/{id}", Some(Items)),
        ("POST /v1/calls/{id}/participants", Some(Items)),
        ("DELETE /v1/calls/{id}/participants/{actor}", Some(Items)),
        ("POST /v1/calls/{id}/participants/{actor}/frames", Some(Items)),
        ("POST /v1/calls/{id}/end", Some(Items)),
        ("GET /v1/events", Some(Items)),
        ("POST /v1/events", Some(Items)),
        ("GET /v1/presence/{actor}", Some(Items)),
        ("POST /v1/reports", Some(Items)),
        ("GET /v1/reports/{id}", Some(Items)),
        ("GET /v1/policies", Some(Lead)),
        ("POST /v1/policies", Some(Lead)),
        ("POST /v1/policies/validate", Some(Lead)),
        ("GET /v1/policies/current", Some(Lead)),
        ("GET /v1/policies/rollouts", Some(Lead)),
        ("POST /v1/policies/rollback", Some(Lead)),
        ("POST /v1/policies/backtest", Some(Lead)),
        ("GET /v1/policies/backtests", Some(Lead)),
        ("GET /v1/policies/backtests/{id}", Some(Lead)),
        ("POST /v1/policies/tune", Some(Lead)),
        ("GET /v1/policies/{number}", Some(Lead)),
        ("POST /v1/policies/{number}/live", Some(Lead)),
        ("GET /v1/actions/{id}", Some(Items)),
        ("POST /v1/actions/{id}/ack", Some(Items)),
        ("POST /v1/actions/{id}/undo", Some(Lead)),
        ("GET /v1/actors/{id}", Some(Items)),
        ("GET /v1/actors/{id}/actions", Some(Items)),
        ("PUT /v1/actors/{id}/facts", Some(Items)),
        ("GET /v1/breakers", Some(Lead)),
        ("POST /v1/breakers/{action}/close", Some(Lead)),
        ("GET /schemas/{group}/{name}", None),
        ("PUT /v1/profiles/{id}", Some(Profiles)),
        ("GET /v1/profiles/{id}", Some(Profiles)),
        ("DELETE /v1/profiles/{id}", Some(Profiles)),
        ("POST /v1/similar", Some(Search)),
        ("POST /v1/embeddings", Some(Search)),
        ("GET /v1/models", Some(Search)),
        ("GET /v1/models/{id}", Some(Search)),
        ("POST /v1/moderations", Some(Check)),
        ("POST /v1alpha1/comments:analyze", Some(Check)),
        ("POST /v1alpha1/comments:suggestscore", Some(Check)),
        ("GET /v1/feedback", Some(Admin)),
        ("DELETE /v1/feedback", Some(Admin)),
        ("GET /$discovery/rest", None),
    ];
    let rows = rows.into_iter().chain(desk());
    rows.map(|(route, scope)| (route.to_owned(), scope)).collect()
}

/// Those of the reviewers' desk.
fn desk() -> Vec<(&'static str, Option<Scope>)> {
    vec![
        ("POST /v1/appeals", Some(Items)),
        ("GET /v1/appeals", Some(Review)),
        ("GET /v1/appeals/{id}", Some(Items)),
        ("GET /v1/audit", Some(Lead)),
        ("GET /v1/audit/verify", Some(Lead)),
        ("GET /v1/audit/export", Some(Lead)),
        ("GET /v1/cases", Some(Review)),
        ("POST /v1/cases", Some(Review)),
        ("POST /v1/review/next", Some(Review)),
        ("POST /v1/cases/{id}/claim", Some(Review)),
        ("POST /v1/cases/{id}/steps", Some(Review)),
        ("POST /v1/cases/{id}/notes", Some(Review)),
        ("GET /v1/cases/{id}", Some(Review)),
        ("GET /v1/cases/{id}/media/{media}", None),
        ("POST /v1/cases/{id}/decision", Some(Review)),
        ("GET /v1/decisions", Some(Review)),
        ("GET /v1/decisions/{id}", Some(Review)),
        ("POST /v1/decisions/{id}/undo", Some(Review)),
        ("GET /v1/decisions/{id}/statement", Some(Lead)),
        ("GET /v1/people/{actor}", Some(Review)),
        ("GET /v1/people/{actor}/export", Some(Lead)),
        ("DELETE /v1/people/{actor}", Some(Admin)),
        ("PUT /v1/people/{actor}/hold", Some(Admin)),
        ("DELETE /v1/people/{actor}/hold", Some(Admin)),
        ("GET /v1/receipts/{id}", Some(Lead)),
        ("GET /v1/review/quality", Some(Lead)),
        ("GET /v1/review/golden", Some(Lead)),
        ("PUT /v1/review/golden/{id}", Some(Lead)),
        ("DELETE /v1/review/golden/{id}", Some(Lead)),
        ("POST /v1/reports/{id}/state", Some(Lead)),
        ("GET /v1/reporters/{actor}", Some(Review)),
        ("PUT /v1/reporters/{actor}", Some(Lead)),
        ("POST /v1/session", None),
        ("GET /v1/session", Some(Review)),
        ("DELETE /v1/session", None),
        ("POST /v1/setup", None),
        ("PUT /v1/session/profile", Some(Review)),
        ("PUT /v1/session/password", Some(Review)),
        ("POST /v1/session/totp", Some(Review)),
        ("PUT /v1/session/totp", Some(Review)),
        ("DELETE /v1/session/totp", Some(Review)),
        ("GET /v1/review/settings", Some(Review)),
        ("PUT /v1/review/settings", Some(Lead)),
        ("GET /v1/review/queues", Some(Review)),
        ("GET /v1/stats", Some(Lead)),
        ("GET /v1/review/search", Some(Review)),
        ("GET /v1/review/events", Some(Review)),
        ("GET /v1/users", Some(Lead)),
        ("POST /v1/users", Some(Admin)),
        ("PATCH /v1/users/{login}", Some(Admin)),
        ("GET /v1/review/calls", Some(Review)),
        ("POST /v1/review/actions", Some(Lead)),
        ("GET /v1/reports", Some(Review)),
    ]
}

/// Routes of the OpenAPI document, and whether it says that they are open.
async fn documented(service: &Service) -> BTreeMap<String, bool> {
    let document = service.get("/openapi.json").await.expect(200);
    let mut routes = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            routes.insert(format!("{} {path}", method.to_uppercase()), operation["security"] == json!([{}]));
        }
    }
    routes
}

async fn status(service: &Service, route: &str) -> u16 {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path
        .replace("{id}", ID)
        .replace("{actor}", "ann")
        .replace("{number}", "1")
        .replace("{action}", "ban")
        .replace("{login}", "mia")
        .replace("{media}", "m");
    service.request(method, &path).send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_every_documented_route_demands_its_scope() {
    let scopes = [Check, Items, Profiles, Search, Review, Lead, Admin];
    let (keys, entries): (Vec<_>, Vec<_>) = scopes.iter().map(|scope| key(scope.as_str(), "acme", &[*scope])).unzip();
    let mut service = Service::start_with(|config| config.auth.keys = entries).await;

    let routes = routes();
    let open: BTreeMap<_, _> = routes.iter().map(|(route, scope)| (route.clone(), scope.is_none())).collect();
    assert_eq!(documented(&service).await, open);
    for (route, scope) in &routes {
        let refused = status(&service, route).await == 401;
        assert_eq!(refused, scope.is_some(), "without a key: {route}");
    }
    for (key, held) in keys.iter().zip(scopes) {
        service = service.with_key(key);
        for (route, needed) in &routes {
            let allowed =
                needed.is_none_or(|needed| held == needed || held == Admin || (held == Lead && needed == Review));
            assert_eq!(status(&service, route).await != 403, allowed, "{route} with the scope {held:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_are_refused_with_a_challenge() {
    let (_, entry) = key("ann", "acme", &[Admin]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await;
    for (header, code) in
        [(None, "key_missing"), (Some("Basic abc"), "key_malformed"), (Some("Bearer nope"), "key_unknown")]
    {
        let request = service.request("GET", "/v1/calls");
        let request = match header {
            Some(header) => request.header("authorization", header),
            None => request,
        };
        let refused = service.send(request).await;
        assert_eq!((refused.status, refused.code(), refused.header("www-authenticate")), (401, code, "Bearer"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_each_other() {
    let ((ann, ann_key), (bob, bob_key)) = (key("ann", "first", &[Admin]), key("bob", "second", &[Admin]));
    let service = Service::start_with(|config| config.auth.keys = vec![ann_key, bob_key]).await.with_key(&ann);
    service.post("/v1/check", &json!({ "id": ID, "text": "hello" })).await.expect(200);
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann"] })).await.expect(201);
    service.put("/v1/profiles/ann", &json!({ "interests": ["hiking"] })).await.expect(200);

    let service = service.with_key(&bob);
    for path in [&format!("/v1/items/{ID}"), "/v1/calls/call-1", "/v1/profiles/ann"] {
        service.get(path).await.expect(404);
    }
    assert_eq!(service.get("/v1/calls").await.expect(200)["calls"], json!([]));
    assert_eq!(service.post("/v1/similar", &json!({ "text": "hiking" })).await.expect(200)["hits"], json!([]));
    assert_eq!(service.post("/v1/calls/call-1/end", &json!({})).await.status, 404);
    let taken = service.post("/v1/items", &json!({ "id": ID, "text": "hello" })).await;
    assert_eq!((taken.status, taken.code()), (409, "item_id_taken"), "ids are unique over all tenants");
    service.post("/v1/calls", &json!({ "id": "call-1" })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_a_foreign_host_name_is_refused() {
    let service = Service::start().await;
    let request = service.request("GET", "/v1/calls").header("host", "evil.example");
    let refused = service.send(request).await;
    assert_eq!((refused.status, refused.code()), (403, "host_not_local"));
    let local = service.request("GET", "/v1/calls").header("host", "localhost:1234");
    assert_eq!(service.send(local).await.expect(200), json!({ "calls": [] }) as Value);
}
