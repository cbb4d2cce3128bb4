//! Matching over HTTP, and moderation that reaches it within two seconds, over both queues.

use std::time::{Duration, Instant};

use pipeline::servers::{Kind, shared};
use serde_json::{Value, json};

use crate::harness::Service;

async fn put(service: &Service, id: &str, about: Value, seeks: Value) {
    let body = json!({ "interests": ["chess", "tea"], "about": about, "seeks": seeks });
    service.put(&format!("/v1/profiles/{id}"), &body).await.expect(200);
}

async fn crowd(service: &Service) {
    let profiles: Vec<Value> = (0..6)
        .map(|n| json!({ "id": format!("p{n}"), "interests": ["chess", "tea"], "about": { "age": 30 + n } }))
        .collect();
    let written = service.post("/v1/profiles", &json!({ "profiles": profiles })).await.expect(200);
    assert_eq!((&written["written"], &written["results"][5]["version"]), (&json!(6), &json!(1)), "{written:#}");
}

fn ids(answer: &Value, list: &str) -> Vec<String> {
    answer[list].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

async fn recommended(service: &Service, id: &str) -> Vec<String> {
    let answer = service.get(&format!("/v1/profiles/{id}/recommendations")).await.expect(200);
    ids(&answer, "recommendations")
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_a_batch_tells_of_each_profile() {
    let service = Service::start().await;
    let profiles = json!({ "profiles": [
        { "id": "ann", "interests": ["chess"], "about": { "age": 31, "gender": " F " }, "seeks": { "min_age": 25 } },
        { "id": "bob", "interests": ["chess"], "about": { "age": 7 } },
        { "id": "cid" },
    ] });
    let answer = service.post("/v1/profiles", &profiles).await.expect(200);
    let error = |n: usize| answer["results"][n]["error"].as_str().unwrap_or_default();
    assert_eq!((answer["written"].as_u64(), error(1), error(2)), (Some(1), "matching_invalid", "profile_empty"));
    let ann = service.get("/v1/profiles/ann").await.expect(200);
    assert_eq!((&ann["about"], &ann["seeks"]), (&json!({ "age": 31, "gender": "f" }), &json!({ "min_age": 25 })));
    assert!(ann.get("wishes").is_none());
    for wrong in [json!({ "profiles": [] }), json!({ "profiles": vec![json!({ "id": "x" }); 201] })] {
        assert_eq!(service.post("/v1/profiles", &wrong).await.code(), "batch_size");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x5_from_recommendation_to_match_to_its_end() {
    let service = Service::start().await;
    put(&service, "ann", json!({ "gender": "f", "age": 30 }), json!({ "genders": ["m"] })).await;
    put(&service, "bob", json!({ "gender": "m", "age": 33 }), json!({ "genders": ["f"] })).await;
    put(&service, "cid", json!({ "gender": "m", "age": 33 }), json!({ "genders": ["m"] })).await;
    let list = service.get("/v1/profiles/ann/recommendations?limit=5").await.expect(200);
    assert_eq!(ids(&list, "recommendations"), ["bob"], "{list:#}");
    let first = &list["recommendations"][0];
    assert_eq!(first["reasons"][0], json!({ "code": "shared_interests", "interests": ["chess", "tea"] }));
    assert!(first["icebreaker"]["text"].as_str().unwrap().contains("chess"), "{first:#}");
    assert_eq!(first["score"]["parts"].as_array().unwrap().len(), 5);

    let compared = service.get("/v1/profiles/ann/compatibility/cid").await.expect(200);
    assert_eq!((compared["refused_by_other"].as_str(), compared["apart"].as_bool()), (Some("gender"), Some(false)));

    let like = |from: &str, to: &str| json!({ "from": from, "to": to, "answer": "like" });
    let mut events = service.events("kinds=match.created,match.ended").await;
    let one = service.post("/v1/answers", &like("ann", "bob")).await.expect(200);
    assert_eq!((&one["mutual"], one.get("match")), (&json!(false), None));
    let both = service.post("/v1/answers", &like("bob", "ann")).await.expect(200);
    assert_eq!(both["mutual"], true, "{both:#}");
    let id = both["match"]["id"].as_str().unwrap();
    let created = events.next().await;
    assert_eq!((created.event.as_str(), created.data["data"]["match"].as_str()), ("match.created", Some(id)));
    assert_eq!(created.data["data"]["participants"], json!(["ann", "bob"]));
    let open = service.get("/v1/matches?person=ann&open=true").await.expect(200);
    assert_eq!(ids(&open, "matches"), [id]);
    service.post(&format!("/v1/matches/{id}/feedback"), &json!({ "by": "ann", "rating": 5 })).await.expect(200);
    let stranger = service.post(&format!("/v1/matches/{id}/end"), &json!({ "by": "cid" })).await;
    assert_eq!((stranger.status, stranger.code()), (400, "not_in_match"));
    let over =
        service.post(&format!("/v1/matches/{id}/end"), &json!({ "by": "bob", "reason": "skipped" })).await.expect(200);
    assert_eq!((over["end_reason"].as_str(), over["ended_by"].as_str()), (Some("skipped"), Some("bob")));
    let ended = events.next().await;
    assert_eq!((ended.event.as_str(), &ended.data["data"]["reason"]), ("match.ended", &json!("skipped")));
    assert_eq!(service.put("/v1/profiles/bob/blocks/ann", &json!({})).await.status, 204);
    assert_eq!(service.post("/v1/answers", &like("ann", "bob")).await.code(), "blocked");
    assert_eq!(service.delete("/v1/profiles/bob/blocks/ann").await.status, 204);
    service.post("/v1/answers", &like("ann", "bob")).await.expect(200);
    let exposure = service.get("/v1/exposure").await.expect(200);
    let length = |name: &str| exposure[name].as_array().unwrap().len();
    assert_eq!((exposure["people"].as_u64(), length("deciles"), length("histogram")), (Some(1), 10, 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_a_picture_is_remembered_and_forgotten() {
    let service = Service::start().await;
    crowd(&service).await;
    let path = "/v1/profiles/p0/avatar";
    let put = async |path: &str, media_type: &str, bytes: Vec<u8>| {
        service.send(service.request("PUT", path).header("content-type", media_type).body(bytes)).await
    };
    let plain = put(path, "image/png", crate::harness::png(2, 9)).await.expect(200);
    assert_eq!((&plain["known_again"], &plain["resembles_banned"]), (&json!(false), &json!([])));
    let bytes = crate::banks::shown(1, 90);
    assert_eq!(put(path, "image/jpeg", bytes.clone()).await.expect(200)["known_again"], json!(true));
    assert_eq!(put("/v1/profiles/nobody/avatar", "image/jpeg", bytes).await.status, 404);
    assert_eq!(put(path, "image/png", b"no picture".to_vec()).await.code(), "picture_unknown_format");
    assert_eq!(put(path, "application/json", b"{}".to_vec()).await.code(), "unsupported_media_type");
    // By its address: fetched under the rules of `[compat.image_fetch]`, which allow nothing unless somebody says so.
    let fetch = async |url: &str| service.post(path, &json!({ "url": url })).await;
    let refused = fetch("https://img.example.org/p0.jpg").await;
    assert_eq!((refused.code(), refused.body["error"]["field"].as_str()), ("image_url_not_fetched", Some("url")));
    assert_eq!(fetch("p0.jpg").await.code(), "image_url_malformed");
    assert_eq!(service.delete(path).await.status, 204);
    assert_eq!(service.delete(path).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn x4_two_who_wait_are_paired_by_the_service() {
    let service = Service::start().await;
    crowd(&service).await;
    let mut events = service.events("kinds=match.created").await;
    for id in ["p0", "p1"] {
        let place = service.put(&format!("/v1/pairing/{id}"), &json!({ "tier": 1 })).await.expect(200);
        assert!(["waiting", "matched"].contains(&place["state"].as_str().unwrap()), "{place:#}");
    }
    let created = events.next().await;
    assert_eq!(created.data["data"]["participants"], json!(["p0", "p1"]));
    let place = service.get("/v1/pairing/p0").await.expect(200);
    assert_eq!((place["state"].as_str(), &place["match"]["id"]), (Some("matched"), &created.data["data"]["match"]));
    assert_eq!(service.get("/v1/pairing/p2").await.status, 404);
    service.send(service.request("PUT", "/v1/pairing/p2")).await.expect(200);
    let wrong = service.send(service.request("PUT", "/v1/pairing/p2").body("tier=1")).await;
    assert_eq!(wrong.code(), "unsupported_media_type", "none is fine, another is not");
    assert_eq!(service.delete("/v1/pairing/p2").await.status, 204);
    assert_eq!(service.get("/v1/pairing/p2").await.status, 404);
}

/// Bans for spam; toxic texts give two strikes each, and four of them suspend.
const STRICT: &str = r#"
name = "strict"
[strikes]
days = 30
weights = { medium = 2 }
steps = [{ strikes = 4, action = "suspend", hours = 24 }]
[[rule]]
name = "out"
kinds = ["text"]
when = "score.spam > 0.9"
action = "ban"
reason = "No."
[[rule]]
name = "rude"
kinds = ["text"]
when = "score.toxic >= 0.5"
action = "remove"
severity = "medium"
reason = "Be kind."
"#;

fn strict(folder: &std::path::Path) -> std::path::PathBuf {
    let path = folder.join("strict.toml");
    std::fs::write(&path, STRICT).unwrap();
    path
}

/// Waits until a person's standing is as it should be: within two seconds of `since`.
async fn standing_becomes(service: &Service, id: &str, since: Instant, wanted: impl Fn(&Value) -> bool) {
    loop {
        let standing = service.get(&format!("/v1/profiles/{id}/standing")).await.expect(200);
        if wanted(&standing) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(2), "{standing:#}");
        tokio::task::yield_now().await;
    }
}

/// Strikes, the suspension that they lead to, and the undo of both, decided over the queue.
async fn strikes_reach_matching(service: &Service) {
    let shown = async || {
        let similar = service.post("/v1/similar", &json!({ "text": "chess, tea", "limit": 50 })).await.expect(200);
        ids(&similar, "hits").contains(&"p3".to_owned()) && recommended(service, "p0").await.contains(&"p3".to_owned())
    };
    let score = async || {
        let compared = service.get("/v1/profiles/p0/compatibility/p3").await.expect(200);
        compared["score"]["total"].as_f64().unwrap()
    };
    assert!(shown().await);
    let clean = score().await;
    let mut events = service.events("kinds=moderation.action").await;
    let mut cause = String::new();
    for (strikes, out) in [(2, None), (4, Some("suspended"))] {
        let item = json!({ "text": "you fake:toxic=0.95", "actor": "p3", "conversation": "room" });
        service.post("/v1/items", &item).await.expect(202);
        let removed = events.next().await;
        assert_eq!(removed.data["data"]["action"], "remove", "{:#}", removed.data);
        let decided = Instant::now();
        let held = |standing: &Value| standing["strikes"] == strikes && standing["out"].as_str() == out;
        standing_becomes(service, "p3", decided, held).await;
        assert!(score().await < clean, "strikes count");
        assert_eq!(shown().await, out.is_none());
        removed.data["data"]["id"].as_str().unwrap().clone_into(&mut cause);
    }
    let suspended = events.next().await;
    assert_eq!(
        (&suspended.data["data"]["action"], &suspended.data["data"]["cause"]),
        (&json!("suspend"), &json!(cause))
    );
    service.post(&format!("/v1/actions/{cause}/undo"), &json!({ "reason": "A joke." })).await.expect(200);
    let undone = Instant::now();
    standing_becomes(service, "p3", undone, |standing| standing["strikes"] == 2 && standing.get("out").is_none()).await;
    assert!(shown().await, "what is taken back comes back");
}

/// Bans somebody by what they write through the queue, and waits until every answer leaves them out: within two seconds of the decision.
async fn ban_reaches_matching(service: &Service) {
    crowd(service).await;
    assert!(recommended(service, "p0").await.contains(&"p1".to_owned()));
    service.put("/v1/pairing/p1", &json!({})).await.expect(200);
    let mut events = service.events("kinds=moderation.action").await;
    let item = json!({ "text": "buy fake:spam=0.99", "actor": "p1", "conversation": "room" });
    service.post("/v1/items", &item).await.expect(202);
    let action = events.next().await;
    assert_eq!((&action.data["data"]["action"], &action.data["data"]["actor"]), (&json!("ban"), &json!("p1")));
    let decided = Instant::now();
    standing_becomes(service, "p1", decided, |standing| standing["out"] == "banned").await;
    let similar = service.post("/v1/similar", &json!({ "text": "chess, tea", "limit": 50 })).await.expect(200);
    assert!(!ids(&similar, "hits").contains(&"p1".to_owned()), "{similar:#}");
    assert!(!recommended(service, "p0").await.contains(&"p1".to_owned()));
    assert!(recommended(service, "p1").await.is_empty());
    assert_eq!(service.get("/v1/pairing/p1").await.status, 404, "the ticket is gone");
    assert_eq!(service.put("/v1/pairing/p1", &json!({})).await.code(), "not_admitted");
    let like = json!({ "from": "p0", "to": "p1", "answer": "like" });
    assert_eq!(service.post("/v1/answers", &like).await.status, 404);
    assert!(decided.elapsed() < Duration::from_secs(2), "all of it took {:?}", decided.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_bans_and_strikes_reach_matching_in_two_seconds_over_the_embedded_queue() {
    let folder = tempfile::tempdir().unwrap();
    let policy = strict(folder.path());
    let service = Service::start_with(|config| config.pipeline.policy = Some(policy)).await;
    ban_reaches_matching(&service).await;
    strikes_reach_matching(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_bans_and_strikes_reach_matching_in_two_seconds_over_rabbitmq() {
    let lease = tokio::task::spawn_blocking(|| shared(Kind::Rabbitmq).unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policy = strict(folder.path());
    let service = Service::start_with(|config| {
        config.pipeline.policy = Some(policy);
        config.queue.url.clone_from(&lease.url);
        config.queue.prefix = format!("matching_{}", uuid::Uuid::now_v7().simple());
    })
    .await;
    ban_reaches_matching(&service).await;
    strikes_reach_matching(&service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x6_messages_are_found_by_those_who_may() {
    let service = Service::start().await;
    let message = |id: &str, text: &str, access: &[&str]| json!({ "id": id, "conversation": "c", "author": "ann", "at": "2026-11-26T12:00:00Z", "text": text, "access": access });
    let sent = json!({ "messages": [
        message("m1", "where do we eat tonight", &["group:kitchen"]),
        message("m2", "the budget of next year", &["group:board"]),
        message("m3", "nobody may find this", &[]),
    ] });
    let written = service.post("/v1/messages", &sent).await.expect(200);
    assert_eq!((&written["written"], written["results"][2]["error"].as_str()), (&json!(2), Some("access_missing")));
    let search = async |question: Value| service.post("/v1/messages/search", &question).await;
    let found =
        search(json!({ "text": "where do we eat tonight", "readers": ["bob", "group:kitchen"] })).await.expect(200);
    assert_eq!(ids(&found, "hits"), ["m1"], "{found:#}");
    assert_eq!((&found["hits"][0]["has_words"], &found["hits"][0]["author"]), (&json!(true), &json!("ann")));
    assert_eq!(search(json!({ "text": "budget", "readers": [] })).await.code(), "readers_missing");
    let none = search(json!({ "text": "budget", "readers": ["group:kitchen"], "by": "words" })).await.expect(200);
    assert!(ids(&none, "hits").is_empty());
    assert_eq!(service.delete("/v1/messages/m1").await.status, 204);
    assert_eq!(service.delete("/v1/messages/m1").await.status, 404);
    let gone = search(json!({ "text": "where do we eat tonight", "readers": ["group:kitchen"] })).await.expect(200);
    assert!(ids(&gone, "hits").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x7_trust_and_limits_are_set_by_staff() {
    let service = Service::start().await;
    crowd(&service).await;
    let set = |body: Value| service.request("PATCH", "/v1/profiles/p1/standing").json(&body).send();
    let read = async |response: Result<reqwest::Response, reqwest::Error>| {
        let response = response.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let (status, standing) = read(set(json!({ "trust": 0.25, "shadow_limited": true })).await).await;
    assert_eq!((status, &standing["trust"], &standing["out"]), (200, &json!(0.25), &json!("shadow_limited")));
    assert!(!recommended(&service, "p0").await.contains(&"p1".to_owned()));
    assert!(standing["reputation_log_odds"].as_f64().unwrap() < 0.0, "{standing:#}");
    let listed = service.get("/v1/standings?limit=1").await.expect(200);
    assert_eq!((ids(&listed, "people"), listed.get("next_cursor")), (vec!["p1".to_owned()], None));
    let model = service.get("/v1/score-model").await.expect(200);
    assert_eq!((&model["version"], &model["weights"][0]["feature"]), (&json!(0), &json!("constant")));
    let (_, standing) = read(set(json!({ "trust": null, "shadow_limited": false })).await).await;
    assert!(standing.get("trust").is_none() && standing.get("out").is_none(), "{standing:#}");
    let (status, error) = read(set(json!({ "trust": 2 })).await).await;
    assert_eq!((status, &error["error"]["code"]), (400, &json!("trust_out_of_range")));
}
