//! One device against the processor: the same answers, and how fast. Needs no network, no toolchain and no peers, so that it runs
//! on a machine that is lent for minutes (`benches/gpu/run.sh`).

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use models::{
    Device, Engine, EngineConfig, Input, Lane, Pixels, Precision, Repository, Task,
    backend::{self, Backend, BackendSettings},
    batch::{Batch, EntryId, Prepared},
    execution::{Execution, is_accurate},
    repository::ModelFolder,
    text::TextEncoder,
};

use super::Setting;
use crate::{peer::least_cosine, report::Report, workload::texts};

/// Inputs that are compared.
const COMPARED: usize = 256;
/// Batches that the bare backend gets.
const BATCHES: [usize; 5] = [1, 8, 32, 128, 512];
/// Callers of the engine.
const CALLERS: [usize; 3] = [1, 64, 512];

/// Which device, which precision.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// What is measured against the processor in 32-bit floats.
    pub device: Device,
    /// What it computes with.
    pub precision: Precision,
}

/// Parity first, then speed, for the encoder and the picture model.
pub async fn run(setting: &Setting, plan: Plan) -> anyhow::Result<Report> {
    let name = format!("device-{}-{}", plan.device, plan.precision.as_str()).replace(':', "-");
    let mut report = Report::new(&name);
    let repository = Repository::open(&setting.repository)?;
    let config = EngineConfig {
        repository: setting.repository.clone(),
        device: Some(plan.device),
        precision: Some(plan.precision),
        ..EngineConfig::default()
    };
    for model in ["embed-minilm", "nsfw-mobilenet"] {
        let folder = repository.verify(model)?;
        let (inputs, prepared) = inputs(setting, &folder)?;
        let settings = BackendSettings::new(
            config.onnxruntime_library(repository.root()),
            Some(config.openvino_library(repository.root())),
            std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        );
        let ways = config.ways(repository.root(), &folder.spec)?;
        let wanted = *ways.last().context("nothing can run this model")?;
        let reference = Execution { backend: folder.spec.backend, device: Device::Cpu, precision: Precision::Fp32 };
        let mut bare = backend::open(wanted, &folder, &settings).with_context(|| format!("{model}: {wanted}"))?;
        compare(&mut report, &folder, &mut *bare, &mut *backend::open(reference, &folder, &settings)?, &prepared)?;
        speed(&mut report, &folder, wanted, &mut *bare, &prepared, setting)?;
        drop(bare);
        let config = EngineConfig { load: vec![model.into()], ..config.clone() };
        let engine = Engine::start(&config, &repository).await?;
        for callers in CALLERS {
            let rate = serve(&engine, model, &inputs, callers, Duration::from_secs(setting.seconds)).await?;
            report.figure(&format!("{model}: engine, {callers} callers: inputs per second"), vec![rate]);
        }
        engine.shutdown().await;
    }
    Ok(report)
}

/// What the model takes: messages, or photos of the data set.
fn inputs(setting: &Setting, folder: &ModelFolder) -> anyhow::Result<(Arc<Vec<Input>>, Vec<Prepared>)> {
    let spec = &folder.spec;
    if spec.task == Task::ClassifyImage {
        let pictures = photos(&setting.datasets.join("photos"))?;
        let prepared = pictures.iter().map(|picture| Prepared::Pixels(Arc::new(picture.to_tensor(spec.image_size))));
        return Ok((Arc::new(pictures.iter().cloned().map(Input::Image).collect()), prepared.collect()));
    }
    let encoder = TextEncoder::load(&folder.file("tokenizer")?, spec.max_tokens)?;
    let texts = texts::messages(&setting.datasets)?;
    let prepared = texts.iter().map(|text| Ok(Prepared::Tokens(encoder.encode(text)?)));
    let prepared = prepared.collect::<anyhow::Result<_>>()?;
    Ok((Arc::new(texts.iter().map(|text| Input::Text(text.as_str().into())).collect()), prepared))
}

fn photos(folder: &Path) -> anyhow::Result<Vec<Arc<Pixels>>> {
    let mut pictures = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("opening {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jpg") {
            let photo = image::ImageReader::open(&path)?.decode()?.to_rgb8();
            let (width, height) = photo.dimensions();
            pictures.push(Arc::new(Pixels::new(width, height, photo.into_raw()).context("an empty photo")?));
        }
    }
    ensure!(!pictures.is_empty(), "no .jpg in {}", folder.display());
    Ok(pictures)
}

fn compare(
    report: &mut Report,
    folder: &ModelFolder,
    device: &mut dyn Backend,
    processor: &mut dyn Backend,
    prepared: &[Prepared],
) -> anyhow::Result<()> {
    let some = &prepared[..COMPARED.min(prepared.len())];
    let (found, expected) = (numbers(device, some)?, numbers(processor, some)?);
    let name = &folder.spec.name;
    let cosine =
        report.figure(&format!("{name}: least cosine to the processor"), vec![least_cosine(&found, &expected)]);
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    let difference = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    report.figure(&format!("{name}: largest difference of a number"), vec![f64::from(difference)]);
    let accurate = is_accurate(folder.spec.task, cosine as f32, difference);
    report.goal(&format!("{name}: within the accuracy gate"), cosine, accurate);
    ensure!(accurate, "{name}: accuracy first: cosine {cosine}, difference {difference}");
    Ok(())
}

fn numbers(backend: &mut dyn Backend, prepared: &[Prepared]) -> anyhow::Result<Vec<Vec<f32>>> {
    let mut found = Vec::new();
    for inputs in prepared.chunks(8) {
        let batch = Batch::assemble((0..).map(EntryId).zip(inputs));
        found.extend(backend.infer(&batch)?.into_iter().map(|answer| answer.values));
    }
    Ok(found)
}

fn speed(
    report: &mut Report,
    folder: &ModelFolder,
    execution: Execution,
    backend: &mut dyn Backend,
    prepared: &[Prepared],
    setting: &Setting,
) -> anyhow::Result<()> {
    // Grouped by length, as the batcher does it.
    let mut sorted: Vec<&Prepared> = prepared.iter().collect();
    sorted.sort_by_key(|input| input.length());
    for size in BATCHES {
        let batches: Vec<Batch> = sorted
            .chunks(size)
            .filter(|chunk| chunk.len() == size)
            .map(|chunk| Batch::assemble((0..).map(EntryId).zip(chunk.iter().copied())))
            .collect();
        if batches.is_empty() {
            continue;
        }
        backend.infer(&batches[0])?;
        // From all lengths evenly, however few batches the time allows.
        let (begin, mut at, mut done) = (Instant::now(), 0, 0);
        while begin.elapsed() < Duration::from_secs(setting.seconds) {
            backend.infer(&batches[at % batches.len()])?;
            at += (batches.len() / 7).max(1) | 1;
            done += size;
        }
        let rate = done as f64 / begin.elapsed().as_secs_f64();
        report.figure(&format!("{}: {execution}, batch {size}: inputs per second", folder.spec.name), vec![rate]);
    }
    Ok(())
}

async fn serve(
    engine: &Engine,
    model: &str,
    inputs: &Arc<Vec<Input>>,
    callers: usize,
    length: Duration,
) -> anyhow::Result<f64> {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (engine, model, inputs) = (engine.clone(), model.to_owned(), Arc::clone(inputs));
        tasks.spawn(async move {
            let mut done = 0_usize;
            while begin.elapsed() < length {
                let input = inputs[(caller + done * callers) % inputs.len()].clone();
                engine.infer(&model, input, Lane::Interactive).await?;
                done += 1;
            }
            anyhow::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(result) = tasks.join_next().await {
        done += result??;
    }
    Ok(done as f64 / begin.elapsed().as_secs_f64())
}
