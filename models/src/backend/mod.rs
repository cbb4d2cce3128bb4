//! Engines that execute a batch: the seam between batching and arithmetic.
//!
//! One file per engine. A backend is synchronous, is owned by one OS thread (see [`crate::instance`]) and is asked for
//! one batch at a time, so it needs no lock. To add one: a file here, a [`BackendKind`], an arm in [`open`].

mod candle;
mod fake;
mod linear;
mod openvino;
mod ort;

use std::path::{Path, PathBuf};

use crate::{
    ModelError, ModelSpec, Task,
    batch::{Answer, Batch},
    device::Device,
    execution::{Execution, Precision},
    repository::ModelFolder,
    spec::BackendKind,
};

/// An engine with one loaded model.
pub trait Backend: Send {
    /// One answer per entry of the batch, matched by id. An error (or a panic) concerns the batch as a whole: its entries
    /// are then tried one by one. [`ModelError::Stopped`] says that this backend can never answer again; its instance
    /// ends.
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError>;
}

/// What a backend needs besides the model's folder.
#[derive(Debug, Clone)]
pub struct BackendSettings {
    /// The ONNX Runtime library.
    pub onnxruntime: PathBuf,
    /// OpenVINO's C library, when there is one.
    pub openvino: Option<PathBuf>,
    /// Compute threads, at least 1.
    pub threads: usize,
    /// Set by [`open`].
    device: Device,
    /// Set by [`open`].
    precision: Precision,
}

impl BackendSettings {
    /// These libraries, so many threads.
    pub fn new(onnxruntime: PathBuf, openvino: Option<PathBuf>, threads: usize) -> Self {
        Self { onnxruntime, openvino, threads, device: Device::Cpu, precision: Precision::Fp32 }
    }
}

/// The step in which a token matrix grows for an engine that makes code for each shape: it is better made before a caller waits for it.
pub(crate) fn column_step(kind: BackendKind) -> Option<usize> {
    (kind == BackendKind::OpenVino).then_some(openvino::COLUMNS)
}

/// Loads the model of `folder` into the engine, on the device and in the precision of `execution`.
pub fn open(
    execution: Execution,
    folder: &ModelFolder,
    settings: &BackendSettings,
) -> Result<Box<dyn Backend>, ModelError> {
    let settings = BackendSettings { device: execution.device, precision: execution.precision, ..settings.clone() };
    Ok(match execution.backend {
        BackendKind::Ort => Box::new(ort::OrtBackend::load(folder, &settings)?),
        BackendKind::OpenVino => Box::new(openvino::OpenVinoBackend::load(folder, &settings)?),
        BackendKind::Candle => Box::new(candle::CandleBackend::load(folder, settings.device)?),
        BackendKind::Linear => Box::new(linear::LinearBackend::load(folder)?),
        BackendKind::Fake => Box::new(fake::FakeBackend::new(&folder.spec)),
    })
}

/// Loads the ONNX Runtime library as a model would: whether this machine can.
pub fn probe_onnxruntime(library: &Path) -> Result<(), ModelError> {
    ort::environment(library).map(drop)
}

/// Name in states, metrics and errors.
pub fn name(kind: BackendKind) -> &'static str {
    match kind {
        BackendKind::Ort => ort::NAME,
        BackendKind::OpenVino => openvino::NAME,
        BackendKind::Candle => candle::NAME,
        BackendKind::Linear => linear::NAME,
        BackendKind::Fake => fake::NAME,
    }
}

/// Name of a graph's output, see [`ort`](self::ort).
fn output_name(spec: &ModelSpec) -> &'static str {
    if spec.task == Task::EmbedText { "embedding" } else { "probabilities" }
}

/// Cuts a `[rows, width]` matrix into answers.
fn rows(batch: &Batch, matrix: &[f32], backend: &'static str) -> Result<Vec<Answer>, ModelError> {
    let count = batch.len();
    if count == 0 || matrix.is_empty() || !matrix.len().is_multiple_of(count) {
        let message = format!("{} numbers came back for {count} inputs", matrix.len());
        return Err(ModelError::Backend { backend, message });
    }
    let lines = matrix.chunks_exact(matrix.len() / count);
    let answer = |(id, values): (_, &[f32])| Answer { id, values: values.to_vec(), spans: Vec::new() };
    Ok(batch.ids.iter().copied().zip(lines).map(answer).collect())
}

/// The batch holds inputs that this backend cannot take: a `model.toml` that pairs the wrong task and backend.
fn wrong_input(backend: &'static str, takes: &str) -> ModelError {
    ModelError::Backend { backend, message: format!("this backend takes {takes}: correct `task` or `backend`") }
}
