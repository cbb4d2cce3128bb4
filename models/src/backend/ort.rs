//! ONNX Runtime, loaded at run time from a shared library.
//!
//! Graphs and their names:
//!
//! | task | inputs | output |
//! |---|---|---|
//! | embed text | `input_ids`, `attention_mask`: i64 `[batch, length]` | `embedding`: f32 `[batch, dimensions]`, length 1 |
//! | classify text | the same | `probabilities`: f32 `[batch, labels]` |
//! | classify image | `pixels`: f32 `[batch, side, side, 3]` in 0..=1 | `probabilities`: f32 `[batch, labels]` |
//!
//! On a GPU the same graphs run through its CUDA or TensorRT provider, which are libraries beside its own. Inputs then go
//! through pinned memory, which the GPU reads without a copy in between.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    ep::{self, ExecutionProviderDispatch},
    logging::LogLevel,
    memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType},
    session::{Session, SessionInputValue, builder::GraphOptimizationLevel},
    value::{PrimitiveTensorElementType, Tensor, TensorRef},
};

use super::{Backend, BackendSettings, output_name, rows, wrong_input};
use crate::{
    ModelError, ModelSpec,
    batch::{Answer, Batch, BatchInputs},
    device::Device,
    execution::Precision,
    repository::ModelFolder,
};

pub(super) const NAME: &str = "ort";

pub(super) struct OrtBackend {
    session: Session,
    output: &'static str,
    /// Memory that the GPU reads by itself; none on the processor.
    pinned: Option<Allocator>,
}

impl OrtBackend {
    pub(super) fn load(folder: &ModelFolder, settings: &BackendSettings) -> Result<Self, ModelError> {
        let graph = folder.file(settings.precision.graph(settings.device))?;
        let environment = environment(&settings.onnxruntime)?;
        let session = session(&environment, &graph, &folder.spec, settings)
            .map_err(|error| on_device(settings.device, &error))?;
        let output = output_name(&folder.spec);
        if !session.outputs().iter().any(|outlet| outlet.name() == output) {
            let message = format!("{} has no output `{output}`", graph.display());
            return Err(ModelError::Backend { backend: NAME, message });
        }
        let pinned = match settings.device {
            Device::Cuda(number) | Device::TensorRt(number) => Some(pinned(&session, number).map_err(failed)?),
            Device::Auto | Device::Cpu => None,
        };
        Ok(Self { session, output, pinned })
    }
}

impl Backend for OrtBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        let pinned = self.pinned.as_ref();
        let inputs = match &batch.inputs {
            BatchInputs::Tokens(matrix) => {
                let shape = [matrix.rows, matrix.columns];
                let ids = tensor(pinned, &shape, &matrix.ids).map_err(failed)?;
                let mask = tensor(pinned, &shape, &matrix.mask).map_err(failed)?;
                vec![("input_ids", ids), ("attention_mask", mask)]
            }
            BatchInputs::Pixels { values, side } => {
                let shape = [batch.len(), *side, *side, 3];
                vec![("pixels", tensor(pinned, &shape, values).map_err(failed)?)]
            }
            BatchInputs::Texts(_) => return Err(wrong_input(NAME, "token ids or pixels")),
        };
        let outputs = self.session.run(inputs).map_err(failed)?;
        let value = outputs.get(self.output).ok_or_else(|| ModelError::Backend {
            backend: NAME,
            message: format!("the graph gave no `{}`", self.output),
        })?;
        let (_, matrix) = value.try_extract_tensor::<f32>().map_err(failed)?;
        rows(batch, matrix, NAME)
    }
}

/// The values where they are, or copied into pinned memory.
fn tensor<'a, T: PrimitiveTensorElementType + Copy + std::fmt::Debug + 'static>(
    pinned: Option<&Allocator>,
    shape: &[usize],
    values: &'a [T],
) -> Result<SessionInputValue<'a>, ort::Error> {
    let Some(allocator) = pinned else { return Ok(TensorRef::from_array_view((shape.to_vec(), values))?.into()) };
    let mut tensor = Tensor::<T>::new(allocator, shape)?;
    tensor.extract_tensor_mut().1.copy_from_slice(values);
    Ok(tensor.into())
}

fn pinned(session: &Session, gpu: u32) -> Result<Allocator, ort::Error> {
    let gpu = i32::try_from(gpu).unwrap_or(i32::MAX);
    let memory = MemoryInfo::new(AllocationDevice::CUDA_PINNED, gpu, AllocatorType::Device, MemoryType::CPUInput)?;
    Allocator::new(session, memory)
}

fn session(
    environment: &Environment,
    graph: &Path,
    spec: &ModelSpec,
    settings: &BackendSettings,
) -> Result<Session, ort::Error> {
    Session::builder(environment)?
        .with_log_level(LogLevel::Warning)?
        .with_execution_providers(providers(settings.device, settings.precision, spec, graph))?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(settings.threads)?
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

/// What computes, most preferred first; nothing means the processor. A provider that does not start is an error: a service
/// that silently computes elsewhere would be found out by its bill.
fn providers(device: Device, precision: Precision, spec: &ModelSpec, graph: &Path) -> Vec<ExecutionProviderDispatch> {
    let id = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    // 19-bit floats (TF32) would be within the gate for most models, but "fp32" should mean it.
    let cuda = |number| ep::CUDA::default().with_device_id(id(number)).with_tf32(false).build().error_on_failure();
    match device {
        Device::Auto | Device::Cpu => Vec::new(),
        Device::Cuda(number) => vec![cuda(number)],
        Device::TensorRt(number) => {
            let shapes = Shapes::of(spec);
            // Building an engine takes minutes: it is kept beside the graph.
            let cache = graph.with_file_name(".tensorrt");
            let tensorrt = ep::TensorRT::default()
                .with_device_id(id(number))
                .with_fp16(precision == Precision::Fp16)
                .with_engine_cache(true)
                .with_engine_cache_path(cache.display())
                .with_timing_cache(true)
                .with_profile_min_shapes(shapes.least)
                .with_profile_opt_shapes(shapes.usual)
                .with_profile_max_shapes(shapes.most)
                .build()
                .error_on_failure();
            vec![tensorrt, cuda(number)]
        }
    }
}

/// Sizes that TensorRT prepares for, as it wants them written: without them it builds an engine for every new length.
#[derive(Debug, PartialEq, Eq)]
struct Shapes {
    least: String,
    usual: String,
    most: String,
}

impl Shapes {
    fn of(spec: &ModelSpec) -> Self {
        let inputs = spec.batching.max_inputs.max(1);
        if spec.image_size > 0 {
            let size = |count: usize| format!("pixels:{count}x{0}x{0}x3", spec.image_size);
            return Self { least: size(1), usual: size(inputs), most: size(inputs) };
        }
        let size = |count: usize, length: usize| format!("input_ids:{count}x{length},attention_mask:{count}x{length}");
        let longest = spec.max_tokens.max(1);
        Self { least: size(1, 1), usual: size(inputs, 32.min(longest)), most: size(inputs, longest) }
    }
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

/// A provider's own words seldom say what to do.
fn on_device(device: Device, error: &ort::Error) -> ModelError {
    let cure = if device.is_gpu() {
        format!(
            " (`device = \"{device}\"`: are the CUDA, cuDNN and, for tensorrt, TensorRT libraries of the versions that \
             docs/gpu.md names on the library path? `device = \"auto\"` computes on the processor meanwhile)"
        )
    } else {
        String::new()
    };
    ModelError::Backend { backend: NAME, message: format!("{error}{cure}") }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: ort::Error) -> ModelError {
    ModelError::Backend { backend: NAME, message: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Task, engine::tests::spec};

    #[test]
    fn i6_providers_follow_the_device() {
        let (text, graph) = (spec("m", Task::EmbedText), Path::new("m/model.onnx"));
        for (device, expected) in [(Device::Cpu, 0), (Device::Cuda(1), 1), (Device::TensorRt(0), 2)] {
            assert_eq!(providers(device, Precision::Fp32, &text, graph).len(), expected, "{device}");
        }
    }

    #[test]
    fn i6_tensorrt_prepares_for_every_size_that_a_batch_can_have() {
        let text = ModelSpec { max_tokens: 256, ..spec("m", Task::EmbedText) };
        let shapes = Shapes::of(&text);
        assert_eq!(shapes.least, "input_ids:1x1,attention_mask:1x1");
        assert_eq!(shapes.most, "input_ids:8x256,attention_mask:8x256");
        assert_eq!(Shapes::of(&spec("m", Task::ClassifyImage)).most, "pixels:8x4x4x3");
    }
}
