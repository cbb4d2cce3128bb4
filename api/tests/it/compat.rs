//! Other services' shapes: OpenAI's moderations and models, Perspective's comments:analyze.

use api::config::{
    Scope::{Admin, Check, Search},
    compat::FetchAllowance,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::harness::{Answer, Service, key, png, texts_by_one_model};

async fn moderate(service: &Service, input: Value) -> Answer {
    service.post("/v1/moderations", &json!({ "model": "omni-moderation-latest", "input": input })).await
}

async fn analyze(service: &Service, change: impl FnOnce(&mut Value)) -> Answer {
    let mut request = json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} } });
    change(&mut request);
    service.post("/v1alpha1/comments:analyze", &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_openai_moderations_have_its_shape() {
    let service = Service::start().await;
    let answer = moderate(&service, json!(["fake:insult=0.93", "hello"])).await;
    assert!(!answer.header("openai-processing-ms").is_empty());
    let body = answer.expect(200);
    assert!(body["id"].as_str().unwrap().starts_with("modr-"));
    assert_eq!((&body["model"], body["results"].as_array().unwrap().len()), (&json!("omni-moderation-latest"), 2));
    let [bad, good] = [&body["results"][0], &body["results"][1]];
    assert_eq!((&bad["flagged"], &good["flagged"]), (&json!(true), &json!(false)));
    assert_eq!(bad["categories"]["harassment"], json!(true));
    assert!((bad["category_scores"]["harassment"].as_f64().unwrap() - 0.93).abs() < 1e-6);
    assert_eq!(bad["category_applied_input_types"]["harassment"], json!(["text"]));
    assert_eq!(bad["category_applied_input_types"]["self-harm"], json!([]));
    for member in ["categories", "category_scores", "category_applied_input_types"] {
        assert_eq!(bad[member].as_object().unwrap().len(), 13, "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_parts_are_judged_together() {
    let service = Service::start().await;
    // Red 3 is the label «porn» of the fake model, green its score.
    let picture = format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png(3, 250)));
    let parts = json!([
        { "type": "text", "text": "fake:threat=0.9" },
        { "type": "image_url", "image_url": { "url": picture } },
    ]);
    let body = moderate(&service, parts).await.expect(200);
    let results = body["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    assert_eq!(results[0]["categories"]["sexual"], json!(true));
    assert_eq!(results[0]["categories"]["violence"], json!(true));
    assert_eq!(results[0]["category_applied_input_types"]["sexual"], json!(["image"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_openai_errors_have_its_shape() {
    let service = Service::start().await;
    let refused = moderate(&service, json!([])).await;
    assert_eq!((refused.status, refused.header("x-should-retry")), (400, "false"));
    let error = &refused.body["error"];
    assert_eq!(
        (&error["type"], &error["param"], &error["code"]),
        (&json!("invalid_request_error"), &json!("input"), &json!("input_size"))
    );
    let unknown = service.get("/v1/models/gpt-9").await;
    assert_eq!((unknown.status, unknown.code()), (404, "model_not_found"));
    let (key, entry) = key("search", "acme", &[Search]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await;
    let missing = service.get("/v1/models").await;
    assert_eq!((missing.status, missing.code()), (401, "invalid_api_key"));
    let list = service.with_key(&key).get("/v1/models").await.expect(200);
    assert_eq!((&list["object"], &list["data"][0]["object"]), (&json!("list"), &json!("model")));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_perspective_scores_have_its_shape() {
    let service = Service::start().await;
    let answer = analyze(&service, |request| {
        request["comment"]["text"] = json!("Hello 🦀 there. Oh fake:toxic=0.9 fool!");
        request["requestedAttributes"] = json!({ "TOXICITY": {}, "INSULT": { "scoreThreshold": 0.5 }, "SPAM@2": {} });
        request["spanAnnotations"] = json!(true);
        request["clientToken"] = json!("mine");
        request["doNotStore"] = json!(true);
    });
    let body = answer.await.expect(200);
    let scores = body["attributeScores"].as_object().unwrap();
    assert_eq!(scores.keys().collect::<Vec<_>>(), ["SPAM@2", "TOXICITY"], "INSULT is below its threshold");
    let toxicity = &scores["TOXICITY"];
    assert_eq!(toxicity["summaryScore"]["type"], "PROBABILITY");
    assert!((toxicity["summaryScore"]["value"].as_f64().unwrap() - 0.9).abs() < 1e-6);
    let spans = toxicity["spanScores"].as_array().unwrap();
    let places: Vec<_> =
        spans.iter().map(|span| (span["begin"].as_u64().unwrap(), span["end"].as_u64().unwrap())).collect();
    assert_eq!(places, [(0, 15), (16, 39)], "UTF-16 units");
    assert!(spans[0]["score"]["value"].as_f64().unwrap() < 0.1 && spans[1]["score"]["value"].as_f64().unwrap() > 0.8);
    assert_eq!((&body["clientToken"], &body["languages"]), (&json!("mine"), &json!(["en"])));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_identity_attack_is_the_higher_of_both_kinds_of_hate() {
    let service = Service::start_with(texts_by_one_model).await;
    for (hate, identity_hate) in [(0.9375, 0.25), (0.25, 0.9375)] {
        let text = format!("good evening. they are fake:hate={hate} fake:identity_hate={identity_hate} people.");
        let answer = analyze(&service, |request| {
            request["comment"]["text"] = json!(text);
            request["requestedAttributes"] = json!({ "IDENTITY_ATTACK": {} });
            request["spanAnnotations"] = json!(true);
        });
        let attribute = &answer.await.expect(200)["attributeScores"]["IDENTITY_ATTACK"];
        assert_eq!(attribute["summaryScore"]["value"], 0.9375, "{attribute:#}");
        let spans = attribute["spanScores"].as_array().unwrap();
        let highest = spans.iter().map(|span| span["score"]["value"].as_f64().unwrap()).fold(0.0, f64::max);
        assert_eq!(highest, 0.9375, "{attribute:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_perspective_errors_have_its_shape() {
    let service = Service::start().await;
    for (attribute, value, kind, words) in [
        ("comment", json!({ "text": "" }), "COMMENT_EMPTY", "Comment must be non-empty."),
        ("comment", json!({ "text": "x".repeat(21_000) }), "COMMENT_TOO_LONG", "Comment text too long."),
        ("requestedAttributes", json!({}), "NO_REQUESTED_ATTRIBUTES", "Missing requested_attributes"),
        ("requestedAttributes", json!({ "NICE": {} }), "INVALID_REQUEST", "Unknown requested attribute: NICE"),
        ("languages", json!(["de"]), "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE", "does not support request languages: de"),
    ] {
        let refused = analyze(&service, |request| request[attribute] = value).await;
        let error = &refused.body["error"];
        assert_eq!(
            (refused.status, &error["code"], &error["status"]),
            (400, &json!(400), &json!("INVALID_ARGUMENT")),
            "{kind}"
        );
        assert_eq!(error["details"][0]["errorType"], kind);
        assert!(error["message"].as_str().unwrap().contains(words), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_perspective_keys_come_in_the_query_or_googles_header() {
    let (key, entry) = key("check", "acme", &[Check]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await;
    let request = json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} } });
    let status = async |path: &str, header: Option<&str>| {
        let mut post = service.request("POST", path).json(&request);
        if let Some(key) = header {
            post = post.header("x-goog-api-key", key);
        }
        service.send(post).await.status
    };
    assert_eq!(status(&format!("/v1alpha1/comments:analyze?key={key}&alt=json"), None).await, 200);
    assert_eq!(status("/v1alpha1/comments:analyze", Some(&key)).await, 200);
    assert_eq!(status("/v1alpha1/comments:analyze?key=wrong", None).await, 401);
    assert_eq!(status("/v1alpha1/comments:analyze", None).await, 401);
    // A key in the query is Perspective's way alone.
    let own = service.request("POST", &format!("/v1/check?key={key}")).json(&json!({ "text": "hello" }));
    assert_eq!(service.send(own).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_the_discovery_document_points_here() {
    let service = Service::start().await;
    let document = service.get("/$discovery/rest?version=v1alpha1").await.expect(200);
    assert_eq!(service.get("/$discovery/rest?version=v2").await.status, 404);
    assert_eq!(document["rootUrl"], format!("{}/", service.base));
    let path = document["resources"]["comments"]["methods"]["analyze"]["path"].as_str().unwrap();
    let analyzed = analyze(&service, |_| {}).await;
    assert_eq!((path, analyzed.status), ("v1alpha1/comments:analyze", 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_suggested_scores_are_kept_and_erased_unless_nothing_may_be_stored() {
    let (admin, entry) = key("admin", "acme", &[Admin]);
    let (other, other_entry) = key("other", "rival", &[Admin]);
    let service = Service::start_with(|config| config.auth.keys = vec![entry, other_entry]).await.with_key(&admin);
    let mut suggestion = json!({
        "comment": { "text": "what a fool" }, "languages": ["en"], "clientToken": "mine", "communityId": "forum",
        "attributeScores": { "TOXICITY": { "summaryScore": { "value": 0.25 } } },
    });
    let suggest = async |body: &Value| service.post("/v1alpha1/comments:suggestscore", body).await;
    let answer = suggest(&suggestion).await.expect(200);
    assert_eq!((&answer["clientToken"], &answer["requestedLanguages"]), (&json!("mine"), &json!(["en"])));
    suggestion["doNotStore"] = json!(true);
    suggest(&suggestion).await.expect(200);
    suggestion["attributeScores"] = json!({});
    assert_eq!(suggest(&suggestion).await.status, 400);

    let kept = service.get("/v1/feedback?limit=1").await.expect(200);
    let kept = kept["feedback"].as_array().unwrap();
    assert_eq!((kept.len(), &kept[0]["text"], &kept[0]["community"]), (1, &json!("what a fool"), &json!("forum")));
    let service = service.with_key(&other);
    assert_eq!(service.get("/v1/feedback").await.expect(200)["feedback"], json!([]), "another tenant's is not shown");
    assert_eq!(service.delete("/v1/feedback").await.expect(200), json!({ "erased": 0 }), "nor erased");
    let service = service.with_key(&admin);
    assert_eq!(service.delete("/v1/feedback").await.expect(200), json!({ "erased": 1 }));
    assert_eq!(service.get("/v1/feedback").await.expect(200)["feedback"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_an_analysis_leaves_nothing_behind() {
    let service = Service::start().await;
    analyze(&service, |request| request["comment"]["text"] = json!("keep this to yourself")).await.expect(200);
    let tenant = "default".into();
    assert!(service.services.store.feedback_after(&tenant, None, 10).await.unwrap().is_empty());
    assert_eq!(service.services.store.last_sequence().await.unwrap(), 0, "no event tells of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_answers_have_the_members_and_the_look_that_were_asked_for() {
    let service = Service::start().await;
    let request =
        json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} }, "languages": ["en"] });
    let path = "/v1alpha1/comments:analyze?prettyPrint=false&fields=attributeScores/TOXICITY/summaryScore/type";
    let answer = service.post(path, &request).await;
    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    let expected = json!({ "attributeScores": { "TOXICITY": { "summaryScore": { "type": "PROBABILITY" } } } });
    assert_eq!(answer.expect(200), expected);
    let refused = service.post("/v1alpha1/comments:analyze?alt=proto", &request).await;
    assert_eq!((refused.status, &refused.body["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_text_moderation_models_answer_in_their_older_form() {
    let service = Service::start().await;
    let request = json!({ "model": "text-moderation-latest", "input": "fake:insult=0.93" });
    let body = service.post("/v1/moderations", &request).await.expect(200);
    let result = &body["results"][0];
    assert_eq!((&result["categories"]["illicit"], result.get("category_applied_input_types")), (&Value::Null, None));
    assert_eq!(result["categories"]["harassment"], json!(true));
    let picture = json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,AAEC" } }]);
    let refused =
        service.post("/v1/moderations", &json!({ "model": "text-moderation-latest", "input": picture })).await;
    assert_eq!((refused.status, &refused.body["error"]["param"]), (400, &json!("model")));
    let unknown = service.post("/v1/moderations", &json!({ "model": "gpt-9", "input": "hello" })).await;
    assert_eq!((unknown.status, unknown.code()), (404, "model_not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_pictures_are_fetched_only_for_tenants_with_a_list_and_never_from_this_machine() {
    let allowance =
        FetchAllowance { tenant: "default".into(), hosts: vec!["localhost:9".into(), "127.0.0.1:9".into()] };
    let service = Service::start_with(|config| config.compat.image_fetch.allow = vec![allowance]).await;
    for (url, code) in [
        ("http://localhost:9/a.png", "image_url_refused"),
        ("http://127.0.0.1:9/a.png", "image_url_refused"),
        ("http://img.example/a.png", "image_url_not_fetched"),
        ("no address", "image_url_malformed"),
    ] {
        let refused = moderate(&service, json!([{ "type": "image_url", "image_url": { "url": url } }])).await;
        let error = &refused.body["error"];
        assert_eq!((refused.status, &error["code"]), (400, &json!(code)), "{url}: {error}");
        assert_eq!(error["param"], "input[0].image_url.url");
        assert_eq!(refused.header("x-should-retry"), "false");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_perspective_finds_the_language_of_a_comment() {
    let service = Service::start().await;
    let german = "Ich finde diesen Beitrag wirklich sehr gelungen und freue mich schon auf den nächsten.";
    let english = "I think that this is a really good article, and I look forward to the next one.";
    let say = async |text: &str| analyze(&service, |request| request["comment"]["text"] = json!(text)).await;

    let body = say(english).await.expect(200);
    assert_eq!((&body["languages"], &body["detectedLanguages"]), (&json!(["en"]), &json!(["en"])));
    // Too little to tell: judged all the same.
    let body = say("hm fake:toxic=0.9").await.expect(200);
    assert_eq!((&body["languages"], body.get("detectedLanguages")), (&json!(["en"]), None));
    assert!(body["attributeScores"]["TOXICITY"]["summaryScore"]["value"].as_f64().unwrap() > 0.8);

    let refused = say(german).await;
    let detail = &refused.body["error"]["details"][0];
    assert_eq!((refused.status, &detail["errorType"]), (400, &json!("LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")));
    let told = json!({ "attribute": "TOXICITY", "detectedLanguages": ["de"] });
    assert_eq!(detail["languageNotSupportedByAttributeError"], told);
    let refused = say("1234 🖕").await;
    let error = &refused.body["error"];
    assert_eq!((refused.status, &error["message"]), (400, &json!("Unable to detect language")));
    assert_eq!(error["details"][0]["errorType"], "LANGUAGE_DETECTION_FAILED");
    // What the caller says stands: whoever names a language is judged in it.
    let named = analyze(&service, |request| {
        request["comment"]["text"] = json!(german);
        request["languages"] = json!(["en"]);
    });
    named.await.expect(200);

    let suggestion = json!({ "comment": { "text": german }, "attributeScores": { "TOXICITY": { "summaryScore": { "value": 0.1 } } } });
    let taken = service.post("/v1alpha1/comments:suggestscore", &suggestion).await.expect(200);
    assert_eq!((&taken["detectedLanguages"], &taken["requestedLanguages"]), (&json!(["de"]), &json!([])));
}
