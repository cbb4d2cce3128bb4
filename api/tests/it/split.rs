//! Split roles over a private RabbitMQ and PostgreSQL: one door, two workers, replaced and killed while items come. Nothing is lost, and
//! nothing is decided twice. The index is a server that nobody started: moderation goes on without it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use api::config::Config;
use pipeline::servers::{Kind, Lease, shared};
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
};
use uuid::Uuid;

use crate::harness::{self, Events, png};

/// The longest that one step may take; a loaded machine that compiles meanwhile is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const TEXTS: usize = 2000;
const FRAMES: usize = 300;

/// Servers, a database and queue names of this test's own, and a configuration that names them.
pub(crate) struct Site {
    folder: TempDir,
    config: PathBuf,
    _servers: [Lease; 2],
}

impl Site {
    pub(crate) async fn prepare(change: impl FnOnce(&mut Config)) -> Self {
        let servers =
            tokio::task::spawn_blocking(|| [Kind::Rabbitmq, Kind::Postgres].map(|kind| shared(kind).unwrap()));
        let servers = servers.await.unwrap();
        let name = format!("split_{}", Uuid::now_v7().simple());
        let made = Command::new("psql").args([&servers[1].url, "-qc", &format!("create database {name}")]).status();
        assert!(made.await.unwrap().success(), "cannot make a database");

        let folder = tempfile::tempdir().unwrap();
        let mut config = harness::config(folder.path());
        config.queue.url.clone_from(&servers[0].url);
        config.queue.prefix.clone_from(&name);
        // What is late is shed by design; here everything has to arrive.
        config.queue.live_max_age_ms = 600_000;
        config.store.url = servers[1].url.replace("/postgres", &format!("/{name}"));
        config.index.url = "http://127.0.0.1:1".into();
        config.workers.listen = ([127, 0, 0, 1], 0).into();
        change(&mut config);
        let file = folder.path().join("chaperone.toml");
        std::fs::write(&file, toml::to_string(&config).unwrap()).unwrap();
        Self { folder, config: file, _servers: servers }
    }

    pub(crate) async fn start(&self, name: &str, verb: &[&str]) -> Process {
        Process::start(self.folder.path(), &self.config, name, verb).await
    }
}

/// A running role of the real binary.
pub(crate) struct Process {
    child: Child,
    pub(crate) base: String,
    log: PathBuf,
    /// Kept open: a closed pipe would be the service's problem.
    _stdout: BufReader<ChildStdout>,
}

impl Process {
    async fn start(folder: &Path, config: &Path, name: &str, verb: &[&str]) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_chaperone"))
            .args(verb)
            .arg("--config")
            .arg(config)
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, stdout.read_line(&mut line)).await.expect("ready in time").unwrap();
        let base = line.trim().strip_prefix("listening on ").map(str::to_owned);
        let base = base.unwrap_or_else(|| panic!("{name} said `{line}`; its log:\n{}", read(&log)));
        Self { child, base, log, _stdout: stdout }
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(mut self) -> Option<i32> {
        let id = self.child.id().expect("it runs");
        assert!(Command::new("kill").args(["-TERM", &id.to_string()]).status().await.unwrap().success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.unwrap_or_else(|_| panic!("it does not end; its log:\n{}", read(&self.log))).unwrap().code()
    }
}

fn read(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Texts and frames that take a moment each; every fifth text is to be acted on.
async fn publish(client: &Client, base: &str) -> Vec<String> {
    let people: Vec<String> = (0..FRAMES).map(|number| format!("p{number}")).collect();
    let call = client.post(format!("{base}/v1/calls")).json(&json!({ "id": "call-1", "participants": people })).send();
    assert_eq!(call.await.unwrap().status().as_u16(), 201);
    let mut ids = Vec::with_capacity(TEXTS + FRAMES);
    for (number, person) in people.iter().enumerate() {
        let id = Uuid::now_v7().to_string();
        let url = format!("{base}/v1/calls/call-1/participants/{person}/frames?frame_id={id}");
        let sent = client.post(url).header("content-type", "image/png").body(png(2, 200)).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 202, "{:?}", sent.text().await);
        ids.push(id);
        // As many texts as make the whole.
        let (from, to) = (number * TEXTS / FRAMES, (number + 1) * TEXTS / FRAMES);
        let text = |number: usize| match number % 5 {
            0 => format!("fake:toxic=0.97 fake:slow=3 number {number}"),
            _ => format!("fake:slow=3 number {number}"),
        };
        let items: Vec<Value> = (from..to)
            .map(|number| json!({ "id": Uuid::now_v7().to_string(), "text": text(number), "actor": format!("a{}", number % 97) }))
            .collect();
        let sent = client.post(format!("{base}/v1/items")).json(&json!({ "items": items })).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 202, "{:?}", sent.text().await);
        ids.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
    }
    ids
}

/// How often each item was judged, and each action told, once `ids` are all there and a last item after them.
pub(crate) async fn outcomes(
    client: &Client,
    base: &str,
    ids: &[String],
) -> (BTreeMap<String, u32>, BTreeMap<String, u32>) {
    let mut judged = BTreeMap::<String, u32>::new();
    let mut acted = BTreeMap::<String, u32>::new();
    let url = format!("{base}/v1/events?after=0&kinds=item.judged,moderation.action");
    let mut stream = Events::of(client.get(url).send().await.unwrap());
    let mut last = None;
    loop {
        let event = stream.next().await;
        let key = event.data["key"].as_str().unwrap().to_owned();
        if last.as_ref() == Some(&key) {
            return (judged, acted);
        }
        *(if event.event == "item.judged" { &mut judged } else { &mut acted }).entry(key).or_default() += 1;
        if last.is_none() && judged.len() >= ids.len() {
            let id = Uuid::now_v7().to_string();
            let sent = client.post(format!("{base}/v1/items")).json(&json!({ "id": id, "text": "the last" })).send();
            assert_eq!(sent.await.unwrap().status().as_u16(), 202);
            last = Some(id);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_workers_are_replaced_and_killed_under_load_and_nothing_is_lost_or_decided_twice() {
    let site = Site::prepare(|_| {}).await;
    let (door, first, second) = tokio::join!(
        site.start("api", &["api", "--listen", "127.0.0.1:0"]),
        site.start("first", &["worker"]),
        site.start("second", &["worker"])
    );
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    let ready: Value = client.get(format!("{}/health/ready", first.base)).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (&ready["ready"], &ready["role"], &ready["degraded"]),
        (&json!(true), &json!("worker"), &json!(["index"]))
    );
    let hidden =
        client.post(format!("{}/v1/check", first.base)).json(&json!({ "text": "hello" })).send().await.unwrap();
    assert_eq!(hidden.status().as_u16(), 404, "a worker answers health and metrics only");

    let replace = async {
        assert_eq!(first.stop().await, Some(0));
        let first = site.start("first-again", &["worker"]).await;
        assert_eq!(second.stop().await, Some(0));
        let second = site.start("second-again", &["worker", "--lanes", "interactive,live,bulk"]).await;
        first.kill().await;
        (site.start("third", &["worker"]).await, second)
    };
    let (ids, (third, second)) = tokio::join!(publish(&client, &door.base), replace);
    let (judged, acted) =
        tokio::time::timeout(PATIENCE, outcomes(&client, &door.base, &ids)).await.expect("all judged in time");

    let lost: Vec<_> = ids.iter().filter(|id| !judged.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} lost: {lost:?}", lost.len());
    assert_eq!(judged.len(), ids.len(), "outcomes of items that nobody sent");
    assert!(judged.values().chain(acted.values()).all(|times| *times == 1), "decided twice");
    assert_eq!(acted.len(), TEXTS / 5);
    for process in [third, second, door] {
        assert_eq!(process.stop().await, Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_split_roles_refuse_embedded_urls_and_say_what_to_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chaperone.toml");
    std::fs::write(&file, toml::to_string(&harness::config(folder.path())).unwrap()).unwrap();
    for verb in ["api", "worker"] {
        let output = Command::new(env!("CARGO_BIN_EXE_chaperone"))
            .args([verb, "--config"])
            .arg(&file)
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for part in ["queue.url", "store.url", "index.url", "chaperone serve", verb] {
            assert!(said.contains(part), "`{part}` is not in: {said}");
        }
        assert!(!folder.path().join("chaperone.db").exists(), "something was opened");
    }
}
