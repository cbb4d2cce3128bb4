//! Keys, scopes, tenants.

use std::collections::BTreeMap;

use api::{
    auth::signature::{Signed, sign},
    config::Scope::{self, Admin, Check, Items, Lead, Profiles, Review, Search},
    error::Dialect,
};
use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::harness::{Answer, SIGNING_MASTER, Service, StoreKey, key};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Every route with the scope that it needs; `None` is open to everybody. A new route has to be added here.
pub(crate) fn routes() -> BTreeMap<String, Option<Scope>> {
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
        ("POST /v1/keys", Some(Admin)),
        ("GET /v1/keys", Some(Admin)),
        ("DELETE /v1/keys/{id}", Some(Admin)),
        ("GET /v1/webhooks/deliveries", Some(Admin)),
        ("GET /v1/webhooks/deliveries/{id}", Some(Admin)),
        ("POST /v1/webhooks/deliveries/{id}/replay", Some(Admin)),
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
        ("POST /v1/profiles", Some(Profiles)),
        ("GET /v1/profiles/{id}/recommendations", Some(Search)),
        ("GET /v1/profiles/{id}/compatibility/{other}", Some(Search)),
        ("PUT /v1/profiles/{id}/avatar", Some(Profiles)),
        ("POST /v1/profiles/{id}/avatar", Some(Profiles)),
        ("DELETE /v1/profiles/{id}/avatar", Some(Profiles)),
        ("PUT /v1/profiles/{id}/blocks/{other}", Some(Profiles)),
        ("DELETE /v1/profiles/{id}/blocks/{other}", Some(Profiles)),
        ("GET /v1/profiles/{id}/standing", Some(Search)),
        ("PATCH /v1/profiles/{id}/standing", Some(Admin)),
        ("GET /v1/standings", Some(Search)),
        ("POST /v1/answers", Some(Profiles)),
        ("GET /v1/matches", Some(Search)),
        ("GET /v1/matches/{id}", Some(Search)),
        ("POST /v1/matches/{id}/end", Some(Profiles)),
        ("POST /v1/matches/{id}/feedback", Some(Profiles)),
        ("PUT /v1/pairing/{person}", Some(Profiles)),
        ("GET /v1/pairing/{person}", Some(Search)),
        ("DELETE /v1/pairing/{person}", Some(Profiles)),
        ("GET /v1/exposure", Some(Search)),
        ("GET /v1/score-model", Some(Search)),
        ("POST /v1/messages", Some(Items)),
        ("POST /v1/messages/search", Some(Search)),
        ("DELETE /v1/messages/{id}", Some(Items)),
        ("GET /v1/embedding-models", Some(Admin)),
        ("POST /v1/embedding-models/serve", Some(Admin)),
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
        ("GET /v1/cases/{id}/similar", Some(Review)),
        ("GET /v1/cases/{id}/copies", Some(Review)),
        ("GET /v1/banks", Some(Review)),
        ("PUT /v1/banks/{bank}", Some(Lead)),
        ("DELETE /v1/banks/{bank}", Some(Lead)),
        ("GET /v1/banks/{bank}/entries", Some(Review)),
        ("POST /v1/banks/{bank}/entries", Some(Review)),
        ("DELETE /v1/banks/{bank}/entries/{hash}", Some(Lead)),
        ("GET /v1/banks/{bank}/export", Some(Lead)),
        ("POST /v1/banks/{bank}/import", Some(Lead)),
        ("GET /v1/statements", Some(Lead)),
        ("GET /v1/statements/export", Some(Lead)),
        ("PUT /v1/statements/{id}", Some(Lead)),
        ("DELETE /v1/statements/{id}", Some(Lead)),
        ("POST /v1/statements/{id}/sent", Some(Lead)),
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
        ("PUT /v1/session/tenant", Some(Review)),
        ("PUT /v1/session/password", Some(Review)),
        ("POST /v1/session/totp", Some(Review)),
        ("PUT /v1/session/totp", Some(Review)),
        ("DELETE /v1/session/totp", Some(Review)),
        ("GET /v1/review/settings", Some(Review)),
        ("PUT /v1/review/settings", Some(Lead)),
        ("GET /v1/review/queues", Some(Review)),
        ("GET /v1/stats", Some(Lead)),
        ("GET /v1/stats/export", Some(Lead)),
        ("GET /v1/review/search", Some(Review)),
        ("GET /v1/review/events", Some(Review)),
        ("GET /v1/users", Some(Lead)),
        ("POST /v1/users", Some(Admin)),
        ("PATCH /v1/users/{login}", Some(Admin)),
        ("PUT /v1/users/{login}/tenants/{tenant}", Some(Admin)),
        ("DELETE /v1/users/{login}/tenants/{tenant}", Some(Admin)),
        ("GET /v1/review/calls", Some(Review)),
        ("POST /v1/review/actions", Some(Lead)),
        ("GET /v1/reports", Some(Review)),
    ]
}

/// Routes of the OpenAPI document, and whether it says that they are open.
pub(crate) async fn documented(service: &Service) -> BTreeMap<String, bool> {
    let document = service.get("/openapi.json").await.expect(200);
    let mut routes = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            routes.insert(format!("{} {path}", method.to_uppercase()), operation["security"] == json!([{}]));
        }
    }
    routes
}

/// Method and path of a route, with something in place of its parameters.
fn request_line(route: &str) -> (&str, String) {
    let (method, path) = route.split_once(' ').unwrap();
    let path = path
        .replace("{id}", ID)
        .replace("{actor}", "ann")
        .replace("{person}", "ann")
        .replace("{other}", "bob")
        .replace("{number}", "1")
        .replace("{action}", "ban")
        .replace("{login}", "mia")
        .replace("{bank}", "removed")
        .replace("{hash}", &"0f".repeat(32))
        .replace("{tenant}", "other")
        .replace("{media}", "m")
        .replace("{group}", "events")
        .replace("{name}", "item.judged.v1.json");
    (method, path)
}

async fn status(service: &Service, route: &str) -> u16 {
    let (method, path) = request_line(route);
    service.request(method, &path).send().await.unwrap().status().as_u16()
}

/// Who calls, and how.
enum Attempt {
    NoKey,
    Key(String),
    Signed { key: StoreKey, secret: String, seconds: i64, again: bool },
}

/// Sends a request without a body; of an answer that ends, the error's code as the route's dialect has it.
async fn attempt(service: &Service, route: &str, attempt: &Attempt, nonce: usize) -> (u16, String) {
    let (method, path) = request_line(route);
    let send = async |signature: Option<String>, key: Option<&str>| {
        let mut request = service.request(method, &path);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(signature) = signature {
            request = request.header("chaperone-signature", signature);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        // A stream of events does not end, and is no error.
        let body: Value = match status {
            400.. => response.json().await.unwrap_or_default(),
            _ => Value::Null,
        };
        (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
    };
    match attempt {
        Attempt::NoKey => send(None, None).await,
        Attempt::Key(key) => send(None, Some(key)).await,
        Attempt::Signed { key, secret, seconds, again } => {
            // A fraction of its own for every request: no two have one signature by chance.
            let at = (service.services.clock.now() + TimeDelta::seconds(*seconds)).timestamp();
            let signed = Signed { method, path: &path, body: b"" };
            let header = sign(secret, &format!("{at}.{nonce:09}"), signed);
            let first = send(Some(header.clone()), Some(&key.key)).await;
            if *again {
                assert!(!matches!(first.0, 401 | 403), "{route}: {first:?}");
                return send(Some(header), Some(&key.key)).await;
            }
            first
        }
    }
}

/// The code of ours as the dialect of the route tells it; Google's clients get a status only.
fn told(route: &str, code: &str) -> String {
    match Dialect::of(&request_line(route).1) {
        Dialect::Own => code.to_owned(),
        Dialect::OpenAi if code.starts_with("key_") => "invalid_api_key".to_owned(),
        Dialect::OpenAi => code.to_owned(),
        Dialect::Google => String::new(),
    }
}

/// Every route of the document × every way to come without the right. A new route is in the document, so it is in here.
#[tokio::test(flavor = "multi_thread")]
async fn i2_authentication_matrix() {
    let service = Service::start_with(|config| config.auth.signing_secret = Some(SIGNING_MASTER.into())).await;
    let past = service.services.clock.now() - TimeDelta::hours(1);
    let admin = service.make_key("admin", "acme", &[Admin], |_| {}).await;
    let expired = service.make_key("expired", "acme", &[Admin], |row| row.expires_at = Some(past)).await;
    let revoked = service.make_key("revoked", "acme", &[Admin], |row| row.revoked_at = Some(past)).await;
    let signing = service.make_key("signing", "acme", &[Admin], |row| row.require_signature = true).await;
    let mut narrow = BTreeMap::new();
    for scope in Scope::ALL {
        narrow.insert(scope, service.make_key(scope.as_str(), "acme", &[scope], |_| {}).await);
    }
    let signed = |seconds, again| Attempt::Signed {
        key: signing.clone(),
        secret: signing.signing_secret.clone(),
        seconds,
        again,
    };
    let forged =
        |secret: &str| Attempt::Signed { key: signing.clone(), secret: secret.into(), seconds: 0, again: false };
    let refused = [
        ("no key", Attempt::NoKey, "key_missing"),
        ("unknown key", Attempt::Key("chp_nobody".into()), "key_unknown"),
        ("expired key", Attempt::Key(expired.key.clone()), "key_expired"),
        ("revoked key", Attempt::Key(revoked.key.clone()), "key_revoked"),
        ("unsigned", Attempt::Key(signing.key.clone()), "signature_missing"),
        ("signed with the key itself", forged(&signing.key), "signature_wrong"),
        ("signed by another key", forged(&admin.signing_secret), "signature_wrong"),
        ("signed long ago", signed(-301, false), "signature_stale"),
        ("signed in the future", signed(302, false), "signature_stale"),
        ("replayed", signed(0, true), "signature_replayed"),
    ];
    let allowed = [Attempt::Key(admin.key.clone()), signed(0, false), signed(-290, false)];

    let documented = documented(&service).await;
    let scopes = routes();
    assert_eq!(documented.keys().collect::<Vec<_>>(), scopes.keys().collect::<Vec<_>>());
    let mut nonce = 0;
    for (route, open) in &documented {
        for (name, case, code) in &refused {
            nonce += 1;
            let (status, told_code) = attempt(&service, route, case, nonce).await;
            if *open {
                assert!(!matches!(status, 401 | 403), "{route}, {name}: {status} though it is open to everybody");
            } else {
                assert_eq!((status, told_code), (401, told(route, code)), "{route}, {name}");
            }
        }
        for case in &allowed {
            nonce += 1;
            let (status, code) = attempt(&service, route, case, nonce).await;
            assert!(!matches!(status, 401 | 403 | 429), "{route}: {status} {code} with the right key");
        }
        for (held, key) in &narrow {
            nonce += 1;
            let (status, code) = attempt(&service, route, &Attempt::Key(key.key.clone()), nonce).await;
            let may = scopes[route]
                .is_none_or(|needed| needed == *held || *held == Admin || (*held == Lead && needed == Review));
            assert_eq!(status == 403, !may, "{route} with the scope {held:?}: {status}");
            // At the desk the role decides, once the key may sit there.
            let refusal = if matches!(*held, Review | Lead) { "permission_missing" } else { "scope_missing" };
            let refused = code == told(route, "scope_missing") || code == refusal;
            assert!(may || refused, "{route} with the scope {held:?}: {code}");
        }
    }
    assert!(nonce > 500, "only {nonce} attempts: the document is nearly empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_refusal_names_the_key_and_the_scope() {
    let service = Service::start().await;
    let key = service.make_key("checks", "acme", &[Check], |_| {}).await;
    let service = service.with_key(&key.key);
    let answer: Answer = service.get("/v1/keys").await;
    assert_eq!((answer.status, answer.code()), (403, "scope_missing"));
    let message = answer.body["error"]["message"].as_str().unwrap();
    assert!(message.contains("`checks`") && message.contains("`admin`"), "{message}");
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
