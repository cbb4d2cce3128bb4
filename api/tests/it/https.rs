//! HTTPS with a self-made certificate, and its exchange while the service runs.

use std::{path::Path, process::Command};

use api::config::{Config, TlsConfig};
use serde_json::json;

use crate::harness::{Service, trusting};

/// Writes a new pair for `localhost` into `folder`.
fn write(folder: &Path) -> TlsConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    TlsConfig { certificate: Some(certificate), key: Some(key) }
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_https_serves_and_plain_http_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let tls = write(folder.path());
    let service = Service::start_with(|config: &mut Config| config.server.tls = tls).await;
    assert!(service.base.starts_with("https://localhost:"));
    service.post("/v1/check", &json!({ "text": "hello" })).await.expect(200);
    let plain = reqwest::get(service.base.replace("https", "http") + "/health/live").await;
    assert!(plain.is_err() || !plain.unwrap().status().is_success());
    // Somebody who says nothing holds up nobody.
    let address = service.base.trim_start_matches("https://").to_owned();
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    service.get("/health/live").await.expect(200);
    service.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_a_new_certificate_is_taken_in_on_sighup() {
    let folder = tempfile::tempdir().unwrap();
    let tls = write(folder.path());
    let file = tls.certificate.clone().unwrap();
    let service = Service::start_with(|config: &mut Config| config.server.tls = tls).await;
    let old_file = folder.path().join("old.crt");
    std::fs::copy(&file, &old_file).unwrap();
    let old = trusting(&old_file);
    let url = format!("{}/health/live", service.base);
    assert!(old.get(&url).send().await.unwrap().status().is_success());
    write(folder.path());
    let new = trusting(&file);
    assert!(new.get(&url).send().await.is_err(), "the old one is served still");
    let told = Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status().unwrap();
    assert!(told.success());
    let started = std::time::Instant::now();
    while new.get(&url).send().await.is_err() {
        assert!(started.elapsed().as_secs() < 20, "the new certificate is not taken in");
    }
    // A client of its own: the first one may go on with the session that it has.
    assert!(trusting(&old_file).get(&url).send().await.is_err());
    // An open connection lived on, and new ones of the harness's client do not trust the new certificate: nothing more to ask.
    drop(service);
}
