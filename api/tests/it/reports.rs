//! `/v1/reports`.

use serde_json::{Value, json};

use crate::harness::{Service, key};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn report() -> Value {
    json!({ "id": ID, "reporter": "ann", "subject": "bob", "reason": "harassment", "call": "call-17", "note": "he said SECRET" })
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_a_report_is_kept_once_and_told_without_its_words() {
    let service = Service::start().await;
    let kept = service.post("/v1/reports", &report()).await.expect(201);
    assert_eq!((&kept["id"], &kept["note"], &kept["call"]), (&json!(ID), &json!("he said SECRET"), &json!("call-17")));
    assert_eq!(service.post("/v1/reports", &report()).await.expect(200), kept);
    assert_eq!(service.get(&format!("/v1/reports/{ID}")).await.expect(200), kept);
    let mut other = report();
    other["reason"] = json!("spam");
    let taken = service.post("/v1/reports", &other).await;
    assert_eq!((taken.status, taken.code()), (409, "report_id_taken"));

    let made =
        service.post("/v1/reports", &json!({ "reporter": "a", "subject": "b", "reason": "spam" })).await.expect(201);
    assert!(made.get("note").is_none() && made["id"].is_string());
    let mut events = service.events("after=0&kinds=report.submitted").await;
    let event = events.next().await.data;
    assert_eq!(
        (&event["key"], &event["data"]["subject"], &event["data"]["has_note"]),
        (&json!(ID), &json!("bob"), &json!(true))
    );
    assert!(!event.to_string().contains("SECRET"), "{event:#}");
    assert_eq!(events.next().await.data["key"], made["id"], "the second sending of the first was not told");
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_bad_reports_are_refused_without_being_quoted() {
    let service = Service::start().await;
    for (field, value, status, code) in [
        ("reporter", json!(""), 400, "name_empty"),
        ("subject", json!("a\nb"), 400, "name_invalid"),
        ("reason", json!("he was SECRET"), 400, "reason_invalid"),
        ("note", json!("SECRET".repeat(700)), 413, "note_too_long"),
        ("id", json!("17"), 400, "invalid_field"),
        ("colour", json!("red"), 400, "unknown_field"),
    ] {
        let mut wrong = report();
        wrong[field] = value;
        let refused = service.post("/v1/reports", &wrong).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{field}: {:#}", refused.body);
        assert!(!refused.body.to_string().contains("SECRET"), "{:#}", refused.body);
    }
    service.get(&format!("/v1/reports/{ID}")).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn c5_tenants_do_not_see_each_others_reports() {
    use api::config::Scope::Items;
    let ((ann, ann_key), (bob, bob_key)) = (key("ann", "first", &[Items]), key("bob", "second", &[Items]));
    let service = Service::start_with(|config| config.auth.keys = vec![ann_key, bob_key]).await.with_key(&ann);
    service.post("/v1/reports", &report()).await.expect(201);
    let service = service.with_key(&bob);
    service.get(&format!("/v1/reports/{ID}")).await.expect(404);
    assert_eq!(service.post("/v1/reports", &report()).await.code(), "report_id_taken");
}
