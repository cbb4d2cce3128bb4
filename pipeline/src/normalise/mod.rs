//! What is done to a text before a model sees it, with a way back to the text as it was written.
//!
//! | step | what | kept |
//! |---|---|---|
//! | characters | invisible ones go; full-width, mathematical, circled … letters and stacked marks become plain; look-alikes of other scripts become Latin where they stand for it | always: this is the text that is judged |
//! | words (`evasion`) | words in disguise are read: `1d10t`, `i.d.i.o.t` | judged as well, when there are any |
//!
//! Letter case is left to the models. Both readings have a map to the original: code points, and UTF-16 through [`Utf16`].

mod characters;
mod evasion;
mod look_alikes;
mod map;
mod mask;

pub use map::{Normalised, Utf16};
pub use mask::mask;

use characters::is_invisible;

impl Normalised {
    /// Folds the characters of `original`.
    pub fn new(original: &str) -> Self {
        characters::fold(original)
    }

    /// This text with its disguised words in plain; `None` when it has none.
    pub fn unmasked(&self) -> Option<Self> {
        evasion::unmask(self)
    }
}

/// Has this text nothing that a reader could see?
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|character| character.is_whitespace() || is_invisible(character))
}

#[cfg(test)]
mod tests;
