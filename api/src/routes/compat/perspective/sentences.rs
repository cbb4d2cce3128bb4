//! A comment's sentences with their places as Perspective counts them: in UTF-16 units.

use unicode_segmentation::UnicodeSegmentation;

/// One sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sentence<'a> {
    /// First UTF-16 unit.
    pub(super) begin: usize,
    /// One past the last.
    pub(super) end: usize,
    /// Its words, without the blanks around them.
    pub(super) text: &'a str,
}

/// The sentences of `text` (Unicode's rules, UAX 29), blank ones left out. Where there are more than `most`, neighbours are taken
/// together: the cost of a comment must not grow with its full stops.
pub(super) fn split(text: &str, most: usize) -> Vec<Sentence<'_>> {
    let pieces: Vec<(usize, &str)> =
        text.split_sentence_bound_indices().filter(|(_, piece)| !piece.trim().is_empty()).collect();
    let together = pieces.len().div_ceil(most.max(1)).max(1);
    let (mut seen, mut units) = (0, 0);
    let group = |group: &[(usize, &'_ str)]| {
        let (first, last) = (group.first()?, group.last()?);
        Some((first.0, last.0 + last.1.len()))
    };
    let mut sentences = Vec::new();
    for (start, end) in pieces.chunks(together).filter_map(group) {
        let piece = &text[start..end];
        let words = piece.trim();
        let start = start + (piece.len() - piece.trim_start().len());
        units += text[seen..start].encode_utf16().count();
        let begin = units;
        units += words.encode_utf16().count();
        seen = start + words.len();
        sentences.push(Sentence { begin, end: units, text: words });
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_sentences_are_counted_in_utf_16_units() {
        let places = |text: &'static str, most| -> Vec<_> {
            split(text, most).into_iter().map(|s| (s.begin, s.end, s.text)).collect()
        };
        // The crab is one code point, two UTF-16 units.
        assert_eq!(places("Hi there.  You 🦀 fool!\n", 10), [(0, 9, "Hi there."), (11, 23, "You 🦀 fool!")]);
        assert!(places(" \n ", 10).is_empty());
        assert_eq!(places("one", 10), [(0, 3, "one")]);
        assert_eq!(places("🦀🦀. Ünï! Three? Four.", 2), [(0, 10, "🦀🦀. Ünï!"), (11, 23, "Three? Four.")]);
    }

    #[test]
    fn i5_a_thousand_full_stops_cost_no_more_than_a_hundred_sentences() {
        let text = "No. ".repeat(1000);
        let sentences = split(&text, 100);
        assert_eq!((sentences.len(), sentences[99].end), (100, 3999));
        for sentence in sentences {
            assert_eq!(&text[sentence.begin..sentence.end], sentence.text);
        }
    }
}
