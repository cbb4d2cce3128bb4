//! Banks of known pictures over HTTP: a picture comes back and is known; copies are found and removed with it.

use api::{config::Scope, routes::desk::views};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::harness::{Service, key};

/// A picture with something in it, which the stand-in of the models takes for harmless: its first pixel is `(r, 0)`. `kind` makes it another one.
pub(crate) fn shown(kind: u32, quality: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(320, 240, |x, y| {
        let (u, v) = (x * 256 / 320, y * 256 / 240);
        let one = (u * u * (kind + 1) / 64 + v * 3) & 255;
        let other = (u * v * (kind + 2) / 32) & 255;
        image::Rgb([one, other, 0].map(|value| u8::try_from(value).unwrap()))
    });
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(&picture).unwrap();
    jpeg
}

async fn judge(service: &Service, actor: &str, picture: &[u8]) -> Value {
    let body = json!({ "image": BASE64_STANDARD.encode(picture), "actor": actor });
    service.post("/v1/check", &body).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn m4_a_picture_that_a_bank_knows_is_removed_however_it_is_compressed() {
    let service = Service::start().await;
    let (first, again) = (shown(0, 90), shown(0, 40));
    let before = judge(&service, "ann", &first).await;
    assert!(before["scores"].get("known").is_none(), "{before:#}");
    service.put("/v1/banks/removed", &json!({ "holds": "bad", "note": "by hand" })).await.expect(201);
    let image = json!({ "image": BASE64_STANDARD.encode(&first), "note": "seen" });
    let added = service.post("/v1/banks/removed/entries", &image).await.expect(201);
    let hash = added["hash"].as_str().unwrap().to_owned();
    assert_eq!(service.post("/v1/banks/removed/entries", &json!({ "hash": hash })).await.expect(200)["known"], true);

    let known = judge(&service, "bob", &again).await;
    assert_eq!((&known["action"], &known["reasons"][0]["rule"]), (&json!("remove"), &json!("known_picture")));
    assert!(known["scores"]["bank.removed"].as_f64().unwrap() > 0.87, "{known:#}");
    assert!(judge(&service, "bob", &shown(3, 90)).await["scores"].get("known").is_none(), "another picture");

    // One that is taken for it and is harmless: the good bank is nearer.
    service.put("/v1/banks/harmless", &json!({ "holds": "good" })).await.expect(201);
    let exact = json!({ "image": BASE64_STANDARD.encode(&again) });
    service.post("/v1/banks/harmless/entries", &exact).await.expect(201);
    let cleared = judge(&service, "bob", &again).await;
    assert!(cleared["scores"].get("known").is_none() && cleared["scores"].get("bank.harmless").is_some());
    service.delete("/v1/banks/harmless").await.expect(204);

    let listed = service.get("/v1/banks").await.expect(200);
    serde_json::from_value::<Vec<views::BankView>>(listed.clone()).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["entries"]), (&json!("removed"), &json!(1)));
    let page = service.get("/v1/banks/removed/entries").await.expect(200);
    serde_json::from_value::<views::BankEntryList>(page.clone()).unwrap();
    assert_eq!(page["items"][0]["note"], "seen");

    let csv = service.get("/v1/banks/removed/export").await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let csv = csv.body.as_str().unwrap().to_owned();
    assert!(csv.starts_with("hash,note,by,at\n") && csv.contains(&hash), "{csv}");
    service.put("/v1/banks/copy", &json!({ "holds": "bad", "share": 0.0 })).await.expect(201);
    let import = async |text: String| {
        let request = service.request("POST", "/v1/banks/copy/import").header("content-type", "text/csv").body(text);
        service.send(request).await
    };
    let wrong = import(format!("{csv}nonsense\n")).await;
    assert_eq!((wrong.status, wrong.code()), (400, "list_invalid"));
    assert!(wrong.body["error"]["message"].as_str().unwrap().contains("lines 3"), "{:#}", wrong.body);
    assert_eq!(import(csv.clone()).await.expect(200), json!({ "added": 1, "known": 0 }));
    assert_eq!(import(csv).await.expect(200), json!({ "added": 0, "known": 1 }));

    service.delete(&format!("/v1/banks/removed/entries/{hash}")).await.expect(204);
    assert!(judge(&service, "bob", &again).await["scores"].get("known").is_none(), "in force at once");
    let flat = BASE64_STANDARD.encode(crate::harness::png(9, 9));
    for (path, body, status, code) in [
        ("/v1/banks/removed/entries", json!({ "image": flat }), 400, "picture_says_nothing"),
        ("/v1/banks/removed/entries", json!({ "hash": "00" }), 400, "hash_invalid"),
        ("/v1/banks/removed/entries", json!({ "hash": hash, "image": flat }), 400, "entry_invalid"),
        ("/v1/banks/nowhere/entries", json!({ "hash": hash }), 404, "not_found"),
    ] {
        let refused = service.post(path, &body).await;
        assert_eq!((refused.status, refused.code()), (status, code), "{body}");
    }
    let odd = service.put("/v1/banks/Odd", &json!({ "holds": "bad" })).await;
    assert_eq!((odd.status, odd.code()), (400, "bank_invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_copies_of_a_reported_picture_are_found_and_removed_with_it() {
    let service = Service::start().await;
    let seen = judge(&service, "ann", &shown(0, 90)).await;
    for (actor, quality) in [("bob", 90), ("cid", 35)] {
        judge(&service, actor, &shown(0, quality)).await;
    }
    judge(&service, "dan", &shown(3, 90)).await;
    let report = json!({ "reporter": "eve", "subject": "ann", "reason": "ncii", "item": seen["id"] });
    service.post("/v1/reports", &report).await.expect(201);
    let case = service.post("/v1/review/next", &json!({})).await.expect(200);
    let path = format!("/v1/cases/{}", case["id"].as_str().unwrap());
    let found = service.get(&format!("{path}/copies")).await.expect(200);
    serde_json::from_value::<views::CopiesView>(found.clone()).unwrap();
    let actors: Vec<&str> =
        found["copies"].as_array().unwrap().iter().map(|copy| copy["actor"].as_str().unwrap()).collect();
    assert_eq!((actors, &found["complete"]), (vec!["cid", "bob"], &json!(true)));

    let decide = async |action: &str| {
        let body = json!({ "key": uuid::Uuid::now_v7(), "ruling": "act", "action": action, "copies": true });
        service.post(&format!("{path}/decision"), &body).await
    };
    assert_eq!(decide("ban").await.code(), "decision_copies");
    let decided = decide("remove").await.expect(201);
    assert_eq!(decided["decision"]["actions"].as_array().unwrap().len(), 3);
    let mut events = service.events("after=0&kinds=moderation.action").await;
    let mut told = Vec::new();
    while told.len() < 3 {
        let event = events.next().await.data["data"].clone();
        told.push(format!("{} {}", event["action"].as_str().unwrap(), event["actor"].as_str().unwrap()));
    }
    told.sort();
    assert_eq!(told, ["remove ann", "remove bob", "remove cid"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn m4_reviewers_add_pictures_of_cases_and_leads_everything() {
    let (lead, lead_key) = key("l", "acme", &[Scope::Lead, Scope::Items]);
    let (reviewer, reviewer_key) = key("r", "acme", &[Scope::Review]);
    let service = Service::start_with(|config| config.auth.keys = vec![lead_key, reviewer_key]).await.with_key(&lead);
    service.put("/v1/banks/removed", &json!({ "holds": "bad" })).await.expect(201);
    let settings = service.get("/v1/review/settings").await.expect(200);
    let mut changed = settings["settings"].clone();
    changed["sample_share"] = json!(1.0);
    let body = json!({ "version": settings["version"], "settings": changed });
    service.put("/v1/review/settings", &body).await.expect(200);
    let item = json!({ "image": BASE64_STANDARD.encode(shown(0, 90)), "actor": "ann" });
    service.post("/v1/items", &item).await.expect(202);
    let service = service.with_key(&reviewer);
    let page = loop {
        let cases = service.get("/v1/cases").await.expect(200);
        if let Some(case) = cases["items"].get(0) {
            break service.get(&format!("/v1/cases/{}", case["id"].as_str().unwrap())).await.expect(200);
        }
        tokio::task::yield_now().await;
    };
    let (case, media) = (&page["case"]["id"], &page["media"][0]["id"]);
    assert_eq!(service.put("/v1/banks/own", &json!({ "holds": "bad" })).await.code(), "permission_missing");
    let upload = service.post("/v1/banks/removed/entries", &json!({ "hash": "0f".repeat(32) })).await;
    assert_eq!(upload.code(), "permission_missing");
    service.post("/v1/banks/removed/entries", &json!({ "case": case, "media": media })).await.expect(201);
    let entries = service.get("/v1/banks/removed/entries").await.expect(200);
    assert_eq!((&entries["items"][0]["case"], &entries["items"][0]["by"]), (case, &json!("key:r")));
}
