//! `/v1/profiles` and `/v1/similar`.

use serde_json::{Value, json};

use crate::harness::Service;

async fn put(service: &Service, id: &str, bio: &str, attributes: Value) -> Value {
    let body = json!({ "interests": [bio], "attributes": attributes });
    service.put(&format!("/v1/profiles/{id}"), &body).await.expect(200)
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["hits"].as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_profiles_are_written_shown_and_deleted() {
    let service = Service::start().await;
    let written = put(&service, "ann", "hiking", json!({ "age": 30 })).await;
    assert_eq!(
        (&written["id"], &written["version"], &written["attributes"]["age"]),
        (&json!("ann"), &json!(1), &json!(30))
    );
    assert_eq!(written["indexed"], true);
    let mut shown = service.get("/v1/profiles/ann").await.expect(200);
    shown["indexed"] = json!(true);
    assert_eq!(shown, written);
    let same = put(&service, "ann", "hiking", json!({ "age": 31 })).await;
    assert_eq!((&same["version"], &same["attributes"]["age"]), (&json!(1), &json!(31)), "the text is the same");
    let other = put(&service, "ann", "chess", json!({ "age": 31 })).await;
    assert_eq!(other["version"], 2);
    assert_eq!(service.delete("/v1/profiles/ann").await.status, 204);
    for gone in [service.get("/v1/profiles/ann").await, service.delete("/v1/profiles/ann").await] {
        assert_eq!((gone.status, gone.code()), (404, "not_found"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x1_people_are_found_by_text_by_profile_and_through_filters() {
    let service = Service::start().await;
    for (id, bio, age, city) in [
        ("ann", "hiking", 30, "Oslo"),
        ("bob", "chess", 40, "Oslo"),
        ("cid", "hiking", 50, "Rome"),
        ("dan", "cooking", 20, "Rome"),
    ] {
        put(&service, id, bio, json!({ "age": age, "city": city })).await;
    }
    let by_text = service.post("/v1/similar", &json!({ "text": "hiking" })).await.expect(200);
    assert_eq!(ids(&by_text).len(), 4, "{by_text:#}");
    assert_eq!(ids(&by_text)[..2], ["ann", "cid"], "{by_text:#}");
    let score = by_text["hits"][0]["score"].as_f64().unwrap();
    assert!((score - 1.0).abs() < 1e-4, "the same text: {score}");
    assert_eq!(by_text["hits"][0]["attributes"], json!({ "age": 30, "city": "Oslo" }));

    let by_profile = service.post("/v1/similar", &json!({ "profile": "ann", "limit": 1 })).await.expect(200);
    assert_eq!(ids(&by_profile), ["cid"], "not the person herself");

    for (filter, expected) in [
        (json!([{ "op": "any", "attribute": "city", "values": ["Rome"] }]), vec!["cid", "dan"]),
        (json!([{ "op": "none", "attribute": "city", "values": ["Rome"] }]), vec!["ann", "bob"]),
        (json!([{ "op": "range", "attribute": "age", "min": 30, "max": 40 }]), vec!["ann", "bob"]),
        (
            json!([{ "op": "any", "attribute": "city", "values": ["Oslo"] }, { "op": "range", "attribute": "age", "min": 35 }]),
            vec!["bob"],
        ),
    ] {
        let found = service.post("/v1/similar", &json!({ "text": "hiking", "filter": filter })).await.expect(200);
        let mut found = ids(&found);
        found.sort_unstable();
        assert_eq!(found, expected, "{filter}");
    }

    service.delete("/v1/profiles/cid").await;
    let after = service.post("/v1/similar", &json!({ "text": "hiking" })).await.expect(200);
    assert!(!ids(&after).contains(&"cid"), "{after:#}");
    assert_eq!(service.post("/v1/similar", &json!({ "profile": "cid" })).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_without_the_index_the_service_starts_judges_and_keeps_profiles() {
    // Nobody listens there.
    let service = Service::start_with(|config| config.index.url = "http://127.0.0.1:1".into()).await;
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
    let written = put(&service, "ann", "hiking", json!({})).await;
    assert_eq!(written["indexed"], false, "{written:#}");
    service.get("/v1/profiles/ann").await.expect(200);
    let similar = service.post("/v1/similar", &json!({ "text": "hiking" })).await;
    assert_eq!(similar.status, 503);
    assert_eq!(service.delete("/v1/profiles/ann").await.status, 202);
    assert_eq!(service.get("/v1/profiles/ann").await.status, 404);
}
