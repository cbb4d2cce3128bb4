//! What goes into a model and what comes out.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Pixels;

/// Who waits for the answer. Order is urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// A caller waits inside a request.
    Interactive,
    /// A frame of a running call: worthless when late.
    Live,
    /// Uploads, backfill: throughput matters.
    Bulk,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 3] = [Self::Interactive, Self::Live, Self::Bulk];

    /// Position in [`Lane::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Name for logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Live => "live",
            Self::Bulk => "bulk",
        }
    }
}

/// One input. Cheap to clone.
#[derive(Debug, Clone)]
pub enum Input {
    /// UTF-8 text, not empty.
    Text(Arc<str>),
    /// Token ids as the model's own tokenizer makes them, not empty; special tokens are added where they are missing.
    Tokens(Arc<[u32]>),
    /// Decoded RGB pixels.
    Image(Arc<Pixels>),
}

/// One answer.
#[derive(Debug, Clone)]
pub enum Output {
    /// From a classifier.
    Scores(Scores),
    /// From an embedder: unit length, `spec.dimensions` numbers.
    Embedding(Arc<[f32]>),
}

/// A label with its score in 0..=1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Label as the model's `model.toml` spells it.
    pub label: Arc<str>,
    /// 0..=1.
    pub score: f32,
}

/// A stretch of the input text that drove a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanScore {
    /// First byte, on a character boundary of the text as given.
    pub start: usize,
    /// One past the last byte, on a character boundary.
    pub end: usize,
    /// The label that it drove.
    pub label: Arc<str>,
    /// How strongly, 0..=1.
    pub score: f32,
}

/// Scores of one input by one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Model name.
    pub model: Arc<str>,
    /// Model version, from `model.toml`.
    pub version: Arc<str>,
    /// In the order of `spec.labels`.
    pub scores: Vec<Score>,
    /// Offending stretches, in text order; empty when the model has none to give.
    #[serde(default)]
    pub spans: Vec<SpanScore>,
}

/// Identity of one queued input. Answers carry it back, so that a result never depends on a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub u64);

/// One input after preprocessing: what a backend works on.
#[derive(Debug, Clone)]
pub enum Prepared {
    /// Token ids, special tokens included, not padded.
    Tokens(Vec<u32>),
    /// `side × side × 3` numbers in 0..=1, row by row, `R G B R G B …`.
    /// Shared, because a batch of one image is that image: half a megabyte that is not copied.
    Pixels(Arc<Vec<f32>>),
    /// The text itself, for backends that bring their own features.
    Text(Arc<str>),
}

impl Prepared {
    /// Size for the batcher: tokens of a tokenised text; 1 for everything that is not padded.
    pub fn length(&self) -> usize {
        match self {
            Self::Tokens(ids) => ids.len(),
            Self::Pixels(_) | Self::Text(_) => 1,
        }
    }
}

/// What one execution of a backend sees.
#[derive(Debug, Clone)]
pub struct Batch {
    /// One per input, in the order of the rows of `inputs`.
    pub ids: Vec<EntryId>,
    /// The inputs themselves.
    pub inputs: BatchInputs,
}

/// The rows of a [`Batch`].
#[derive(Debug, Clone)]
pub enum BatchInputs {
    /// Tokenised texts.
    Tokens(TokenMatrix),
    /// Images: `[rows, side, side, 3]`, values in 0..=1.
    Pixels {
        /// All rows, one after the other.
        values: Arc<Vec<f32>>,
        /// Pixels per side.
        side: usize,
    },
    /// Raw texts.
    Texts(Vec<Arc<str>>),
}

/// Token ids of several texts, padded to the longest: `[rows, columns]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenMatrix {
    /// Ids, row by row; [`TokenMatrix::PADDING`] after the end of a text.
    pub ids: Vec<i64>,
    /// 1 where a token is, 0 where padding is.
    pub mask: Vec<i64>,
    /// Texts.
    pub rows: usize,
    /// Tokens of the longest text.
    pub columns: usize,
}

impl TokenMatrix {
    /// Fills the unused places. Any id of the vocabulary would do, because the mask hides it; 0 is in all of them.
    pub const PADDING: i64 = 0;

    fn new(texts: &[&[u32]]) -> Self {
        let columns = texts.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut matrix = Self {
            ids: vec![Self::PADDING; texts.len() * columns],
            mask: vec![0; texts.len() * columns],
            rows: texts.len(),
            columns,
        };
        for (row, ids) in texts.iter().enumerate() {
            let start = row * columns;
            for (place, id) in matrix.ids[start..].iter_mut().zip(ids.iter()) {
                *place = i64::from(*id);
            }
            matrix.mask[start..start + ids.len()].fill(1);
        }
        matrix
    }

    /// The same texts in at least so many columns.
    #[must_use]
    pub fn widened(&self, columns: usize) -> Self {
        let columns = columns.max(self.columns);
        let mut wide = Self {
            ids: vec![Self::PADDING; self.rows * columns],
            mask: vec![0; self.rows * columns],
            rows: self.rows,
            columns,
        };
        for row in 0..self.rows {
            let (from, to) = (row * self.columns, row * columns);
            wide.ids[to..to + self.columns].copy_from_slice(&self.ids[from..from + self.columns]);
            wide.mask[to..to + self.columns].copy_from_slice(&self.mask[from..from + self.columns]);
        }
        wide
    }
}

impl Batch {
    /// Puts prepared inputs together. All are of one kind, because they come from one model's preprocessing; one of
    /// another kind than the first is left out, and its caller gets the error for an input without an answer.
    pub fn assemble<'a>(entries: impl IntoIterator<Item = (EntryId, &'a Prepared)>) -> Self {
        let (mut ids, mut tokens, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut images: Vec<&Arc<Vec<f32>>> = Vec::new();
        for (id, prepared) in entries {
            match prepared {
                Prepared::Tokens(row) if texts.is_empty() && images.is_empty() => tokens.push(row.as_slice()),
                Prepared::Text(text) if tokens.is_empty() && images.is_empty() => texts.push(Arc::clone(text)),
                Prepared::Pixels(row) if tokens.is_empty() && texts.is_empty() => {
                    if images.first().is_some_and(|first| first.len() != row.len()) {
                        continue;
                    }
                    images.push(row);
                }
                _ => continue,
            }
            ids.push(id);
        }
        let inputs = if let Some(first) = images.first() {
            let side = (first.len() / 3).isqrt();
            let values = match images.as_slice() {
                [only] => Arc::clone(only),
                several => Arc::new(several.iter().map(|values| values.as_slice()).collect::<Vec<_>>().concat()),
            };
            BatchInputs::Pixels { values, side }
        } else if texts.is_empty() {
            BatchInputs::Tokens(TokenMatrix::new(&tokens))
        } else {
            BatchInputs::Texts(texts)
        };
        Self { ids, inputs }
    }

    /// Inputs in the batch.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

/// What a backend says about one input of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The input's id.
    pub id: EntryId,
    /// One score per label, or the embedding.
    pub values: Vec<f32>,
    /// Stretches of the text that drove a score; empty when the backend has none to give.
    pub spans: Vec<AnswerSpan>,
}

/// A [`SpanScore`] before its label has a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerSpan {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Position in `spec.labels`.
    pub label: usize,
    /// How strongly, 0..=1.
    pub score: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_padded_to_the_longest_and_masked() {
        let (a, b) = (Prepared::Tokens(vec![101, 7, 102]), Prepared::Tokens(vec![101, 102]));
        let batch = Batch::assemble([(EntryId(4), &a), (EntryId(9), &b)]);
        assert_eq!(batch.ids, [EntryId(4), EntryId(9)]);
        let BatchInputs::Tokens(matrix) = batch.inputs else { panic!("not tokens") };
        assert_eq!((matrix.rows, matrix.columns), (2, 3));
        assert_eq!(matrix.ids, [101, 7, 102, 101, 102, 0]);
        assert_eq!(matrix.mask, [1, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn i6_more_columns_are_more_padding_and_fewer_are_none() {
        let matrix = TokenMatrix::new(&[&[101, 7, 102], &[101, 102]]);
        let wide = matrix.widened(4);
        assert_eq!((wide.rows, wide.columns), (2, 4));
        assert_eq!(wide.ids, [101, 7, 102, 0, 101, 102, 0, 0]);
        assert_eq!(wide.mask, [1, 1, 1, 0, 1, 1, 0, 0]);
        assert_eq!(matrix.widened(2), matrix, "a text is never cut");
        assert_eq!(TokenMatrix::new(&[]).widened(4).ids, [0_i64; 0]);
    }

    #[test]
    fn images_are_laid_one_after_the_other() {
        let image = |value: f32, length: usize| Prepared::Pixels(Arc::new(vec![value; length]));
        let (a, b, other) = (image(0.0, 12), image(1.0, 12), image(0.5, 27));
        let batch = Batch::assemble([(EntryId(0), &a), (EntryId(7), &other), (EntryId(1), &b)]);
        assert_eq!(batch.ids, [EntryId(0), EntryId(1)], "an image of another size is left out");
        let BatchInputs::Pixels { values, side } = batch.inputs else { panic!("not pixels") };
        assert_eq!((values.len(), side, values[11], values[12]), (24, 2, 0.0, 1.0));
    }

    #[test]
    fn i6_a_batch_of_one_image_is_that_image() {
        let values = Arc::new(vec![0.5; 12]);
        let batch = Batch::assemble([(EntryId(0), &Prepared::Pixels(Arc::clone(&values)))]);
        let BatchInputs::Pixels { values: same, .. } = batch.inputs else { panic!("not pixels") };
        assert!(Arc::ptr_eq(&values, &same));
    }

    #[test]
    fn an_input_of_another_kind_is_left_out() {
        let (a, b) = (Prepared::Tokens(vec![1]), Prepared::Text("x".into()));
        assert_eq!(Batch::assemble([(EntryId(0), &a), (EntryId(1), &b)]).ids, [EntryId(0)]);
    }

    #[test]
    fn lanes_are_ordered_by_urgency() {
        assert!(Lane::Interactive < Lane::Live && Lane::Live < Lane::Bulk);
        assert_eq!(Lane::ALL.map(Lane::index), [0, 1, 2]);
    }
}
