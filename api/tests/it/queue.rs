//! `/v1/queue` and `chaperone queue`: what waits, what was given up, and what becomes of it.

use std::process::Stdio;

use api::config::{Config, Scope};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::harness::{Service, key};

const SECRET: &str = "fake:slow=5000 nobody else's business";

/// A service that gives up at the first try, because its models take longer than an item may.
fn impatient(config: &mut Config) {
    config.workers.max_attempts = 1;
    config.workers.item_seconds = 1;
}

/// Has one text given up; answers its id.
async fn give_up(service: &Service) -> String {
    let accepted = service.post("/v1/items", &json!({ "text": SECRET, "actor": "ann" })).await.expect(202);
    let id = accepted["id"].as_str().unwrap().to_owned();
    loop {
        if service.get(&format!("/v1/items/{id}")).await.expect(200)["status"] == "dead" {
            return id;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_dead_letters_are_listed_shown_replayed_and_dropped() {
    let service = Service::start_with(impatient).await;
    assert_eq!(service.get("/v1/queue").await.expect(200)["lanes"].as_array().unwrap().len(), 3);
    assert_eq!(service.get("/v1/queue/dead-letters").await.expect(200), json!({ "dead_letters": [] }));
    let id = give_up(&service).await;

    let list = service.get("/v1/queue/dead-letters?limit=5").await.expect(200);
    let letter = &list["dead_letters"][0];
    assert_eq!((&letter["id"], &letter["reason"], &letter["attempts"]), (&json!(id), &json!("timed_out"), &json!(1)));
    let path = format!("/v1/queue/dead-letters/{id}");
    let shown = service.get(&path).await.expect(200);
    assert_eq!(shown["item"]["actor"], "ann");
    assert!(!format!("{list}{shown}").contains("business"), "content is shown unasked: {list}{shown}");
    assert_eq!(service.get(&format!("{path}?content=true")).await.expect(200)["text"], SECRET);
    assert_eq!(service.get("/v1/queue/dead-letters?limit=0").await.code(), "limit_out_of_range");

    assert_eq!(service.post(&format!("{path}/replay"), &Value::Null).await.status, 202);
    assert_eq!(service.post(&format!("{path}/replay"), &Value::Null).await.status, 404, "it waits again");
    while service.get(&path).await.status == 404 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(service.delete(&path).await.status, 204);
    assert_eq!(service.delete(&path).await.status, 404);
    assert_eq!(service.get("/v1/queue/dead-letters").await.expect(200), json!({ "dead_letters": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_a_tenant_neither_sees_nor_changes_anothers_dead_letters() {
    let ((ann, ann_key), (bob, bob_key)) =
        (key("ann", "first", &[Scope::Admin]), key("bob", "second", &[Scope::Admin]));
    let service = Service::start_with(|config| {
        impatient(config);
        config.auth.keys = vec![ann_key, bob_key];
    });
    let service = service.await.with_key(&ann);
    let path = format!("/v1/queue/dead-letters/{}", give_up(&service).await);
    let service = service.with_key(&bob);
    assert_eq!(service.get("/v1/queue/dead-letters").await.expect(200), json!({ "dead_letters": [] }));
    let answers = [
        service.get(&format!("{path}?content=true")).await.status,
        service.post(&format!("{path}/replay"), &Value::Null).await.status,
        service.delete(&path).await.status,
    ];
    assert_eq!(answers, [404; 3]);
    service.with_key(&ann).get(&path).await.expect(200);
}

/// Runs `chaperone queue …`; exit code, standard output, standard error.
async fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
        .arg("queue")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_the_command_line_asks_a_running_service() {
    let service = Service::start_with(impatient).await;
    let url = service.base.as_str();
    let id = give_up(&service).await;
    let (code, stats, _) = run(&["stats", "--url", url]).await;
    assert!(code == Some(0) && stats.contains("interactive"), "{stats}");
    let (code, list, _) = run(&["dead-letters", "list", "--url", url, "--json"]).await;
    let list: Value = serde_json::from_str(&list).unwrap();
    assert_eq!((code, &list["dead_letters"][0]["id"]), (Some(0), &json!(id)));
    let (_, shown, _) = run(&["dead-letters", "show", &id, "--url", url]).await;
    assert!(shown.contains("timed_out") && !shown.contains("business"), "{shown}");
    let (_, shown, _) = run(&["dead-letters", "show", &id, "--content", "--url", url]).await;
    assert!(shown.contains("business"), "{shown}");
    let (code, _, said) = run(&["dead-letters", "drop", &id, "--url", url]).await;
    assert!(code == Some(1) && said.contains("--yes"), "{said}");
    let (code, told, _) = run(&["dead-letters", "drop", "--all", "--yes", "--url", url]).await;
    assert_eq!((code, told.as_str()), (Some(0), "1 of 1 items are gone\n"));
    let (code, _, _) = run(&["dead-letters", "replay", &id, "--url", url]).await;
    assert_eq!(code, Some(1), "it is not there any more");
}
