//! Texts of one length and of all lengths, one per request, against encoders that run in process: the same core, alternating,
//! accuracy first.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use models::device::{BF16_FLAGS, processor_flags};
use serde::Deserialize;

use super::{EMBED_ONLY, ENCODER, Setting, embed_requests};
use crate::{
    load::{self, Request},
    peer::{Peer, least_cosine},
    report::Report,
    service::{Service, Setup},
    workload::texts::{self, TextSet},
};

/// Callers that each send one text at a time.
const CONNECTIONS: [usize; 4] = [1, 8, 32, 64];
/// Batches that the peers get.
const BATCHES: [usize; 2] = [8, 32];
/// Texts of the accuracy gate.
const GATE: usize = 64;
/// Least cosine between the service's vectors and those of the reference.
const MIN_COSINE: f64 = 0.999;

/// Texts per CPU-second: the whole service process against each peer.
pub async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let mut report = Report::new("lengths");
    let encoder = setting.encoder()?;
    let sets = texts::sets(&setting.datasets, setting.texts.as_deref(), &encoder)?;
    for set in &sets {
        let tokens: usize =
            set.texts.iter().map(|text| encoder.encode(text).map(|ids| ids.len())).sum::<Result<_, _>>()?;
        report.figure(&format!("{}: mean tokens", set.name), vec![tokens as f64 / set.texts.len() as f64]);
    }
    let setup = Setup { binary: &setting.binary, models: &[ENCODER], core: Some(0), environment: &EMBED_ONLY };
    let service = Service::start(&setup)?;
    let mut peers = start_peers(setting)?;
    for (peer, cosine) in gate(&service, &mut peers, &sets[2]).await? {
        report.figure(&format!("least cosine to {peer}, {GATE} texts"), vec![cosine]);
        ensure!(cosine >= MIN_COSINE, "accuracy first: cosine {cosine} to {peer}");
    }

    let length = Duration::from_secs(setting.seconds);
    let mut measured: Vec<(String, Vec<f64>)> = Vec::new();
    let mut note = |name: String, rate: f64| match measured.iter_mut().find(|(known, _)| *known == name) {
        Some((_, rounds)) => rounds.push(rate),
        None => measured.push((name, vec![rate])),
    };
    for round in 0..setting.rounds {
        for set in &sets {
            let requests = Arc::new(embed_requests(set.texts.iter(), "base64"));
            for connections in CONNECTIONS {
                // Other texts in every round, the same for everybody in one.
                let requests = rotated(&requests, round * 97);
                note(ours(set.name, connections), served(&service, &requests, connections, length).await?);
            }
            for peer in &mut peers {
                for batch in BATCHES {
                    note(theirs(set.name, peer.name, batch), peer.rate(&set.texts, batch, setting.seconds as f64)?);
                }
            }
        }
    }
    for (name, rounds) in measured {
        report.figure(&name, rounds);
    }
    chart(&mut report, &sets, &peers);
    goals(&mut report);
    Ok(report)
}

fn ours(set: &str, connections: usize) -> String {
    format!("{set}: chaperone over HTTP, {connections} connections: texts per CPU-second")
}

fn theirs(set: &str, peer: &str, batch: usize) -> String {
    format!("{set}: {peer} in process, batch {batch}: texts per CPU-second")
}

/// Those that are installed. The first is what ratios are given to.
fn start_peers(setting: &Setting) -> anyhow::Result<Vec<Peer>> {
    let folder = setting.model(ENCODER)?;
    let mut names = vec!["onnxruntime", "openvino", "sentence-transformers"];
    if processor_flags().iter().any(|flag| BF16_FLAGS.contains(&&**flag)) {
        names.push("openvino-bf16");
    }
    let mut peers = Vec::new();
    for name in names {
        peers.extend(Peer::start(&setting.peers, name, &folder.path, 0)?);
    }
    ensure!(
        peers.first().is_some_and(|peer| peer.name == "onnxruntime"),
        "onnxruntime does not start: run `make bench`"
    );
    Ok(peers)
}

#[derive(Deserialize)]
struct Embedded {
    data: Vec<View>,
}

#[derive(Deserialize)]
struct View {
    embedding: String,
}

/// Least cosine between our vectors and each peer's.
async fn gate(service: &Service, peers: &mut [Peer], set: &TextSet) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let texts = &set.texts[..GATE.min(set.texts.len())];
    let client = reqwest::Client::new();
    let mut vectors = Vec::new();
    for Request { path, body, .. } in embed_requests(texts, "base64") {
        let call =
            client.post(format!("{}{path}", service.url())).header("content-type", "application/json").body(body);
        let answer: Embedded = serde_json::from_slice(&call.send().await?.error_for_status()?.bytes().await?)?;
        let bytes = BASE64_STANDARD.decode(&answer.data.first().context("no vector")?.embedding)?;
        vectors.push(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect::<Vec<f32>>());
    }
    peers.iter_mut().map(|peer| Ok((peer.name, least_cosine(&peer.embed(texts)?, &vectors)))).collect()
}

async fn served(
    service: &Service,
    requests: &Arc<Vec<Request>>,
    connections: usize,
    length: Duration,
) -> anyhow::Result<f64> {
    let cpu = service.cpu_time()?;
    let seen = load::run(service.url(), requests, connections, Some(length)).await?;
    Ok(seen.answered as f64 / (service.cpu_time()? - cpu).as_secs_f64())
}

fn rotated(requests: &Arc<Vec<Request>>, by: usize) -> Arc<Vec<Request>> {
    let mut requests = Vec::clone(requests);
    let by = by % requests.len().max(1);
    requests.rotate_left(by);
    Arc::new(requests)
}

fn chart(report: &mut Report, sets: &[TextSet], peers: &[Peer]) {
    for set in sets {
        let mut bars: Vec<(String, String)> = CONNECTIONS
            .iter()
            .map(|connections| (format!("chaperone, {connections} connections"), ours(set.name, *connections)))
            .collect();
        for peer in peers {
            bars.extend(BATCHES.iter().map(|batch| {
                (format!("{} in process, batch {batch}", peer.name), theirs(set.name, peer.name, *batch))
            }));
        }
        report.bars(&format!("{}: texts per CPU-second, one core", set.name), &bars);
    }
}

/// With matrix units more is asked for than without.
fn goals(report: &mut Report) {
    let matrix_units = processor_flags().iter().any(|flag| flag == "amx_bf16");
    let value = |report: &Report, name: &str| report.value(name).unwrap_or(f64::NAN);
    for (set, connections, plain, fast) in [("sent16", 32, 1.0, 3.5), ("mixed", 64, 2.5, 7.0)] {
        let wanted = if matrix_units { fast } else { plain };
        let ratio = value(report, &ours(set, connections)) / value(report, &theirs(set, "onnxruntime", 8));
        let goal = format!("{set}, {connections} connections: at least {wanted} × onnxruntime at batch 8");
        report.goal(&goal, ratio, ratio >= wanted);
    }
    let rates = CONNECTIONS.map(|connections| value(report, &ours("mixed", connections)));
    // Two per cent is what repeated measurements differ by.
    let rises = rates.windows(2).all(|pair| pair[1] >= 0.98 * pair[0]);
    report.goal("mixed: more connections, no fewer texts (64 against 1)", rates[3] / rates[0], rises);
}
