//! candle: BERT encoders from `model.safetensors`, in Rust alone.
//!
//! For embedders: mean over the real tokens, then length 1. candle computes on rayon's global pool, so the engine's
//! `threads` setting does not bind it; `RAYON_NUM_THREADS` does. On a GPU it needs a binary built with the feature
//! `candle-cuda`, which needs NVIDIA's toolkit.

use candle_core::{D, DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};

use super::{Backend, rows, wrong_input};
use crate::{
    ModelError, Task,
    batch::{Answer, Batch, BatchInputs, TokenMatrix},
    device,
    repository::ModelFolder,
};

pub(super) const NAME: &str = "candle";

pub(super) struct CandleBackend {
    model: BertModel,
    device: Device,
}

impl CandleBackend {
    pub(super) fn load(folder: &ModelFolder, device: device::Device) -> Result<Self, ModelError> {
        let device = open(device)?;
        if folder.spec.task != Task::EmbedText {
            let message = format!("model `{}` is no text embedder: load it with another backend", folder.spec.name);
            return Err(ModelError::Backend { backend: NAME, message });
        }
        let read = |role: &str| {
            let path = folder.file(role)?;
            std::fs::read(&path).map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => ModelError::MissingFile { path },
                _ => ModelError::Io { context: format!("reading {}", path.display()), message: error.to_string() },
            })
        };
        let config: Config = serde_json::from_slice(&read("config")?)
            .map_err(|error| ModelError::Backend { backend: NAME, message: format!("config.json: {error}") })?;
        // Read whole, not mapped: a file that changes under a map is undefined behaviour.
        let weights = VarBuilder::from_buffered_safetensors(read("safetensors")?, DType::F32, &device);
        let model = weights.and_then(|weights| BertModel::load(weights, &config)).map_err(failed)?;
        Ok(Self { model, device })
    }

    fn embed(&self, matrix: &TokenMatrix) -> candle_core::Result<Vec<f32>> {
        let shape = (matrix.rows, matrix.columns);
        let ids = Tensor::from_slice(&matrix.ids, shape, &self.device)?;
        let mask = Tensor::from_slice(&matrix.mask, shape, &self.device)?;
        let hidden = self.model.forward(&ids, &ids.zeros_like()?, Some(&mask))?;
        let weights = mask.to_dtype(DType::F32)?.unsqueeze(2)?;
        let sum = hidden.broadcast_mul(&weights)?.sum(1)?;
        let mean = sum.broadcast_div(&weights.sum(1)?)?;
        let norm = mean.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
        mean.broadcast_div(&norm)?.flatten_all()?.to_vec1()
    }
}

fn open(device: device::Device) -> Result<Device, ModelError> {
    let refused = |message: String| ModelError::Backend { backend: NAME, message };
    match device {
        device::Device::Auto | device::Device::Cpu => Ok(Device::Cpu),
        device::Device::Cuda(number) => Device::new_cuda(number as usize).map_err(|error| {
            refused(format!(
                "`device = \"{device}\"`: {error}. This backend reaches a GPU in a binary built with `--features candle-cuda` \
                 (needs NVIDIA's toolkit) only; backend `ort` needs no other binary"
            ))
        }),
        device::Device::TensorRt(_) => Err(refused("TensorRT is for backend `ort`: write `device = \"cuda:0\"`".into())),
    }
}

impl Backend for CandleBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        let BatchInputs::Tokens(matrix) = &batch.inputs else { return Err(wrong_input(NAME, "token ids")) };
        rows(batch, &self.embed(matrix).map_err(failed)?, NAME)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: candle_core::Error) -> ModelError {
    ModelError::Backend { backend: NAME, message: error.to_string() }
}
