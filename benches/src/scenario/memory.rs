//! Resident memory: idle with every model loaded, and with 10,000 uploads in the queue. (Of call frames only the newest of each
//! participant waits.)

use std::{sync::Arc, time::Duration};

use anyhow::ensure;

use super::Setting;
use crate::{
    load::{self, Request},
    report::Report,
    service::{Service, Setup},
    workload,
};

const FRAMES: usize = 10_000;
const BOUNDARY: &str = "chaperone-bench";
const MODELS: [&str; 4] = ["embed-minilm", "nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"];

/// Runs once: memory does not vary between rounds.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("memory");
    let setup = Setup { binary: &setting.binary, models: &MODELS, core: None, environment: &[] };
    let service = Service::start(&setup)?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = report.figure("serve idle, all models loaded: resident MiB", vec![service.resident_mib()?]);
    report.goal("idle resident under 600 MiB", idle, idle < 600.0);

    let frames = workload::frames(&setting.datasets.join("photos"), 200)?;
    let bytes: usize = (0..FRAMES).map(|index| frames[index % frames.len()].len()).sum();
    let requests: Vec<Request> = (0..FRAMES)
        .map(|index| Request {
            path: "/v1/items".into(),
            content_type: "multipart/form-data; boundary=chaperone-bench",
            body: upload(&frames[index % frames.len()]),
        })
        .collect();
    let requests = Arc::new(requests);
    let peak = Arc::new(std::sync::Mutex::new((0.0_f64, 0.0_f64)));
    let client = reqwest::Client::new();
    let sending = load::run(service.url(), &requests, 16, None);
    tokio::pin!(sending);
    let mut ticks = tokio::time::interval(Duration::from_millis(200));
    let seen = loop {
        tokio::select! {
            seen = &mut sending => break seen?,
            _ = ticks.tick() => watch(&service, &client, &peak).await?,
        }
    };
    watch(&service, &client, &peak).await?;
    ensure!(seen.answered == FRAMES, "{} of {FRAMES} uploads were accepted, {} refused", seen.answered, seen.refused);
    let (resident, waiting) = *peak.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let payload = bytes as f64 / f64::from(1 << 20);
    report.figure("uploads accepted per second", vec![seen.answered as f64 / seen.elapsed.as_secs_f64()]);
    report.figure("most uploads waiting at once", vec![waiting]);
    // Held against what really waited at once, not against all that was sent.
    let payload = report.figure("bytes of those: MiB", vec![payload * waiting / FRAMES as f64]);
    let growth = report.figure("highest resident minus idle: MiB", vec![resident - idle]);
    report.goal("growth under the waiting uploads' own bytes", growth, growth < payload);
    Ok(report)
}

/// A form with one picture.
fn upload(picture: &[u8]) -> Vec<u8> {
    let head = "Content-Disposition: form-data; name=\"image\"; filename=\"a.jpg\"\r\nContent-Type: image/jpeg";
    let mut form = format!("--{BOUNDARY}\r\n{head}\r\n\r\n").into_bytes();
    form.extend_from_slice(picture);
    form.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    form
}

async fn watch(service: &Service, client: &reqwest::Client, peak: &std::sync::Mutex<(f64, f64)>) -> anyhow::Result<()> {
    let resident = service.resident_mib()?;
    let metrics = client.get(format!("{}/metrics", service.url())).send().await?.text().await?;
    let waiting: f64 = metrics
        .lines()
        .filter(|line| line.starts_with("chaperone_queue_waiting"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum();
    let mut peak = peak.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    *peak = (peak.0.max(resident), peak.1.max(waiting));
    Ok(())
}
