//! What batching and threads cost and gain: the engine against the bare backend, on the same model and inputs.
//!
//! `cargo run --release -p models --example batching -- models/repository embed-minilm`
//!
//! Prints, for texts of about 16 tokens: the bare backend at batch 1 and 32, the engine with 1 and 32 callers that each
//! send one text at a time, and the time that the engine adds at one caller. Rounds alternate; medians are printed.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use models::{
    Engine, EngineConfig, Input, Lane, Pixels, Repository, Task,
    backend::{self, Backend, BackendSettings},
    batch::{Batch, EntryId, Prepared},
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
    let settings = BackendSettings { onnxruntime: config.onnxruntime_library(&root), threads };
    let image = Arc::new(Pixels::new(640, 480, vec![90; 640 * 480 * 3]).ok_or("no image")?);
    let (input, prepared) = match (folder.spec.task, kind) {
        (Task::ClassifyImage, _) => {
            (Input::Image(Arc::clone(&image)), Prepared::Pixels(image.to_tensor(folder.spec.image_size)))
        }
        (_, BackendKind::Linear | BackendKind::Fake) => (Input::Text(TEXT.into()), Prepared::Text(TEXT.into())),
        _ => {
            let encoder = TextEncoder::load(&folder.file("tokenizer")?, folder.spec.max_tokens)?;
            (Input::Text(TEXT.into()), Prepared::Tokens(encoder.encode(TEXT)?))
        }
    };
    let mut bare = backend::open(kind, &folder, &settings)?;
    bare_round(&mut *bare, &prepared, CALLERS, ROUND / 2)?;

    let mut figures: [Vec<f64>; 4] = Default::default();
    let (mut alone, mut direct) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (rate, times) = bare_round(&mut *bare, &prepared, 1, ROUND)?;
        figures[0].push(rate);
        direct.extend(times);
        let (rate, times) = engine_round(&engine, &name, &input, 1).await?;
        figures[1].push(rate);
        alone.extend(times);
        figures[2].push(bare_round(&mut *bare, &prepared, CALLERS, ROUND)?.0);
        figures[3].push(engine_round(&engine, &name, &input, CALLERS).await?.0);
    }
    let [bare_one, engine_one, bare_many, engine_many] = figures.map(median);
    println!("{} tokens or values per input", prepared.length());
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
    prepared: &Prepared,
    size: usize,
    round: Duration,
) -> Result<(f64, Vec<f64>), Failure> {
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < round {
        let start = Instant::now();
        let batch = Batch::assemble((0..size as u64).map(|id| (EntryId(id), prepared)));
        backend.infer(&batch)?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(((times.len() * size) as f64 / begin.elapsed().as_secs_f64(), times))
}

async fn engine_round(engine: &Engine, model: &str, input: &Input, callers: usize) -> Result<(f64, Vec<f64>), Failure> {
    let begin = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let (engine, model, input) = (engine.clone(), model.to_owned(), input.clone());
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begin.elapsed() < ROUND {
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
