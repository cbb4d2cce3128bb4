//! What the second opinion about pictures costs: the service with it against the service without, on harmless photos as call
//! frames. Pictures that the cheap model suspects and pictures that it does not are told apart.

use std::{sync::Arc, time::Duration};

use anyhow::ensure;

use super::{Setting, frames::form};
use crate::{
    load::{self, Request},
    report::Report,
    service::{Service, Setup},
    workload,
};

const CONNECTIONS: usize = 8;
const CHEAP: [&str; 2] = ["embed-minilm", "nsfw-mobilenet"];
const BOTH: [&str; 3] = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception"];

/// Milliseconds of processor time per frame.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("cascade");
    let photos = setting.photos.clone().unwrap_or_else(|| setting.datasets.join("photos"));
    let frames = workload::frames(&photos, workload::count(&photos)?)?;
    let environment = [("CHAPERONE_PIPELINE__TEXT_MODELS", "[]")];
    let setup = Setup { binary: &setting.binary, models: &BOTH, core: Some(0), environment: &environment };
    let both = Service::start(&setup)?;
    let environment = [("CHAPERONE_PIPELINE__TEXT_MODELS", "[]"), ("CHAPERONE_PIPELINE__SECOND_OPINION__MODEL", "")];
    let setup = Setup { binary: &setting.binary, models: &CHEAP, core: Some(0), environment: &environment };
    let cheap = Service::start(&setup)?;

    let all: Vec<Request> = frames.iter().map(|frame| request(frame)).collect();
    let mut clean = Vec::new();
    for request in &all {
        if !is_suspected(&both, request).await? {
            clean.push(request.clone());
        }
    }
    let suspected = all.len() - clean.len();
    ensure!(!clean.is_empty(), "every photo in {} is suspected", photos.display());
    report.figure("harmless photos", vec![all.len() as f64]);
    report.figure("of them suspected by the cheap model", vec![suspected as f64]);

    let (all, clean) = (Arc::new(all), Arc::new(clean));
    let length = Duration::from_secs(setting.seconds);
    let mut rounds: [Vec<f64>; 4] = Default::default();
    for round in 0..=setting.rounds {
        let found = [
            cost(&cheap, &clean, Some(length)).await?,
            cost(&both, &clean, Some(length)).await?,
            // Each once: a part of them would not have the same share of suspects.
            cost(&cheap, &all, None).await?,
            cost(&both, &all, None).await?,
        ];
        // The first round warms up.
        if round > 0 {
            rounds.iter_mut().zip(found).for_each(|(figures, value)| figures.push(value));
        }
    }
    let [cheap_clean, both_clean, cheap_all, both_all] = rounds;
    let cheap_clean = report.figure("not suspected, cheap model alone: CPU ms per frame", cheap_clean);
    let both_clean = report.figure("not suspected, with second opinion: CPU ms per frame", both_clean);
    let cheap_all = report.figure("all, cheap model alone: CPU ms per frame", cheap_all);
    let both_all = report.figure("all, with second opinion: CPU ms per frame", both_all);
    let ratio = both_clean / cheap_clean;
    report.goal("a frame that is not suspected: at most 1.05 × the cheap model", ratio, ratio <= 1.05);
    report.figure("all, with second opinion ÷ cheap model alone", vec![both_all / cheap_all]);
    Ok(report)
}

fn request(frame: &[u8]) -> Request {
    Request {
        path: "/v1/check?dry_run=true".into(),
        content_type: "multipart/form-data; boundary=frame",
        body: form(frame),
    }
}

/// Did the second model have its say?
async fn is_suspected(service: &Service, request: &Request) -> anyhow::Result<bool> {
    let call = reqwest::Client::new().post(format!("{}{}", service.url(), request.path));
    let call = call.header("content-type", request.content_type).body(request.body.clone());
    Ok(call.send().await?.error_for_status()?.text().await?.contains("\"second."))
}

async fn cost(service: &Service, requests: &Arc<Vec<Request>>, length: Option<Duration>) -> anyhow::Result<f64> {
    let before = service.cpu_time()?;
    let seen = load::run(service.url(), requests, CONNECTIONS, length).await?;
    Ok((service.cpu_time()? - before).as_secs_f64() * 1e3 / seen.answered as f64)
}
