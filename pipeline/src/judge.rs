//! What models said about one text or picture, and how it becomes a verdict. Pure.

use std::collections::BTreeSet;

use models::{Scores, SpanScore};

use crate::{
    language::Language,
    normalise::{Normalised, Utf16, mask},
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
    /// Of a text.
    pub(crate) language: Option<Language>,
}

impl From<Vec<Scores>> for Judged {
    fn from(answers: Vec<Scores>) -> Self {
        let signals = answers.iter().flat_map(signals).collect();
        Self { signals, spans: answers.into_iter().flat_map(|scores| scores.spans).collect(), language: None }
    }
}

/// Of every score the higher one of two readings of the same text.
pub(crate) fn higher(one: &[Signal], other: &[Signal]) -> Vec<Signal> {
    let same = |a: &Signal, b: &Signal| a.model == b.model && a.label == b.label;
    let mut signals = one.to_vec();
    for signal in other {
        match signals.iter_mut().find(|known| same(known, signal)) {
            Some(known) => known.score = known.score.max(signal.score),
            None => signals.push(signal.clone()),
        }
    }
    signals
}

/// The offending stretches of the labels in `labels`, in the text as it was written; each reading of it has its spans. Those of one label that
/// overlap become one.
pub(crate) fn offending_spans<'a>(
    readings: impl Iterator<Item = (&'a [SpanScore], &'a Normalised)>,
    original: &str,
    labels: &BTreeSet<String>,
) -> Vec<Span> {
    let utf16 = Utf16::of(original);
    let in_original = |(spans, text): (&'a [SpanScore], &'a Normalised)| {
        spans
            .iter()
            .map(|span| (text.original(span.start..span.end), rule_label(&span.label), span.score))
            .collect::<Vec<_>>()
    };
    let mut found: Vec<_> = readings.flat_map(in_original).collect();
    found.retain(|(range, label, _)| !range.is_empty() && labels.contains(label));
    found.sort_by(|a, b| (&a.1, a.0.start, a.0.end).cmp(&(&b.1, b.0.start, b.0.end)));
    found.dedup_by(|next, kept| {
        let overlap = next.1 == kept.1 && next.0.start < kept.0.end;
        if overlap {
            kept.0.end = kept.0.end.max(next.0.end);
            kept.2 = kept.2.max(next.2);
        }
        overlap
    });
    let mut spans: Vec<Span> = found
        .into_iter()
        .map(|(range, label, score)| Span {
            start: range.start,
            end: range.end,
            start_utf16: utf16.unit(range.start),
            end_utf16: utf16.unit(range.end),
            label,
            score,
        })
        .collect();
    spans.sort_by_key(|span| (span.start, span.end));
    spans
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
    language: Option<Language>,
) -> Verdict {
    Verdict {
        action: evaluation.action,
        flagged: evaluation.flagged(),
        reasons: evaluation.reasons.clone(),
        shadow: evaluation.shadow.clone(),
        confidence: evaluation.confidence,
        sanitized_text,
        spans,
        language,
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
        let offending = offending_spans(std::iter::once((&spans[..], &text)), original, &labels);
        let places: Vec<_> = offending.iter().map(|span| (span.start, span.end, span.label.as_str())).collect();
        assert_eq!(places, [(7, 12, "toxic"), (18, 22, "insult")]);
        assert_eq!(sanitize(original, &offending, &labels).as_deref(), Some("Ä: you *****, you ****"));
    }

    #[test]
    fn t6_spans_of_two_readings_are_one_and_count_utf16_too() {
        let original = "😀 you 1d10t";
        let plain = Normalised::new(original);
        let unmasked = plain.unmasked().unwrap();
        let (digits, word) = (plain.text().find("1d10t").unwrap(), unmasked.text().find("idiot").unwrap());
        let readings = [
            (&[span(digits + 1, digits + 5, "toxic")][..], &plain),
            (&[span(word, word + 5, "toxic"), span(word, word + 5, "insult")][..], &unmasked),
        ];
        let labels = BTreeSet::from(["toxic".to_owned(), "insult".to_owned()]);
        let found = offending_spans(readings.into_iter(), original, &labels);
        let mut places: Vec<_> = found
            .iter()
            .map(|span| (span.label.as_str(), span.start..span.end, span.start_utf16..span.end_utf16))
            .collect();
        places.sort_by_key(|place| place.0);
        assert_eq!(places, [("insult", 6..11, 7..12), ("toxic", 6..11, 7..12)]);
        assert_eq!(sanitize(original, &found, &labels).as_deref(), Some("😀 you *****"));
    }

    #[test]
    fn t6_of_two_readings_the_higher_score_counts() {
        let signal = |label: &str, score| Signal { model: "m".into(), version: "1".into(), label: label.into(), score };
        let merged =
            higher(&[signal("a", 0.2), signal("b", 0.9)], &[signal("a", 0.8), signal("b", 0.1), signal("c", 0.5)]);
        assert_eq!(merged, [signal("a", 0.8), signal("b", 0.9), signal("c", 0.5)]);
        assert_eq!(higher(&[], &[signal("a", 0.1)]).len(), 1, "only one of them was judged");
    }

    #[test]
    fn t1_nothing_is_masked_without_a_rule_and_everything_without_spans() {
        let labels = BTreeSet::from(["toxic".to_owned()]);
        assert_eq!(sanitize("you fool", &[], &BTreeSet::new()), None);
        assert_eq!(sanitize("you fool", &[], &labels).as_deref(), Some("*** ****"));
    }
}
