//! Publish → verdict recorded, over RabbitMQ and PostgreSQL with the fake backend: publisher, broker, worker and database share
//! this machine's cores.

use std::time::{Duration, Instant};

use pipeline::{clock::Clock, process::stage::Stage};

use super::{Setting, chaos::FAKES};
use crate::{
    cluster::{Cluster, Fleet, tree_cpu_time},
    ledger::Ledger,
    mixture,
    report::Report,
    service::own_cpu_time,
};

/// Items per round.
const ITEMS: usize = 40_000;
/// Items in one publish call.
const CHUNK: usize = 256;
/// Items/s that the house asks for on two cores.
const GOAL: f64 = 3000.0;
/// Nothing new for so long: something is wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the rounds.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("throughput");
    let cluster = Cluster::start(setting).await?;
    let queue = cluster.publisher().await?;
    let fleet = Fleet::start(&cluster, 1, FAKES, &[])?;
    fleet.ready().await?;
    let store = cluster.store().await?;
    let mut ledger = Ledger::default();
    let (rabbitmq, postgres) = (cluster.rabbitmq.pid()?, cluster.postgres.pid()?);
    let mut rates = Vec::new();
    let mut spent: [Vec<f64>; 4] = Default::default();
    let (mut publishing, mut staged) = (Vec::new(), Vec::new());
    // The first round warms up and is not counted.
    for round in 0..=setting.rounds {
        let cpu = || anyhow::Ok([fleet.cpu_time(), tree_cpu_time(rabbitmq), tree_cpu_time(postgres), own_cpu_time()?]);
        // Built before the clock runs: making items is not the service's work.
        let chunks = chunks(round * ITEMS);
        let stages_before = stages(&fleet).await?;
        let (before, started) = (cpu()?, Instant::now());
        let publisher = {
            let queue = queue.clone();
            tokio::spawn(async move {
                let (mut calls, mut waited) = (0_u32, Duration::ZERO);
                for (lane, mut items) in chunks {
                    let called = Instant::now();
                    let now = Clock::system().now();
                    items.iter_mut().for_each(|item| item.envelope.received_at = now);
                    while let Err(error) = queue.publish(items.clone(), lane).await {
                        anyhow::ensure!(error.kind() == pipeline::Kind::TooBusy, "{error}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    (calls, waited) = (calls + 1, waited + called.elapsed());
                }
                anyhow::Ok(waited.as_secs_f64() * 1e3 / f64::from(calls))
            })
        };
        let (mut last, mut progress) = (ledger.judged.len(), Instant::now());
        while ledger.judged.len() < (round + 1) * ITEMS {
            tokio::time::sleep(Duration::from_millis(100)).await;
            ledger.read(&*store).await;
            if ledger.judged.len() > last {
                (last, progress) = (ledger.judged.len(), Instant::now());
            }
            anyhow::ensure!(progress.elapsed() < PATIENCE, "{last} items judged, then nothing more");
        }
        let elapsed = started.elapsed().as_secs_f64();
        let publish_ms = publisher.await??;
        if round == 0 {
            continue;
        }
        let after = cpu()?;
        publishing.push(publish_ms);
        let means = stages(&fleet).await?.into_iter().zip(&stages_before);
        let mean =
            |(after, before): ((f64, f64), &(f64, f64))| (after.0 - before.0) * 1e3 / (after.1 - before.1).max(1.0);
        let mut means: Vec<f64> = means.map(mean).collect();
        // The worker sees both as one.
        means[0] = (means[0] - publish_ms).max(0.0);
        staged.push(means);
        rates.push(ITEMS as f64 / elapsed);
        for (share, (after, before)) in spent.iter_mut().zip(after.into_iter().zip(before)) {
            share.push((after.saturating_sub(before)).as_secs_f64() * 1e6 / ITEMS as f64);
        }
    }
    let rate = report.figure("items/s, publish → recorded, one worker", rates);
    let names = ["worker", "RabbitMQ", "PostgreSQL", "publisher and reader of this program"];
    let all: f64 = spent.iter().map(|rounds| crate::report::median(rounds)).sum();
    for (name, rounds) in names.into_iter().zip(spent) {
        let micros = report.figure(&format!("CPU µs per item: {name}"), rounds);
        report.figure(&format!("  share of all CPU time, %: {name}"), vec![100.0 * micros / all]);
    }
    say_stages(&mut report, publishing, &staged);
    report.figure("resident memory of the worker, MiB", vec![fleet.resident_mib()]);
    report.goal("at least 3,000 items/s", rate, rate >= GOAL);
    Ok(report)
}

/// Items of one lane, a publish call each.
fn chunks(first: usize) -> Vec<(pipeline::Lane, Vec<pipeline::item::Item>)> {
    let mut chunks = Vec::new();
    for lane in pipeline::Lane::ALL {
        let items =
            mixture::items(first..first + ITEMS, 0).into_iter().filter(|(of, _)| *of == lane).map(|(_, item)| item);
        let items: Vec<_> = items.collect();
        chunks.extend(items.chunks(CHUNK).map(|chunk| (lane, chunk.to_vec())));
    }
    chunks
}

/// Seconds that items have spent in each stage so far, and how many did, from the workers' own metrics.
async fn stages(fleet: &Fleet) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut sums = vec![(0.0, 0.0); Stage::ALL.len()];
    for url in fleet.urls() {
        let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
        for (stage, sum) in Stage::ALL.into_iter().zip(&mut sums) {
            let value = |what: &str| {
                let name = format!("chaperone_item_stage_seconds_{what}{{stage=\"{}\"}} ", stage.as_str());
                let line = text.lines().find_map(|line| line.strip_prefix(&name));
                line.and_then(|value| value.trim().parse::<f64>().ok()).unwrap_or(0.0)
            };
            *sum = (sum.0 + value("sum"), sum.1 + value("count"));
        }
    }
    Ok(sums)
}

/// Prints each stage's mean wall time and its share.
fn say_stages(report: &mut Report, publish: Vec<f64>, rounds: &[Vec<f64>]) {
    let mut all: Vec<(&str, Vec<f64>)> = vec![("publish: until the broker has confirmed the call", publish)];
    let names = [
        "wait: in the broker and in the worker's hands",
        "seen: was it judged before?",
        "prepare: decode, fold",
        "judge: models, their queue, author's turn, context",
        "decide: policy",
        "commit: outcome, events, together with others",
        "settle: the ack is handed over",
    ];
    all.extend(names.iter().enumerate().map(|(at, name)| (*name, rounds.iter().map(|round| round[at]).collect())));
    let total: f64 = all.iter().map(|(_, rounds)| crate::report::median(rounds)).sum();
    for (name, rounds) in all {
        let ms = report.figure(&format!("wall ms of an item, {name}"), rounds);
        report.figure("  share of its time, %", vec![100.0 * ms / total]);
    }
}
