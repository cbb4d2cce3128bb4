//! In which language a text is written, or that it cannot be told.
//!
//! A text model knows the languages that it was trained on (`languages` in `model.toml`); its score of another one is a guess. So a text
//! is judged by the models that know its language, and by all of them **when in doubt**: whoever could make English look foreign would
//! have found a way past every rule. In this order:
//!
//! 1. what is no language (links, addresses, mentions, numbers) is taken out;
//! 2. several common English words are English: chat is full of spelling that confuses a detector by trigrams;
//! 3. `whatlang` (alphabets and trigrams) says a language and how sure it is;
//! 4. too few letters, two scripts, English words in the middle of it, or too little confidence: undetermined.
//!
//! Malay is called Indonesian (`id`), which to a detector by trigrams it is. Why `whatlang` and not `lingua`: docs/language.md has the figures.

mod code;
mod english;
mod plain;

use serde::{Deserialize, Serialize};
use whatlang::{Detector as Trigrams, Lang, Script};

use self::{english::Evidence, plain::Plain};

/// BCP 47's code for "undetermined".
pub const UNDETERMINED: &str = "und";

/// Letters that are looked at; more make no answer surer, and the cost stays bounded.
const MAX_LETTERS: usize = 400;
/// Letters of a script that several languages share before one of them is named.
const MIN_LETTERS: usize = 14;
/// Letters of a script that one language alone is written in.
const MIN_OWN_LETTERS: usize = 3;
/// Share of the letters that the main script must have, or the text is a mixture.
const MAIN_SCRIPT: f32 = 0.8;

/// Languages that are rare on platforms and that short texts in others are taken for.
const DENIED: [Lang; 7] = [Lang::Lat, Lang::Epo, Lang::Sna, Lang::Zul, Lang::Aka, Lang::Jav, Lang::Tuk];

/// What a verdict says about a text's language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Language {
    /// ISO 639-1 code (`en`, `de`, `zh`), ISO 639-3 where there is none, or [`UNDETERMINED`].
    pub code: String,
    /// 0..=1; how sure the detector is. Of an undetermined text: of its best guess.
    pub confidence: f32,
    /// Some text model has learnt this language; `true` for an undetermined one, which every model judges.
    pub supported: bool,
}

/// What was found in a text alone.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Detected {
    /// `None`: undetermined.
    pub code: Option<&'static str>,
    /// 0..=1.
    pub confidence: f32,
}

impl Detected {
    /// Does a model that has learnt `languages` (none listed: all) know what to make of it?
    pub fn is_known_to<S: AsRef<str>>(&self, languages: &[S]) -> bool {
        languages.is_empty() || self.code.is_none_or(|code| languages.iter().any(|known| known.as_ref() == code))
    }
}

/// Finds languages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Detector {
    trigrams: Trigrams,
    min_confidence: f64,
}

impl Detector {
    /// Names no language of which it is less sure than `min_confidence` (0..=1).
    pub fn new(min_confidence: f64) -> Self {
        Self { trigrams: Trigrams::with_denylist(DENIED.to_vec()), min_confidence }
    }

    /// The language of `text`. Pure; takes time for at most some hundred letters.
    pub fn detect(&self, text: &str) -> Detected {
        let plain = Plain::new(text, MAX_LETTERS);
        let evidence = Evidence::of(plain.text());
        if evidence.is_english() && plain.is_latin(MAIN_SCRIPT) {
            return Detected { code: Some("en"), confidence: evidence.confidence() };
        }
        if plain.letters() < MIN_OWN_LETTERS {
            return Detected::default();
        }
        let Some(found) = self.trigrams.detect(plain.text()) else { return Detected::default() };
        let confidence = found.confidence() as f32;
        let undetermined = Detected { code: None, confidence };
        let least = if is_own(found.script()) { MIN_OWN_LETTERS } else { MIN_LETTERS };
        let doubtful = plain.letters() < least
            || plain.share_of_main_script() < MAIN_SCRIPT
            || (found.lang() != Lang::Eng && evidence.is_there());
        // No English hides in another script: a weaker sign is enough to tell its languages apart.
        let sure_from = if found.script() == Script::Latin { self.min_confidence } else { self.min_confidence / 4.0 };
        let sure = found.confidence() >= sure_from || (found.lang() == Lang::Eng && evidence.is_there());
        if doubtful || !sure {
            return undetermined;
        }
        Detected { code: Some(code::of(found.lang())), confidence }
    }
}

/// Is this script enough to name the language?
fn is_own(script: Script) -> bool {
    !matches!(script, Script::Latin | Script::Cyrillic | Script::Arabic | Script::Devanagari | Script::Hebrew)
}

#[cfg(test)]
mod tests;
