//! Masking: the sanitized text.

use std::ops::Range;

/// `text` with every visible character inside `spans` (code points) replaced by `*`. The length in characters stays, so
/// that positions still fit; blanks stay, so that words keep their places. Spans may overlap and reach past the end.
///
/// Punctuation and symbols inside a span go too: `$h!t` with its symbols left in would still be readable.
pub fn mask(text: &str, spans: &[Range<usize>]) -> String {
    let hidden = |index: usize| spans.iter().any(|span| span.contains(&index));
    let star = |(index, character): (usize, char)| {
        if hidden(index) && !character.is_whitespace() { '*' } else { character }
    };
    text.chars().enumerate().map(star).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    #[expect(clippy::single_range_in_vec_init, reason = "a table of spans, not of the numbers in them")]
    fn t1_offending_spans_are_masked() {
        let table: &[(&str, &[Range<usize>], &str)] = &[
            ("you idiot!", &[4..9], "you *****!"),
            ("you big idiot", &[4..13], "you *** *****"),
            ("du Blödmann", &[3..11], "du ********"),
            ("what a $h!t", &[7..11], "what a ****"),
            ("overlap here", &[0..4, 2..7], "******* here"),
            ("past the end", &[9..99], "past the ***"),
            ("nothing", &[], "nothing"),
        ];
        for (text, spans, expected) in table {
            assert_eq!(mask(text, spans), *expected);
        }
    }

    proptest! {
        #[test]
        fn t1_masking_keeps_the_length(text in any::<String>(), start in 0_usize..40, len in 0_usize..40) {
            let masked = mask(&text, std::slice::from_ref(&(start..start + len)));
            prop_assert_eq!(masked.chars().count(), text.chars().count());
            for (index, (before, after)) in text.chars().zip(masked.chars()).enumerate() {
                let inside = (start..start + len).contains(&index) && !before.is_whitespace();
                prop_assert_eq!(after, if inside { '*' } else { before });
            }
        }
    }
}
