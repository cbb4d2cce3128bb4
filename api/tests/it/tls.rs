//! A broker that speaks TLS, with a certificate of an authority that only this test knows.

use std::process::Stdio;

use pipeline::servers::TlsBroker;
use tokio::process::Command;

/// `chaperone queue stats` on the broker; exit code, standard output, standard error.
async fn stats(url: &str, authority: Option<&std::path::Path>) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chaperone"));
    command
        .args(["queue", "stats", "--json"])
        .env("CHAPERONE_QUEUE__URL", url)
        .env_remove("SSL_CERT_DIR")
        .stdin(Stdio::null());
    match authority {
        Some(file) => command.env("SSL_CERT_FILE", file),
        None => command.env_remove("SSL_CERT_FILE"),
    };
    let folder = tempfile::tempdir().unwrap();
    let output = command.current_dir(folder.path()).output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_broker_with_tls_is_trusted_by_its_authority_and_by_nothing_else() {
    let broker = tokio::task::spawn_blocking(TlsBroker::start).await.unwrap().unwrap();
    let (code, told, said) = stats(broker.url(), Some(broker.authority().as_path())).await;
    assert_eq!(code, Some(0), "{said}");
    let lanes: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(lanes["lanes"].as_array().unwrap().len(), 3);

    let (code, _, said) = stats(broker.url(), None).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("certificate") && said.contains("SSL_CERT_FILE"), "no cure is named: {said}");
    assert!(!said.contains("guest:guest"), "the password is shown: {said}");
    // The name in the certificate is `localhost`.
    let (code, _, said) =
        stats(&broker.url().replace("localhost", "127.0.0.1"), Some(broker.authority().as_path())).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("certificate"), "{said}");
}
