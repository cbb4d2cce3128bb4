//! Which words drove a score.
//!
//! Every n-gram's part of a logit is spread over the characters that it covers and summed by word. A word is kept for a
//! label when it carries more than half as much evidence as the strongest word of the text, or when it would be suspicious
//! on its own. The constants were chosen on `toxic_spans_train`; the model card states the figure on `toxic_spans_trial`.

use super::{LinearModel, MAX_LABELS, RawSpan, expand, sublinear};
use crate::ngram::{self, Counts, Normalised};

/// A label below this score drives nothing.
const LABEL_FROM: f32 = 0.02;

/// Least evidence of a kept word, in logits.
const EVIDENCE_FROM: f32 = 0.25;

/// Evidence of a kept word, as a share of the strongest word's.
const STRONGEST_SHARE: f32 = 0.55;

/// Logit from which on a word is suspicious on its own.
const ALONE_FROM: f32 = -0.8;

#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Evidence per character and label.
    evidence: Vec<[f32; MAX_LABELS]>,
    words: Vec<(usize, usize)>,
    word: Normalised,
    counts: Counts,
}

impl LinearModel {
    /// The offending words in text order; neighbours are joined. `counts` are those of `text`, `scores` its scores.
    pub(super) fn explain(
        &self,
        scratch: &mut Scratch,
        text: &Normalised,
        counts: &Counts,
        scores: &[f32],
    ) -> Vec<RawSpan> {
        if scores.iter().all(|score| *score < LABEL_FROM) {
            return Vec::new();
        }
        self.spread(scratch, text, counts);
        find_words(text.chars(), &mut scratch.words);
        let mut spans = Vec::new();
        for (label, _) in scores.iter().enumerate().filter(|(_, score)| **score >= LABEL_FROM) {
            self.explain_label(scratch, text, label, &mut spans);
        }
        spans.sort_by_key(|span| (span.start, span.label_index));
        spans
    }

    fn spread(&self, scratch: &mut Scratch, text: &Normalised, counts: &Counts) {
        let labels = self.labels.len();
        let words = self.settings.word_buckets();
        let chars = text.chars();
        let sums = self.sums(counts);
        let norms = [self.norm(&sums, 0), self.norm(&sums, 1)];
        let evidence = &mut scratch.evidence;
        evidence.clear();
        evidence.resize(chars.len(), [0.0; MAX_LABELS]);
        ngram::each(self.settings, text, |bucket, from, to| {
            let covered = chars[from..to].iter().filter(|c| **c != ' ').count();
            let count = counts.of(bucket);
            let bucket = bucket as usize;
            let norm = norms[usize::from(bucket >= words)];
            let feature = sublinear(count) * f32::from(self.idf[bucket]) * self.idf_step / norm;
            // One occurrence of `count`, one character of `covered`.
            let share = feature / (count as f32 * covered.max(1) as f32);
            let weights = &self.weights[bucket * labels..(bucket + 1) * labels];
            for (_, sums) in chars[from..to].iter().zip(&mut evidence[from..to]).filter(|(c, _)| **c != ' ') {
                for ((sum, weight), scale) in sums.iter_mut().zip(weights).zip(&self.scale) {
                    *sum += share * expand(*weight) * scale;
                }
            }
        });
    }

    fn explain_label(&self, scratch: &mut Scratch, text: &Normalised, label: usize, spans: &mut Vec<RawSpan>) {
        let Scratch { evidence, words, word, counts } = scratch;
        let carried = |&(from, to): &(usize, usize)| evidence[from..to].iter().map(|sums| sums[label]).sum::<f32>();
        let strongest = words.iter().map(carried).fold(0.0, f32::max);
        let total: f32 = words.iter().map(|word| carried(word).max(0.0)).sum();
        // The span that the word before belongs to, as its position in `spans`.
        let mut open: Option<usize> = None;
        for &(from, to) in words.iter() {
            let here = carried(&(from, to));
            let kept = here > EVIDENCE_FROM
                && (here > STRONGEST_SHARE * strongest || {
                    word.set_part(text, from, to);
                    counts.count(self.settings, word);
                    self.logit(&self.sums(counts), label) > ALONE_FROM
                });
            let Some((start, end)) = text.byte_range(from, to).filter(|_| kept) else {
                open = None;
                continue;
            };
            let score = (here / total).clamp(0.0, 1.0);
            if let Some(index) = open {
                let span: &mut RawSpan = &mut spans[index];
                span.end = end;
                span.score = (span.score + score).min(1.0);
            } else {
                open = Some(spans.len());
                spans.push(RawSpan { start, end, label_index: label, score });
            }
        }
    }
}

/// Stretches between blanks without the punctuation around them; a stretch of punctuation alone is none.
fn find_words(chars: &[char], words: &mut Vec<(usize, usize)>) {
    words.clear();
    let mut from = 0;
    for token in chars.split(|c| *c == ' ') {
        let edge = |c: &&char| ".,!?;:\"'()[]{}<>-\u{2026}".contains(**c);
        let before = token.iter().take_while(edge).count();
        if before < token.len() {
            let after = token.iter().rev().take_while(edge).count();
            words.push((from + before, from + token.len() - after));
        }
        from += token.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tests::tiny;

    fn marked(text: &str) -> Vec<&str> {
        tiny().score(text, true).1.iter().map(|span| &text[span.start..span.end]).collect()
    }

    #[test]
    fn the_word_that_drove_the_score_is_marked_without_its_punctuation() {
        let table: &[(&str, &[&str])] = &[
            ("you are an idiot", &["idiot"]),
            ("(IDIOT!) go on", &["IDIOT"]),
            ("caf\u{e9} \u{1f600} idiot \u{1f600}", &["idiot"]),
            ("idiot   idiot", &["idiot   idiot"]),
            ("id\u{200b}iot", &["id\u{200b}iot"]),
            ("a lovely day", &[]),
            ("...", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(&marked(text), expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_found_between_blanks() {
        let text = Normalised::new("  ...hey,  you -- f*ck! ");
        let mut words = Vec::new();
        find_words(text.chars(), &mut words);
        let found: Vec<String> = words.iter().map(|(from, to)| text.chars()[*from..*to].iter().collect()).collect();
        assert_eq!(found, ["hey", "you", "f*ck"]);
    }

    #[test]
    fn evidence_adds_up_to_the_logit() {
        let model = tiny();
        let text = Normalised::new("what an idiot, idiot that you are");
        let mut counts = Counts::default();
        counts.count(model.settings, &text);
        let mut scratch = Scratch::default();
        model.spread(&mut scratch, &text, &counts);
        let evidence: f32 = scratch.evidence.iter().map(|sums| sums[0]).sum();
        let logit = model.logit(&model.sums(&counts), 0);
        assert!((model.bias[0] + evidence - logit).abs() < 1e-3, "{} + {evidence} is not {logit}", model.bias[0]);
    }
}
