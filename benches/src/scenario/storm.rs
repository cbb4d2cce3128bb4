//! A storm of live frames: 200 participants at 5 frames per second each, far more than one worker can judge. Is each of them
//! looked at equally often, is what is judged young, and does memory stay flat?

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use pipeline::{
    decode::{Limits, decode},
    servers::{Kind, Server},
    stream::likeness::Likeness,
};
use tokio::time::{Instant, MissedTickBehavior};

use super::Setting;
use crate::{
    load::{self, Request},
    report::{Report, median, percentile_ms},
    service::{Service, Setup},
    workload,
};

const PARTICIPANTS: usize = 200;
/// Pause between two frames of one participant.
const EVERY: Duration = Duration::from_millis(200);
/// Every so many participants have a camera that shows a still scene.
const STILL: usize = 4;
/// Different frames per participant, sent in turn.
const FRAMES: usize = 10;
/// What is still on its way when the storm ends.
const SETTLE: Duration = Duration::from_secs(4);

/// One way to run it.
struct Case {
    name: &'static str,
    reuse_bits: &'static str,
    broker: bool,
}

/// Over the embedded queue, with and without reuse of scores.
pub async fn embedded(setting: &Setting) -> anyhow::Result<Report> {
    let cases = [
        Case { name: "reuse off", reuse_bits: "0", broker: false },
        Case { name: "reuse on", reuse_bits: "2", broker: false },
    ];
    run(setting, "storm", &cases).await
}

/// Over a private RabbitMQ.
pub async fn rabbitmq(setting: &Setting) -> anyhow::Result<Report> {
    run(setting, "storm-rabbitmq", &[Case { name: "RabbitMQ, reuse off", reuse_bits: "0", broker: true }]).await
}

async fn run(setting: &Setting, name: &str, cases: &[Case]) -> anyhow::Result<Report> {
    let mut report = Report::new(name);
    let length = Duration::from_secs(setting.seconds.max(30));
    let frames = Arc::new(workload::cameras(&setting.datasets.join("photos"), PARTICIPANTS, FRAMES, STILL)?);
    let bytes: usize = frames.iter().flatten().map(Vec::len).sum();
    report.figure("participants, each at 5 frames/s", vec![PARTICIPANTS as f64]);
    report.figure("seconds", vec![length.as_secs_f64()]);
    report.figure("mean KiB per frame", vec![bytes as f64 / (PARTICIPANTS * FRAMES) as f64 / 1024.0]);
    report.figure("comparing a frame with the last one costs: ms", vec![look(&frames[0][0])?]);
    for case in cases {
        storm(setting, case, &frames, length, &mut report).await.with_context(|| case.name)?;
    }
    Ok(report)
}

/// Milliseconds that a frame costs more where scores are reused.
fn look(jpeg: &[u8]) -> anyhow::Result<f64> {
    const TIMES: u32 = 200;
    let pixels = decode(jpeg, &Limits { bytes: jpeg.len(), pixels: 1 << 20 })?;
    let begin = std::time::Instant::now();
    for _ in 0..TIMES {
        std::hint::black_box(Likeness::of(std::hint::black_box(&pixels)));
    }
    Ok(begin.elapsed().as_secs_f64() * 1e3 / f64::from(TIMES))
}

async fn storm(
    setting: &Setting,
    case: &Case,
    frames: &Arc<Vec<Vec<Vec<u8>>>>,
    length: Duration,
    report: &mut Report,
) -> anyhow::Result<()> {
    let broker = match case.broker {
        true => Some(tokio::task::spawn_blocking(|| Server::start(Kind::Rabbitmq)).await??),
        false => None,
    };
    let mut environment =
        vec![("CHAPERONE_PIPELINE__FRAME_REUSE_BITS", case.reuse_bits), ("CHAPERONE_PIPELINE__TEXT_MODELS", "[]")];
    environment.extend(broker.as_ref().map(|broker| ("CHAPERONE_QUEUE__URL", broker.url())));
    // One core for the service; the others are the platform's.
    let setup = Setup { binary: &setting.binary, models: &MODELS, core: Some(0), environment: &environment };
    let service = Service::start(&setup)?;
    let participants: Vec<String> = (0..PARTICIPANTS).map(|index| format!("p{index}")).collect();
    let body = serde_json::json!({ "id": "storm", "participants": participants }).to_string().into();
    let start = Request { path: "/v1/calls".into(), content_type: "application/json", body };
    load::run(service.url(), &Arc::new(vec![start]), 1, None).await?;

    let watching = tokio::spawn(watch(format!("{}/v1/events?after=0&kinds=item.judged", service.url())));
    let mut memory = vec![service.resident_mib()?];
    let cpu = service.cpu_time()?;
    let sent = Arc::new(Sent::default());
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let end = Instant::now() + length;
    let mut cameras = tokio::task::JoinSet::new();
    for index in 0..PARTICIPANTS {
        let url = format!("{}/v1/calls/storm/participants/p{index}/frames", service.url());
        cameras.spawn(camera(index, url, client.clone(), Arc::clone(frames), Arc::clone(&sent), end));
    }
    tokio::time::sleep(length / 2).await;
    memory.push(service.resident_mib()?);
    while let Some(ended) = cameras.join_next().await {
        ended??;
    }
    memory.push(service.resident_mib()?);
    let cpu = service.cpu_time()? - cpu;
    tokio::time::sleep(SETTLE).await;
    let metrics = client.get(format!("{}/metrics", service.url())).send().await?.text().await?;
    watching.abort();
    let judged = service_events(&service, &client).await?;
    say(report, case, &sent, &judged, &metrics, &memory, (length, cpu))
}

/// Frames that were due, accepted, refused, and not sent because the last one had no answer yet.
#[derive(Default)]
struct Sent {
    offered: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    skipped: AtomicU64,
}

/// Sends a frame every [`EVERY`], as long as the last one was answered in time.
async fn camera(
    index: usize,
    url: String,
    client: reqwest::Client,
    frames: Arc<Vec<Vec<Vec<u8>>>>,
    sent: Arc<Sent>,
    end: Instant,
) -> anyhow::Result<()> {
    // Cameras do not beat together.
    tokio::time::sleep(EVERY.mul_f64(index as f64 / PARTICIPANTS as f64)).await;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut number = 0;
    while Instant::now() < end {
        let due = ticks.tick().await;
        sent.offered.fetch_add(1, Ordering::Relaxed);
        number += 1;
        if due.elapsed() > EVERY {
            sent.skipped.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let frame = frames[index][number % FRAMES].clone();
        #[expect(clippy::disallowed_methods, reason = "a camera has a clock of its own")]
        let now = Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let url = format!("{url}?captured_at={now}");
        let request = client.post(&url).header("content-type", "image/jpeg").body(frame);
        let status = request.send().await.context("the service did not answer")?.status();
        let counter = match status.as_u16() {
            202 => &sent.accepted,
            429 => &sent.refused,
            _ => anyhow::bail!("{url} answered {status}"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// One judged frame.
struct Judged {
    actor: String,
    age: Duration,
    reused: bool,
}

/// Reads events as they come, as a platform does; what it reads is read again at the end.
async fn watch(url: String) -> anyhow::Result<()> {
    let mut stream = reqwest::Client::new().get(url).send().await?;
    while stream.chunk().await?.is_some() {}
    Ok(())
}

/// All `item.judged` events.
async fn service_events(service: &Service, client: &reqwest::Client) -> anyhow::Result<Vec<Judged>> {
    let mut stream = client.get(format!("{}/v1/events?after=0&kinds=item.judged", service.url())).send().await?;
    let (mut text, mut judged) = (Vec::new(), Vec::new());
    // The stream stays open: it has said all when it says nothing for a while.
    while let Ok(chunk) = tokio::time::timeout(Duration::from_secs(3), stream.chunk()).await {
        let Some(chunk) = chunk? else { break };
        text.extend_from_slice(&chunk);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data:") {
                judged.extend(read(data)?);
            }
        }
    }
    Ok(judged)
}

fn read(data: &[u8]) -> anyhow::Result<Option<Judged>> {
    let event: serde_json::Value = serde_json::from_slice(data)?;
    if event["kind"] != "item.judged" {
        return Ok(None);
    }
    let time = |value: &serde_json::Value| -> anyhow::Result<DateTime<Utc>> {
        Ok(DateTime::parse_from_rfc3339(value.as_str().context("a time")?)?.to_utc())
    };
    let age = time(&event["at"])? - time(&event["data"]["occurred_at"])?;
    let actor = event["data"]["actor"].as_str().context("an actor")?.to_owned();
    let reused = event["data"]["reused"] == true;
    Ok(Some(Judged { actor, age: age.to_std().unwrap_or_default(), reused }))
}

fn say(
    report: &mut Report,
    case: &Case,
    sent: &Sent,
    judged: &[Judged],
    metrics: &str,
    memory: &[f64],
    (length, cpu): (Duration, Duration),
) -> anyhow::Result<()> {
    ensure!(!judged.is_empty(), "nothing was judged");
    let name = case.name;
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
    let mut figure = |what: &str, value: f64| report.figure(&format!("{name}: {what}"), vec![value]);
    let seconds = length.as_secs_f64();
    let (offered, accepted) = (count(&sent.offered), count(&sent.accepted));
    figure("frames offered per second", offered / seconds);
    figure("accepted per second", accepted / seconds);
    figure("refused (429)", count(&sent.refused));
    figure("not sent because the last had no answer yet", count(&sent.skipped));
    figure("judged per second", judged.len() as f64 / seconds);
    figure("judged per CPU-second of the service", judged.len() as f64 / cpu.as_secs_f64());
    figure(
        "of those reused, %",
        100.0 * judged.iter().filter(|judged| judged.reused).count() as f64 / judged.len() as f64,
    );
    let shed = |reason: &str| metric(metrics, &format!("chaperone_frames_shed_total{{reason=\"{reason}\"}}"));
    let (displaced, stale) = (shed("displaced"), shed("stale"));
    figure("shed: displaced by a newer one", displaced);
    figure("shed: stale", stale);
    // Accepted, and neither judged nor counted as shed.
    let lost = figure("accepted and unaccounted for", accepted - judged.len() as f64 - displaced - stale);

    let mut each: HashMap<&str, f64> = HashMap::new();
    for judged in judged {
        *each.entry(&judged.actor).or_default() += 1.0;
    }
    let mut each: Vec<f64> = each.into_values().collect();
    each.resize(PARTICIPANTS, 0.0);
    each.sort_by(f64::total_cmp);
    let share = figure("judged per participant: fair share", judged.len() as f64 / PARTICIPANTS as f64);
    let least = figure("judged per participant: least", each[0]);
    figure("judged per participant: median", median(&each));
    figure("judged per participant: most", each[each.len() - 1]);
    let mut ages: Vec<Duration> = judged.iter().map(|judged| judged.age).collect();
    figure("age at verdict since capture: p50 ms", percentile_ms(&mut ages, 0.5));
    let p99 = figure("age at verdict since capture: p99 ms", percentile_ms(&mut ages, 0.99));
    figure("age at verdict since capture: highest ms", percentile_ms(&mut ages, 1.0));
    for (when, mib) in ["start", "middle", "end"].into_iter().zip(memory) {
        figure(&format!("resident at the {when}: MiB"), *mib);
    }
    let growth = memory[2] - memory[1];
    report.goal(&format!("{name}: age p99 under 2 s (ms)"), p99, p99 < 2000.0);
    report.goal(
        &format!("{name}: least judged ≥ 80 % of the fair share, in whole frames (%)"),
        100.0 * least / share,
        least >= (0.8 * share).floor(),
    );
    report.goal(&format!("{name}: every accepted frame judged or counted as shed"), lost, lost == 0.0);
    report.goal(&format!("{name}: memory flat, middle to end under 32 MiB"), growth, growth < 32.0);
    Ok(())
}

/// One counter of the text format.
fn metric(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
}

const MODELS: [&str; 3] = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception"];
