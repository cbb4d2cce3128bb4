//! Text to token ids.

use std::{borrow::Cow, path::Path};

use tokenizers::{Tokenizer, TruncationParams};

use crate::ModelError;

const BACKEND: &str = "tokenizer";

/// A model's tokenizer: special tokens added, cut at the model's longest input, not padded (the batch does that).
pub struct TextEncoder {
    tokenizer: Tokenizer,
    emoji_names: bool,
}

impl std::fmt::Debug for TextEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TextEncoder")
    }
}

impl TextEncoder {
    /// Reads `tokenizer.json`. `max_tokens` counts special tokens too and must leave room for them.
    pub fn load(path: &Path, max_tokens: usize) -> Result<Self, ModelError> {
        let bad = |message: String| ModelError::BadSpec { path: path.into(), message };
        let bytes = std::fs::read(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => ModelError::MissingFile { path: path.into() },
            _ => ModelError::Io { context: format!("reading {}", path.display()), message: error.to_string() },
        })?;
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| bad(error.to_string()))?;
        // The file may ask for padding to a fixed length, which would waste most of every batch.
        tokenizer.with_padding(None);
        if max_tokens < 3 {
            return Err(bad(format!("`max_tokens = {max_tokens}` leaves no room: write the model's longest input")));
        }
        let cut = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(cut)).map_err(|error| bad(error.to_string()))?;
        Ok(Self { tokenizer, emoji_names: false })
    }

    /// Emoji become their names before the tokenizer sees them.
    #[must_use]
    pub fn with_emoji_names(self, emoji_names: bool) -> Self {
        Self { emoji_names, ..self }
    }

    /// Token ids of `text`, between 1 and `max_tokens` of them.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let text = if self.emoji_names { spell_emoji(text) } else { Cow::Borrowed(text) };
        let encoding = self
            .tokenizer
            .encode_fast(&*text, true)
            .map_err(|error| ModelError::Backend { backend: BACKEND, message: error.to_string() })?;
        if encoding.is_empty() {
            return Err(ModelError::InvalidInput("the text has no tokens: send at least one visible character".into()));
        }
        Ok(encoding.get_ids().to_vec())
    }
}

/// Emoji as words, `🐷` as ` pig face `: BERT's vocabulary holds hardly any emoji. One code point at a time, as
/// `models/training/encoder/emoji_names.py` does it for the texts of training.
fn spell_emoji(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut spelt = String::with_capacity(text.len() * 2);
    let mut buffer = [0; 4];
    for character in text.chars() {
        let name = if character.is_ascii() {
            None
        } else {
            component(character).or_else(|| emojis::get(character.encode_utf8(&mut buffer)).map(emojis::Emoji::name))
        };
        match name {
            Some(name) => {
                spelt.push(' ');
                spelt.extend(name.chars().filter(|letter| !matches!(letter, ':' | '“' | '”')));
                spelt.push(' ');
            }
            None => spelt.push(character),
        }
    }
    Cow::Owned(spelt)
}

/// Parts that only change the emoji before them.
fn component(character: char) -> Option<&'static str> {
    Some(match character {
        '\u{1f3fb}' => "light skin tone",
        '\u{1f3fc}' => "medium-light skin tone",
        '\u{1f3fd}' => "medium skin tone",
        '\u{1f3fe}' => "medium-dark skin tone",
        '\u{1f3ff}' => "dark skin tone",
        '\u{1f9b0}' => "red hair",
        '\u{1f9b1}' => "curly hair",
        '\u{1f9b2}' => "bald",
        '\u{1f9b3}' => "white hair",
        _ => return None,
    })
}

/// Is there anything to judge?
pub(crate) fn check(text: &str) -> Result<(), ModelError> {
    if text.trim().is_empty() {
        return Err(ModelError::InvalidInput("the text is empty: send at least one visible character".into()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A word-level tokenizer with BERT's special tokens, small enough to read.
    const TOKENIZER: &str = r##"{
        "version": "1.0", "truncation": null,
        "padding": {"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                    "pad_type_id": 0, "pad_token": "[PAD]"},
        "added_tokens": [], "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
        "decoder": null,
        "model": {"type": "WordLevel", "unk_token": "[UNK]",
                  "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "evening": 5}}
    }"##;

    fn encoder(max_tokens: usize) -> Result<TextEncoder, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        std::fs::write(&path, TOKENIZER).unwrap();
        TextEncoder::load(&path, max_tokens)
    }

    #[test]
    fn special_tokens_are_added_and_padding_is_not() {
        assert_eq!(encoder(16).unwrap().encode("good evening all").unwrap(), [2, 4, 5, 1, 3]);
    }

    #[test]
    fn long_texts_are_cut_with_their_special_tokens() {
        assert_eq!(encoder(4).unwrap().encode("good evening good evening good").unwrap(), [2, 4, 5, 3]);
    }

    #[test]
    fn a_missing_or_broken_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        assert!(matches!(TextEncoder::load(&path, 16), Err(ModelError::MissingFile { path: p }) if p == path));
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(TextEncoder::load(&path, 16), Err(ModelError::BadSpec { path: p, .. }) if p == path));
        assert!(matches!(encoder(2), Err(ModelError::BadSpec { .. })));
    }

    #[test]
    fn t6_emoji_are_spelt() {
        let table = [
            ("plain é", "plain é"),
            ("a🐷b", "a pig face b"),
            ("👨🏿", " man  dark skin tone "),
            ("🧔🦱", " person beard  curly hair "),
            ("©", " copyright "),
        ];
        for (text, expected) in table {
            assert_eq!(spell_emoji(text), expected);
        }
        assert_eq!(encoder(16).unwrap().encode("🌇 evening").unwrap(), [2, 1, 5, 3]);
    }

    #[test]
    fn empty_text_is_refused() {
        assert!(check(" \n\t").is_err());
        assert!(check("x").is_ok());
    }
}
