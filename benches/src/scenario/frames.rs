//! A frame from JPEG bytes to verdict, against nsfwjs on its wasm backend; one core each, alternating.

use std::{process::Command, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::Setting;
use crate::{
    load::{self, Request},
    report::{Report, percentile_ms},
    service::{Service, Setup},
    workload,
};

/// What `benches/peers/nsfwjs/bench.mjs` prints: images per CPU-second.
#[derive(Deserialize)]
struct Peer {
    from_jpeg: f64,
}

/// Images per CPU-second of the whole service process (HTTP, decode, resize, model, policy) against the peer's.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let peer_folder = setting.peers.join("nsfwjs");
    ensure!(
        peer_folder.join("node_modules").is_dir(),
        "the peer is not installed: run `npm ci` in {}",
        peer_folder.display()
    );
    let mut report = Report::new("frames");
    let frames = workload::frames(&setting.datasets.join("photos"), 200)?;
    let folder = tempfile::tempdir()?;
    for (index, frame) in frames.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{index:03}.jpg")), frame)?;
    }
    let bytes = frames.iter().map(Vec::len).sum::<usize>() / frames.len();
    report.figure("mean frame, KiB", vec![bytes as f64 / 1024.0]);
    let requests: Vec<Request> = frames
        .into_iter()
        .map(|frame| Request {
            path: "/v1/check?dry_run=true".into(),
            content_type: "multipart/form-data; boundary=frame",
            body: form(&frame),
        })
        .collect();
    let requests = Arc::new(requests);

    let setup = Setup {
        binary: &setting.binary,
        models: &["embed-minilm", "nsfw-mobilenet", "nsfw-inception"],
        core: Some(0),
        environment: &[("CHAPERONE_PIPELINE__TEXT_MODELS", "[]")],
    };
    let service = Service::start(&setup)?;
    let length = Duration::from_secs(setting.seconds);
    load::run(service.url(), &requests, 8, Some(Duration::from_secs(2))).await?;

    let (mut ours, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.rounds {
        let before = service.cpu_time()?;
        let seen = load::run(service.url(), &requests, 8, Some(length)).await?;
        ours.push(seen.answered as f64 / (service.cpu_time()? - before).as_secs_f64());
        let mut seen = load::run(service.url(), &requests, 1, Some(length)).await?;
        alone.push(percentile_ms(&mut seen.latencies, 0.5));
        let output = Command::new("taskset")
            .args(["-c", "0", "node", "bench.mjs"])
            .arg(folder.path())
            .arg(setting.seconds.to_string())
            .current_dir(&peer_folder)
            .output()
            .context("running the peer with node")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().last().unwrap_or_default();
        let peer: Peer = serde_json::from_str(line)
            .with_context(|| format!("the peer printed `{line}` {}", String::from_utf8_lossy(&output.stderr)))?;
        theirs.push(peer.from_jpeg);
    }
    let ours = report.figure("chaperone, JPEG to verdict over HTTP: images per CPU-second", ours);
    let theirs = report.figure("nsfwjs wasm, JPEG to classes in process: images per CPU-second", theirs);
    report.figure("chaperone, one connection: p50 ms", alone);
    report.goal("at least 5 × nsfwjs wasm", ours / theirs, ours / theirs >= 5.0);
    Ok(report)
}

/// `frame` as the only file of a form, as a browser or `curl -F` sends it.
fn form(frame: &[u8]) -> Vec<u8> {
    let head = "--frame\r\nContent-Disposition: form-data; name=\"image\"; filename=\"frame.jpg\"\r\n\
                Content-Type: image/jpeg\r\n\r\n";
    [head.as_bytes(), frame, b"\r\n--frame--\r\n"].concat()
}
