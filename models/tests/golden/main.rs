//! Fetched models against their reference implementations. Needs the fetched files: run `make models` before.
//!
//! How the golden files were made stands at the top of the scripts beside them.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::path::{Path, PathBuf};

use models::{Engine, EngineConfig, Precision, Repository};

mod embed_minilm;
mod nsfw;
mod precision;
mod toxicity_minilm;

/// An engine with one model; `entry` as in `[models] load`.
async fn engine(entry: &str) -> Engine {
    engine_with(entry, |_| ()).await
}

async fn engine_with(entry: &str, change: impl FnOnce(&mut EngineConfig)) -> Engine {
    let repository = std::env::var_os("CHAPERONE_MODELS").map_or_else(|| crate_path("repository"), PathBuf::from);
    let mut config = EngineConfig {
        load: vec![entry.into()],
        onnxruntime: std::env::var_os("CHAPERONE_ORT").map(PathBuf::from),
        repository: repository.clone(),
        // What the references compute with, whatever this machine would choose.
        precision: Some(Precision::Fp32),
        ..EngineConfig::default()
    };
    change(&mut config);
    let repository = Repository::open(repository).expect("the model repository is part of the source code");
    match Engine::start(&config, &repository).await {
        Ok(engine) => engine,
        Err(error) => panic!("{entry} does not start: {error}\nIf its files are not there yet: run `make models`."),
    }
}

/// A path below `models/`.
fn crate_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(crate_path("tests/golden").join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
