//! Preprocessing: an input as the caller gives it to an input as the backend takes it. Done before queueing, so that
//! the batcher knows lengths and the instance's thread does nothing but infer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::{
    Input, ModelError, Task,
    batch::Prepared,
    repository::ModelFolder,
    sample,
    spec::BackendKind,
    text::{self, TextEncoder},
};

/// Texts up to this many bytes are tokenised where they are. That takes 20 to 50 µs; handing it to another thread and
/// back costs more processor time than that, and adds two wake-ups to every answer.
const INLINE_BYTES: usize = 256;

/// How one model's inputs are prepared.
#[derive(Debug)]
pub(crate) enum Preparer {
    /// A tokenizer: backends that take token ids.
    Tokens(Box<TextEncoder>),
    /// Nothing: backends that bring their own features.
    Text,
    /// Resize to a square tensor.
    Pixels {
        /// Pixels per side.
        side: u32,
    },
}

impl Preparer {
    pub(crate) fn load(kind: BackendKind, folder: &ModelFolder) -> Result<Self, ModelError> {
        let spec = &folder.spec;
        Ok(match (spec.task, kind) {
            (Task::ClassifyImage, _) if spec.image_size == 0 => {
                let message = "an image model needs `image_size`, the side of its input in pixels".into();
                return Err(ModelError::BadSpec { path: folder.path.join("model.toml"), message });
            }
            (Task::ClassifyImage, _) => Self::Pixels { side: spec.image_size },
            (_, BackendKind::Linear | BackendKind::Fake) => Self::Text,
            (_, BackendKind::Ort | BackendKind::OpenVino | BackendKind::Candle) => {
                let encoder = TextEncoder::load(&folder.file("tokenizer")?, spec.max_tokens)?;
                let encoder = encoder.with_emoji_names(spec.emoji_names);
                let parts = spec.cascade.as_ref().and_then(|cascade| cascade.parts.as_ref());
                Self::Tokens(Box::new(match parts {
                    Some(parts) => encoder
                        .with_parts(parts)
                        .map_err(|message| ModelError::BadSpec { path: folder.path.join("model.toml"), message })?,
                    None => encoder,
                }))
            }
        })
    }

    /// Prepares one input; long work goes to the rayon pool and is dropped there if the caller leaves meanwhile.
    pub(crate) async fn prepare(self: &Arc<Self>, input: Input) -> Result<Prepared, ModelError> {
        match &input {
            Input::Text(text) => {
                text::check(text)?;
                if text.len() <= INLINE_BYTES || matches!(**self, Self::Text) {
                    return self.guarded(|preparer| preparer.run(&input));
                }
            }
            Input::Tokens(_) => return self.guarded(|preparer| preparer.run(&input)),
            Input::Image(_) if matches!(**self, Self::Pixels { .. }) => {}
            Input::Image(_) => return self.guarded(|preparer| preparer.run(&input)),
        }
        // The caller's copy of the pixels should not outlive its tensor.
        self.on_pool(move |preparer| preparer.run(&input)).await
    }

    /// Prepares a text as [`Preparer::prepare`] does, and its parts, if the model has any.
    pub(crate) async fn prepare_parts(
        self: &Arc<Self>,
        text: Arc<str>,
    ) -> Result<(Prepared, Vec<Prepared>), ModelError> {
        text::check(&text)?;
        let short = text.len() <= INLINE_BYTES;
        let encode = move |preparer: &Self| {
            let Self::Tokens(encoder) = preparer else { return Ok((preparer.run(&Input::Text(text))?, Vec::new())) };
            let (whole, parts) = encoder.encode_parts(&text)?;
            Ok((Prepared::Tokens(whole), parts.into_iter().map(Prepared::Tokens).collect()))
        };
        if short { self.guarded(encode) } else { self.on_pool(encode).await }
    }

    /// Long work: on the rayon pool, and dropped there if the caller leaves meanwhile.
    async fn on_pool<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ModelError> + Send + 'static,
    ) -> Result<T, ModelError> {
        let (reply, answer) = oneshot::channel();
        let preparer = Arc::clone(self);
        rayon::spawn(move || {
            if !reply.is_closed() {
                let _ = reply.send(preparer.guarded(work));
            }
        });
        answer.await.unwrap_or_else(|_| Err(failed("the worker ended")))
    }

    /// Tokens of a text as the model sees it; words for models without a tokenizer.
    pub(crate) fn count_tokens(&self, text: &str) -> Result<usize, ModelError> {
        match self {
            Self::Tokens(encoder) => encoder.encode(text).map(|ids| ids.len()),
            Self::Text => Ok(text.split_whitespace().count()),
            Self::Pixels { .. } => Err(ModelError::InvalidInput("this model takes an image, not text".into())),
        }
    }

    /// As [`Preparer::count_tokens`], of ids that were made with the model's tokenizer.
    pub(crate) fn count_ids(&self, ids: &[u32]) -> Result<usize, ModelError> {
        match self {
            Self::Tokens(encoder) => encoder.complete(ids).map(|ids| ids.len()),
            Self::Text | Self::Pixels { .. } => Err(no_tokenizer()),
        }
    }

    /// A panic in a tokenizer costs its own input and nothing else (rayon would end the process).
    fn guarded<T>(&self, work: impl FnOnce(&Self) -> Result<T, ModelError>) -> Result<T, ModelError> {
        catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|_| Err(failed("preprocessing panicked")))
    }

    fn run(&self, input: &Input) -> Result<Prepared, ModelError> {
        match (self, input) {
            (Self::Tokens(encoder), Input::Text(text)) => encoder.encode(text).map(Prepared::Tokens),
            (Self::Text, Input::Text(text)) => Ok(Prepared::Text(text.clone())),
            (Self::Tokens(encoder), Input::Tokens(ids)) => encoder.complete(ids).map(Prepared::Tokens),
            (_, Input::Tokens(_)) => Err(no_tokenizer()),
            (Self::Pixels { side }, Input::Image(image)) => Ok(Prepared::Pixels(Arc::new(image.to_tensor(*side)))),
            (_, Input::Image(_)) => Err(ModelError::InvalidInput("this model takes text, not an image".into())),
            (_, Input::Text(_)) => Err(ModelError::InvalidInput("this model takes an image, not text".into())),
        }
    }

    /// Inputs to compare and time ways of execution with, in batches as they would be served.
    pub(crate) fn samples(&self) -> Result<Vec<Vec<Prepared>>, ModelError> {
        match self {
            Self::Tokens(encoder) => {
                let mut texts = sample::TEXTS.iter().map(|text| encoder.encode(text)).collect::<Result<Vec<_>, _>>()?;
                texts.sort_by_key(Vec::len);
                let batches = texts.chunks(8).map(|batch| batch.iter().cloned().map(Prepared::Tokens).collect());
                Ok(batches.collect())
            }
            Self::Text => Ok(vec![vec![Prepared::Text(sample::TEXTS[0].into())]]),
            Self::Pixels { side } => {
                let pictures = sample::pictures();
                Ok(pictures.iter().map(|picture| vec![Prepared::Pixels(Arc::new(picture.to_tensor(*side)))]).collect())
            }
        }
    }

    /// Token matrices of every shape that batches have while few wait, columns in steps of `step`.
    pub(crate) fn small(&self, spec: &crate::ModelSpec, step: usize) -> Vec<Vec<Prepared>> {
        let Self::Tokens(_) = self else { return Vec::new() };
        let rule = &spec.batching;
        let shapes = shapes(rule.enough_tokens, rule.max_inputs, spec.max_tokens, step);
        shapes.map(|(rows, columns)| vec![Prepared::Tokens(vec![0; columns]); rows]).collect()
    }

    /// Largest inputs that a batch of this model can hold: what a backend must have seen before it is called ready.
    pub(crate) fn largest(&self, spec: &crate::ModelSpec) -> Vec<Vec<Prepared>> {
        let most = spec.batching.max_inputs.max(1);
        match self {
            Self::Tokens(_) => {
                let longest = spec.max_tokens.max(1);
                let budget = spec.batching.max_tokens;
                let tokens = |inputs: usize, length: usize| vec![Prepared::Tokens(vec![0; length]); inputs];
                let many = (budget / most).clamp(1, longest);
                vec![tokens((budget / longest).clamp(1, most), longest), tokens(most, many)]
            }
            Self::Text => vec![vec![Prepared::Text("warm up".into()); most]],
            Self::Pixels { side } => {
                let values = (*side * *side * 3) as usize;
                // Black: what is shown changes nothing for a network, and the fake backend reads slowness from blue.
                vec![vec![Prepared::Pixels(Arc::new(vec![0.0; values])); most]]
            }
        }
    }
}

/// Rows and columns of at most `tokens` places, `rows` rows and `columns` columns, which grow by `step`.
fn shapes(tokens: usize, rows: usize, columns: usize, step: usize) -> impl Iterator<Item = (usize, usize)> {
    let widths = (step..=tokens.min(columns)).step_by(step);
    widths.flat_map(move |width| (1..=(tokens / width).min(rows)).map(move |height| (height, width)))
}

fn no_tokenizer() -> ModelError {
    ModelError::InvalidInput("this model has no tokenizer, so token ids mean nothing to it: send text".into())
}

fn failed(message: &str) -> ModelError {
    ModelError::Backend { backend: "preprocessing", message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::shapes;

    #[test]
    fn i6_small_shapes_are_those_of_batches_while_few_wait() {
        let found = |tokens, rows, columns, step| shapes(tokens, rows, columns, step).collect::<Vec<_>>();
        assert_eq!(found(16, 32, 128, 4), [(1, 4), (2, 4), (3, 4), (4, 4), (1, 8), (2, 8), (1, 12), (1, 16)]);
        assert_eq!(found(16, 2, 8, 4), [(1, 4), (2, 4), (1, 8), (2, 8)], "no more than a batch may have");
        assert_eq!(found(0, 32, 128, 4), [], "no rule for few: nothing is known of them");
    }
}
