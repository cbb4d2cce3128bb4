//! N-gram features and one weight vector per label: tens of thousands of texts per second and core, and it can say which
//! words drove a score.
//!
//! A text's features are `(1 + ln count) · idf`, divided by √(s + Σ feature²) over their block (words, characters). The
//! softening s keeps a text of two words from speaking as loudly as one of fifty. A label's score is the logistic function
//! of bias + Σ weight · feature. Calibration is folded into bias and scale.

mod explain;
mod format;

use std::{path::Path, sync::Arc};

use crate::{
    ModelError,
    ngram::{Counts, Normalised, Settings},
};

/// Version of the weight file and of the featuriser that it was trained with.
pub const FORMAT_VERSION: u16 = 1;

/// Most labels of one model.
pub const MAX_LABELS: usize = 16;

/// A loaded model. Immutable: share it between threads.
#[derive(Debug, Clone)]
pub struct LinearModel {
    settings: Settings,
    labels: Vec<Arc<str>>,
    bias: Vec<f32>,
    scale: Vec<f32>,
    idf_step: f32,
    /// Added to the sum of squares, per block.
    soften: [f32; 2],
    /// One per bucket, in steps.
    idf: Vec<u8>,
    /// All labels of a bucket side by side.
    weights: Vec<i8>,
}

/// A stretch of the text that drove a label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RawSpan {
    /// First byte, on a character boundary of the text as given.
    pub start: usize,
    /// One past the last byte, on a character boundary.
    pub end: usize,
    /// Position of the label in [`LinearModel::labels`].
    pub label_index: usize,
    /// Score of the stretch on its own, 0..=1.
    pub score: f32,
}

/// Memory that is reused from text to text.
#[derive(Debug, Default)]
pub struct Scratch {
    text: Normalised,
    counts: Counts,
    explain: explain::Scratch,
}

impl LinearModel {
    /// Reads a weight file. A missing, truncated or damaged file is a typed error.
    pub fn load(path: &Path) -> Result<Self, ModelError> {
        format::load(path)
    }

    /// Labels in output order.
    pub fn labels(&self) -> &[Arc<str>] {
        &self.labels
    }

    /// N-gram settings that the model was trained with.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// Scores in label order, each 0..=1, and, when `spans` is set, the offending words in text order.
    pub fn score(&self, text: &str, spans: bool) -> (Vec<f32>, Vec<RawSpan>) {
        self.score_with(&mut Scratch::default(), text, spans)
    }

    /// As [`LinearModel::score`], reusing the memory of earlier calls.
    pub fn score_with(&self, scratch: &mut Scratch, text: &str, spans: bool) -> (Vec<f32>, Vec<RawSpan>) {
        scratch.text.set(text);
        scratch.counts.count(self.settings, &scratch.text);
        let sums = self.sums(&scratch.counts);
        let scores: Vec<f32> = (0..self.labels.len()).map(|label| logistic(self.logit(&sums, label))).collect();
        let spans = if spans {
            self.explain(&mut scratch.explain, &scratch.text, &scratch.counts, &scores)
        } else {
            Vec::new()
        };
        (scores, spans)
    }

    /// Σ weight · feature per block and label, before the norm and the scale.
    fn sums(&self, counts: &Counts) -> Sums {
        let labels = self.labels.len();
        let words = self.settings.word_buckets();
        let mut sums = Sums::default();
        for &(bucket, count) in counts.entries() {
            let bucket = bucket as usize;
            let block = usize::from(bucket >= words);
            let value = sublinear(count) * f32::from(self.idf[bucket]) * self.idf_step;
            sums.squares[block] += value * value;
            let weights = &self.weights[bucket * labels..(bucket + 1) * labels];
            for (sum, weight) in sums.weighted[block].iter_mut().zip(weights) {
                *sum += value * expand(*weight);
            }
        }
        sums
    }

    fn norm(&self, sums: &Sums, block: usize) -> f32 {
        // An empty block has only zeros to divide.
        (sums.squares[block] + self.soften[block]).sqrt().max(f32::MIN_POSITIVE)
    }

    fn logit(&self, sums: &Sums, label: usize) -> f32 {
        let sum: f32 = (0..2).map(|block| sums.weighted[block][label] / self.norm(sums, block)).sum();
        self.bias[label] + self.scale[label] * sum
    }
}

#[derive(Debug, Default)]
struct Sums {
    weighted: [[f32; MAX_LABELS]; 2],
    squares: [f32; 2],
}

/// `1 + ln count`.
fn sublinear(count: u32) -> f32 {
    if count == 1 { 1.0 } else { 1.0 + (count as f32).ln() }
}

/// A stored weight in units of the label's scale. Quadratic, because most weights are small: their relative error stays low.
fn expand(weight: i8) -> f32 {
    let weight = f32::from(weight) * (1.0 / 127.0);
    weight * weight.abs()
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Two labels; `idiot` drives the first, nothing drives the second.
    pub(crate) fn tiny() -> LinearModel {
        let settings = Settings { word_max: 2, char_min: 2, char_max: 4, word_bits: 14, char_bits: 14 };
        let mut model = LinearModel {
            settings,
            labels: vec!["insult".into(), "threat".into()],
            bias: vec![-3.0, -4.0],
            scale: vec![20.0, 20.0],
            idf_step: 0.0625,
            soften: [4.0, 8.0],
            idf: vec![32; settings.buckets()],
            weights: vec![0; settings.buckets() * 2],
        };
        let mut counts = Counts::default();
        counts.count(settings, &Normalised::new("idiot"));
        for (bucket, _) in counts.entries() {
            model.weights[*bucket as usize * 2] = 80;
        }
        model
    }

    #[test]
    fn weights_drive_the_right_label_only() {
        let model = tiny();
        let (scores, spans) = model.score("you are an idiot", false);
        assert!(scores[0] > 0.9 && scores[1] < 0.1, "{scores:?}");
        assert!(spans.is_empty());
        let (scores, _) = model.score("a lovely day", false);
        assert!(scores[0] < 0.3 && scores[1] < 0.1, "{scores:?}");
    }

    #[test]
    fn a_text_without_features_scores_the_bias() {
        let model = tiny();
        for text in ["", " ", "\u{200b}", "\n\t"] {
            let (scores, spans) = model.score(text, true);
            assert!((scores[0] - logistic(-3.0)).abs() < 1e-6 && spans.is_empty(), "{text:?}: {scores:?}");
        }
    }

    #[test]
    fn reused_memory_changes_nothing() {
        let model = tiny();
        let mut scratch = Scratch::default();
        for text in
            ["a much longer text, with several words, that grows the tables", "idiot", "", "you IDIOT \u{1f600} idiot"]
        {
            assert_eq!(model.score_with(&mut scratch, text, true), model.score(text, true), "{text:?}");
        }
    }

    #[test]
    fn quantised_weights_keep_sign_and_order() {
        assert_eq!(expand(0), 0.0);
        assert_eq!(expand(127), 1.0);
        assert_eq!(expand(-127), -1.0);
        assert!((-128..127i8).all(|weight| expand(weight) < expand(weight + 1)));
    }
}
