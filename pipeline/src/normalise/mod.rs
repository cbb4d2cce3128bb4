//! What is done to a text before a model sees it, with a way back to the text as it was written.
//!
//! Light folding: invisible characters (zero-width, bidirectional controls, soft hyphens) are taken out, and
//! compatibility forms (full-width, ligatures, circled and mathematical letters) become plain ones. Letter case is left
//! to the models. Folding of deliberate evasion (leet, look-alikes, spacing) comes here later and uses the same map.

mod mask;

pub use mask::mask;

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

/// A stretch of the folded text that came from one stretch of the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// First byte in the folded text.
    byte: usize,
    /// First code point of the original.
    start: usize,
    /// One past the last code point of the original.
    end: usize,
}

/// A folded text and its map back to the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    text: String,
    /// Ascending; empty when the text is plain ASCII and unchanged: then byte and code point are the same number.
    segments: Vec<Segment>,
}

impl Normalised {
    /// Folds `original`.
    pub fn new(original: &str) -> Self {
        if original.is_ascii() {
            return Self { text: original.to_owned(), segments: Vec::new() };
        }
        let mut folded = Self { text: String::with_capacity(original.len()), segments: Vec::new() };
        // A base character and its combining marks are folded together, so that `e` + accent becomes `é`.
        let mut cluster = String::new();
        let mut range = 0..0;
        for (index, character) in original.chars().enumerate().filter(|(_, character)| !is_invisible(*character)) {
            if !cluster.is_empty() && canonical_combining_class(character) == 0 {
                folded.push(&cluster, range.clone());
                cluster.clear();
            }
            if cluster.is_empty() {
                range.start = index;
            }
            cluster.push(character);
            range.end = index + 1;
        }
        if !cluster.is_empty() {
            folded.push(&cluster, range);
        }
        folded
    }

    fn push(&mut self, cluster: &str, range: Range<usize>) {
        self.segments.push(Segment { byte: self.text.len(), start: range.start, end: range.end });
        if cluster.is_ascii() { self.text.push_str(cluster) } else { self.text.extend(cluster.nfkc()) }
    }

    /// The folded text: what models see.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Code points of the original that the bytes `range` of the folded text came from. Total: whatever lies outside
    /// the text is cut off, an empty or inverted range answers an empty one.
    pub fn original(&self, range: Range<usize>) -> Range<usize> {
        let (from, to) = (range.start.min(self.text.len()), range.end.min(self.text.len()));
        if self.segments.is_empty() {
            return from..to.max(from);
        }
        let first = self.segments.partition_point(|segment| segment.byte <= from).saturating_sub(1);
        let start = if from == self.text.len() {
            self.segments[self.segments.len() - 1].end
        } else {
            self.segments[first].start
        };
        if to <= from {
            return start..start;
        }
        let after = self.segments.partition_point(|segment| segment.byte < to);
        start..self.segments[after.saturating_sub(1)].end.max(start)
    }
}

/// Has this text nothing that a reader could see?
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

/// Characters that show nothing and only change how neighbours are shown, or hide a word from a filter.
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The original characters behind the first occurrence of `needle` in the folded text.
    fn behind(original: &str, needle: &str) -> String {
        let folded = Normalised::new(original);
        let start = folded.text().find(needle).unwrap();
        let range = folded.original(start..start + needle.len());
        original.chars().skip(range.start).take(range.len()).collect()
    }

    #[test]
    fn light_folding() {
        let table = [
            ("plain", "Hello you!", "Hello you!"),
            ("zero-width", "i\u{200b}d\u{200d}i\u{feff}ot", "idiot"),
            ("bidirectional controls", "\u{202e}toidi\u{202c}", "toidi"),
            ("soft hyphen", "idi\u{ad}ot", "idiot"),
            ("full-width", "ｉｄｉｏｔ！", "idiot!"),
            ("mathematical", "𝐢𝐝𝐢𝐨𝐭", "idiot"),
            ("ligature", "ﬁne", "fine"),
            ("composed", "cafe\u{301}", "café"),
            ("hidden between base and mark", "e\u{200b}\u{301}", "é"),
            ("case stays", "ＩＤＩＯＴ", "IDIOT"),
            ("other scripts stay", "Привет, мир", "Привет, мир"),
        ];
        for (name, original, expected) in table {
            assert_eq!(Normalised::new(original).text(), expected, "{name}");
        }
    }

    #[test]
    fn t1_spans_lead_back_to_the_text_as_written() {
        assert_eq!(behind("you idiot!", "idiot"), "idiot");
        assert_eq!(behind("ä you i\u{200b}diot!", "idiot"), "i\u{200b}diot");
        assert_eq!(behind("ä ｉｄｉｏｔ", "idiot"), "ｉｄｉｏｔ");
        assert_eq!(behind("ﬁne", "i"), "ﬁ", "half of a ligature is the whole ligature");
        assert_eq!(behind("cafe\u{301} x", "é"), "e\u{301}");
    }

    #[test]
    fn blank_means_nothing_to_see() {
        for blank in ["", " \n\t", "\u{200b}\u{feff}", "\u{3164} \u{2060}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        assert!(!is_blank("\u{200b}."));
    }

    proptest! {
        #[test]
        fn the_map_is_total_and_monotone(original in any::<String>(), a in 0_usize..200, b in 0_usize..200) {
            let folded = Normalised::new(&original);
            let length = original.chars().count();
            let mut last = 0;
            for byte in 0..=folded.text().len() + 2 {
                let range = folded.original(byte..byte + 1);
                prop_assert!(range.start <= range.end && range.end <= length);
                prop_assert!(range.start >= last, "monotone");
                last = range.start;
            }
            let range = folded.original(a..b);
            prop_assert!(range.start <= range.end && range.end <= length);
            let whole = folded.original(0..folded.text().len());
            prop_assert_eq!(whole.is_empty(), folded.text().is_empty());
        }
    }
}
