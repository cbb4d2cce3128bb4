//! `/v1/items`.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use pipeline::queue::Queue;
use serde_json::{Value, json};

use crate::harness::{Service, form, png};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_text_goes_through_the_queue_and_its_verdict_is_shown() {
    let service = Service::start().await;
    let body = json!({ "kind": "text", "text": "fake:toxic=0.97", "actor": "ann", "conversation": "room", "reference": "m-1" });
    let accepted = service.post("/v1/items", &body).await.expect(202);
    assert_eq!(accepted["status"], "queued");
    let id = accepted["id"].as_str().unwrap();
    let item = service.judged(id).await;
    assert_eq!(item["status"], "judged");
    assert_eq!(
        (&item["actor"], &item["conversation"], &item["reference"]),
        (&json!("ann"), &json!("room"), &json!("m-1"))
    );
    assert_eq!(item["flagged"], true, "{item:#}");
    assert!((item["scores"]["toxic"].as_f64().unwrap() - 0.97).abs() < 1e-4, "{item:#}");
    for label in ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate", "spam"] {
        assert!(item["scores"][label].is_number(), "{label} in {item:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_again_has_no_second_outcome() {
    let service = Service::start().await;
    let body = json!({ "id": ID, "text": "hello" });
    service.post("/v1/items", &body).await.expect(202);
    let first = service.judged(ID).await;
    let again = service.post("/v1/items", &body).await.expect(202);
    assert_eq!(again, json!({ "id": ID, "status": "judged" }));
    // An item behind it in the same lane is judged, so it would have been judged again by now.
    let behind = service.post("/v1/items", &json!({ "text": "behind it" })).await.expect(202);
    service.judged(behind["id"].as_str().unwrap()).await;
    assert_eq!(service.get(&format!("/v1/items/{ID}")).await.expect(200), first);

    let other = service.post("/v1/items", &json!({ "id": ID, "text": "something else" })).await;
    assert_eq!((other.status, other.code()), (409, "item_id_taken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queued_item_with_other_content_is_a_conflict_too() {
    let service = Service::face_only(|_| {}, |_| {}).await;
    service.post("/v1/items", &json!({ "id": ID, "text": "hello" })).await.expect(202);
    let again = service.post("/v1/items", &json!({ "id": ID, "text": "hello" })).await.expect(202);
    assert_eq!(again["status"], "queued");
    assert_eq!(service.get(&format!("/v1/items/{ID}")).await.expect(200)["status"], "queued");
    assert_eq!(waiting(service.services.queue.as_ref()).await, 1);
    let other = service.post("/v1/items", &json!({ "id": ID, "text": "hello!" })).await;
    assert_eq!((other.status, other.code()), (409, "item_id_taken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_come_as_base64_and_as_forms() {
    let service = Service::start().await;
    let picture = png(3, 250);
    let body = json!({ "image": BASE64_STANDARD.encode(&picture), "actor": "ann" });
    let by_json = service.post("/v1/items", &body).await.expect(202);
    let (media_type, form) = form(&[("image", &picture), ("actor", b"ann")]);
    let by_form = service.post_bytes("/v1/items", &media_type, form).await.expect(202);
    for accepted in [by_json, by_form] {
        let item = service.judged(accepted["id"].as_str().unwrap()).await;
        assert_eq!((&item["kind"], &item["actor"]), (&json!("image"), &json!("ann")));
        assert!(item["scores"]["porn"].as_f64().unwrap() > 0.9, "{item:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_accepted_whole() {
    let service = Service::start().await;
    let items: Vec<Value> = (0..256).map(|index| json!({ "text": format!("message {index}") })).collect();
    let accepted = service.post("/v1/items", &json!({ "items": items })).await.expect(202);
    let accepted = accepted["items"].as_array().unwrap();
    assert_eq!(accepted.len(), 256);
    service.judged(accepted[255]["id"].as_str().unwrap()).await;
    service.judged(accepted[0]["id"].as_str().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_with_a_wrong_item_none_is_accepted() {
    let service = Service::face_only(|_| {}, |_| {}).await;
    let items = json!({ "items": [{ "text": "good" }, { "text": "" }, { "text": "good" }, {}] });
    let answer = service.post("/v1/items", &items).await;
    assert_eq!((answer.status, answer.code()), (400, "batch_invalid"));
    let wrong: Vec<_> = answer.body["error"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["index"].clone(), item["code"].clone()))
        .collect();
    assert_eq!(wrong, [(json!(1), json!("text_empty")), (json!(3), json!("content_missing"))]);
    assert_eq!(waiting(service.services.queue.as_ref()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_batch_with_a_taken_id_none_is_accepted() {
    let service = Service::face_only(|_| {}, |_| {}).await;
    let items = json!({ "items": [{ "id": ID, "text": "one" }, { "text": "two" }, { "id": ID, "text": "other" }] });
    let answer = service.post("/v1/items", &items).await;
    assert_eq!((answer.status, answer.code()), (409, "item_id_taken"));
    assert_eq!(answer.body["error"]["items"][0]["index"], 2);
    assert_eq!(waiting(service.services.queue.as_ref()).await, 0);

    let twice = json!({ "items": [{ "id": ID, "text": "one" }, { "id": ID, "text": "one" }] });
    assert_eq!(service.post("/v1/items", &twice).await.expect(202)["items"].as_array().unwrap().len(), 2);
    assert_eq!(waiting(service.services.queue.as_ref()).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_with_429_and_loses_nothing() {
    let service = Service::face_only(|config| config.queue.interactive_capacity = 3, |_| {}).await;
    let two = json!({ "items": [{ "text": "one" }, { "text": "two" }] });
    service.post("/v1/items", &two).await.expect(202);
    let refused = service.post("/v1/items", &two).await;
    assert_eq!((refused.status, refused.code()), (429, "too_busy"));
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    assert_eq!(waiting(service.services.queue.as_ref()).await, 2);
    service.post("/v1/items", &json!({ "text": "three" })).await.expect(202);
    assert_eq!(service.post("/v1/items", &json!({ "text": "four" })).await.status, 429);
    let queue: Arc<dyn Queue> = service.services.queue.clone();
    let delivered = queue.receive().await.unwrap();
    delivered.ack().await.unwrap();
    service.post("/v1/items", &json!({ "text": "four" })).await.expect(202);
}

async fn waiting(queue: &dyn Queue) -> usize {
    queue.depth().await.unwrap().iter().map(|lane| lane.waiting).sum()
}
