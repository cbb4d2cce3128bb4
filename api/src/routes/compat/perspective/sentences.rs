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

/// The sentences of `text` (Unicode's rules, UAX 29), blank ones left out.
pub(super) fn split(text: &str) -> Vec<Sentence<'_>> {
    let mut begin = 0;
    let mut sentences = Vec::new();
    for piece in text.split_sentence_bounds() {
        let units = |text: &str| text.encode_utf16().count();
        let words = piece.trim();
        let lead = units(&piece[..piece.len() - piece.trim_start().len()]);
        if !words.is_empty() {
            sentences.push(Sentence { begin: begin + lead, end: begin + lead + units(words), text: words });
        }
        begin += units(piece);
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_sentences_are_counted_in_utf_16_units() {
        let found: Vec<_> = split("Hi there.  You 🦀 fool!\n").into_iter().map(|s| (s.begin, s.end, s.text)).collect();
        // The crab is one code point, two UTF-16 units.
        assert_eq!(found, [(0, 9, "Hi there."), (11, 23, "You 🦀 fool!")]);
        assert!(split(" \n ").is_empty());
        assert_eq!(split("one")[0], Sentence { begin: 0, end: 3, text: "one" });
    }
}
