//! Does an item cost the same whatever its surroundings? One core and two, short texts and long ones, a thousand items and a
//! million.

use std::{sync::Arc, time::Duration};

use anyhow::Context;

use super::{EMBED_ONLY, ENCODER, Setting, embed_requests};
use crate::{
    load::{self, Request},
    report::{Report, median},
    service::{Service, Setup},
    workload::texts,
};

/// Items in one request of the third part.
const BATCH: usize = 250;
/// Requests at once of the third part.
const SENDERS: usize = 4;

/// All three; `items` is where the third one ends.
pub async fn run(setting: &Setting, items: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("scale");
    cores(setting, &mut report).await?;
    lengths(setting, &mut report).await?;
    growth(setting, items, &mut report).await?;
    Ok(report)
}

/// Processor time per text on one core and on all.
async fn cores(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let texts = texts::exactly(&setting.datasets, &setting.encoder()?, 16)?;
    let requests = Arc::new(embed_requests(&texts, "base64"));
    let mut figures: [(Vec<f64>, Vec<f64>); 2] = Default::default();
    for _ in 0..setting.rounds {
        for (core, (cpu, wall)) in [Some(0), None].into_iter().zip(&mut figures) {
            let setup = Setup { binary: &setting.binary, models: &[ENCODER], core, environment: &EMBED_ONLY };
            let service = Service::start(&setup)?;
            load::run(service.url(), &requests, 64, Some(Duration::from_secs(1))).await?;
            let before = service.cpu_time()?;
            let seen = load::run(service.url(), &requests, 64, Some(Duration::from_secs(setting.seconds))).await?;
            cpu.push((service.cpu_time()? - before).as_secs_f64() * 1e6 / seen.answered as f64);
            wall.push(seen.answered as f64 / seen.elapsed.as_secs_f64());
        }
    }
    let [(one, one_wall), (all, all_wall)] = figures;
    let one = report.figure("16 tokens, one core: CPU µs per text", one);
    let all = report.figure("16 tokens, all cores: CPU µs per text", all);
    report.figure("16 tokens, one core: texts per second", one_wall);
    report.figure("16 tokens, all cores: texts per second (the load generator shares them)", all_wall);
    report.goal("cost per text on all cores at most 1.15 × that on one", all / one, all / one <= 1.15);
    Ok(())
}

/// Processor time per token of short and long texts.
async fn lengths(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let encoder = setting.encoder()?;
    let setup = Setup { binary: &setting.binary, models: &[ENCODER], core: Some(0), environment: &EMBED_ONLY };
    let service = Service::start(&setup)?;
    let lengths = [8_usize, 16, 32, 64, 128, 256];
    let mut costs = Vec::new();
    for tokens in lengths {
        let requests = Arc::new(embed_requests(&texts::exactly(&setting.datasets, &encoder, tokens)?, "base64"));
        let mut rounds = Vec::new();
        for _ in 0..setting.rounds {
            let before = service.cpu_time()?;
            let seen = load::run(service.url(), &requests, 32, Some(Duration::from_secs(setting.seconds))).await?;
            rounds.push((service.cpu_time()? - before).as_secs_f64() * 1e6 / (seen.answered * tokens) as f64);
        }
        costs.push(report.figure(&format!("{tokens} tokens, 32 connections: CPU µs per token"), rounds));
    }
    // Attention alone grows with the square of the length: at 256 tokens it is a tenth of the arithmetic.
    let worst = costs.iter().copied().fold(0.0, f64::max) / costs.iter().copied().fold(f64::INFINITY, f64::min);
    report.goal("dearest token at most 1.5 × the cheapest", worst, worst <= 1.5);
    Ok(())
}

/// Processor time per item while the store grows, with fake models and the embedded queue and store.
async fn growth(setting: &Setting, items: usize, report: &mut Report) -> anyhow::Result<()> {
    let models = ["fake:toxicity-minilm", "fake:embed-minilm"];
    let environment = [("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]"), ("CHAPERONE_PIPELINE__CONTEXT_MESSAGES", "0")];
    let setup = Setup { binary: &setting.binary, models: &models, core: None, environment: &environment };
    let service = Service::start(&setup)?;
    let client = reqwest::Client::new();
    let (mut sent, mut steps) = (0, Vec::new());
    let marks: Vec<usize> = std::iter::successors(Some(1000_usize), |mark| mark.checked_mul(10))
        .take_while(|mark| *mark <= items)
        .collect();
    for mark in marks {
        let (before, begin) = (service.cpu_time()?, sent);
        let requests: Vec<Request> =
            (sent..mark).step_by(BATCH).map(|first| batch(first..(first + BATCH).min(mark))).collect();
        sent = mark;
        let seen = load::run_until_accepted(service.url(), Arc::new(requests), SENDERS).await?;
        settle(&client, service.url()).await?;
        let cost = (service.cpu_time()? - before).as_secs_f64() * 1e6 / (mark - begin) as f64;
        steps.push(report.figure(&format!("items {begin} to {mark}: CPU µs per item"), vec![cost]));
        report.figure(&format!("items {begin} to {mark}: resident MiB after"), vec![service.resident_mib()?]);
        report.figure(
            &format!("items {begin} to {mark}: requests sent again because the queue was full"),
            vec![seen as f64],
        );
    }
    // The first thousand also warms up.
    let (first, last) = (steps.get(1).copied().unwrap_or(f64::NAN), steps.last().copied().unwrap_or(f64::NAN));
    report.goal(
        &format!("items up to {sent}: at most 1.25 × the cost of the second step"),
        last / first,
        last / first <= 1.25,
    );
    report.figure("median step: CPU µs per item", vec![median(&steps)]);
    Ok(())
}

fn batch(numbers: std::ops::Range<usize>) -> Request {
    let item = |number: usize| {
        let text = format!("message {number}: see you at seven, bring the blue umbrella");
        serde_json::json!({ "text": text, "actor": format!("author-{}", number % 997), "conversation": format!("room-{}", number % 101) })
    };
    let body = serde_json::json!({ "items": numbers.map(item).collect::<Vec<_>>() }).to_string().into();
    Request { path: "/v1/items".into(), content_type: "application/json", body }
}

/// Waits until nothing waits and nothing is in flight.
async fn settle(client: &reqwest::Client, url: &str) -> anyhow::Result<()> {
    loop {
        let ready: serde_json::Value =
            serde_json::from_slice(&client.get(format!("{url}/health/ready")).send().await?.bytes().await?)?;
        let lanes = ready["lanes"].as_array().context("lanes")?;
        if lanes.iter().all(|lane| lane["waiting"] == 0 && lane["in_flight"] == 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
