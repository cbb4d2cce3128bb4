//! The real binary, killed: what was accepted is judged once, state goes on, webhooks are told.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::config::Config;
use axum::{Router, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Client;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, ChildStdout, Command},
};
use uuid::Uuid;

use crate::harness::{self, Events, Sent, png};

/// The longest that one step may take; a loaded machine that compiles meanwhile is slow.
const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "a secret that only the test knows";

/// A running `chaperone serve`.
struct Binary {
    child: Child,
    base: String,
    client: Client,
    /// Kept open: a closed pipe would be the service's problem.
    _stdout: BufReader<ChildStdout>,
}

impl Binary {
    /// Starts it in `folder`, which may hold what an earlier one left, and waits until it is ready.
    async fn start(folder: &Path, change: impl FnOnce(&mut Config)) -> Self {
        Self::try_start(folder, change)
            .await
            .unwrap_or_else(|said| panic!("it said `{said}`; its log:\n{}", read_log(folder)))
    }

    /// The same, for one that may end before it is ready: `Err` is what it said instead.
    async fn try_start(folder: &Path, change: impl FnOnce(&mut Config)) -> Result<Self, String> {
        let mut config = harness::config(folder);
        change(&mut config);
        let file = folder.join("chaperone.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_chaperone"))
            .args(["serve", "--config"])
            .arg(&file)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await.expect("ready in time").unwrap();
        let base = line.trim().strip_prefix("listening on ").map(str::to_owned).ok_or(line)?;
        let client = Client::builder().timeout(PATIENCE).build().unwrap();
        Ok(Self { child, base, client, _stdout: stdout })
    }

    /// `kill -9`.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM.
    async fn terminate(&self) {
        let id = self.child.id().expect("it runs");
        let status = Command::new("sh").arg("-c").arg(format!("kill -TERM {id}")).status().await.unwrap();
        assert!(status.success());
    }

    /// Waits for its end and answers the exit code.
    async fn ended(mut self) -> Option<i32> {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap().code()
    }

    async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let response = self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn publish(&self, items: &[Value]) {
        let (status, answer) = self.post("/v1/items", &json!({ "items": items })).await;
        assert_eq!(status, 202, "{answer:#}");
    }

    /// Every event of these kinds, from the first one until `last` says that it was the last.
    async fn events_until(&self, kinds: &str, mut last: impl FnMut(&Sent) -> bool) -> Vec<Sent> {
        let url = format!("{}/v1/events?after=0&kinds={kinds}", self.base);
        let mut stream = Events::of(self.client.get(url).send().await.unwrap());
        let mut events = Vec::new();
        loop {
            events.push(stream.next().await);
            if last(&events[events.len() - 1]) {
                return events;
            }
        }
    }

    /// All events, once so many items are judged and then one more: a second verdict about one of the first would be among them.
    async fn all_events(&self, items: usize) -> Vec<Sent> {
        let mut judged = 0;
        self.events_until("item.judged", |_| {
            judged += 1;
            judged >= items
        })
        .await;
        let marker = Uuid::now_v7().to_string();
        self.publish(&[json!({ "id": marker, "text": "the last one" })]).await;
        let mut events = self
            .events_until("item.judged,moderation.action", |event| {
                event.event == "item.judged" && event.data["key"] == marker.as_str()
            })
            .await;
        events.pop();
        events
    }
}

fn read_log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Texts that take a little time each; every fifth is to be acted on.
fn items(count: usize, milliseconds: u64) -> Vec<Value> {
    let text = |number: usize| match number % 5 {
        0 => format!("fake:toxic=0.97 fake:slow={milliseconds} number {number}"),
        _ => format!("fake:slow={milliseconds} number {number}"),
    };
    (0..count).map(|number| json!({ "id": Uuid::now_v7().to_string(), "text": text(number), "actor": "ann" })).collect()
}

fn ids(items: &[Value]) -> BTreeSet<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// Each item has one verdict, each flagged item one action, each event its own key.
fn assert_exactly_once(items: &[Value], events: &[Sent]) {
    let keys = |kind: &str| -> Vec<String> {
        let events = events.iter().filter(|event| event.event == kind);
        events.map(|event| event.data["key"].as_str().unwrap().to_owned()).collect()
    };
    let judged = keys("item.judged");
    assert_eq!(judged.len(), items.len(), "an item has no verdict, or more than one");
    assert_eq!(judged.into_iter().collect::<BTreeSet<_>>(), ids(items));
    let actions = keys("moderation.action");
    let flagged = items.iter().filter(|item| item["text"].as_str().unwrap().contains("toxic")).count();
    assert!(flagged > 0, "nothing to act on");
    assert_eq!(actions.len(), flagged, "a flagged item has no action, or more than one");
    assert_eq!(actions.iter().collect::<BTreeSet<_>>().len(), flagged, "two actions share a key");
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "sequence numbers do not rise");
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_kill_9_loses_nothing_and_decides_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let items = items(500, 3);
    let mut binary = Binary::start(folder.path(), |_| {}).await;
    let mut killed_midway = 0;
    for part in items.chunks(100) {
        for batch in part.chunks(20) {
            binary.publish(batch).await;
        }
        let last = part[part.len() - 1]["id"].as_str().unwrap();
        let status = binary.get(&format!("/v1/items/{last}")).await["status"].clone();
        killed_midway += u32::from(status == "queued");
        binary.kill().await;
        binary = Binary::start(folder.path(), |_| {}).await;
    }
    // How many depends on the machine; without any the test would show nothing.
    assert!(killed_midway >= 1, "none of 5 kills came while items waited");
    let events = binary.all_events(items.len()).await;
    assert_exactly_once(&items, &events);
    for item in &items {
        let shown = binary.get(&format!("/v1/items/{}", item["id"].as_str().unwrap())).await;
        assert_eq!(shown["status"], "judged", "{shown:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_an_item_that_ends_the_process_is_given_up_and_its_neighbours_are_judged() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 2;
    let careful = |config: &mut Config| config.queue.delivery_limit = limit;
    let mut all = items(60, 2);
    let poison = json!({ "id": Uuid::now_v7().to_string(), "text": "fake:abort", "actor": "bob" });
    let path = format!("/v1/items/{}", poison["id"].as_str().unwrap());
    all.insert(31, poison);
    let mut binary = Binary::start(folder.path(), careful).await;
    binary.publish(&all).await;
    // Started again whenever it ends, as an orchestrator would.
    let mut ends = 0;
    let binary = loop {
        let (client, url) = (binary.client.clone(), format!("{}{path}", binary.base));
        let given_up = async {
            loop {
                let answer = client.get(&url).send().await.ok();
                let shown: Option<Value> = match answer {
                    Some(answer) => answer.json().await.ok(),
                    None => None,
                };
                if shown.is_some_and(|shown| shown["status"] == "dead") {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = given_up => break binary,
            _ = binary.child.wait() => ends += 1,
        }
        binary = loop {
            assert!(ends <= limit + 3, "it goes on ending the process; its log:\n{}", read_log(folder.path()));
            match Binary::try_start(folder.path(), careful).await {
                Ok(started) => break started,
                Err(_) => ends += 1,
            }
        };
    };
    // Twice among others, then alone as often as is allowed, and once more.
    assert_eq!(ends, limit + 3);
    let letters = binary.get("/v1/queue/dead-letters").await["dead_letters"].clone();
    assert_eq!(letters.as_array().unwrap().len(), 1, "{letters:#}");
    assert_eq!((&letters[0]["reason"], &letters[0]["attempts"]), (&json!("crashed_worker"), &json!(limit + 1)));
    all.remove(31);
    let events = binary.all_events(all.len()).await;
    assert_exactly_once(&all, &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_sigterm_finishes_what_is_in_flight_and_keeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let items = items(200, 5);
    let binary = Binary::start(folder.path(), |config| config.workers.permits = 16).await;
    binary.publish(&items).await;
    binary.terminate().await;
    assert_eq!(binary.ended().await, Some(0), "{}", read_log(folder.path()));
    let log = read_log(folder.path());
    assert!(log.contains("drained") && log.contains("cut_off=[]"), "{log}");
    assert!(!log.contains("number 1"), "content is in the log");

    let binary = Binary::start(folder.path(), |_| {}).await;
    let events = binary.all_events(items.len()).await;
    assert_exactly_once(&items, &events);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Binary::start(folder.path(), |config| config.server.drain_seconds = 50).await;
    let slow = json!({ "id": Uuid::now_v7().to_string(), "text": "fake:slow=30000" });
    binary.publish(std::slice::from_ref(&slow)).await;
    binary.terminate().await;
    // The first signal must have been seen, or the two are one.
    while !read_log(folder.path()).contains("stopping") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    binary.terminate().await;
    let ended = tokio::time::timeout(Duration::from_secs(10), binary.ended()).await.expect("it ends at once");
    assert_eq!(ended, Some(130));
}

#[tokio::test(flavor = "multi_thread")]
async fn f3_violations_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut binary = Binary::start(folder.path(), |_| {}).await;
    let (status, _) = binary.post("/v1/calls", &json!({ "id": "call-1", "participants": ["ann"] })).await;
    assert_eq!(status, 201);
    for (number, expected) in ["warn", "warn", "disconnect"].into_iter().enumerate() {
        if number == 2 {
            binary.kill().await;
            binary = Binary::start(folder.path(), |_| {}).await;
        }
        let url = format!("{}/v1/calls/call-1/participants/ann/frames", binary.base);
        let frame = binary.client.post(url).header("content-type", "image/png").body(png(3, 250));
        assert_eq!(frame.send().await.unwrap().status().as_u16(), 202);
        let mut seen = 0;
        let actions = binary
            .events_until("moderation.action", |_| {
                seen += 1;
                seen > number
            })
            .await;
        assert_eq!(actions[number].data["data"]["action"], expected, "{:#}", actions[number].data);
    }
}

/// What the receiver saw: key → bodies, and which keys it has answered with 200.
#[derive(Default)]
struct Received {
    bodies: BTreeMap<String, Vec<Bytes>>,
    accepted: BTreeMap<String, u32>,
    refusals_left: u32,
    forged: Vec<String>,
}

type Shared = Arc<Mutex<Received>>;

/// Checks the signature as a receiver would: nothing of our own code, only what the documentation says.
fn is_genuine(headers: &HeaderMap, body: &[u8]) -> Option<()> {
    let (timestamp, signature) =
        headers.get("chaperone-signature")?.to_str().ok()?.strip_prefix("v1=")?.split_once(':')?;
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).ok()?;
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    mac.verify_slice(&hex::decode(signature).ok()?).ok()
}

async fn hook(State(received): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let key = headers["chaperone-event-id"].to_str().unwrap().to_owned();
    let mut received = received.lock().unwrap();
    if is_genuine(&headers, &body).is_none() {
        received.forged.push(key.clone());
    }
    received.bodies.entry(key.clone()).or_default().push(body);
    if received.refusals_left > 0 {
        received.refusals_left -= 1;
        return StatusCode::INTERNAL_SERVER_ERROR;
    }
    *received.accepted.entry(key).or_default() += 1;
    StatusCode::OK
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_webhooks_are_told_at_least_once_with_one_key_across_kill_9() {
    let received = Shared::new(Mutex::new(Received { refusals_left: 30, ..Received::default() }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: url::Url = format!("http://{}/hook", listener.local_addr().unwrap()).parse().unwrap();
    let router = Router::new().route("/hook", post(hook)).with_state(received.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let webhook = |config: &mut Config| {
        config.webhooks = vec![workers::WebhookConfig {
            name: "platform".into(),
            url: url.clone(),
            secret: SECRET.into(),
            events: vec!["moderation.action".into()],
            tenant: None,
        }];
    };

    let folder = tempfile::tempdir().unwrap();
    let items = items(100, 1);
    let binary = Binary::start(folder.path(), webhook).await;
    binary.publish(&items).await;
    wait(|| received.lock().unwrap().refusals_left <= 15).await;
    binary.kill().await;
    let binary = Binary::start(folder.path(), webhook).await;
    let events = binary.all_events(items.len()).await;
    assert_exactly_once(&items, &events);
    let actions: BTreeMap<String, Value> = events
        .into_iter()
        .filter(|event| event.event == "moderation.action")
        .map(|event| (event.data["key"].as_str().unwrap().to_owned(), event.data))
        .collect();
    wait(|| received.lock().unwrap().accepted.len() >= actions.len()).await;
    // Those that were repeated are settled: nothing is sent after its 200. One more second would show it.
    tokio::time::sleep(Duration::from_millis(1500)).await;

    let received = received.lock().unwrap();
    assert!(received.forged.is_empty(), "wrong signatures: {:?}", received.forged);
    assert_eq!(received.accepted.keys().collect::<Vec<_>>(), actions.keys().collect::<Vec<_>>());
    assert!(received.accepted.values().all(|times| *times == 1), "told again after its 200: {:?}", received.accepted);
    assert!(received.bodies.values().any(|bodies| bodies.len() > 1), "nothing was repeated");
    for (key, bodies) in &received.bodies {
        let told: Vec<Value> = bodies.iter().map(|body| serde_json::from_slice(body).unwrap()).collect();
        assert!(
            told.iter().all(|event| event["key"] == key.as_str() && event["data"] == actions[key]["data"]),
            "{told:#?}"
        );
    }
}

/// Waits until `check` holds.
async fn wait(check: impl Fn() -> bool) {
    let holds = async {
        while !check() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("in time");
}
