//! A frame from JPEG bytes to verdict, against nsfwjs on its wasm backend; one core each, alternating. And its parts: from JPEG
//! to tensor, and from decoded pixels to classes.

use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use models::{
    Pixels,
    batch::{Batch, EntryId, Prepared},
    device::processor_flags,
};
use pipeline::decode::{Detail, Limits, decode, decode_to};
use serde::{Deserialize, Serialize};

use super::Setting;
use crate::{
    load::{self, Request},
    report::{Report, percentile_ms},
    service::{Service, Setup, own_cpu_time},
    workload,
};

const MODEL: &str = "nsfw-mobilenet";

/// What `benches/peers/nsfwjs/bench.mjs` prints: images per CPU-second.
#[derive(Deserialize)]
struct Peer {
    from_jpeg: f64,
    from_pixels: f64,
}

/// The parts of our way, one after the other on one thread, printed by the child process that `--bare-frames` starts: images per
/// CPU-second.
#[derive(Debug, Serialize, Deserialize)]
pub struct Parts {
    /// JPEG bytes to the model's input.
    to_tensor: f64,
    /// Decoded pixels to classes.
    from_pixels: f64,
    /// How far a class moves, in the mean of frames and at most, when a frame is decoded smaller.
    moved: [f64; 2],
}

/// Measures the parts in this process. Run it pinned to one core.
pub fn bare(setting: &Setting) -> anyhow::Result<Parts> {
    let frames = workload::frames(&setting.datasets.join("photos"), 50)?;
    let limits = Limits { bytes: 1 << 20, pixels: 1 << 24 };
    let pixels = frames.iter().map(|frame| decode(frame, &limits)).collect::<Result<Vec<Pixels>, _>>()?;
    let (folder, mut model) = setting.bare_backend(MODEL)?;
    let side = folder.spec.image_size;
    let mut classes = |pixels: &Pixels| -> anyhow::Result<Vec<f32>> {
        let tensor = Prepared::Pixels(Arc::new(pixels.to_tensor(side)));
        let answers = model.infer(&Batch::assemble([(EntryId(0), &tensor)]))?;
        Ok(answers.into_iter().next().context("no answer")?.values)
    };
    let mut moves = Vec::new();
    for (frame, whole) in frames.iter().zip(&pixels) {
        let small = classes(&decode_to(frame, &limits, Detail::for_side(side))?.pixels)?;
        let apart =
            classes(whole)?.iter().zip(&small).map(|(one, other)| f64::from((one - other).abs())).fold(0.0, f64::max);
        moves.push(apart);
    }
    let moved = [moves.iter().sum::<f64>() / moves.len() as f64, moves.iter().copied().fold(0.0, f64::max)];
    let length = Duration::from_secs(setting.seconds);
    let to_tensor = rate(length, |index| {
        let picture = decode_to(&frames[index % frames.len()], &limits, Detail::for_side(side))?;
        std::hint::black_box(picture.pixels.to_tensor(side));
        Ok(())
    })?;
    let from_pixels = rate(length, |index| {
        let tensor = Prepared::Pixels(Arc::new(pixels[index % pixels.len()].to_tensor(side)));
        model.infer(&Batch::assemble([(EntryId(0), &tensor)]))?;
        Ok(())
    })?;
    Ok(Parts { to_tensor, from_pixels, moved })
}

fn rate(length: Duration, mut step: impl FnMut(usize) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    (0..3).try_for_each(&mut step)?;
    let (cpu, begin, mut done) = (own_cpu_time()?, Instant::now(), 0);
    while begin.elapsed() < length {
        step(done)?;
        done += 1;
    }
    Ok(done as f64 / (own_cpu_time()? - cpu).as_secs_f64())
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
        models: &["embed-minilm", MODEL, "nsfw-inception"],
        core: Some(0),
        environment: &[("CHAPERONE_PIPELINE__TEXT_MODELS", "[]")],
    };
    let service = Service::start(&setup)?;
    // The peer has one model and no second opinion: this one does the peer's work.
    let without = [("CHAPERONE_PIPELINE__TEXT_MODELS", "[]"), ("CHAPERONE_PIPELINE__SECOND_OPINION__MODEL", "")];
    let like = Service::start(&Setup { models: &["embed-minilm", MODEL], environment: &without, ..setup })?;
    let precision = like.precision(MODEL).await?;
    let length = Duration::from_secs(setting.seconds);
    for service in [&service, &like] {
        load::run(service.url(), &requests, 8, Some(Duration::from_secs(2))).await?;
    }

    let (mut ours, mut same_work, mut theirs, mut alone) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut to_tensor, mut from_pixels, mut their_pixels) = (Vec::new(), Vec::new(), Vec::new());
    let mut moved = [f64::NAN; 2];
    for _ in 0..setting.rounds {
        for (service, rates) in [(&service, &mut ours), (&like, &mut same_work)] {
            let before = service.cpu_time()?;
            let seen = load::run(service.url(), &requests, 8, Some(length)).await?;
            rates.push(seen.answered as f64 / (service.cpu_time()? - before).as_secs_f64());
        }
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
        their_pixels.push(peer.from_pixels);
        let parts: Parts = setting.child("--bare-frames", precision)?;
        to_tensor.push(parts.to_tensor);
        moved = parts.moved;
        from_pixels.push(parts.from_pixels);
    }
    let names = [
        "chaperone, JPEG to verdict over HTTP, second opinions included: images per CPU-second",
        "chaperone without second opinions, JPEG to verdict over HTTP: images per CPU-second",
        "nsfwjs wasm, JPEG to classes in process: images per CPU-second",
        "chaperone, decoded pixels to classes in process: images per CPU-second",
        "nsfwjs wasm, decoded pixels to classes in process: images per CPU-second",
        "chaperone, JPEG to tensor in process: images per CPU-second",
    ];
    let [ours, same_work, theirs, from_pixels, their_pixels, to_tensor] = {
        let rounds = [ours, same_work, theirs, from_pixels, their_pixels, to_tensor];
        let mut named = names.into_iter().zip(rounds);
        std::array::from_fn(|_| named.next().map_or(f64::NAN, |(name, rounds)| report.figure(name, rounds)))
    };
    report.figure("chaperone, one connection: p50 ms", alone);
    report.figure("a class of a frame moves by decoding it smaller: mean of the frames", vec![moved[0]]);
    report.figure("a class of a frame moves by decoding it smaller: most", vec![moved[1]]);
    let bars: Vec<_> =
        names[..5].iter().map(|name| (name.replace(": images per CPU-second", ""), (*name).to_owned())).collect();
    report.bars("images per CPU-second, one core", &bars);
    let matrix_units = processor_flags().iter().any(|flag| flag == "amx_bf16");
    let (jpeg, decoded) = if matrix_units { (15.0, 20.0) } else { (15.0, 10.0) };
    report.figure("from JPEG, second opinions included ÷ nsfwjs wasm", vec![ours / theirs]);
    let ratio = same_work / theirs;
    report.goal(&format!("from JPEG, the same work: at least {jpeg} × nsfwjs wasm"), ratio, ratio >= jpeg);
    let ratio = from_pixels / their_pixels;
    report.goal(&format!("decoded: at least {decoded} × nsfwjs wasm"), ratio, ratio >= decoded);
    report.goal("JPEG to tensor: at least 1,000 per CPU-second", to_tensor, to_tensor >= 1000.0);
    Ok(report)
}

/// `frame` as the only file of a form, as a browser or `curl -F` sends it.
pub(super) fn form(frame: &[u8]) -> Vec<u8> {
    let head = "--frame\r\nContent-Disposition: form-data; name=\"image\"; filename=\"frame.jpg\"\r\n\
                Content-Type: image/jpeg\r\n\r\n";
    [head.as_bytes(), frame, b"\r\n--frame--\r\n"].concat()
}
