//! Embeddings over HTTP, one text per request, against the bare backend; one core each, alternating.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use models::{
    Precision,
    batch::{Batch, EntryId, Prepared},
    text::TextEncoder,
};
use serde::{Deserialize, Serialize};

use super::Setting;
use crate::{
    load::{self, Request},
    report::{Report, percentile_ms},
    service::{Service, Setup, own_cpu_time},
    workload,
};

const MODEL: &str = "embed-minilm";
/// Callers that each send one text at a time.
const CONNECTIONS: usize = 32;
/// Batches that the bare backend gets; its best one counts, so that no batch that suits it badly flatters the service.
const BATCHES: [usize; 3] = [8, 16, 32];
/// Words that make about 16 tokens.
const WORDS: std::ops::RangeInclusive<usize> = 11..=13;

/// What the bare backend reached, printed by the child process that `--bare` starts.
#[derive(Debug, Serialize, Deserialize)]
pub struct Bare {
    /// Texts per CPU-second in the best of [`BATCHES`], tokenised beforehand.
    batched: f64,
    /// Texts per second of wall time in that batch.
    batched_wall: f64,
    /// That batch.
    batch: usize,
    /// Milliseconds for one text alone, p50.
    alone_ms: f64,
    /// Mean tokens per text.
    tokens: f64,
}

/// Measures the bare backend in this process. Run it pinned to one core.
pub fn bare(setting: &Setting) -> anyhow::Result<Bare> {
    let (folder, mut backend) = setting.bare_backend(MODEL)?;
    let encoder = TextEncoder::load(&folder.file("tokenizer")?, folder.spec.max_tokens)?;
    let prepared = workload::sentences(&setting.datasets, WORDS)?
        .iter()
        .map(|sentence| Ok(Prepared::Tokens(encoder.encode(sentence)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut run = |size: usize, length: Duration| -> anyhow::Result<(usize, Vec<Duration>)> {
        let (begin, mut next, mut times) = (Instant::now(), 0, Vec::new());
        while begin.elapsed() < length {
            let start = Instant::now();
            let rows = (0..size).map(|row| (EntryId(row as u64), &prepared[(next + row) % prepared.len()]));
            backend.infer(&Batch::assemble(rows))?;
            next += size;
            times.push(start.elapsed());
        }
        Ok((next, times))
    };
    let length = Duration::from_secs(setting.seconds);
    run(CONNECTIONS, Duration::from_secs(1))?;
    let (mut batched, mut batched_wall, mut batch) = (0.0, 0.0, 0);
    for size in BATCHES {
        let (cpu, begin) = (own_cpu_time()?, Instant::now());
        let (texts, _) = run(size, length)?;
        let rate = texts as f64 / (own_cpu_time()? - cpu).as_secs_f64();
        if rate > batched {
            (batched, batched_wall, batch) = (rate, texts as f64 / begin.elapsed().as_secs_f64(), size);
        }
    }
    let (_, mut times) = run(1, length / 2)?;
    let tokens = prepared.iter().map(Prepared::length).sum::<usize>() as f64 / prepared.len() as f64;
    Ok(Bare { batched, batched_wall, batch, alone_ms: percentile_ms(&mut times, 0.5), tokens })
}

/// Texts per CPU-second of the whole service process, and what it adds to one text alone.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("text");
    let requests: Vec<Request> = workload::sentences(&setting.datasets, WORDS)?
        .into_iter()
        .map(|text| {
            let body = serde_json::json!({ "model": MODEL, "input": text, "encoding_format": "base64" });
            Request { path: "/v1/embeddings".into(), content_type: "application/json", body: body.to_string().into() }
        })
        .collect();
    let requests = Arc::new(requests);
    let environment = [("CHAPERONE_PIPELINE__TEXT_MODELS", "[]"), ("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]")];
    let setup = Setup { binary: &setting.binary, models: &[MODEL], core: Some(0), environment: &environment };
    let service = Service::start(&setup)?;
    let precision = service.precision(MODEL).await?;
    report.figure(
        "computes in bf16 (1) or fp32 (0), the bare backend too",
        vec![f64::from(precision == Precision::Bf16)],
    );
    let length = Duration::from_secs(setting.seconds);
    load::run(service.url(), &requests, CONNECTIONS, Some(Duration::from_secs(2))).await?;

    let (mut served, mut served_wall, mut p50, mut p99, mut alone) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut bare, mut bare_wall, mut bare_alone, mut added) = (vec![], vec![], vec![], vec![]);
    let (mut tokens, mut batches) = (0.0, Vec::new());
    for _ in 0..setting.rounds {
        let cpu = service.cpu_time()?;
        let mut seen = load::run(service.url(), &requests, CONNECTIONS, Some(length)).await?;
        served.push(seen.answered as f64 / (service.cpu_time()? - cpu).as_secs_f64());
        served_wall.push(seen.answered as f64 / seen.elapsed.as_secs_f64());
        p50.push(percentile_ms(&mut seen.latencies, 0.5));
        p99.push(percentile_ms(&mut seen.latencies, 0.99));
        let mut single = load::run(service.url(), &requests, 1, Some(length / 2)).await?;
        alone.push(percentile_ms(&mut single.latencies, 0.5));
        let found: Bare = setting.child("--bare", precision)?;
        added.push(alone[alone.len() - 1] - found.alone_ms);
        bare.push(found.batched);
        bare_wall.push(found.batched_wall);
        bare_alone.push(found.alone_ms);
        batches.push(found.batch as f64);
        tokens = found.tokens;
    }
    report.figure("mean tokens per text", vec![tokens]);
    report.figure("bare backend: its best batch of 8, 16, 32", batches);
    let bare = report.figure("bare backend, best batch: texts per CPU-second", bare);
    let bare_wall = report.figure("bare backend, best batch: texts per second", bare_wall);
    let served = report.figure("service over HTTP, 32 connections: texts per CPU-second", served);
    let served_wall = report.figure("service over HTTP, 32 connections: texts per second", served_wall);
    report.figure("service over HTTP, 32 connections: p50 ms", p50);
    report.figure("service over HTTP, 32 connections: p99 ms", p99);
    report.figure("bare backend, one text: p50 ms", bare_alone);
    report.figure("service over HTTP, one connection: p50 ms", alone);
    let added = report.figure("added at one connection: p50 ms", added);
    report.goal("at least 95 % of the bare backend, per CPU-second", 100.0 * served / bare, served >= 0.95 * bare);
    report.goal(
        "at least 90 % of the bare backend, wall",
        100.0 * served_wall / bare_wall,
        served_wall >= 0.9 * bare_wall,
    );
    report.goal("added latency at one connection under 1 ms p50", added, added < 1.0);
    Ok(report)
}
