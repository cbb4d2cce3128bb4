//! Perspective's `comments:analyze` as forums call it: 20 comments a second that come when they come, on all cores.

use std::{sync::Arc, time::Duration};

use super::Setting;
use crate::{
    load::Request,
    open_loop,
    report::{Report, percentile_ms},
    service::{Service, Setup},
    workload,
};

/// Comments per second: what the goal is stated for.
const RATE: f64 = 20.0;
/// Comments per round: a p99 of fewer says little.
const COMMENTS: f64 = 2_000.0;
/// Longest p99 that meets the goal, in milliseconds.
const GOAL_MS: f64 = 100.0;
/// Words of a comment.
const WORDS: std::ops::RangeInclusive<usize> = 4..=60;

/// Latency from the moment at which a comment came, p50 to p99, without and with sentences.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("analyze");
    let defaults = setting.text_models()?;
    let asked = if setting.text_models.is_empty() { &defaults } else { &setting.text_models };
    let models: Vec<&str> = asked.iter().map(String::as_str).collect();
    let load: Vec<&str> = ["embed-minilm"].into_iter().chain(models.iter().copied()).collect();
    let text_models = serde_json::to_string(&models)?;
    // No comment comes twice in a round, and none is answered from memory in a later one.
    let environment = [
        ("CHAPERONE_PIPELINE__TEXT_MODELS", text_models.as_str()),
        ("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]"),
        ("CHAPERONE_PIPELINE__CACHE_ENTRIES", "0"),
    ];
    let setup = Setup { binary: &setting.binary, models: &load, core: None, environment: &environment };
    let service = Service::start(&setup)?;
    report.machine.insert("text models".to_owned(), models.join(", "));
    let mut goal = Vec::new();
    for (name, spans) in [("comments:analyze", false), ("comments:analyze with spanAnnotations", true)] {
        let requests = Arc::new(comments(setting, spans)?);
        let warm_up = open_loop::arrivals(RATE, Duration::from_secs(3), 1);
        open_loop::run(service.url(), &requests, &warm_up).await?;
        let (mut p50, mut p95, mut p99, mut most, mut refused) = (vec![], vec![], vec![], vec![], vec![]);
        for round in 0..setting.rounds {
            let length = Duration::from_secs_f64(COMMENTS / RATE);
            let moments = open_loop::arrivals(RATE, length, 1000 + round as u64);
            let mut seen = open_loop::run(service.url(), &requests, &moments).await?;
            p50.push(percentile_ms(&mut seen.latencies, 0.5));
            p95.push(percentile_ms(&mut seen.latencies, 0.95));
            p99.push(percentile_ms(&mut seen.latencies, 0.99));
            most.push(percentile_ms(&mut seen.latencies, 1.0));
            refused.push(seen.refused as f64);
        }
        report.figure(&format!("{name}, 20/s Poisson: p50 ms"), p50);
        report.figure(&format!("{name}, 20/s Poisson: p95 ms"), p95);
        goal.push(report.figure(&format!("{name}, 20/s Poisson: p99 ms"), p99));
        report.figure(&format!("{name}, 20/s Poisson: longest ms"), most);
        report.figure(&format!("{name}, 20/s Poisson: refused"), refused);
    }
    report.goal("p99 of comments:analyze under 100 ms at 20/s", goal[0], goal[0] < GOAL_MS);
    Ok(report)
}

/// Real sentences, asked for six attributes.
fn comments(setting: &Setting, spans: bool) -> anyhow::Result<Vec<Request>> {
    let attributes = ["TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "PROFANITY", "THREAT"];
    let requested: serde_json::Map<_, _> =
        attributes.into_iter().map(|name| (name.to_owned(), serde_json::json!({}))).collect();
    let sentences = workload::sentences(&setting.datasets, WORDS)?;
    let request = |(index, sentence): (usize, &String)| {
        // Two sentences, so that spans have something to tell apart.
        let text = format!("{sentence} {}", sentences[(index * 7 + 1) % sentences.len()]);
        let body = serde_json::json!({
            "comment": { "text": text }, "requestedAttributes": requested, "languages": ["en"], "spanAnnotations": spans, "doNotStore": true,
        });
        let path = "/v1alpha1/comments:analyze".to_owned();
        Request { path, content_type: "application/json", body: body.to_string().into() }
    };
    Ok(sentences.iter().enumerate().map(request).collect())
}
