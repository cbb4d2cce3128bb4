//! N-gram features and one weight vector per label: [`crate::linear`] behind the seam.

use rayon::prelude::*;

use super::{Backend, wrong_input};
use crate::{
    ModelError,
    batch::{Answer, AnswerSpan, Batch, BatchInputs},
    linear::{LinearModel, RawSpan},
    repository::ModelFolder,
};

pub(super) const NAME: &str = "linear";

/// Smaller batches are scored on the instance's own thread: waking others would cost more than it saves.
const PARALLEL_FROM: usize = 8;

pub(super) struct LinearBackend {
    model: LinearModel,
}

impl LinearBackend {
    pub(super) fn load(folder: &ModelFolder) -> Result<Self, ModelError> {
        let path = folder.file("weights")?;
        let model = LinearModel::load(&path)?;
        if model.labels() != folder.spec.labels {
            let message = format!("its `labels` are not those of {}: {:?}", path.display(), model.labels());
            return Err(ModelError::BadSpec { path: folder.path.join("model.toml"), message });
        }
        Ok(Self { model })
    }

    fn score(&self, text: &str) -> (Vec<f32>, Vec<AnswerSpan>) {
        let (scores, spans) = self.model.score(text, true);
        let named =
            |span: RawSpan| AnswerSpan { start: span.start, end: span.end, label: span.label_index, score: span.score };
        (scores, spans.into_iter().map(named).collect())
    }
}

impl Backend for LinearBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        let BatchInputs::Texts(texts) = &batch.inputs else { return Err(wrong_input(NAME, "texts")) };
        let scored: Vec<_> = if texts.len() >= PARALLEL_FROM {
            texts.par_iter().map(|text| self.score(text)).collect()
        } else {
            texts.iter().map(|text| self.score(text)).collect()
        };
        let answer = |(id, (values, spans))| Answer { id, values, spans };
        Ok(batch.ids.iter().copied().zip(scored).map(answer).collect())
    }
}
