//! Publish → verdict recorded, over RabbitMQ and PostgreSQL with the fake backend: publisher, broker, worker and database share
//! this machine's cores.

use std::time::{Duration, Instant};

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
    // The first round warms up and is not counted.
    for round in 0..=setting.rounds {
        let cpu = || anyhow::Ok([fleet.cpu_time(), tree_cpu_time(rabbitmq), tree_cpu_time(postgres), own_cpu_time()?]);
        // Built before the clock runs: making items is not the service's work.
        let chunks = chunks(round * ITEMS);
        let (before, started) = (cpu()?, Instant::now());
        let publisher = {
            let queue = queue.clone();
            tokio::spawn(async move {
                for (lane, items) in chunks {
                    while let Err(error) = queue.publish(items.clone(), lane).await {
                        anyhow::ensure!(error.kind() == pipeline::Kind::TooBusy, "{error}");
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
                anyhow::Ok(())
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
        publisher.await??;
        if round == 0 {
            continue;
        }
        rates.push(ITEMS as f64 / elapsed);
        for (share, (after, before)) in spent.iter_mut().zip(cpu()?.into_iter().zip(before)) {
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
    for (name, share) in stages(&fleet).await? {
        report.figure(&name, vec![share]);
    }
    report.figure("resident memory of the worker, MiB", vec![fleet.resident_mib()]);
    report.goal("at least 3,000 items/s", rate, rate >= GOAL);
    Ok(report)
}

/// Items of one lane, a publish call each.
fn chunks(first: usize) -> Vec<(pipeline::Lane, Vec<pipeline::item::Item>)> {
    let mut chunks = Vec::new();
    for lane in pipeline::Lane::ALL {
        let items =
            mixture::items(first..first + ITEMS).into_iter().filter(|(of, _)| *of == lane).map(|(_, item)| item);
        let items: Vec<_> = items.collect();
        chunks.extend(items.chunks(CHUNK).map(|chunk| (lane, chunk.to_vec())));
    }
    chunks
}

/// Mean wall time of an item in each stage of the worker, from its own metrics.
async fn stages(fleet: &Fleet) -> anyhow::Result<Vec<(String, f64)>> {
    let mut found = Vec::new();
    for url in fleet.urls() {
        let text = reqwest::get(format!("{url}/metrics")).await?.text().await?;
        let value = |line: &str| line.rsplit_once(' ').and_then(|(_, value)| value.parse::<f64>().ok());
        let total = |name: &str| -> f64 { text.lines().filter(|line| line.starts_with(name)).filter_map(value).sum() };
        let stages = text.lines().filter(|line| line.starts_with("chaperone_stage_seconds_sum"));
        for line in stages {
            let stage = line.split('"').nth(1).unwrap_or("?").to_owned();
            let count = total(&format!("chaperone_stage_seconds_count{{stage=\"{stage}\"}}"));
            found.push((
                format!("mean wall ms of an item in stage {stage}"),
                value(line).unwrap_or(0.0) * 1e3 / count.max(1.0),
            ));
        }
    }
    Ok(found)
}
