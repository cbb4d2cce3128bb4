//! Texts, embeddings and frames for minutes on end: does memory stay flat, does the cost?

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Setting, check_requests, embed_requests, frames::form};
use crate::{
    load::{self, Request},
    report::{Report, percentile_ms},
    service::{Service, Setup},
    workload::{self, texts},
};

const CONNECTIONS: usize = 8;
const MODELS: [&str; 4] = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"];
/// What allocators and caches may still take after the first part.
const GROWTH: f64 = 1.05;
/// Parts that the run is cut into; the first one fills caches.
const PARTS: u32 = 10;

/// Runs for so long.
pub async fn run(setting: &Setting, length: Duration) -> anyhow::Result<Report> {
    let mut report = Report::new("soak");
    let requests = Arc::new(mixture(setting)?);
    let setup = Setup { binary: &setting.binary, models: &MODELS, core: Some(0), environment: &[] };
    let service = Service::start(&setup)?;
    let (mut memory, mut cost, mut p99, mut answered) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let begin = Instant::now();
    for _ in 0..PARTS {
        let cpu = service.cpu_time()?;
        let mut seen = load::run(service.url(), &requests, CONNECTIONS, Some(length / PARTS)).await?;
        cost.push((service.cpu_time()? - cpu).as_secs_f64() * 1e3 / seen.answered as f64);
        p99.push(percentile_ms(&mut seen.latencies, 0.99));
        memory.push(service.resident_mib()?);
        answered += seen.answered;
    }
    report.figure("minutes", vec![begin.elapsed().as_secs_f64() / 60.0]);
    report.figure("requests answered", vec![answered as f64]);
    let (second, last) = (memory[1], memory[memory.len() - 1]);
    let (second_cost, last_cost) = (cost[1], cost[cost.len() - 1]);
    report.figure("resident MiB after each tenth", memory);
    report.figure("CPU ms per request in each tenth", cost);
    report.figure("p99 ms in each tenth", p99);
    report.goal("memory at the end at most 1.05 × that after two tenths", last / second, last <= GROWTH * second);
    report.goal(
        "cost in the last tenth at most 1.1 × that in the second",
        last_cost / second_cost,
        last_cost <= 1.1 * second_cost,
    );
    Ok(report)
}

/// Of ten requests seven judge a text, two embed one, one brings a picture; everything but the pictures is recorded.
fn mixture(setting: &Setting) -> anyhow::Result<Vec<Request>> {
    let texts = texts::messages(&setting.datasets)?;
    let (mut judge, mut embed) =
        (check_requests("/v1/check", &texts).into_iter(), embed_requests(&texts, "base64").into_iter());
    let pictures = workload::frames(&setting.datasets.join("photos"), 50)?;
    let picture = |number: usize| Request {
        path: "/v1/check".into(),
        content_type: "multipart/form-data; boundary=frame",
        body: form(&pictures[number % pictures.len()]),
    };
    let mut requests = Vec::new();
    for number in 0..texts.len() {
        let next = match number % 10 {
            0 => Some(picture(number)),
            1 | 2 => embed.next(),
            _ => judge.next(),
        };
        requests.extend(next);
    }
    Ok(requests)
}
