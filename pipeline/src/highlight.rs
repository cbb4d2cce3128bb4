//! Which words of a text offend: what is masked and highlighted. Pure.
//!
//! A table says of a word how often people marked it as offending where they saw it (`words/offending_en.tsv`, from public posts). A word is
//! taken when it was marked more often than not, or when it is nearly as bad as the worst word of the text. Only where the table knows
//! nothing of a text, the model's own stretches count. The constants were chosen on the training posts; docs/texts.md has the figure on others.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::LazyLock,
};

use models::SpanScore;

const TABLE: &str = include_str!("../words/offending_en.tsv");

/// Share from which on a word is taken whatever else is there.
const ALWAYS_FROM: f32 = 0.5;
/// Least share of any word that is taken.
const LEAST: f32 = 0.2;
/// Part of the worst word's share that others need.
const NEARLY: f32 = 0.7;
/// Labels whose offence lies in words. A threat is more than its words: for it the model's stretches count.
const WORD_LABELS: [&str; 5] = ["toxic", "severe_toxic", "obscene", "insult", "identity_hate"];

static SHARES: LazyLock<HashMap<&str, f32>> = LazyLock::new(|| {
    let row = |line: &'static str| {
        let (word, share) = line.split_once('\t')?;
        Some((word, share.parse().ok()?))
    };
    TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect()
});

/// The stretches of a text for the labels in `labels`: those of the table where it knows offending words, else those in `spans`, which the
/// models gave.
pub fn refine(text: &str, spans: &[SpanScore], labels: &BTreeSet<String>) -> Vec<SpanScore> {
    let wanted: Vec<&str> = WORD_LABELS.into_iter().filter(|label| labels.contains(*label)).collect();
    let found = if wanted.is_empty() { Vec::new() } else { offending(text) };
    if found.is_empty() {
        return spans.to_vec();
    }
    let mut refined: Vec<SpanScore> = spans.iter().filter(|span| !wanted.contains(&&*span.label)).cloned().collect();
    for label in wanted {
        refined.extend(found.iter().map(|(range, score)| SpanScore {
            start: range.start,
            end: range.end,
            label: label.into(),
            score: *score,
        }));
    }
    refined.sort_by_key(|span| (span.start, span.end));
    refined
}

/// The offending words of `text` as byte ranges, neighbours joined, with their shares.
pub fn offending(text: &str) -> Vec<(Range<usize>, f32)> {
    let words: Vec<(Range<usize>, f32)> = words(text)
        .map(|(start, word)| {
            let share = SHARES.get(word.to_lowercase().as_str()).copied().unwrap_or(0.0);
            (start..start + word.len(), share)
        })
        .collect();
    let worst = words.iter().map(|(_, share)| *share).fold(0.0, f32::max);
    let taken = |share: f32| share >= ALWAYS_FROM || (share >= LEAST && share >= NEARLY * worst);
    let mut found: Vec<(Range<usize>, f32)> = Vec::new();
    let mut before = false;
    for (range, share) in words {
        let take = taken(share);
        match found.last_mut() {
            Some((last, score)) if take && before && range.start - last.end <= 1 => {
                last.end = range.end;
                *score = score.max(share);
            }
            _ if take => found.push((range, share)),
            _ => {}
        }
        before = take;
    }
    found
}

/// Words with their places; signs that stand for letters are part of them.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = text.as_ptr() as usize;
    let inside = |character: char| character.is_alphanumeric() || "_*@$#!'".contains(character);
    let parts = text.split(move |character: char| !inside(character)).map(|part| part.trim_matches(['\'', '!']));
    parts.filter(|part| !part.is_empty()).map(move |part| (part.as_ptr() as usize - base, part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str) -> Vec<&str> {
        offending(text).into_iter().map(|(range, _)| &text[range]).collect()
    }

    #[test]
    fn t1_offending_words_are_marked_and_others_are_not() {
        for (text, expected) in [
            ("you are an idiot.", &["idiot"][..]),
            ("what a stupid idiot!", &["stupid idiot"]),
            ("IDIOTS, all of you", &["IDIOTS"]),
            ("the weather is nice today", &[]),
            ("the ferry left the harbour in the fog", &[]),
            ("", &[]),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }

    #[test]
    fn t1_the_models_stretches_stand_where_the_table_knows_nothing() {
        let span = |start, end, label: &str| SpanScore { start, end, label: label.into(), score: 0.9 };
        let labels = BTreeSet::from(["toxic".to_owned(), "threat".to_owned()]);
        let spans = [span(0, 3, "toxic"), span(0, 8, "threat")];
        assert_eq!(refine("the zorb", &spans, &labels), spans);
        let refined = refine("you idiot", &spans, &labels);
        let places: Vec<_> = refined.iter().map(|span| (span.start, span.end, &*span.label)).collect();
        assert_eq!(places, [(0, 8, "threat"), (4, 9, "toxic")]);
        let spam = BTreeSet::from(["spam".to_owned()]);
        assert_eq!(refine("you idiot", &spans, &spam), spans, "nothing to refine");
    }
}
