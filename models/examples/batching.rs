//! What batching and threads cost and gain: the engine against the bare backend, on the same model and inputs.
//!
//! `cargo run --release -p models --example batching -- models/repository embed-minilm`
//!
//! Prints: the bare backend at batch 1 and 32, the engine with 1 and 32 callers that each send one input at a time, and
//! the time that the engine adds at one caller. Rounds alternate; medians are printed. Without a third argument every
//! text has about 16 tokens; with one, texts come from that file, one JSON string (or object with `text`) per line, and
//! the bare backend takes them in the order of the file.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use models::{
    Device, Engine, EngineConfig, Input, Lane, Pixels, Precision, Repository, Task,
    backend::{self, Backend, BackendSettings},
    batch::{Batch, EntryId, Prepared},
    execution::Execution,
    spec::BackendKind,
    text::TextEncoder,
};

const ROUND: Duration = Duration::from_secs(2);
const ROUNDS: usize = 3;
const CALLERS: usize = 32;
const TEXT: &str = "does anybody here know a good place for climbing near the river";

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "a measurement's output")]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap_or_else(|| "models/repository".into()));
    let load = arguments.next().unwrap_or_else(|| "embed-minilm".into());
    let (name, kind) = match load.split_once('@') {
        Some((name, "candle")) => (name, Some(BackendKind::Candle)),
        Some((name, _)) => (name, None),
        None => (load.as_str(), None),
    };
    let name = name.to_owned();
    let repository = Repository::open(&root)?;
    let config = EngineConfig { repository: root.clone(), load: vec![load.clone()], ..EngineConfig::default() };
    let before = Instant::now();
    let engine = Engine::start(&config, &repository).await?;
    println!("started in {:.2} s, {} MB resident", before.elapsed().as_secs_f64(), resident_megabytes());

    let folder = repository.verify(&name)?;
    let kind = kind.unwrap_or(folder.spec.backend);
    let threads = std::thread::available_parallelism()?.get();
    let settings = BackendSettings::new(config.onnxruntime_library(&root), None, threads);
    let texts = match arguments.next() {
        Some(path) => texts(&std::fs::read_to_string(path)?)?,
        None => vec![TEXT.to_owned()],
    };
    let image = Arc::new(Pixels::new(640, 480, vec![90; 640 * 480 * 3]).ok_or("no image")?);
    let inputs: Vec<(Input, Prepared)> = match (folder.spec.task, kind) {
        (Task::ClassifyImage, _) => {
            let times = (0..200).map(|_| {
                let start = Instant::now();
                std::hint::black_box(image.to_tensor(folder.spec.image_size));
                start.elapsed().as_secs_f64()
            });
            println!("resize from 640x480: {:.3} ms", 1000.0 * median(times.collect()));
            vec![(
                Input::Image(Arc::clone(&image)),
                Prepared::Pixels(Arc::new(image.to_tensor(folder.spec.image_size))),
            )]
        }
        (_, BackendKind::Linear | BackendKind::Fake) => {
            texts.iter().map(|text| (Input::Text(text.as_str().into()), Prepared::Text(text.as_str().into()))).collect()
        }
        _ => {
            let encoder = TextEncoder::load(&folder.file("tokenizer")?, folder.spec.max_tokens)?;
            let both = |text: &String| Ok((Input::Text(text.as_str().into()), Prepared::Tokens(encoder.encode(text)?)));
            texts.iter().map(both).collect::<Result<_, models::ModelError>>()?
        }
    };
    let (given, prepared): (Vec<Input>, Vec<Prepared>) = inputs.into_iter().unzip();
    let given = Arc::new(given);
    let execution = Execution { backend: kind, device: Device::Cpu, precision: Precision::Fp32 };
    let mut bare = backend::open(execution, &folder, &settings)?;
    bare_round(&mut *bare, &prepared, CALLERS, ROUND / 2)?;

    let mut figures: [Vec<f64>; 4] = Default::default();
    let (mut alone, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (rate, times) = bare_round(&mut *bare, &prepared, 1, ROUND)?;
        figures[0].push(rate);
        direct.extend(times);
        let (rate, times) = engine_round(&engine, &name, &given, 1).await?;
        figures[1].push(rate);
        alone.extend(times);
        figures[2].push(bare_round(&mut *bare, &prepared, CALLERS, ROUND)?.0);
        figures[3].push(engine_round(&engine, &name, &given, CALLERS).await?.0);
    }
    let [bare_one, engine_one, bare_many, engine_many] = figures.map(median);
    let lengths = prepared.iter().map(Prepared::length).sum::<usize>() as f64;
    println!("{} inputs, mean length {:.1}", prepared.len(), lengths / prepared.len() as f64);
    println!("1 caller:   bare {bare_one:8.1}/s   engine {engine_one:8.1}/s");
    println!(
        "{CALLERS} callers: bare {bare_many:8.1}/s   engine {engine_many:8.1}/s   {:.0} %",
        100.0 * engine_many / bare_many
    );
    println!("added at 1 caller: {:.3} ms p50", 1000.0 * (median(alone) - median(direct)));
    println!("{} MB resident", resident_megabytes());
    Ok(())
}

fn bare_round(
    backend: &mut dyn Backend,
    prepared: &[Prepared],
    size: usize,
    round: Duration,
) -> Result<(f64, Vec<f64>), Failure> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    let mut turn = prepared.iter().cycle();
    while begin.elapsed() < round {
        let start = Instant::now();
        let batch = Batch::assemble((0..size as u64).map(EntryId).zip(&mut turn));
        backend.infer(&batch)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(((times.len() * size) as f64 / begin.elapsed().as_secs_f64(), times))
}

async fn engine_round(
    engine: &Engine,
    model: &str,
    inputs: &Arc<Vec<Input>>,
    callers: usize,
) -> Result<(f64, Vec<f64>), Failure> {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for caller in 0..callers {
        let (engine, model, inputs) = (engine.clone(), model.to_owned(), Arc::clone(inputs));
        tasks.spawn(async move {
            let mut times = Vec::new();
            // Callers go through the inputs in step, each from its own place.
            let mut turn = inputs.iter().cycle().skip(caller).step_by(callers);
            while begin.elapsed() < ROUND {
                let Some(input) = turn.next() else { break };
                let start = Instant::now();
                engine.infer(&model, input.clone(), Lane::Interactive).await?;
                times.push(start.elapsed().as_secs_f64());
            }
            Ok::<_, models::ModelError>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok((times.len() as f64 / begin.elapsed().as_secs_f64(), times))
}

fn texts(file: &str) -> Result<Vec<String>, Failure> {
    let line = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line)?;
        let text = value.as_str().or_else(|| value["text"].as_str()).or_else(|| value["inputs"].as_str());
        text.map(String::from).ok_or_else(|| "a line has no text".into())
    };
    file.lines().map(line).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// 0 where the system does not say.
fn resident_megabytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<usize>().ok()).unwrap_or(0) / 1024
}
