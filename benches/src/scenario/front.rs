//! What a text costs besides the model: parsing, ids, policy, store, answer. Fake models answer at once, so the processor time
//! of the whole service is the front end's.

use std::{sync::Arc, time::Duration};

use super::{Setting, check_requests, embed_requests};
use crate::{
    load::{self, Request},
    report::Report,
    service::{Service, Setup},
    workload::texts,
};

const CONNECTIONS: usize = 32;
const MODELS: [&str; 2] = ["fake:toxicity-minilm", "fake:embed-minilm"];

/// Microseconds of processor time per text.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("front");
    let texts = texts::messages(&setting.datasets)?;
    let moderate = |text: &String| Request {
        path: "/v1/moderations".into(),
        content_type: "application/json",
        body: serde_json::json!({ "input": text }).to_string().into(),
    };
    let doors: Vec<(&str, Vec<Request>)> = vec![
        (
            "health, nothing but HTTP",
            vec![Request { path: "/v1/nothing".into(), content_type: "application/json", body: b"{}".to_vec() }],
        ),
        ("judge, dry run", check_requests("/v1/check?dry_run=true", &texts)),
        ("judge and record", check_requests("/v1/check", &texts)),
        ("OpenAI moderation", texts.iter().map(moderate).collect()),
        ("embedding as base64", embed_requests(&texts, "base64")),
        ("embedding as numbers", embed_requests(&texts, "float")),
    ];
    // Repeats would be answered from the cache: here everything is to be computed.
    let environment = [("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]"), ("CHAPERONE_PIPELINE__CACHE_ENTRIES", "0")];
    let setup = Setup { binary: &setting.binary, models: &MODELS, core: Some(0), environment: &environment };
    let service = Service::start(&setup)?;
    let length = Duration::from_secs(setting.seconds);
    let mut rounds = vec![Vec::new(); doors.len()];
    let doors: Vec<(&str, Arc<Vec<Request>>)> =
        doors.into_iter().map(|(name, requests)| (name, Arc::new(requests))).collect();
    for round in 0..=setting.rounds {
        for ((name, requests), micros) in doors.iter().zip(&mut rounds) {
            let cpu = service.cpu_time()?;
            let seen = load::run_any(service.url(), requests, CONNECTIONS, length).await?;
            let spent = (service.cpu_time()? - cpu).as_secs_f64() * 1e6 / seen as f64;
            // The first round warms up.
            if round > 0 {
                micros.push(spent);
            } else {
                anyhow::ensure!(seen > 0, "{name}: nothing was answered");
            }
        }
    }
    let mut bars = Vec::new();
    let mut medians = Vec::new();
    for ((name, _), micros) in doors.iter().zip(rounds) {
        let figure = format!("{name}: CPU µs per text");
        medians.push(report.figure(&figure, micros));
        bars.push(((*name).to_owned(), figure));
    }
    report.bars("CPU µs per text without the model", &bars);
    let embed = medians[4];
    report.goal("embedding as base64, without the model: at most 69 µs (TEI's front end)", embed, embed <= 69.0);
    Ok(report)
}
