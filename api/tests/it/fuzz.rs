//! Fuzz tests of the routes that parse what anybody may send: whatever comes, the answer is no 500, has a body in the route's words, and the
//! service goes on. `FUZZ_SECONDS=60` makes each of them go on for so long (`make fuzz`); see `pipeline::fuzz`.

use std::time::Instant;

use api::{
    app::{self, Stopping},
    auth::signature::{self, Signed},
    role::Role,
    services::Services,
};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, header},
};
use chrono::DateTime;
use pipeline::{clock::Clock, fuzz::Session};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::harness::{config, form, picture, png};

/// The routes without a socket: what is measured is the parsers.
struct Face {
    router: Router,
    services: Services,
    _folder: TempDir,
}

impl Face {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let services = Services::connect(config(folder.path()), Clock::system(), Role::Serve).await.unwrap();
        let router = app::router(services.clone(), Stopping::new(CancellationToken::new())).unwrap();
        Self { router, services, _folder: folder }
    }

    /// Status and code of the answer; `Err` when it is none that may be.
    async fn ask(&self, method: Method, path: &str, media_type: &str, body: Vec<u8>) -> Result<(u16, String), String> {
        let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        let Ok(request) = request.header(header::CONTENT_TYPE, media_type).body(Body::from(body)) else {
            // No HTTP library would send it.
            return Ok((0, String::new()));
        };
        let response = self.router.clone().oneshot(request).await.map_err(|error| error.to_string())?;
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), 64 << 20).await.map_err(|error| error.to_string())?;
        let Ok(answer) = serde_json::from_slice::<Value>(&bytes) else {
            return Err(format!("status {status} without JSON: {}", String::from_utf8_lossy(&bytes)));
        };
        let error = &answer["error"];
        if status >= 500 && status != 503 || (status >= 400) != error.is_object() {
            return Err(format!("status {status}: {answer}"));
        }
        let kind = error["details"][0]["errorType"].as_str().or(error["code"].as_str()).unwrap_or_default();
        let field = error["field"].as_str().or(error["param"].as_str()).unwrap_or_default();
        Ok((status, format!("{kind} {}", field.replace(|letter: char| letter.is_ascii_digit(), ""))))
    }

    /// Sends every input of a session through `send`.
    async fn fuzz<F>(&self, mut session: Session, send: impl Fn(Vec<u8>) -> F)
    where
        F: Future<Output = Result<(u16, String), String>>,
    {
        while let Some(input) = session.next_input() {
            let started = Instant::now();
            match send(input.clone()).await {
                Ok(behaviour) => session.learn(input, &behaviour, started.elapsed()),
                Err(why) => session.fail(&input, &why),
            }
        }
        session.report();
        self.services.store.health().await.unwrap();
    }

    async fn fuzz_json(&self, name: &'static str, path: &'static str, seeds: &[&str], words: &'static [&'static str]) {
        let session = Session::new(name, seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect(), words);
        self.fuzz(session, |body| self.ask(Method::POST, path, "application/json", body)).await;
    }
}

/// Pieces that mean something in every JSON body.
const JSON: &[&str] = &[
    "null",
    "true",
    "{}",
    "[]",
    "\"\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[[[[[[[[",
    "{\"a\":",
    "\"text\":",
    "\"input\":",
    "\"id\":",
    "\"image\":\"AAAA\"",
    "\u{feff}",
    "\"type\":\"image_url\"",
    "\"image_url\":{\"url\":\"data:image/png;base64,AAAA\"}",
    "\"dimensions\":1",
    "\"model\":\"embed-minilm\"",
    "[15339,1917]",
    "\"languages\":[\"en\"]",
    "\"spanAnnotations\":true",
    "\"spanScores\":[{\"begin\":0,\"end\":1,\"score\":{\"value\":1}}]",
];

#[tokio::test(flavor = "multi_thread")]
async fn i4_fuzz_items() {
    let face = Face::open().await;
    let seeds = [
        r#"{"text":"hello","actor":"ann","conversation":"room"}"#,
        r#"{"items":[{"text":"one"},{"text":"two","id":"01890a5d-ac96-774b-bcce-b302099a8057"}]}"#,
    ];
    face.fuzz_json("items", "/v1/items", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_fuzz_check() {
    let face = Face::open().await;
    let seeds = [r#"{"text":"fake:insult=0.93","actor":"ann","conversation":"room"}"#, r#"{"image":"iVBORw0KGgo="}"#];
    face.fuzz_json("check", "/v1/check", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_fuzz_forms() {
    let face = Face::open().await;
    let (media_type, body) = form(&[("image", &png(3, 250)), ("actor", b"ann")]);
    let (_, text) = form(&[("text", b"hello")]);
    let words = &[
        "--edge",
        "--edge--",
        "\r\n\r\n",
        "Content-Disposition: form-data; name=\"text\"",
        "filename=\"",
        "\r\n",
        "name=\"image\"",
    ];
    let session = Session::new("forms", vec![body, text], words);
    face.fuzz(session, |body| face.ask(Method::POST, "/v1/check?dry_run=true", &media_type, body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m5_fuzz_uploaded_frames() {
    use image::ImageFormat::{Gif, Jpeg, Png, WebP};
    let face = Face::open().await;
    let seeds = [Jpeg, Png, WebP, Gif].map(|format| picture(3, 250, 16, 16, format)).to_vec();
    let session = Session::new("frames", seeds, &["IHDR", "IDAT", "VP8L", "GIF89a"]);
    let path = "/v1/calls/room/participants/ann/frames";
    face.fuzz(session, |body| face.ask(Method::POST, path, "image/jpeg", body)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_fuzz_moderations() {
    let face = Face::open().await;
    let seeds = [
        r#"{"input":"fake:insult=0.93"}"#,
        r#"{"model":"text-moderation-latest","input":["a","b"]}"#,
        r#"{"input":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAEC"}}]}"#,
        r#"{"input":[{"type":"image_url","image_url":{"url":"http://[::1]/a.png"}}]}"#,
    ];
    face.fuzz_json("moderations", "/v1/moderations", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_fuzz_embeddings() {
    let face = Face::open().await;
    let seeds = [
        r#"{"input":["a","b"],"model":"embed-minilm","dimensions":8}"#,
        r#"{"input":[[15339,1917],[1]],"model":"text-embedding-3-small","encoding_format":"base64"}"#,
    ];
    face.fuzz_json("embeddings", "/v1/embeddings", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_fuzz_analyze() {
    let face = Face::open().await;
    let seeds = [
        r#"{"comment":{"text":"fake:toxic=0.9 🦀. Two!"},"requestedAttributes":{"TOXICITY":{"scoreThreshold":0.5}},"spanAnnotations":true,"languages":["en"]}"#,
        r#"{"comment":{"text":"a","type":"HTML"},"requestedAttributes":{"SPAM@2":{"scoreType":"RAW"}},"context":{"entries":[]}}"#,
    ];
    face.fuzz_json("analyze", "/v1alpha1/comments:analyze", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_fuzz_suggestscore() {
    let face = Face::open().await;
    let seeds = [
        r#"{"comment":{"text":"ab 🦀"},"attributeScores":{"TOXICITY":{"summaryScore":{"value":0.25}},"SPAM":{"spanScores":[{"begin":0,"end":2,"score":{"value":1}}]}}}"#,
    ];
    face.fuzz_json("suggestscore", "/v1alpha1/comments:suggestscore", &seeds, JSON).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_fuzz_googles_query() {
    let face = Face::open().await;
    let seeds = [
        "version=v1alpha1",
        "fields=attributeScores(TOXICITY/summaryScore/value),languages&alt=json&prettyPrint=false",
        "key=k&%24.xgafv=2&quotaUser=u",
    ];
    let words = &["fields=", "%", "%00", "%ff", "&", "=", "(", ")", "/", "*", ",", "alt=", "version=", "$fields="];
    let session = Session::new("query", seeds.map(|seed| seed.as_bytes().to_vec()).to_vec(), words);
    let body = br#"{"comment":{"text":"hello"},"requestedAttributes":{"TOXICITY":{}},"languages":["en"]}"#;
    let face = &face;
    face.fuzz(session, |query| async move {
        let query = String::from_utf8_lossy(&query).into_owned();
        let (document, _) =
            face.ask(Method::GET, &format!("/$discovery/rest?{query}"), "text/plain", Vec::new()).await?;
        let (status, kind) = face
            .ask(Method::POST, &format!("/v1alpha1/comments:analyze?{query}"), "application/json", body.to_vec())
            .await?;
        Ok((status, format!("{kind} {document}")))
    })
    .await;
}

/// Nothing that did not come from [`signature::sign`] is genuine, and nothing makes the reader fail.
#[test]
fn i2_fuzz_signatures() {
    let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    let signed = Signed { method: "POST", path: "/v1/check", body: b"{}" };
    let right = ["1700000000", "1700000000.25"].map(|at| signature::sign("chs_secret", at, signed));
    let seeds = right.iter().map(|header| header.clone().into_bytes()).chain([b"v1=1:ab".to_vec()]).collect();
    let words = &["v1=", ":", ".", "-", "+1700000000", "99999999999999999999", "0.0000000001", "\u{661}", " ", "AB"];
    Session::new("signatures", seeds, words).run(|bytes| {
        let Ok(header) = std::str::from_utf8(bytes) else { return Ok(String::new()) };
        let found = signature::verify("chs_secret", header, signed, now);
        // The same time, the same digits: case and blanks around it make no other signature.
        let plain = header.trim().to_ascii_lowercase();
        match found {
            Ok(_) if !right.contains(&plain) => Err(format!("{header} passes for genuine")),
            found => Ok(format!("{:?}", found.map(|_| ()))),
        }
    });
}

/// Addresses of webhooks come from a configuration that may be made by another program.
#[test]
fn i3_fuzz_configured_addresses() {
    let seed = "[[webhooks]]\nname = \"w\"\nurl = \"https://a.example/hooks\"\nsecret = \"0123456789abcdef\"\n[[compat.image_fetch.allow]]\ntenant = \"t\"\nhosts = [\"*.a.example:8443\", \"[::1]:80\"]\n";
    let words = &[
        "http://",
        "https://",
        "@",
        "[::ffff:127.0.0.1]",
        ":99999",
        "%00",
        "xn--",
        "ftp:",
        "*.",
        "\u{202e}",
        "\\u0000",
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chaperone.toml");
    Session::new("addresses", vec![seed.as_bytes().to_vec()], words).run(|bytes| {
        std::fs::write(&file, bytes).map_err(|error| error.to_string())?;
        Ok(match api::config::Config::load(Some(&file)) {
            Ok(_) => String::new(),
            Err(error) => {
                format!("{error:#}").chars().filter(|letter| letter.is_alphabetic()).skip(40).take(60).collect()
            }
        })
    });
}
