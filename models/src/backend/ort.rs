//! ONNX Runtime, loaded at run time from a shared library.
//!
//! Graphs and their names:
//!
//! | task | inputs | output |
//! |---|---|---|
//! | embed text | `input_ids`, `attention_mask`: i64 `[batch, length]` | `embedding`: f32 `[batch, dimensions]`, length 1 |
//! | classify text | the same | `probabilities`: f32 `[batch, labels]` |
//! | classify image | `pixels`: f32 `[batch, side, side, 3]` in 0..=1 | `probabilities`: f32 `[batch, labels]` |

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    logging::LogLevel,
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};

use super::{Backend, BackendSettings, rows, wrong_input};
use crate::{
    ModelError, Task,
    batch::{Answer, Batch, BatchInputs},
    repository::ModelFolder,
};

pub(super) const NAME: &str = "ort";

pub(super) struct OrtBackend {
    session: Session,
    output: &'static str,
}

impl OrtBackend {
    pub(super) fn load(folder: &ModelFolder, settings: &BackendSettings) -> Result<Self, ModelError> {
        let graph = folder.file("onnx")?;
        if !graph.exists() {
            return Err(ModelError::MissingFile { path: graph });
        }
        let environment = environment(&settings.onnxruntime)?;
        let session = session(&environment, &graph, settings.threads).map_err(failed)?;
        let output = if folder.spec.task == Task::EmbedText { "embedding" } else { "probabilities" };
        if !session.outputs().iter().any(|outlet| outlet.name() == output) {
            let message = format!("{} has no output `{output}`", graph.display());
            return Err(ModelError::Backend { backend: NAME, message });
        }
        Ok(Self { session, output })
    }
}

impl Backend for OrtBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        let outputs = match &batch.inputs {
            BatchInputs::Tokens(matrix) => {
                let shape = [matrix.rows, matrix.columns];
                let ids = TensorRef::from_array_view((shape, matrix.ids.as_slice())).map_err(failed)?;
                let mask = TensorRef::from_array_view((shape, matrix.mask.as_slice())).map_err(failed)?;
                self.session.run(ort::inputs!["input_ids" => ids, "attention_mask" => mask])
            }
            BatchInputs::Pixels { values, side } => {
                let shape = [batch.len(), *side, *side, 3];
                let pixels = TensorRef::from_array_view((shape, values.as_slice())).map_err(failed)?;
                self.session.run(ort::inputs!["pixels" => pixels])
            }
            BatchInputs::Texts(_) => return Err(wrong_input(NAME, "token ids or pixels")),
        }
        .map_err(failed)?;
        let value = outputs.get(self.output).ok_or_else(|| ModelError::Backend {
            backend: NAME,
            message: format!("the graph gave no `{}`", self.output),
        })?;
        let (_, matrix) = value.try_extract_tensor::<f32>().map_err(failed)?;
        rows(batch, matrix, NAME)
    }
}

fn session(environment: &Environment, graph: &Path, threads: usize) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_log_level(LogLevel::Warning)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        // A spinning pool takes the processors from everything else in the service, and loses badly when it shares one.
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        // Shapes vary from batch to batch; a pattern per shape would only hold memory.
        .with_memory_pattern(false)?
        // Weights outside the arena: the arena rounds up to powers of two and never gives back.
        .with_device_allocated_initializers()?
        .commit_from_file(graph)
}

/// The one environment of the process. ONNX Runtime allows no second one, so the first library wins.
pub(super) fn environment(library: &Path) -> Result<Environment, ModelError> {
    static CURRENT: Mutex<Option<Environment>> = Mutex::new(None);
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*current {
        return Ok(environment.clone());
    }
    if !library.exists() {
        return Err(ModelError::MissingFile { path: library.into() });
    }
    // A relative path would be looked up beside the executable first.
    let library = std::path::absolute(library).unwrap_or_else(|_| library.into());
    let builder =
        ort::init_from(&library).map_err(|error| ModelError::Backend { backend: NAME, message: error.to_string() })?;
    let environment = builder.with_name("models").with_telemetry(false).build().map_err(failed)?;
    environment.set_log_level(LogLevel::Warning);
    Ok(current.insert(environment).clone())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: ort::Error) -> ModelError {
    ModelError::Backend { backend: NAME, message: error.to_string() }
}
