//! Wrong requests: each has a status, a code and a sentence, and the service works on. The sentences are snapshots: read them as a caller would.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use image::ImageFormat;
use serde::Serialize;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, form, picture, png};

const UNKNOWN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";
const FRAMES: &str = "/v1/calls/call-1/participants/ann/frames";

/// What a caller sees of a refusal.
#[derive(Serialize)]
struct Refusal {
    case: &'static str,
    status: u16,
    code: String,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Refusal {
    #[track_caller]
    fn of(case: &'static str, answer: &Answer) -> Self {
        assert!((400..500).contains(&answer.status), "{case}: {} {:#}", answer.status, answer.body);
        let error = &answer.body["error"];
        assert_eq!(error["request_id"], answer.header("x-request-id"), "{case}");
        Self {
            case,
            status: answer.status,
            code: answer.code().to_owned(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            field: error["field"].as_str().map(ToOwned::to_owned),
        }
    }
}

/// Sends every body as JSON to one route.
async fn refusals(service: &Service, path: &str, cases: &[(&'static str, Value)]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (case, body) in cases {
        refusals.push(Refusal::of(case, &service.post(path, body).await));
    }
    refusals
}

/// Sends every body as it is, with its media type, to one route.
async fn raw_refusals(service: &Service, path: &str, cases: Vec<(&'static str, &str, Vec<u8>)>) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (case, media_type, body) in cases {
        refusals.push(Refusal::of(case, &service.post_bytes(path, media_type, body).await));
    }
    refusals
}

fn truncated(mut picture: Vec<u8>) -> Vec<u8> {
    picture.truncate(picture.len() / 2);
    picture
}

/// A PNG that says it is 30,000 × 30,000 pixels, in a hundred bytes.
fn bomb() -> Vec<u8> {
    let mut png = png(0, 0);
    png[16..20].copy_from_slice(&30_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&30_000_u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

/// The checksum of PNG chunks.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

/// A GIF of two pictures.
fn animated() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for green in [0, 255] {
        let picture = image::RgbaImage::from_pixel(16, 16, image::Rgba([2, green, 0, 255]));
        encoder.encode_frame(image::Frame::new(picture)).unwrap();
    }
    drop(encoder);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_texts_are_refused() {
    let service = Service::start().await;
    let long = "x".repeat(20_001);
    let cases = [
        ("empty", json!({ "text": "" })),
        ("blank", json!({ "text": " \n\t" })),
        ("too long", json!({ "text": long })),
        ("empty actor", json!({ "text": "a", "actor": "" })),
        ("long conversation", json!({ "text": "a", "conversation": "c".repeat(201) })),
    ];
    let mut refused = refusals(&service, "/v1/check", &cases).await;
    let (media_type, body) = form(&[("text", b"caf\xe9")]);
    refused.extend(
        raw_refusals(
            &service,
            "/v1/check",
            vec![
                ("not UTF-8 in JSON", "application/json", b"{\"text\":\"caf\xe9\"}".to_vec()),
                ("half a surrogate pair", "application/json", br#"{"text":"\ud83d"}"#.to_vec()),
                ("not UTF-8 in a form", &media_type, body),
            ],
        )
        .await,
    );
    insta::assert_yaml_snapshot!("bad_texts", refused);
    // The queue's door refuses the same things.
    let at_queue = refusals(&service, "/v1/items", &cases).await;
    let codes =
        |refused: &[Refusal]| refused.iter().map(|refusal| (refusal.status, refusal.code.clone())).collect::<Vec<_>>();
    assert_eq!(codes(&at_queue), codes(&refused)[..cases.len()]);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_pictures_are_refused() {
    let service = Service::start_with(|config| config.pipeline.max_picture_bytes = 100_000).await;
    let encode = |bytes: Vec<u8>| json!({ "image": BASE64_STANDARD.encode(bytes) });
    let cases = [
        ("empty", encode(vec![])),
        ("no picture at all", encode(b"hello, I am a text".to_vec())),
        ("truncated PNG", encode(truncated(png(2, 200)))),
        ("truncated JPEG", encode(truncated(picture(2, 200, 64, 64, ImageFormat::Jpeg)))),
        ("header only", encode(png(2, 200)[..20].to_vec())),
        ("bomb of 30,000 x 30,000 pixels", encode(bomb())),
        ("too many bytes", encode(vec![0; 100_001])),
        ("not base64", json!({ "image": "?" })),
    ];
    insta::assert_yaml_snapshot!("bad_pictures", refusals(&service, "/v1/check", &cases).await);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_pictures_are_judged() {
    let service = Service::start().await;
    for (case, bytes) in [
        ("one pixel", picture(3, 250, 1, 1, ImageFormat::Png)),
        ("a PNG called photo.jpg", png(3, 250)),
        ("one row", picture(3, 250, 3000, 1, ImageFormat::Png)),
        ("animated", animated()),
    ] {
        let (media_type, body) = form(&[("image", &bytes)]);
        let judged = service.post_bytes("/v1/check", &media_type, body).await;
        assert_eq!(judged.status, 200, "{case}: {:#}", judged.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_picture_in_the_queue_is_given_up_with_a_reason() {
    let service = Service::start().await;
    let broken = truncated(png(2, 200));
    let accepted = service.post("/v1/items", &json!({ "image": BASE64_STANDARD.encode(broken) })).await;
    if accepted.status != 202 {
        // Found out at the door: just as good.
        assert_eq!(accepted.status, 422, "{:#}", accepted.body);
        return;
    }
    let id = accepted.body["id"].as_str().unwrap().to_owned();
    let behind = service.post("/v1/items", &json!({ "image": BASE64_STANDARD.encode(png(2, 200)) })).await.expect(202);
    service.judged(behind["id"].as_str().unwrap()).await;
    let dead = tokio::time::timeout(std::time::Duration::from_secs(20), async {
        loop {
            let item = service.get(&format!("/v1/items/{id}")).await.expect(200);
            if item["status"] != "queued" {
                break item;
            }
            tokio::task::yield_now().await;
        }
    });
    let dead = dead.await.unwrap();
    assert_eq!(dead["status"], "dead", "{dead:#}");
    assert!(!dead["reason"].as_str().unwrap().is_empty());
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_frames_are_refused() {
    let service = Service::start().await;
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann", "bob"] })).await.expect(201);
    service.delete("/v1/calls/call-1/participants/bob").await.expect(200);
    let good = png(2, 200);
    let mut refused = raw_refusals(
        &service,
        FRAMES,
        vec![
            ("empty", "image/png", vec![]),
            ("too large", "image/jpeg", vec![0; (256 << 10) + 1]),
            ("a text", "text/plain", b"hello".to_vec()),
        ],
    )
    .await;
    for (case, path) in [
        ("unknown call", "/v1/calls/call-9/participants/ann/frames".to_owned()),
        ("unknown participant", "/v1/calls/call-1/participants/cid/frames".to_owned()),
        ("participant who left", "/v1/calls/call-1/participants/bob/frames".to_owned()),
        ("frame id that is no UUID", format!("{FRAMES}?frame_id=17")),
        ("time that is none", format!("{FRAMES}?captured_at=yesterday")),
        ("unknown option", format!("{FRAMES}?colour=red")),
    ] {
        refused.push(Refusal::of(case, &service.post_bytes(&path, "image/png", good.clone()).await));
    }
    insta::assert_yaml_snapshot!("bad_frames", refused);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_json_is_refused() {
    let service = Service::start_with(|config| config.server.max_body_bytes = 100_000).await;
    let json = "application/json";
    let refused = raw_refusals(
        &service,
        "/v1/items",
        vec![
            ("no body", json, vec![]),
            ("no JSON", json, b"hello".to_vec()),
            ("cut off", json, b"{\"text\":\"a".to_vec()),
            ("two documents", json, b"{\"text\":\"a\"}{}".to_vec()),
            ("an array", json, b"[]".to_vec()),
            ("unknown field", json, br#"{"text":"a","colour":"red"}"#.to_vec()),
            ("unknown field in a batch", json, br#"{"items":[{"text":"a"},{"text":"a","colour":"red"}]}"#.to_vec()),
            ("wrong type", json, br#"{"text":17}"#.to_vec()),
            ("unknown kind", json, br#"{"text":"a","kind":"video"}"#.to_vec()),
            ("kind of the other content", json, br#"{"text":"a","kind":"image"}"#.to_vec()),
            ("id that is no UUID", json, br#"{"text":"a","id":"17"}"#.to_vec()),
            ("no content", json, b"{}".to_vec()),
            ("two contents", json, br#"{"text":"a","image":"AQID"}"#.to_vec()),
            ("empty batch", json, br#"{"items":[]}"#.to_vec()),
            ("large batch", json, format!("{{\"items\":[{}]}}", [r#"{"text":"a"}"#; 257].join(",")).into_bytes()),
            ("large body", json, vec![b' '; 100_001]),
            ("no media type", "", b"{}".to_vec()),
            ("unknown media type", "text/plain", b"{}".to_vec()),
            ("form without a boundary", "multipart/form-data", b"{}".to_vec()),
            ("form with an unknown part", "multipart/form-data; boundary=edge", form(&[("colour", b"red")]).1),
            ("deep nesting", json, format!("{{\"text\":{}", "[".repeat(50_000)).into_bytes()),
            ("deep nesting in a batch", json, format!("{{\"items\":{}", "[".repeat(50_000)).into_bytes()),
        ],
    )
    .await;
    insta::assert_yaml_snapshot!("bad_json", refused);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_things_are_refused() {
    let service = Service::start().await;
    let mut refused = Vec::new();
    for (case, method, path) in [
        ("unknown route", "GET", "/v2/items".to_owned()),
        ("wrong method", "PATCH", "/v1/items".to_owned()),
        ("unknown item", "GET", format!("/v1/items/{UNKNOWN}")),
        ("item id that is no UUID", "GET", "/v1/items/17".to_owned()),
        ("unknown call", "GET", "/v1/calls/call-9".to_owned()),
        ("call name of control characters", "GET", "/v1/calls/a%0Ab".to_owned()),
        ("path that is not UTF-8", "GET", "/v1/calls/%ff".to_owned()),
        ("unknown profile", "GET", "/v1/profiles/zoe".to_owned()),
        ("long profile name", "GET", format!("/v1/profiles/{}", "z".repeat(201))),
        ("page of no size", "GET", "/v1/calls?limit=0".to_owned()),
        ("page of words", "GET", "/v1/calls?limit=many".to_owned()),
        ("cursor of somebody else", "GET", "/v1/calls?cursor=abc".to_owned()),
        ("unknown option", "GET", "/v1/calls?colour=red".to_owned()),
        ("no kinds", "GET", "/v1/events?kinds=".to_owned()),
        ("dry run perhaps", "POST", "/v1/check?dry_run=perhaps".to_owned()),
    ] {
        refused.push(Refusal::of(case, &service.send(service.request(method, &path)).await));
    }
    let events = service.request("GET", "/v1/events").header("last-event-id", "x");
    refused.push(Refusal::of("event id of somebody else", &service.send(events).await));
    insta::assert_yaml_snapshot!("unknown_things", refused);
    let wrong_method = service.send(service.request("PATCH", "/v1/items")).await;
    assert_eq!(wrong_method.header("allow"), "POST");
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_about_people_are_refused() {
    let service = Service::start().await;
    let mut refused = refusals(
        &service,
        "/v1/similar",
        &[
            ("nothing to look for", json!({})),
            ("two things to look for", json!({ "text": "a", "profile": "ann" })),
            ("empty text", json!({ "text": " " })),
            ("unknown profile", json!({ "profile": "zoe" })),
            ("too many hits", json!({ "text": "a", "limit": 101 })),
            ("unknown condition", json!({ "text": "a", "filter": [{ "op": "near", "attribute": "city" }] })),
            (
                "condition without values",
                json!({ "text": "a", "filter": [{ "op": "any", "attribute": "city", "values": [] }] }),
            ),
        ],
    )
    .await;
    for (case, body) in [
        ("profile of nothing", json!({})),
        ("attribute that is an object", json!({ "bio": "a", "attributes": { "city": { "name": "Oslo" } } })),
        ("long bio", json!({ "bio": "b".repeat(20_001) })),
    ] {
        refused.push(Refusal::of(case, &service.put("/v1/profiles/ann", &body).await));
    }
    insta::assert_yaml_snapshot!("bad_people", refused);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_embedding_requests_are_refused() {
    let service = Service::start().await;
    let model = "embed-minilm";
    let refused = refusals(
        &service,
        "/v1/embeddings",
        &[
            ("no input", json!({ "model": model })),
            ("no texts", json!({ "model": model, "input": [] })),
            ("empty text", json!({ "model": model, "input": ["a", ""] })),
            ("too many texts", json!({ "model": model, "input": vec!["a"; 2049] })),
            ("long text", json!({ "model": model, "input": "a".repeat(20_001) })),
            ("no tokens", json!({ "model": model, "input": [[1, 2], []] })),
            ("too many tokens", json!({ "model": model, "input": vec![1; 8193] })),
            ("an object", json!({ "model": model, "input": {} })),
            ("no model", json!({ "input": "a" })),
            ("unknown model", json!({ "model": "gpt-9", "input": "a" })),
            ("other length", json!({ "model": model, "input": "a", "dimensions": 385 })),
            ("unknown format", json!({ "model": model, "input": "a", "encoding_format": "hex" })),
            ("unknown field", json!({ "model": model, "input": "a", "colour": "red" })),
        ],
    )
    .await;
    insta::assert_yaml_snapshot!("bad_embeddings", refused);
    service.assert_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_corrected_not_refused() {
    let service = Service::start().await;
    let far =
        service.post("/v1/check", &json!({ "text": "a", "occurred_at": "2999-01-01T00:00:00Z" })).await.expect(200);
    assert_eq!(far["occurred_at"], far["received_at"], "a time from the future becomes the time of acceptance");
    let old = service
        .post("/v1/check", &json!({ "text": "a", "occurred_at": "1999-01-01T00:00:00+02:00" }))
        .await
        .expect(200);
    assert!(old["occurred_at"].as_str().unwrap() < old["received_at"].as_str().unwrap());
    assert_ne!(old["occurred_at"], "1999-01-01T00:00:00Z", "a claim of years ago is held to a day");
    let local = service.post("/v1/check", &json!({ "text": "a", "occurred_at": "yesterday" })).await;
    assert_eq!((local.status, local.code()), (400, "invalid_field"));
}
