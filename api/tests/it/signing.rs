//! Signed requests against the running service, and the examples of docs/authentication.md run as they stand.

use std::process::Command;

use api::{
    auth::signature::{Signed, sign},
    config::Scope::Check,
};
use serde_json::json;

use crate::harness::{SIGNING_MASTER, Service, StoreKey};

/// The first fenced block of a language in a document.
pub(crate) fn example(document: &str, language: &str) -> String {
    let opening = format!("```{language}\n");
    let (_, rest) = document.split_once(&opening).unwrap_or_else(|| panic!("no example in {language}"));
    rest.split_once("```").unwrap().0.to_owned()
}

async fn service() -> (Service, StoreKey) {
    let service = Service::start_with(|config| config.auth.signing_secret = Some(SIGNING_MASTER.into())).await;
    let key = service.make_key("signing", "acme", &[Check], |row| row.require_signature = true).await;
    (service.with_key(&key.key), key)
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_signed_body_is_judged_and_a_changed_one_is_refused() {
    let (service, key) = service().await;
    let (path, body) = ("/v1/check?dry_run=true", br#"{"text": "hello"}"#);
    let now = service.services.clock.now().timestamp().to_string();
    let header = sign(&key.signing_secret, &now, Signed { method: "POST", path, body });
    let send = async |path: &str, body: &[u8]| {
        let request = service.request("POST", path).header("content-type", "application/json");
        service.send(request.header("chaperone-signature", &header).body(body.to_vec())).await
    };
    assert_eq!(send(path, br#"{"text": "hellO"}"#).await.code(), "signature_wrong");
    assert_eq!(send("/v1/check", body).await.code(), "signature_wrong", "the query is signed");
    send(path, body).await.expect(200);
    let again = send(path, body).await;
    assert_eq!((again.status, again.code()), (401, "signature_replayed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_signature_is_not_forgotten_by_a_restart() {
    let (service, key) = service().await;
    let now = service.services.clock.now().timestamp().to_string();
    let body = br#"{"text": "hello"}"#;
    let header = sign(&key.signing_secret, &now, Signed { method: "POST", path: "/v1/check", body });
    let send = async |service: &Service| {
        let request = service.request("POST", "/v1/check").header("content-type", "application/json");
        service.send(request.header("chaperone-signature", &header).body(body.to_vec())).await
    };
    send(&service).await.expect(200);
    let folder = service.shut_down().await;
    let service = Service::start_in(folder, |config| config.auth.signing_secret = Some(SIGNING_MASTER.into())).await;
    let service = service.with_key(&key.key);
    assert_eq!(send(&service).await.code(), "signature_replayed");
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_signature_that_nobody_demands_is_checked_all_the_same() {
    let service = Service::start_with(|config| config.auth.signing_secret = Some(SIGNING_MASTER.into())).await;
    let key = service.make_key("free", "acme", &[Check], |_| {}).await;
    let service = service.with_key(&key.key);
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
    let request = service.request("POST", "/v1/check").json(&json!({ "text": "hello" }));
    let refused = service.send(request.header("chaperone-signature", "v1=1:ab")).await;
    assert_eq!((refused.status, refused.code()), (401, "signature_malformed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_without_a_signing_secret_a_signature_is_no_false_comfort() {
    let service = Service::start().await;
    let key = service.make_key("free", "acme", &[Check], |_| {}).await;
    let service = service.with_key(&key.key);
    let request = service.request("POST", "/v1/check").json(&json!({ "text": "hello" }));
    let refused = service.send(request.header("chaperone-signature", "v1=1:ab")).await;
    assert_eq!((refused.status, refused.code()), (401, "signature_unavailable"));
}

#[test]
fn i2_the_examples_in_python_and_node_sign_as_we_do() {
    let document = include_str!("../../../docs/authentication.md");
    let signed = Signed { method: "POST", path: "/v1/check?dry_run=true", body: br#"{"text":"hello"}"# };
    let expected = sign("chs_example", "1700000000", signed);
    for (language, program, flag) in [("python", "python3", "-c"), ("js", "node", "-e")] {
        let output = Command::new(program).args([flag, &example(document, language)]).output();
        let output = output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
        let printed = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(printed.trim(), expected, "{language}: {complaint}");
    }
}
