//! The same item again and again, end to end: the door, RabbitMQ, two worker processes, PostgreSQL, a webhook. One outcome, one action, told
//! under one key; and what was decided is told although its worker died before it could.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::config::Config;
use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::split::{PATIENCE, Process, Site, outcomes};

/// A platform that performs actions.
#[derive(Default)]
struct Platform {
    /// Action id → how often it was told.
    told: BTreeMap<String, u32>,
    /// It hangs, as one does whose machine is busy.
    hangs: bool,
    /// Calls that came while it hung.
    hung: u32,
}

type Shared = Arc<Mutex<Platform>>;

async fn hook(State(platform): State<Shared>, headers: HeaderMap) -> StatusCode {
    let key = headers["chaperone-event-id"].to_str().unwrap().to_owned();
    let hangs = {
        let mut platform = platform.lock().unwrap();
        platform.hung += u32::from(platform.hangs);
        platform.hangs
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    *platform.lock().unwrap().told.entry(key).or_default() += 1;
    StatusCode::OK
}

/// A platform, and what tells a configuration of it.
async fn platform() -> (Shared, impl Fn(&mut Config)) {
    let platform = Shared::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().route("/hook", post(hook)).with_state(platform.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let tell = move |config: &mut Config| {
        config.webhooks = vec![workers::WebhookConfig {
            name: "platform".into(),
            url: url.clone(),
            secret: "a secret of this test".into(),
            events: vec!["moderation.action".into()],
            tenant: None,
        }];
    };
    (platform, tell)
}

fn flagged(count: usize, slow: u32) -> Vec<Value> {
    let item = |number| {
        let text = format!("fake:toxic=0.97 fake:slow={slow} number {number}");
        json!({ "id": Uuid::now_v7().to_string(), "text": text, "actor": format!("author-{number}") })
    };
    (0..count).map(item).collect()
}

async fn publish(client: &Client, door: &Process, items: &[Value]) {
    let sent = client.post(format!("{}/v1/items", door.base)).json(&json!({ "items": items })).send().await.unwrap();
    assert_eq!(sent.status().as_u16(), 202, "{:?}", sent.text().await);
}

fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

async fn in_flight(client: &Client, worker: &Process) -> f64 {
    let metrics = client.get(format!("{}/metrics", worker.base)).send().await.unwrap().text().await.unwrap();
    let line = metrics.lines().find_map(|line| line.strip_prefix("chaperone_items_in_flight "));
    line.map_or(0.0, |value| value.parse().unwrap())
}

async fn wait(mut holds: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_an_item_published_again_and_again_has_one_outcome_and_one_action_over_rabbitmq_and_postgres() {
    let (platform, tell) = platform().await;
    let site = Site::prepare(tell).await;
    let (door, first, second) = tokio::join!(
        site.start("api", &["api", "--listen", "127.0.0.1:0"]),
        site.start("first", &["worker"]),
        site.start("second", &["worker"])
    );
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    let items = flagged(3, 1000);
    // Twice in one message, and again in a second one, until both workers have them in hand at the same time.
    let twice: Vec<Value> = items.iter().chain(&items).cloned().collect();
    publish(&client, &door, &twice).await;
    wait(async || {
        publish(&client, &door, &items).await;
        in_flight(&client, &first).await > 0.0 && in_flight(&client, &second).await > 0.0
    })
    .await;
    let (judged, acted) = outcomes(&client, &door.base, &ids(&items)).await;
    assert_eq!(judged.keys().collect::<Vec<_>>(), ids(&items).iter().collect::<Vec<_>>());
    // And each alone, now that the outcome is there.
    for item in &items {
        publish(&client, &door, std::slice::from_ref(item)).await;
    }
    let (again, acted_again) = outcomes(&client, &door.base, &ids(&items)).await;
    assert!(judged.values().chain(acted.values()).all(|times| *times == 1), "decided twice: {judged:?} {acted:?}");
    assert!(again.iter().all(|(_, times)| *times == 1), "decided again: {again:?}");
    assert_eq!((acted.len(), &acted_again), (items.len(), &acted), "one action each");
    wait(async || platform.lock().unwrap().told.len() == acted.len()).await;
    for process in [first, second, door] {
        assert_eq!(process.stop().await, Some(0), "stopped in good order, so nothing is left to be told");
    }
    let told = &platform.lock().unwrap().told;
    assert_eq!(told.keys().collect::<Vec<_>>(), acted.keys().collect::<Vec<_>>());
    assert!(told.values().all(|times| *times == 1), "nobody crashed, so nothing is repeated: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_the_outbox_survives_a_crash_between_commit_and_telling() {
    let (platform, tell) = platform().await;
    let site = Site::prepare(tell).await;
    let (door, first) =
        tokio::join!(site.start("api", &["api", "--listen", "127.0.0.1:0"]), site.start("first", &["worker"]));
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    platform.lock().unwrap().hangs = true;
    let items = flagged(8, 1);
    publish(&client, &door, &items).await;
    let (judged, acted) = outcomes(&client, &door.base, &ids(&items)).await;
    assert_eq!((judged.len(), acted.len()), (8, 8), "committed");
    // Some are on their way, the others wait for them: the platform knows of none.
    wait(async || platform.lock().unwrap().hung > 0).await;
    first.kill().await;
    assert_eq!(platform.lock().unwrap().told, BTreeMap::new());
    platform.lock().unwrap().hangs = false;

    let second = site.start("second", &["worker"]).await;
    wait(async || platform.lock().unwrap().told.len() == 8).await;
    let told = platform.lock().unwrap().told.keys().cloned().collect::<Vec<_>>();
    assert_eq!(told.iter().collect::<Vec<_>>(), acted.keys().collect::<Vec<_>>(), "under the keys of the actions");
    for process in [second, door] {
        assert_eq!(process.stop().await, Some(0));
    }
}
