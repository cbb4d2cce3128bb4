//! `/v1/check`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::harness::{Service, form, png, texts_by_one_model};

const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test(flavor = "multi_thread")]
async fn t1_a_toxic_text_is_judged_in_the_answer() {
    let service = Service::start().await;
    let judged =
        service.post("/v1/check", &json!({ "text": "hello fake:toxic=0.97", "reference": "m-1" })).await.expect(200);
    assert_eq!(judged["flagged"], true, "{judged:#}");
    assert_ne!(judged["action"], "allow");
    assert_eq!(
        (&judged["kind"], &judged["reference"], &judged["dry_run"]),
        (&json!("text"), &json!("m-1"), &json!(false))
    );
    assert_eq!(judged["reasons"][0]["label"], "toxic", "{judged:#}");
    assert!((judged["confidence"].as_f64().unwrap() - 0.97).abs() < 1e-4);
    assert!(
        judged["signals"]
            .as_array()
            .unwrap()
            .iter()
            .any(|signal| signal["model"] == "toxicity" && signal["label"] == "toxic")
    );
    assert!(!judged["policy"].as_str().unwrap().is_empty());
    assert!(judged["timings"]["total_ms"].as_f64().unwrap() > 0.0);
    let shown = service.get(&format!("/v1/items/{}", judged["id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&shown["status"], &shown["action"]), (&json!("judged"), &judged["action"]));
}

/// Harmless alone up to 0.8, offensive together from 0.4 on: what the fake model says of two texts joined shows in the verdict.
const CONTEXT_POLICY: &str = r#"
name = "context"

[[rule]]
name = "alone"
kinds = ["text"]
when = "score.toxic >= 0.8"
action = "warn"
reason = "Alone."

[[rule]]
name = "together"
kinds = ["text"]
when = "context.toxic >= 0.4"
action = "review"
reason = "Together."
"#;

#[tokio::test(flavor = "multi_thread")]
async fn t2_a_text_is_judged_with_what_its_author_wrote_before() {
    let policy = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(policy.path(), CONTEXT_POLICY).unwrap();
    let service = Service::start_with(|config| config.pipeline.policy = Some(policy.path().to_owned())).await;
    let say = |actor: &'static str, room: &'static str, text: &'static str| {
        let body = json!({ "text": text, "actor": actor, "conversation": room });
        let service = &service;
        async move { service.post("/v1/check", &body).await.expect(200)["action"].clone() }
    };
    assert_eq!(say("ann", "room", "fake:toxic=0.5").await, "allow");
    assert_eq!(say("bob", "room", "and now").await, "allow", "another author");
    assert_eq!(say("ann", "other", "and now").await, "allow", "another conversation");
    assert_eq!(say("ann", "room", "and now").await, "review");
}

#[tokio::test(flavor = "multi_thread")]
async fn t3_spam_is_cut_at_its_score() {
    let service = Service::start().await;
    let spam = service.post("/v1/check", &json!({ "text": "fake:spam=0.9" })).await.expect(200);
    assert_eq!(spam["flagged"], true, "{spam:#}");
    assert_eq!(spam["reasons"][0]["label"], "spam");
    let ham = service.post("/v1/check", &json!({ "text": "fake:spam=0.7" })).await.expect(200);
    assert_eq!(ham["flagged"], false, "{ham:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn t4_every_message_has_its_toxicity_sentiment_flag_and_reason() {
    let service = Service::start_with(texts_by_one_model).await;
    let items = [
        (json!({ "text": "fake:toxic=0.9375 fake:sentiment=0.125" }), 0.9375, 0.125, true),
        (json!({ "text": "fake:sentiment=0.875" }), 0.0, 0.875, false),
    ];
    for (message, toxicity, sentiment, flagged) in items {
        let judged = service.post("/v1/check", &message).await.expect(200);
        let score = |label: &str| judged["scores"][label].as_f64().unwrap();
        assert!(
            (score("toxic") - toxicity).abs() < 0.02 && (score("sentiment") - sentiment).abs() < 1e-6,
            "{judged:#}"
        );
        assert_eq!(judged["flagged"], flagged, "{judged:#}");
        let reasons = judged["reasons"].as_array().unwrap();
        assert_eq!(!reasons.is_empty(), flagged);
        assert!(reasons.iter().all(|reason| !reason["text"].as_str().unwrap().is_empty()), "{judged:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f1_a_picture_is_judged_from_base64_and_from_a_form() {
    let service = Service::start().await;
    let picture = png(3, 250);
    let by_json = service.post("/v1/check", &json!({ "image": BASE64_STANDARD.encode(&picture) })).await.expect(200);
    let (media_type, body) = form(&[("image", &picture)]);
    let by_form = service.post_bytes("/v1/check", &media_type, body).await.expect(200);
    for judged in [by_json, by_form] {
        assert_eq!((&judged["kind"], &judged["flagged"]), (&json!("image"), &json!(true)), "{judged:#}");
        assert!(judged["scores"]["porn"].as_f64().unwrap() > 0.9);
        for label in ["drawing", "hentai", "neutral", "sexy"] {
            assert!(judged["scores"][label].is_number(), "{label} in {judged:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_leaves_nothing_behind() {
    let service = Service::start().await;
    let body = json!({ "id": ID, "text": "fake:toxic=0.97" });
    let judged = service.post("/v1/check?dry_run=true", &body).await.expect(200);
    assert_eq!((&judged["dry_run"], &judged["flagged"]), (&json!(true), &json!(true)));
    assert_eq!(service.get(&format!("/v1/items/{ID}")).await.status, 404);
    assert_eq!(service.services.store.last_sequence().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_again_gets_the_same_answer() {
    let service = Service::start().await;
    let body = json!({ "id": ID, "text": "fake:toxic=0.97" });
    let first = service.post("/v1/check", &body).await.expect(200);
    let events = service.services.store.last_sequence().await.unwrap();
    let again = service.post("/v1/check", &body).await.expect(200);
    assert_eq!(first, again);
    assert_eq!(service.services.store.last_sequence().await.unwrap(), events);
    let other = service.post("/v1/check", &json!({ "id": ID, "text": "other" })).await;
    assert_eq!((other.status, other.code()), (409, "item_id_taken"));
}

#[tokio::test(flavor = "multi_thread")]
async fn t6_the_answer_names_the_language_and_whether_it_was_judged() {
    let service = Service::start().await;
    let german = "Ich habe wirklich keine Lust mehr, mit dir darüber zu reden, und zwar nie wieder";
    for (text, code, supported) in [("how are you doing today", "en", true), ("ok", "und", true), (german, "de", false)]
    {
        let judged = service.post("/v1/check", &json!({ "text": text })).await.expect(200);
        assert_eq!((&judged["language"]["code"], &judged["language"]["supported"]), (&json!(code), &json!(supported)));
        assert_eq!(judged["scores"].as_object().unwrap().is_empty(), !supported, "{judged:#}");
    }
}
