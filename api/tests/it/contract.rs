//! Requests that `schemathesis` makes of our OpenAPI document, good ones and bad ones: no 500, and no answer that the document does not describe.

use std::process::Stdio;

use api::config::{LimitConfig, Scope};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    clients::installed,
    harness::{Service, key},
};

/// Requests of an ordinary test run, `make contract` sends 2,000.
const REQUESTS: usize = 400;
/// Every answer is held against the document by these.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread")]
async fn i4_generated_requests_get_the_answers_that_the_document_describes() {
    let (key, mut entry) = key("contract", "acme", &[Scope::Admin]);
    // So many calls within a minute would be refused, and a refusal says nothing about a route.
    let unlimited = LimitConfig { requests_per_minute: 0, ..LimitConfig::default() };
    entry.limits = Scope::ALL.into_iter().map(|class| (class, unlimited)).collect();
    let service = Service::start_with(|config| config.auth.keys = vec![entry]).await.with_key(&key);
    let document = service.get("/openapi.json").await.expect(200);
    let methods = ["get", "put", "post", "delete", "patch"];
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths
        .map(|path| path.as_object().unwrap().keys().filter(|key| methods.contains(&key.as_str())).count())
        .sum::<usize>();
    let wanted = std::env::var("CONTRACT_REQUESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(REQUESTS);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let output = Command::new("python3")
        .args(["-m", "schemathesis.cli", "run", "--phases", "examples,fuzzing", "--checks", CHECKS, "--seed", "1"])
        .args([
            "--max-examples",
            &wanted.div_ceil(operations).to_string(),
            "--suppress-health-check",
            "all",
            "--no-shrink",
        ])
        .args(["--continue-on-failure", "--request-timeout", "60", "--warnings", "off", "--output-sanitize", "false"])
        // Answer with a stream that never ends.
        .args(["--exclude-operation-id", "stream_events", "--exclude-operation-id", "follow_review"])
        .args(["--header", &format!("Authorization: Bearer {key}"), "--report", "json", "--report-json-path"])
        .arg(&report)
        .arg(format!("{}/openapi.json", service.base))
        .env("PYTHONPATH", &installed().python_path)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    println!("{said}\n{report:#}");
    service.assert_healthy().await;
}
