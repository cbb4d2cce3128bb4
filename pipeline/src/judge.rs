//! What models said about one text or picture, and how it becomes a verdict. Pure.

use std::collections::BTreeSet;

use models::{Scores, SpanScore};

use crate::{
    normalise::{Normalised, mask},
    policy::{Evaluation, Policy},
    signal::{Signal, Span, rule_label, signals},
    verdict::Verdict,
};

/// The answers of all models about one content.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Judged {
    /// All scores, model by model.
    pub(crate) signals: Vec<Signal>,
    /// Offending stretches, bytes of the text that the models saw.
    pub(crate) spans: Vec<SpanScore>,
}

impl From<Vec<Scores>> for Judged {
    fn from(answers: Vec<Scores>) -> Self {
        let signals = answers.iter().flat_map(signals).collect();
        Self { signals, spans: answers.into_iter().flat_map(|scores| scores.spans).collect() }
    }
}

/// The offending stretches of the labels in `labels`, in the text as it was written.
pub(crate) fn offending_spans(spans: &[SpanScore], text: &Normalised, labels: &BTreeSet<String>) -> Vec<Span> {
    let mut offending: Vec<Span> = spans
        .iter()
        .map(|span| {
            let original = text.original(span.start..span.end);
            Span { start: original.start, end: original.end, label: rule_label(&span.label), score: span.score }
        })
        .filter(|span| span.start < span.end && labels.contains(&span.label))
        .collect();
    offending.sort_by_key(|span| (span.start, span.end));
    offending
}

/// The text as others may see it. `None` when no rule asked for masking. When one did and no model can say which words
/// drove the score, the whole text is masked: to show it unchanged would undo the rule.
pub(crate) fn sanitize(original: &str, spans: &[Span], labels: &BTreeSet<String>) -> Option<String> {
    if labels.is_empty() {
        return None;
    }
    let everything = std::iter::once(0..original.len());
    let ranges: Vec<_> = match spans {
        [] => everything.collect(),
        spans => spans.iter().map(|span| span.start..span.end).collect(),
    };
    Some(mask(original, &ranges))
}

/// The verdict of a decision.
pub(crate) fn verdict(
    policy: &Policy,
    evaluation: &Evaluation,
    sanitized_text: Option<String>,
    spans: Vec<Span>,
) -> Verdict {
    Verdict {
        action: evaluation.action,
        flagged: evaluation.flagged(),
        reasons: evaluation.reasons.clone(),
        shadow: evaluation.shadow.clone(),
        confidence: evaluation.confidence,
        sanitized_text,
        spans,
        policy: policy.version().to_owned(),
        degraded: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(start: usize, end: usize, label: &str) -> SpanScore {
        SpanScore { start, end, label: label.into(), score: 0.9 }
    }

    #[test]
    fn t1_spans_of_the_models_become_code_points_of_the_original() {
        let original = "Ä: you ｉdiot, you fool";
        let text = Normalised::new(original);
        let idiot = text.text().find("idiot").unwrap();
        let fool = text.text().find("fool").unwrap();
        let spans = [span(fool, fool + 4, "Insult"), span(idiot, idiot + 5, "toxic"), span(0, 1, "spam")];
        let labels = BTreeSet::from(["toxic".to_owned(), "insult".to_owned()]);
        let offending = offending_spans(&spans, &text, &labels);
        let places: Vec<_> = offending.iter().map(|span| (span.start, span.end, span.label.as_str())).collect();
        assert_eq!(places, [(7, 12, "toxic"), (18, 22, "insult")]);
        assert_eq!(sanitize(original, &offending, &labels).as_deref(), Some("Ä: you *****, you ****"));
    }

    #[test]
    fn t1_nothing_is_masked_without_a_rule_and_everything_without_spans() {
        let labels = BTreeSet::from(["toxic".to_owned()]);
        assert_eq!(sanitize("you fool", &[], &BTreeSet::new()), None);
        assert_eq!(sanitize("you fool", &[], &labels).as_deref(), Some("*** ****"));
    }
}
