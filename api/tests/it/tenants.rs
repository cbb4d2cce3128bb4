//! No tenant reads or changes what is another's, on any route. One service is full of a tenant's rows, a second one is empty; a second
//! tenant sends the same requests to both and must not be able to tell them apart.

use std::collections::BTreeMap;

use api::config::{
    Config,
    Scope::{Admin, Items, Search},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use models::Lane;
use pipeline::{
    item::{Content, Envelope, Item, ItemId, ItemKind},
    store::DeliveryFilter,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    auth::documented,
    harness::{Answer, Service, StoreKey, key, png},
};

/// Stands in every row of the first tenant, and nowhere else.
const MARK: &str = "zebra";
const ITEM: &str = "01890a5d-ac96-774b-bcce-b302099a8001";
const DEAD: &str = "01890a5d-ac96-774b-bcce-b302099a8002";
const REPORT: &str = "01890a5d-ac96-774b-bcce-b302099a8003";

/// What stands in a path for a parameter, so that it names something of the first tenant.
struct Names {
    key: String,
    delivery: i64,
    action: String,
    case: String,
}

/// A request that reaches for what is the first tenant's.
struct Sample {
    method: String,
    path: String,
    body: Option<Value>,
    bytes: Option<Bytes>,
}

/// What is the first tenant's behind its routes.
const OTHER: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// A sample for a route of the document; a body that is not told here is the document's example.
fn sample(route: &str, names: &Names, document: &Value) -> Sample {
    let (method, path) = route.split_once(' ').unwrap();
    let delivery = names.delivery.to_string();
    let id = match path {
        path if path.starts_with("/v1/items/") => ITEM,
        path if path.starts_with("/v1/calls/") => "zebra-call",
        path if path.starts_with("/v1/reports/") => REPORT,
        path if path.starts_with("/v1/profiles/") => "zebra-profile",
        path if path.starts_with("/v1/messages/") => "zebra-message",
        path if path.starts_with("/v1/queue/dead-letters/") => DEAD,
        path if path.starts_with("/v1/queue/notices/") => DEAD,
        path if path.starts_with("/v1/keys/") => &names.key,
        path if path.starts_with("/v1/webhooks/deliveries/") => &delivery,
        path if path.starts_with("/v1/models/") => "embed-minilm",
        path if path.starts_with("/v1/actions/") => &names.action,
        path if path.starts_with("/v1/actors/") => "zebra-person",
        path if path.starts_with("/v1/cases/") || path.starts_with("/v1/review/golden/") => &names.case,
        // Nobody has one: the second tenant must not learn even that.
        _ => OTHER,
    };
    let pointer = format!(
        "/paths/{}/{}/requestBody/content/application~1json/schema",
        path.replace('/', "~1"),
        method.to_lowercase()
    );
    let schema = document.pointer(&pointer);
    let schema = schema.and_then(|schema| match schema["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')),
        None => Some(schema),
    });
    let example = schema.map_or(Value::Null, |schema| schema["example"].clone());
    let path = path.replace("{id}", id).replace("{actor}", "zebra-person").replace("{login}", "zebra-login");
    let path = path.replace("{person}", "zebra-profile").replace("{other}", "zebra-friend");
    let path = path.replace("{number}", "1").replace("{action}", "ban").replace("{media}", "m");
    let path =
        path.replace("{bank}", "zebra_bank").replace("{hash}", &"0f".repeat(32)).replace("{tenant}", "elsewhere");
    let path = path.replace("{group}", "events").replace("{name}", "item.judged.v1.json");
    assert!(
        !path.contains('{') && !path.contains("//"),
        "{route}: say here what stands for its parameters, so that it names something of the first tenant"
    );
    let body = match route {
        "POST /v1/items" | "POST /v1/check" => {
            json!({ "text": "hello", "actor": "zebra-person", "conversation": "zebra-room" })
        }
        "POST /v1/calls" => json!({ "id": "zebra-call" }),
        "POST /v1/calls/{id}/participants" => json!({ "actor": "zebra-person" }),
        "POST /v1/calls/{id}/end" => json!({}),
        "POST /v1/events" => {
            json!({ "type": "user.connected", "version": 1, "id": "n-2", "at": "2026-01-02T03:04:05Z", "data": { "actor": "zebra-person" } })
        }
        "POST /v1/reports" => json!({ "reporter": "zebra-person", "subject": "bob", "reason": "spam" }),
        "POST /v1/similar" => json!({ "text": "hiking", "limit": 50 }),
        "POST /v1/messages/search" => json!({ "text": "words", "readers": ["group"] }),
        "POST /v1/answers" => json!({ "from": "zebra-profile", "to": "zebra-friend", "answer": "like" }),
        "PUT /v1/profiles/{id}" => json!({ "interests": ["chess"] }),
        "POST /v1/embeddings" => json!({ "model": "embed-minilm", "input": "hiking" }),
        "POST /v1/moderations" => json!({ "input": "hello" }),
        "POST /v1alpha1/comments:analyze" => {
            json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} } })
        }
        "POST /v1alpha1/comments:suggestscore" => {
            json!({ "comment": { "text": "hello" }, "attributeScores": { "TOXICITY": { "summaryScore": { "value": 0.5 } } } })
        }
        "POST /v1/keys" => json!({ "name": "made", "scopes": ["check"] }),
        "POST /v1/calls/{id}/participants/{actor}/frames" => Value::Null,
        route if route.ends_with("/replay") => Value::Null,
        route if route.starts_with("GET ") || route.starts_with("DELETE ") => Value::Null,
        _ => example,
    };
    let bytes = route.ends_with("/frames").then(|| Bytes::from(png(0, 0)));
    let body = Some(body).filter(|body| !body.is_null());
    Sample { method: method.to_owned(), path, body, bytes }
}

async fn send(service: &Service, key: &StoreKey, sample: &Sample) -> Answer {
    let mut request = service.request(&sample.method, &sample.path).bearer_auth(&key.key);
    if let Some(body) = &sample.body {
        request = request.json(body);
    }
    if let Some(bytes) = &sample.bytes {
        request = request.header("content-type", "image/png").body(bytes.clone());
    }
    service.send(request).await
}

/// An answer without what differs between any two: ids, times, measurements, new keys.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let changing = ["request_id", "key", "hint", "signing_secret"];
            let kept = members.iter().filter(|(name, _)| !changing.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name.clone(), shape(value))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(shape).collect()),
        Value::Number(_) => json!(0),
        Value::String(text) if text.parse::<Uuid>().is_ok() || text.parse::<DateTime<Utc>>().is_ok() => json!("~"),
        // A made-up id with a prefix, and text that is no JSON (metrics).
        Value::String(text) if text.starts_with("modr-") || text.contains('\n') => json!("~"),
        // The service's own address.
        Value::String(text) if text.starts_with("http://127.0.0.1:") => json!("~"),
        // Hashes.
        Value::String(text) if text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => json!("~"),
        // Times and made-up ids within a sentence.
        Value::String(text) if text.contains(' ') => {
            let plain = |word: &&str| !word.contains(|character: char| character.is_ascii_digit());
            json!(text.split(' ').filter(plain).collect::<Vec<_>>().join(" "))
        }
        other => other.clone(),
    }
}

/// Rows of the first tenant in every table that has any. Answers the ids of an action and of a case.
async fn fill(service: &Service, key: &StoreKey) -> (String, String) {
    let store = &service.services.store;
    let post = async |path: &str, body: Value| {
        let request = service.request("POST", path).bearer_auth(&key.key).json(&body);
        let answer = service.send(request).await;
        assert!(answer.status < 300, "{path}: {:#}", answer.body);
        answer.body
    };
    let text = json!({ "id": ITEM, "text": "fake:toxic=0.97", "actor": "zebra-person", "conversation": "zebra-room", "reference": "zebra-ref" });
    let judged = post("/v1/check", text).await;
    let action = judged["actions"][0]["id"].as_str().unwrap().to_owned();
    let case = post("/v1/cases", json!({ "subject": "zebra-person", "note": "zebra note" })).await;
    let case = case["id"].as_str().unwrap().to_owned();
    let user = json!({ "login": "zebra-login", "password": "correct horse battery staple", "role": "reviewer" });
    post("/v1/users", user).await;
    let bank = json!({ "holds": "bad", "note": "zebra" });
    let request = service.request("PUT", "/v1/banks/zebra_bank").bearer_auth(&key.key).json(&bank);
    service.send(request).await.expect(201);
    post("/v1/banks/zebra_bank/entries", json!({ "hash": "0f".repeat(32), "note": "zebra" })).await;
    post("/v1/policies", json!({ "text": "name = \"zebra\"\n", "note": "zebra" })).await;
    let facts = json!({ "device": "zebra-device" });
    let request = service.request("PUT", "/v1/actors/zebra-person/facts").bearer_auth(&key.key).json(&facts);
    let answer = service.send(request).await;
    assert!(answer.status < 300, "{:#}", answer.body);
    post("/v1/calls", json!({ "id": "zebra-call", "participants": ["zebra-person"] })).await;
    let report =
        json!({ "id": REPORT, "reporter": "zebra-person", "subject": "bob", "reason": "spam", "note": "zebra note" });
    post("/v1/reports", report).await;
    let notice = json!({ "type": "user.connected", "version": 1, "id": "n-1", "at": "2026-01-02T03:04:05Z", "data": { "actor": "zebra-person" } });
    post("/v1/events", notice).await;
    let suggestion = json!({ "comment": { "text": "zebra words" }, "attributeScores": { "TOXICITY": { "summaryScore": { "value": 0.5 } } } });
    post("/v1alpha1/comments:suggestscore", suggestion).await;
    let profile = json!({ "interests": ["hiking"], "attributes": { "city": "zebra-city" } });
    let request = service.request("PUT", "/v1/profiles/zebra-profile").bearer_auth(&key.key).json(&profile);
    service.send(request).await.expect(200);
    post("/v1/profiles", json!({ "profiles": [{ "id": "zebra-friend", "interests": ["hiking"] }] })).await;
    let message = json!({ "id": "zebra-message", "conversation": "zebra-room", "author": "zebra-person", "at": "2026-01-02T03:04:05Z",
        "text": "zebra words", "access": ["group"] });
    post("/v1/messages", json!({ "messages": [message] })).await;
    let request = service.request("PATCH", "/v1/profiles/zebra-friend/standing").bearer_auth(&key.key);
    service.send(request.json(&json!({ "trust": 0.5 }))).await.expect(200);
    // Made once, so that it stays as it is from here on.
    let request = service.request("GET", "/v1/profiles/zebra-profile/recommendations").bearer_auth(&key.key);
    service.send(request).await.expect(200);
    let now = service.services.clock.now();
    let envelope = Envelope {
        id: ItemId(DEAD.parse().unwrap()),
        tenant: "first".into(),
        kind: ItemKind::Text,
        actor: Some("zebra-person".into()),
        conversation: None,
        call: None,
        reference: None,
        message: None,
        occurred_at: now,
        received_at: now,
    };
    let dead = Item { envelope, content: Content::Text("zebra text".into()) };
    let id = dead.envelope.id;
    store.journal_append(vec![(dead, Lane::Interactive)]).await.unwrap();
    store.journal_bury(id, "timed_out", now).await.unwrap();
    (action, case)
}

/// A webhook that nobody answers, for the first tenant's events.
fn deaf(config: &mut Config) {
    config.webhooks = vec![workers::WebhookConfig {
        name: "deaf".into(),
        url: "http://127.0.0.1:9/".parse().unwrap(),
        secret: "a secret of the test".into(),
        events: vec!["moderation.action".into()],
        tenant: Some("first".into()),
    }];
}

/// Everything that the first tenant can read of its own; streams and measurements left out.
async fn owned(
    service: &Service,
    key: &StoreKey,
    routes: &[String],
    names: &Names,
    document: &Value,
) -> BTreeMap<String, Value> {
    let mut seen = BTreeMap::new();
    let asks = ["POST /v1/similar", "POST /v1/messages/search"];
    for route in routes.iter().filter(|route| route.starts_with("GET /v1/") || asks.contains(&route.as_str())) {
        // Tries go on, uses are counted: compared below, where they matter.
        if ["GET /v1/queue", "GET /v1/webhooks/deliveries", "GET /v1/webhooks/deliveries/{id}", "GET /v1/keys"]
            .contains(&route.as_str())
        {
            continue;
        }
        // Looking is written down there.
        if ["/v1/audit", "/v1/review/", "/v1/stats", "/v1/session"].iter().any(|part| route.contains(part)) {
            continue;
        }
        let answer = send(service, key, &sample(route, names, document)).await;
        // An error carries the request's id, which is another each time.
        let mut body = if answer.status < 400 { answer.body } else { Value::Null };
        // When it was asked.
        if let Some(members) = body.as_object_mut() {
            members.retain(|name, _| !["now", "exported_at"].contains(&name.as_str()));
        }
        seen.insert(route.clone(), json!([answer.status, body]));
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_no_route_reads_or_changes_what_is_another_tenants() {
    let (full, empty) = (Service::start_with(deaf).await, Service::start_with(deaf).await);
    let first = full.make_key("zebra key", "first", &[Admin], |_| {}).await;
    let second = full.make_key("second", "second", &[Admin], |_| {}).await;
    let alone = empty.make_key("second", "second", &[Admin], |_| {}).await;
    let (action, case) = fill(&full, &first).await;
    let of_first = DeliveryFilter { tenant: Some("first".into()), ..DeliveryFilter::default() };
    let deliveries = full.services.store.deliveries(&of_first, 9).await.unwrap();
    let names = Names { key: first.id.clone(), delivery: deliveries[0].id, action, case };
    let document = full.get("/openapi.json").await.expect(200);

    // Streams do not end: the next test.
    let streams = ["GET /v1/events", "GET /v1/review/events"];
    let routes = documented(&full).await.into_keys().filter(|route| !streams.contains(&route.as_str()));
    let routes: Vec<String> = routes.collect();
    assert!(routes.len() > 40, "the document is nearly empty");
    let before = owned(&full, &first, &routes, &names, &document).await;
    let showing = before.values().filter(|body| body.to_string().contains(MARK)).count();
    assert!(showing >= 7, "the first tenant sees too little of its own for this test to mean anything: {before:#?}");

    for route in &routes {
        let sample = sample(route, &names, &document);
        let answer = send(&full, &second, &sample).await;
        // What the caller said himself may come back: as an echo, or as what he just made.
        let mut said = sample.path.clone();
        said.push('/');
        said.push_str(&sample.body.as_ref().map(ToString::to_string).unwrap_or_default());
        let said: Vec<&str> = said.split(['/', '"', '?']).filter(|part| part.contains(MARK)).collect();
        let text = said.iter().fold(answer.body.to_string(), |text, said| text.replace(said, ""));
        assert!(!text.contains(MARK), "{route} shows another tenant's: {:#}", answer.body);
        let expected = send(&empty, &alone, &sample).await;
        assert_eq!(
            (answer.status, shape(&answer.body)),
            (expected.status, shape(&expected.body)),
            "{route}: the second tenant can tell that the first has something"
        );
    }
    let after = owned(&full, &first, &routes, &names, &document).await;
    assert_eq!(after, before, "the second tenant changed what is the first's");
    let store = &full.services.store;
    let keys = store.list_keys(Some(&"first".into())).await.unwrap();
    assert!(keys.iter().all(|key| key.revoked_at.is_none()));
    let after = store.deliveries(&of_first, 9).await.unwrap();
    assert_eq!(after.len(), deliveries.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_the_event_stream_shows_the_own_tenants_events_only() {
    let service = Service::start_with(deaf).await;
    let first = service.make_key("zebra key", "first", &[Admin], |_| {}).await;
    let second = service.make_key("second", "second", &[Items], |_| {}).await;
    fill(&service, &first).await;
    let service = service.with_key(&second.key);
    service.post("/v1/calls", &json!({ "id": "own" })).await.expect(201);
    for query in ["after=0", "after=0&kinds=call.started"] {
        let event = service.events(query).await.next().await;
        assert_eq!((event.event.as_str(), &event.data["data"]["call"]), ("call.started", &json!("own")), "{query}");
    }
    let mut stream = service.events("after=0").await;
    service.post("/v1/calls", &json!({ "id": "later" })).await.expect(201);
    let seen = [stream.next().await, stream.next().await].map(|event| event.data["data"]["call"].clone());
    assert_eq!(seen, [json!("own"), json!("later")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_ids_that_are_taken_by_another_tenant_are_refused_without_a_word_of_it() {
    let service = Service::start_with(deaf).await;
    let first = service.make_key("zebra key", "first", &[Admin], |_| {}).await;
    let second = service.make_key("second", "second", &[Admin], |_| {}).await;
    fill(&service, &first).await;
    let service = service.with_key(&second.key);
    let rows = [
        ("/v1/items", json!({ "id": ITEM, "text": "fake:toxic=0.97" }), "item_id_taken"),
        ("/v1/items", json!({ "id": DEAD, "text": "zebra text" }), "item_id_taken"),
        ("/v1/reports", json!({ "id": REPORT, "reporter": "a", "subject": "b", "reason": "spam" }), "report_id_taken"),
    ];
    for (path, body, code) in rows {
        let refused = service.post(path, &body).await;
        assert_eq!((refused.status, refused.code()), (409, code), "{path} {body}: {:#}", refused.body);
        assert!(!refused.body.to_string().contains(MARK), "{:#}", refused.body);
    }
}

/// A key of the configuration sees its tenant as one of the store does.
#[tokio::test(flavor = "multi_thread")]
async fn i2_configured_keys_have_tenants_too() {
    let ((ann, ann_key), (bob, bob_key)) = (key("ann", "first", &[Admin]), key("bob", "second", &[Search]));
    let service = Service::start_with(|config| config.auth.keys = vec![ann_key, bob_key]).await.with_key(&ann);
    service.put("/v1/profiles/ann", &json!({ "interests": ["hiking"] })).await.expect(200);
    let ask = json!({ "text": "hiking" });
    assert_eq!(service.post("/v1/similar", &ask).await.expect(200)["hits"].as_array().unwrap().len(), 1);
    assert_eq!(service.with_key(&bob).post("/v1/similar", &ask).await.expect(200)["hits"], json!([]));
}
