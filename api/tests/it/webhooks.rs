//! Webhook deliveries over HTTP and on the command line: log and replay; and the receivers of docs/webhooks.md against real deliveries.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use api::config::Config;
use axum::{Router, http::StatusCode, routing::post};
use pipeline::store::DeliveryFilter;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};

use crate::{harness::Service, signing::example};

const SECRET: &str = "a secret of the test";

fn hooked(url: &str) -> impl FnOnce(&mut Config) {
    let url = url.parse().unwrap();
    move |config| {
        config.webhooks = vec![workers::WebhookConfig {
            name: "chat".into(),
            url,
            secret: SECRET.into(),
            events: vec!["moderation.action".into()],
            tenant: None,
        }];
    }
}

/// Has something happen that the webhook is told of; answers the event's key.
async fn act(service: &Service) -> String {
    let judged = service.post("/v1/check", &json!({ "text": "fake:toxic=0.97", "actor": "ann" })).await.expect(200);
    judged["actions"][0]["id"].as_str().unwrap().to_owned()
}

/// Asks until the only delivery is in this state.
async fn until(service: &Service, state: &str) -> Value {
    loop {
        let page = service.get("/v1/webhooks/deliveries").await.expect(200);
        let delivery = &page["deliveries"][0];
        if delivery["state"] == state && (state != "due" || delivery["attempts"] != 0) {
            return delivery.clone();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_deliveries_are_logged_and_replayed_over_http_and_on_the_command_line() {
    let up = Arc::new(AtomicBool::new(false));
    let answer = up.clone();
    let hook =
        async move || if answer.load(Ordering::Relaxed) { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(hook))).await.unwrap() });
    let service = Service::start_with(hooked(&url)).await;
    assert_eq!(service.get("/v1/webhooks/deliveries").await.expect(200), json!({ "deliveries": [] }));
    let key = act(&service).await;

    let failed = until(&service, "due").await;
    assert_eq!((&failed["event_key"], &failed["error"]), (&json!(key), &json!("answered 500")));
    assert!(failed["next_at"].is_string() && failed.get("delivered_at").is_none());
    let id = failed["id"].as_i64().unwrap();
    let path = format!("/v1/webhooks/deliveries/{id}");
    let refused = service.post(&format!("{path}/replay"), &Value::Null).await;
    assert_eq!((refused.status, refused.code()), (409, "delivery_due"));

    // As the twelfth failure does.
    service.services.store.delivery_failed(id, None, "answered 500").await.unwrap();
    let dead = service.get("/v1/webhooks/deliveries?state=dead&webhook=chat&limit=1").await.expect(200);
    assert_eq!(dead["deliveries"][0]["id"], id);
    assert!(dead.get("next_cursor").is_none());
    assert_eq!(service.get("/v1/webhooks/deliveries?webhook=other").await.expect(200), json!({ "deliveries": [] }));
    assert_eq!(
        service.get(&format!("/v1/webhooks/deliveries?cursor={id}")).await.expect(200),
        json!({ "deliveries": [] })
    );
    for (query, code) in [("limit=0", "limit_out_of_range"), ("state=lost", "query_invalid")] {
        assert_eq!(service.get(&format!("/v1/webhooks/deliveries?{query}")).await.code(), code);
    }

    up.store(true, Ordering::Relaxed);
    assert_eq!(service.post(&format!("{path}/replay"), &Value::Null).await.status, 202);
    let told = until(&service, "delivered").await;
    assert_eq!((&told["attempts"], told.get("error")), (&json!(1), None));
    assert_eq!(service.get(&path).await.expect(200), told);
    assert_eq!(service.get("/v1/webhooks/deliveries/4711").await.status, 404);

    // Once more from outside, beside the running service.
    let run = async |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
            .arg("webhooks")
            .args(args)
            .env("CHAPERONE_STORE__URL", format!("sqlite:{}", service.folder().join("chaperone.db").display()))
            .current_dir(service.folder())
            .output()
            .await
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, list) = run(&["deliveries", "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((code, &list["deliveries"][0]["event_key"]), (Some(0), &json!(key)));
    let (code, said) = run(&["replay", &id.to_string(), "4711"]).await;
    assert_eq!((code, said.as_str()), (Some(1), "1 of 2 deliveries are due now\n"));
    let again = loop {
        let all = service.services.store.deliveries(&DeliveryFilter::default(), 9).await.unwrap();
        if all[0].delivered_at.is_some_and(|at| json!(at) != told["delivered_at"]) {
            break all;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((again.len(), again[0].key.as_str()), (1, key.as_str()), "the same event with the same key");
    let (code, said) = run(&["replay", "--dead"]).await;
    assert_eq!((code, said.as_str()), (Some(0), "0 of 0 deliveries are due now\n"));
    let (code, table) = run(&["deliveries", "--state", "delivered"]).await;
    assert!(code == Some(0) && table.contains("moderation.action"), "{table}");
}

/// A receiver of docs/webhooks.md as it stands there.
struct Receiver {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Receiver {
    async fn start(language: &str, program: &str, flag: &str) -> Self {
        let code = example(include_str!("../../../docs/webhooks.md"), language);
        let mut child = Command::new(program)
            .args([flag, &code])
            .env("CHAPERONE_WEBHOOK_SECRET", SECRET)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next_line().await.unwrap().expect("the receiver says where it listens");
        let port = first.strip_prefix("listening ").unwrap();
        Self { url: format!("http://127.0.0.1:{port}/"), _child: child, lines }
    }
}

async fn receives(language: &str, program: &str, flag: &str) {
    let mut receiver = Receiver::start(language, program, flag).await;
    let service = Service::start_with(hooked(&receiver.url)).await;
    let key = act(&service).await;
    let performed = receiver.lines.next_line().await.unwrap().unwrap();
    assert_eq!(performed, format!("perform moderation.action {key}"));
    until(&service, "delivered").await;

    // What is not genuine: nobody's signature, an old one, a changed body, no form at all.
    let body = json!({ "key": "forged", "kind": "moderation.action" }).to_string();
    let now = service.services.clock.now().timestamp();
    let signed = |at: i64| workers::signature::sign(SECRET, at, body.as_bytes());
    let other = workers::signature::sign("another secret", now, body.as_bytes());
    let cases = [
        (signed(now - 301), body.clone(), 401),
        (signed(now + 310), body.clone(), 401),
        (other, body.clone(), 401),
        (signed(now), body.replace("forged", "forgot"), 401),
        (String::new(), body.clone(), 401),
        ("v1=1:é".to_owned(), body.clone(), 401),
        (signed(now), body.clone(), 200),
    ];
    let client = reqwest::Client::new();
    for (signature, body, expected) in cases {
        let request = client.post(&receiver.url).header("chaperone-signature", signature.as_bytes()).body(body);
        let status = request.send().await.unwrap().status().as_u16();
        assert_eq!(status, expected, "{language}: {signature}");
    }
    // The control above was performed, the forgeries were not; and the same event once more does nothing.
    assert_eq!(receiver.lines.next_line().await.unwrap().unwrap(), "perform moderation.action forged");
    let id = service.get("/v1/webhooks/deliveries").await.expect(200)["deliveries"][0]["id"].clone();
    assert_eq!(service.post(&format!("/v1/webhooks/deliveries/{id}/replay"), &Value::Null).await.status, 202);
    let next = act(&service).await;
    assert_eq!(receiver.lines.next_line().await.unwrap().unwrap(), format!("perform moderation.action {next}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_the_receiver_in_python_takes_deliveries_and_refuses_forgeries() {
    receives("python", "python3", "-c").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_the_receiver_in_node_takes_deliveries_and_refuses_forgeries() {
    receives("js", "node", "-e").await;
}

/// The receiver in Rust, word for word as in docs/webhooks.md.
mod rust_example {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    /// `now`: unix seconds.
    pub(super) fn is_genuine(secret: &str, header: &str, body: &[u8], now: i64) -> bool {
        let Some((timestamp, signature)) = header.strip_prefix("v1=").and_then(|rest| rest.split_once(':')) else {
            return false;
        };
        let (Ok(at), Ok(signature)) = (timestamp.parse::<i64>(), hex::decode(signature)) else { return false };
        if now.saturating_sub(at).saturating_abs() > 300 {
            return false;
        }
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return false };
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(&signature).is_ok()
    }
}

#[test]
fn i3_the_receiver_in_rust_is_documented_as_it_is_tested() {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").replace("pub(super) ", "");
    let documented = plain(&example(include_str!("../../../docs/webhooks.md"), "rust"));
    let source = include_str!("webhooks.rs");
    let (_, rest) = source.split_once("mod rust_example {").unwrap();
    let tested = plain(rest.split_once("\n}\n").unwrap().0);
    assert_eq!(documented, tested);

    let signature = workers::signature::sign(SECRET, 1000, b"body");
    for (secret, header, body, now, genuine) in [
        (SECRET, signature.as_str(), "body", 1000, true),
        (SECRET, &signature, "body", 1300, true),
        (SECRET, &signature, "body", 700, true),
        (SECRET, &signature, "body", 1301, false),
        (SECRET, &signature, "bodY", 1000, false),
        ("other", &signature, "body", 1000, false),
        (SECRET, "v1=1000:", "body", 1000, false),
        (SECRET, "v1=x:00", "body", 1000, false),
        (SECRET, "", "body", 1000, false),
    ] {
        assert_eq!(rust_example::is_genuine(secret, header, body.as_bytes(), now), genuine, "{header} {body} {now}");
    }
}
