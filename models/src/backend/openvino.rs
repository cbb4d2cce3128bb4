//! OpenVINO, loaded at run time from its C library: the way to bf16 where a processor multiplies such numbers
//! (AMX, AVX-512 BF16).
//!
//! It reads the same ONNX graphs as [`super::ort`] and takes the same inputs. Which of the two runs a model is decided by
//! [`crate::execution`].

use openvino::{
    CompiledModel, Core, DeviceType, ElementType, InferRequest, InferenceError, RwPropertyKey, Shape, Tensor,
};

use super::{Backend, BackendSettings, output_name, rows, wrong_input};
use crate::{
    ModelError,
    batch::{Answer, Batch, BatchInputs},
    execution::Precision,
    repository::ModelFolder,
};

pub(super) const NAME: &str = "openvino";

/// Token matrices get a multiple of so many columns. Code is made for every shape that comes, and kept: with chat of all lengths on an
/// EPYC with AVX-512 BF16 a process with MiniLM had 439 MiB after 250 batches, 591 after 1,250, and went on growing; in steps of 4 it
/// had 360 after 750 and 367 after 1,250. The padding costs about what is won by not making code.
pub(super) const COLUMNS: usize = 4;

pub(super) struct OpenVinoBackend {
    request: InferRequest,
    output: &'static str,
    /// Columns beyond which the model may have no positions.
    most_columns: usize,
    /// The request works on it.
    _model: CompiledModel,
    /// Its plugins must stay loaded.
    _core: Core,
}

impl OpenVinoBackend {
    pub(super) fn load(folder: &ModelFolder, settings: &BackendSettings) -> Result<Self, ModelError> {
        let graph = folder.file("onnx")?;
        let library = settings.openvino.clone().filter(|library| library.is_file());
        let library = library.ok_or_else(|| ModelError::Backend {
            backend: NAME,
            message: "OpenVINO is not here: run `chaperone models fetch --only openvino`".into(),
        })?;
        openvino_sys::library::load_from(library).map_err(|message| ModelError::Backend { backend: NAME, message })?;
        let mut core = Core::new().map_err(|error| ModelError::Backend {
            backend: NAME,
            message: format!("its library does not start: {error}"),
        })?;
        let precision = match settings.precision {
            Precision::Bf16 => "bf16",
            _ => "f32",
        };
        let threads = settings.threads.to_string();
        let properties = [
            (RwPropertyKey::HintInferencePrecision, precision),
            (RwPropertyKey::InferenceNumThreads, threads.as_str()),
            (RwPropertyKey::NumStreams, "1"),
            // Other parts of the service need the processors too.
            (RwPropertyKey::HintEnableCpuPinning, "NO"),
        ];
        core.set_properties(&DeviceType::CPU, properties).map_err(failed)?;
        // No second file is named: weights that lie beside an ONNX graph are found by the graph.
        let model = core.read_model_from_file(&graph.to_string_lossy(), "").map_err(failed)?;
        let mut model = core.compile_model(&model, DeviceType::CPU).map_err(failed)?;
        let request = model.create_infer_request().map_err(failed)?;
        let most_columns = folder.spec.max_tokens;
        Ok(Self { request, output: output_name(&folder.spec), most_columns, _model: model, _core: core })
    }

    fn run(&mut self, batch: &Batch) -> Result<Vec<f32>, InferenceError> {
        let size = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        match &batch.inputs {
            BatchInputs::Tokens(matrix) => {
                let matrix = matrix.widened(matrix.columns.next_multiple_of(COLUMNS).min(self.most_columns));
                let shape = Shape::new(&[size(matrix.rows), size(matrix.columns)])?;
                for (name, values) in [("input_ids", &matrix.ids), ("attention_mask", &matrix.mask)] {
                    let mut tensor = Tensor::new(ElementType::I64, &shape)?;
                    tensor.get_data_mut::<i64>()?.copy_from_slice(values);
                    self.request.set_tensor(name, &tensor)?;
                }
            }
            BatchInputs::Pixels { values, side } => {
                let shape = Shape::new(&[size(batch.len()), size(*side), size(*side), 3])?;
                let mut tensor = Tensor::new(ElementType::F32, &shape)?;
                tensor.get_data_mut::<f32>()?.copy_from_slice(values);
                self.request.set_tensor("pixels", &tensor)?;
            }
            BatchInputs::Texts(_) => return Ok(Vec::new()),
        }
        self.request.infer()?;
        Ok(self.request.get_tensor(self.output)?.get_data::<f32>()?.to_vec())
    }
}

impl Backend for OpenVinoBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        if matches!(batch.inputs, BatchInputs::Texts(_)) {
            return Err(wrong_input(NAME, "token ids or pixels"));
        }
        let matrix = self.run(batch).map_err(failed)?;
        rows(batch, &matrix, NAME)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: InferenceError) -> ModelError {
    ModelError::Backend { backend: NAME, message: error.to_string() }
}
