//! Deterministic answers without a model, so that every test drives the real path: preprocessing, batching, threads.
//!
//! **Text classifiers** read markers in the text:
//!
//! | marker | effect |
//! |---|---|
//! | `fake:LABEL=0.93` | score 0.93 on that label, with the marker as the offending span; every other label scores 0.01 |
//! | `fake:slow=MS` | takes that many milliseconds longer |
//! | `fake:fail` | fails, whatever batch it is in |
//! | `fake:panic` | panics, whatever batch it is in |
//! | `fake:die` | the backend is lost: its instance ends |
//! | `fake:abort` | the whole process ends at once, as when a native library crashes |
//!
//! The last five work for text embedders too. **Text embedders** add up one pseudo-random vector per word (lower case,
//! without punctuation), so texts that share words are near each other and the order of words does not matter.
//! **Image classifiers** look at the top-left pixel `(r, g, b)`: label `r % labels` scores `g / 255`, the others share
//! the rest, and it takes `b` milliseconds longer.

use std::time::Duration;

use super::{Backend, wrong_input};
use crate::{
    ModelError, ModelSpec, Task,
    batch::{Answer, AnswerSpan, Batch, BatchInputs, EntryId},
};

pub(super) const NAME: &str = "fake";

const MARKER: &str = "fake:";
const CLEAN: f32 = 0.01;

pub(super) struct FakeBackend {
    spec: ModelSpec,
}

impl FakeBackend {
    pub(super) fn new(spec: &ModelSpec) -> Self {
        Self { spec: spec.clone() }
    }

    fn text(&self, id: EntryId, text: &str) -> Result<Answer, ModelError> {
        let mut scores = vec![CLEAN; self.spec.labels.len()];
        let mut spans = Vec::new();
        for (start, marker) in markers(text) {
            match marker.split_once('=') {
                None if marker == "panic" => panic!("the text asked for a panic"),
                None if marker == "fail" => {
                    return Err(ModelError::Backend { backend: NAME, message: "the text asked for a failure".into() });
                }
                None if marker == "abort" => std::process::abort(),
                None if marker == "die" => return Err(ModelError::Stopped(self.spec.name.to_string())),
                Some(("slow", milliseconds)) => sleep(milliseconds.parse().unwrap_or(0)),
                Some((label, score)) => {
                    let known = self.spec.labels.iter().position(|known| known.as_ref() == label);
                    if let (Some(label), Ok(score)) = (known, score.parse::<f32>()) {
                        scores[label] = score;
                        let end = start + MARKER.len() + marker.len();
                        spans.push(AnswerSpan { start, end, label, score });
                    }
                }
                None => {}
            }
        }
        Ok(match self.spec.task {
            Task::EmbedText => Answer { id, values: embedding(text, self.spec.dimensions), spans: Vec::new() },
            _ => Answer { id, values: scores, spans },
        })
    }

    fn image(&self, id: EntryId, pixels: &[f32]) -> Answer {
        let labels = self.spec.labels.len().max(1);
        let byte = |value: Option<&f32>| value.map_or(0, |value| (value * 255.0).round() as usize);
        let score = byte(pixels.get(1)) as f32 / 255.0;
        let mut values = vec![(1.0 - score) / (labels.max(2) - 1) as f32; labels];
        values[byte(pixels.first()) % labels] = score;
        sleep(byte(pixels.get(2)) as u64);
        Answer { id, values, spans: Vec::new() }
    }
}

impl Backend for FakeBackend {
    fn infer(&mut self, batch: &Batch) -> Result<Vec<Answer>, ModelError> {
        match &batch.inputs {
            BatchInputs::Texts(texts) => batch.ids.iter().zip(texts).map(|(id, text)| self.text(*id, text)).collect(),
            BatchInputs::Pixels { values, side } => {
                let images = values.chunks_exact((side * side * 3).max(1));
                Ok(batch.ids.iter().zip(images).map(|(id, pixels)| self.image(*id, pixels)).collect())
            }
            BatchInputs::Tokens(_) => Err(wrong_input(NAME, "texts or pixels")),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a slow model is what this marker stands for")]
fn sleep(milliseconds: u64) {
    if milliseconds == 0 {
        return;
    }
    std::thread::sleep(Duration::from_millis(milliseconds.min(60_000)));
}

/// Every `fake:…` of the text up to the next white space: where it starts and what follows the colon.
fn markers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices(MARKER).map(|(start, _)| {
        let rest = &text[start + MARKER.len()..];
        let marker = rest.split(char::is_whitespace).next().unwrap_or_default();
        (start, marker.trim_end_matches([',', '.', ';', '!', '?', ')']))
    })
}

fn embedding(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimensions];
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut add = |seed: u64| {
        let mut state = seed;
        for value in &mut vector {
            *value += (splitmix(&mut state) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        }
    };
    let mut any = false;
    for word in words {
        any = true;
        add(fnv(&word.to_lowercase()));
    }
    if !any {
        add(fnv(text));
    }
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
    vector.iter_mut().for_each(|value| *value /= norm);
    vector
}

/// FNV-1a: the same on every machine and in every version, which `std`'s hasher does not promise.
fn fnv(word: &str) -> u64 {
    word.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::spec;

    fn scores(text: &str) -> Answer {
        FakeBackend::new(&spec("toxicity", Task::ClassifyText)).text(EntryId(0), text).unwrap()
    }

    #[test]
    fn a_marker_scores_its_label_and_is_the_span() {
        let answer = scores("well, fake:insult=0.93, no");
        assert_eq!(answer.values, [0.01, 0.93]);
        assert_eq!(answer.spans, [AnswerSpan { start: 6, end: 22, label: 1, score: 0.93 }]);
        assert_eq!(scores("fake:unknown=1 fake: fake:toxic=x").values, [0.01, 0.01]);
    }

    #[test]
    fn texts_that_share_words_are_near() {
        let near =
            |a: &str, b: &str| -> f32 { embedding(a, 384).iter().zip(embedding(b, 384)).map(|(a, b)| a * b).sum() };
        assert!((near("Climbing, and jazz", "jazz and climbing!") - 1.0).abs() < 1e-5);
        assert!(near("climbing and jazz", "climbing and chess") > 0.5);
        assert!(near("climbing jazz", "tax returns").abs() < 0.3);
        assert!((near("?!", "?!") - 1.0).abs() < 1e-5);
    }

    #[test]
    fn the_top_left_pixel_chooses_label_and_score() {
        let fake = FakeBackend::new(&spec("nsfw", Task::ClassifyImage));
        let answer = fake.image(EntryId(0), &[3.0 / 255.0, 204.0 / 255.0, 0.0]);
        assert_eq!(answer.values[1], 0.8);
        assert!((answer.values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
