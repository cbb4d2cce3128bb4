//! A backend's numbers to an [`Output`]: checked, named, in range.

use std::sync::Arc;

use crate::{ModelError, ModelSpec, Output, Score, Scores, SpanScore, Task, batch::Answer};

/// What is needed to name a model's numbers.
#[derive(Debug, Clone)]
pub struct Postprocess {
    model: Arc<str>,
    version: Arc<str>,
    task: Task,
    labels: Vec<Arc<str>>,
    dimensions: usize,
    backend: &'static str,
}

impl Postprocess {
    /// For this model run by this backend.
    pub fn new(spec: &ModelSpec, backend: &'static str) -> Self {
        Self {
            model: Arc::clone(&spec.name),
            version: Arc::clone(&spec.version),
            task: spec.task,
            labels: spec.labels.clone(),
            dimensions: spec.dimensions,
            backend,
        }
    }

    /// Scores in 0..=1 in label order, or a vector of length 1. An answer of another size, or with a number that is
    /// not finite, is the backend's error.
    pub fn finish(&self, answer: Answer) -> Result<Output, ModelError> {
        let expected = if self.task == Task::EmbedText { self.dimensions } else { self.labels.len() };
        if answer.values.len() != expected {
            return Err(self.broken(&format!("{} numbers came back, {expected} expected", answer.values.len())));
        }
        if !answer.values.iter().all(|value| value.is_finite()) {
            return Err(self.broken("a number is not finite"));
        }
        if self.task == Task::EmbedText {
            return self.unit(answer.values).map(Output::Embedding);
        }
        let scores = self.labels.iter().zip(&answer.values);
        let scores = scores.map(|(label, score)| Score { label: Arc::clone(label), score: score.clamp(0.0, 1.0) });
        let mut spans: Vec<_> = answer
            .spans
            .iter()
            .filter_map(|span| {
                let label = Arc::clone(self.labels.get(span.label)?);
                Some(SpanScore { start: span.start, end: span.end, label, score: span.score.clamp(0.0, 1.0) })
            })
            .collect();
        spans.sort_by_key(|span| (span.start, span.end));
        let (model, version) = (Arc::clone(&self.model), Arc::clone(&self.version));
        Ok(Output::Scores(Scores { model, version, scores: scores.collect(), spans }))
    }

    fn unit(&self, mut values: Vec<f32>) -> Result<Arc<[f32]>, ModelError> {
        let norm = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
        if norm < 1e-12 {
            return Err(self.broken("the embedding has no length"));
        }
        // A vector that has length 1 already keeps its bits.
        if (norm - 1.0).abs() > 1e-6 {
            values.iter_mut().for_each(|value| *value /= norm);
        }
        Ok(values.into())
    }

    /// An error in this backend's name.
    pub fn broken(&self, message: &str) -> ModelError {
        ModelError::Backend { backend: self.backend, message: format!("model `{}`: {message}", self.model) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{AnswerSpan, EntryId};

    fn classifier() -> Postprocess {
        Postprocess {
            model: "m".into(),
            version: "1".into(),
            task: Task::ClassifyText,
            labels: vec!["a".into(), "b".into()],
            dimensions: 0,
            backend: "fake",
        }
    }

    fn answer(values: &[f32]) -> Answer {
        Answer { id: EntryId(0), values: values.to_vec(), spans: Vec::new() }
    }

    #[test]
    fn scores_are_named_in_order_and_kept_in_range() {
        let Ok(Output::Scores(scores)) = classifier().finish(answer(&[0.25, 1.000_001])) else { panic!("no scores") };
        let named: Vec<_> = scores.scores.iter().map(|score| (score.label.as_ref(), score.score)).collect();
        assert_eq!(named, [("a", 0.25), ("b", 1.0)]);
    }

    #[test]
    fn spans_come_in_text_order_and_unknown_labels_are_dropped() {
        let span = |start, label| AnswerSpan { start, end: start + 1, label, score: 0.9 };
        let spans = vec![span(5, 1), span(2, 0), span(0, 7)];
        let Ok(Output::Scores(scores)) = classifier().finish(Answer { spans, ..answer(&[0.0, 0.0]) }) else { panic!() };
        let found: Vec<_> = scores.spans.iter().map(|span| (span.start, span.label.as_ref())).collect();
        assert_eq!(found, [(2, "a"), (5, "b")]);
    }

    #[test]
    fn broken_answers_are_the_backends_error() {
        for values in [&[0.1][..], &[0.1, f32::NAN], &[0.1, f32::INFINITY]] {
            assert!(matches!(classifier().finish(answer(values)), Err(ModelError::Backend { backend: "fake", .. })));
        }
    }

    #[test]
    fn embeddings_get_length_one() {
        let embedder = Postprocess { task: Task::EmbedText, labels: vec![], dimensions: 2, ..classifier() };
        let Ok(Output::Embedding(vector)) = embedder.finish(answer(&[3.0, 4.0])) else { panic!("no vector") };
        assert_eq!(&*vector, [0.6, 0.8]);
        assert!(embedder.finish(answer(&[0.0, 0.0])).is_err());
    }
}
