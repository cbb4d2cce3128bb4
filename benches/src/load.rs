//! Closed-loop HTTP load: each connection sends its next request when the last one was answered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;

/// One request, ready to send.
#[derive(Clone)]
pub struct Request {
    /// Path with leading slash.
    pub path: String,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: Vec<u8>,
}

/// What a run of load saw.
pub struct Seen {
    /// Answers with a 2xx status.
    pub answered: usize,
    /// Answers with 429.
    pub refused: usize,
    /// From first send to last answer.
    pub elapsed: Duration,
    /// Time of each answered request.
    pub latencies: Vec<Duration>,
}

/// Sends `requests` in turn over `connections` connections for `length`, or until each was sent once when `length` is `None`.
/// Any other status than 2xx and 429 is an error.
pub async fn run(
    base: &str,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    length: Option<Duration>,
) -> anyhow::Result<Seen> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        // One client per connection: no pool that shares or queues.
        let client = reqwest::Client::builder().pool_max_idle_per_host(1).tcp_nodelay(true).build()?;
        let (base, requests, next) = (base.to_owned(), Arc::clone(requests), Arc::clone(&next));
        tasks.spawn(async move {
            let (mut latencies, mut refused) = (Vec::new(), 0);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let done = match length {
                    Some(length) => start.elapsed() >= length,
                    None => index >= requests.len(),
                };
                if done {
                    return anyhow::Ok((latencies, refused));
                }
                let request = &requests[index % requests.len()];
                let sent = Instant::now();
                let response = post(&client, &base, request).await?;
                let status = response.status();
                let body = response.bytes().await?;
                if status.is_success() {
                    latencies.push(sent.elapsed());
                } else if status.as_u16() == 429 {
                    refused += 1;
                } else {
                    anyhow::bail!("{} answered {status}: {}", request.path, String::from_utf8_lossy(&body));
                }
            }
        });
    }
    let mut seen = Seen { answered: 0, refused: 0, elapsed: Duration::ZERO, latencies: Vec::new() };
    while let Some(result) = tasks.join_next().await {
        let (latencies, refused) = result??;
        seen.answered += latencies.len();
        seen.refused += refused;
        seen.latencies.extend(latencies);
    }
    seen.elapsed = start.elapsed();
    Ok(seen)
}

/// Sends `requests` in turn for `length` and counts answers, whatever their status.
pub async fn run_any(
    base: &str,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    length: Duration,
) -> anyhow::Result<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let client = reqwest::Client::builder().pool_max_idle_per_host(1).tcp_nodelay(true).build()?;
        let (base, requests, next) = (base.to_owned(), Arc::clone(requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut answered = 0;
            while start.elapsed() < length {
                let request = &requests[next.fetch_add(1, Ordering::Relaxed) % requests.len()];
                post(&client, &base, request).await?.bytes().await?;
                answered += 1;
            }
            anyhow::Ok(answered)
        });
    }
    let mut answered = 0;
    while let Some(result) = tasks.join_next().await {
        answered += result??;
    }
    Ok(answered)
}

/// Sends each request until it is accepted, and waits as long as a refusal says; answers how often one came back with 429.
pub async fn run_until_accepted(base: &str, requests: Arc<Vec<Request>>, senders: usize) -> anyhow::Result<usize> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..senders {
        let (client, base) = (reqwest::Client::new(), base.to_owned());
        let (requests, next) = (Arc::clone(&requests), Arc::clone(&next));
        tasks.spawn(async move {
            let mut refused = 0;
            while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                loop {
                    let response = post(&client, &base, request).await?;
                    if response.status().is_success() {
                        break;
                    }
                    anyhow::ensure!(response.status().as_u16() == 429, "answered {}", response.status());
                    refused += 1;
                    let wait =
                        response.headers().get("retry-after-ms").and_then(|wait| wait.to_str().ok()?.parse().ok());
                    tokio::time::sleep(Duration::from_millis(wait.context("a refusal says how long to wait")?)).await;
                }
            }
            anyhow::Ok(refused)
        });
    }
    let mut refused = 0;
    while let Some(result) = tasks.join_next().await {
        refused += result??;
    }
    Ok(refused)
}

async fn post(client: &reqwest::Client, base: &str, request: &Request) -> anyhow::Result<reqwest::Response> {
    let call = client.post(format!("{base}{}", request.path)).header("content-type", request.content_type);
    call.body(request.body.clone()).send().await.context("the service did not answer")
}
