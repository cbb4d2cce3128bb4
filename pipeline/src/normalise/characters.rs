//! Characters: what is invisible goes, what is the same letter in another dress becomes that letter.

use std::ops::Range;

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};

use super::{look_alikes, map::Normalised};

/// Marks on one character from which on all of them are decoration. No orthography stacks three.
const TOO_MANY_MARKS: usize = 3;

/// One character of the folded text.
#[derive(Debug, Clone)]
pub(super) struct Glyph {
    pub(super) character: char,
    /// Code points of the original.
    pub(super) from: Range<usize>,
}

/// Folds `original`.
pub(super) fn fold(original: &str) -> Normalised {
    if original.is_ascii() {
        return Normalised::unchanged(original);
    }
    let mut glyphs = Vec::with_capacity(original.len());
    let mut line = Line::default();
    for (index, character) in original.chars().enumerate() {
        match character {
            OVERRIDE => line.end(&mut glyphs).begin(index),
            POP | ISOLATE_POP | '\n' | '\r' if line.reversed.is_some() => {
                line.end(&mut glyphs);
                line.take(character, index, &mut glyphs);
            }
            _ => line.take(character, index, &mut glyphs),
        }
    }
    line.end(&mut glyphs);
    look_alikes::replace(&mut glyphs);
    let mut folded = Normalised::with_capacity(original.len());
    for glyph in glyphs {
        folded.push(glyph.character, glyph.from);
    }
    folded
}

/// What follows is shown from right to left, whatever its letters are.
const OVERRIDE: char = '\u{202e}';
const POP: char = '\u{202c}';
const ISOLATE_POP: char = '\u{2069}';

/// Collects a base character and its combining marks, which are folded together, so that `e` + accent becomes `é`.
#[derive(Default)]
struct Line {
    cluster: String,
    from: Range<usize>,
    /// Glyphs of a stretch that is shown in reverse, and the code point that began it.
    reversed: Option<(usize, Vec<Vec<char>>)>,
}

impl Line {
    fn begin(&mut self, index: usize) {
        self.reversed = Some((index, Vec::new()));
    }

    fn take(&mut self, character: char, index: usize, glyphs: &mut Vec<Glyph>) {
        if character.is_ascii() {
            self.put(character, index, glyphs);
            return;
        }
        // Some compatibility forms unfold into a mark, or into something invisible.
        for part in std::iter::once(character).nfkc() {
            self.put(part, index, glyphs);
        }
    }

    fn put(&mut self, character: char, index: usize, glyphs: &mut Vec<Glyph>) {
        if is_invisible(character) || is_overlay(character) {
            return;
        }
        if canonical_combining_class(character) == 0 {
            self.flush(glyphs);
            self.from = index..index;
        } else if self.cluster.is_empty() {
            if self.reversed.is_some() {
                return;
            }
            self.from = index..index;
        }
        self.cluster.push(character);
        self.from.end = index + 1;
    }

    /// Folds the cluster and hands it on.
    fn flush(&mut self, glyphs: &mut Vec<Glyph>) {
        if self.cluster.is_empty() {
            return;
        }
        let marks = self.cluster.chars().filter(|character| canonical_combining_class(*character) != 0).count();
        if marks >= TOO_MANY_MARKS {
            self.cluster.retain(|character| canonical_combining_class(character) == 0);
        }
        let from = self.from.clone();
        match &mut self.reversed {
            Some((_, clusters)) => clusters.push(self.cluster.nfc().collect()),
            None if self.cluster.is_ascii() => {
                glyphs.extend(self.cluster.chars().map(|character| Glyph { character, from: from.clone() }));
            }
            None => glyphs.extend(self.cluster.nfc().map(|character| Glyph { character, from: from.clone() })),
        }
        self.cluster.clear();
    }

    /// Ends a stretch. A reversed one is read as it is shown; each of its characters leads back to all of it.
    fn end(&mut self, glyphs: &mut Vec<Glyph>) -> &mut Self {
        self.flush(glyphs);
        if let Some((start, clusters)) = self.reversed.take() {
            let end = self.from.end.max(start);
            let characters = clusters.into_iter().rev().flatten();
            glyphs.extend(characters.map(|character| Glyph { character, from: start..end }));
        }
        self
    }
}

/// Characters that show nothing and only change how neighbours are shown, or hide a word from a filter.
pub(super) fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Strokes through a character and boxes around it: typography, part of no letter.
fn is_overlay(character: char) -> bool {
    matches!(character, '\u{334}'..='\u{338}' | '\u{20d2}' | '\u{20d3}' | '\u{20d8}'..='\u{20da}' | '\u{20dd}'..='\u{20e0}' | '\u{20e2}'..='\u{20e6}' | '\u{20ea}'..='\u{20ef}')
}
