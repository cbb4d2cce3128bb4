//! Text to token ids.

use std::{borrow::Cow, path::Path};

use tokenizers::Tokenizer;

use crate::{
    ModelError,
    parts::{self, PartsSpec},
};

const BACKEND: &str = "tokenizer";

/// A model's tokenizer: special tokens added, cut at the model's longest input, not padded (the batch does that).
pub struct TextEncoder {
    tokenizer: Tokenizer,
    max_tokens: usize,
    /// Ids below this exist.
    vocabulary: u32,
    /// What stands before and behind the tokens of every text.
    around: [Vec<u32>; 2],
    /// Are emoji spelt out before the tokenizer sees them?
    emoji_names: bool,
    /// How long texts are cut into parts, and the ids behind which one may end.
    parts: Option<(PartsSpec, Vec<u32>)>,
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
        // The file may ask for padding to a fixed length, which would waste most of every batch. Cutting is done here.
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| bad(error.to_string()))?;
        if max_tokens < 3 {
            return Err(bad(format!("`max_tokens = {max_tokens}` leaves no room: write the model's longest input")));
        }
        let around = special_tokens(&tokenizer).map_err(bad)?;
        let vocabulary = u32::try_from(tokenizer.get_vocab_size(true)).unwrap_or(u32::MAX);
        Ok(Self { tokenizer, max_tokens, vocabulary, around, emoji_names: false, parts: None })
    }

    /// Emoji become their names before the tokenizer sees them.
    #[must_use]
    pub fn with_emoji_names(self, emoji_names: bool) -> Self {
        Self { emoji_names, ..self }
    }

    /// Long texts have parts: see [`TextEncoder::encode_parts`]. An end that the vocabulary lacks is refused.
    pub fn with_parts(self, spec: &PartsSpec) -> Result<Self, String> {
        let end = |token: &String| {
            self.tokenizer.token_to_id(token).ok_or_else(|| {
                format!("`cascade.parts.ends` names `{token}`, which the tokenizer does not have: take it out")
            })
        };
        let ends = spec.ends.iter().map(end).collect::<Result<_, String>>()?;
        Ok(Self { parts: Some((spec.clone(), ends)), ..self })
    }

    /// Token ids of `text`, between 1 and `max_tokens` of them.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        self.encode_all(text).map(|ids| self.cut(ids))
    }

    /// As [`TextEncoder::encode`], and the ids of each of the text's parts, which together are all of it; none for a text without.
    pub fn encode_parts(&self, text: &str) -> Result<(Vec<u32>, Vec<Vec<u32>>), ModelError> {
        let ids = self.encode_all(text)?;
        let Some((spec, ends)) = &self.parts else { return Ok((self.cut(ids), Vec::new())) };
        let inner = self.inner(&ids);
        let parts = parts::cut(inner, spec, ends).into_iter().map(|part| self.around(&inner[part])).collect();
        Ok((self.cut(ids), parts))
    }

    /// Token ids of all of a text.
    fn encode_all(&self, text: &str) -> Result<Vec<u32>, ModelError> {
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

    /// Token ids that a caller made with this tokenizer, as [`TextEncoder::encode`] would have made them: special tokens around them
    /// unless they are there, cut at `max_tokens`. An id that the vocabulary lacks is refused.
    pub fn complete(&self, ids: &[u32]) -> Result<Vec<u32>, ModelError> {
        if let Some(unknown) = ids.iter().find(|id| **id >= self.vocabulary) {
            let message = format!(
                "token id {unknown} is not in the model's vocabulary of {}: make ids with the model's own tokenizer, or send texts",
                self.vocabulary
            );
            return Err(ModelError::InvalidInput(message));
        }
        let inner = self.inner(ids);
        if inner.is_empty() {
            return Err(ModelError::InvalidInput("there are no tokens: send at least one".into()));
        }
        Ok(self.around(inner))
    }

    fn cut(&self, ids: Vec<u32>) -> Vec<u32> {
        if ids.len() <= self.max_tokens { ids } else { self.around(self.inner(&ids)) }
    }

    /// The ids without the special ones around them.
    fn inner<'a>(&self, ids: &'a [u32]) -> &'a [u32] {
        let [before, behind] = &self.around;
        ids.strip_prefix(before.as_slice()).and_then(|ids| ids.strip_suffix(behind.as_slice())).unwrap_or(ids)
    }

    /// As many of the ids as there is room for, with the special ones around them.
    fn around(&self, inner: &[u32]) -> Vec<u32> {
        let [before, behind] = &self.around;
        let room = self.max_tokens.saturating_sub(before.len() + behind.len());
        [before.as_slice(), &inner[..inner.len().min(room)], behind.as_slice()].concat()
    }
}

/// The special tokens around a text, found by what they add to one.
fn special_tokens(tokenizer: &Tokenizer) -> Result<[Vec<u32>; 2], String> {
    // Any text with tokens will do; an unknown word is a token too.
    const PROBE: &str = "a";
    let ids = |special: bool| {
        let encoding = tokenizer.encode_fast(PROBE, special).map_err(|error| error.to_string());
        encoding.map(|encoding| encoding.get_ids().to_vec())
    };
    let (bare, whole) = (ids(false)?, ids(true)?);
    let found = whole.windows(bare.len().max(1)).position(|window| window == bare);
    Ok(found.map_or_else(Default::default, |at| [whole[..at].to_vec(), whole[at + bare.len()..].to_vec()]))
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
    fn i4_token_ids_are_completed_as_a_text_would_be() {
        let encoder = encoder(6).unwrap();
        let text = encoder.encode("good evening").unwrap();
        for ids in [&[4, 5][..], &[2, 4, 5, 3]] {
            assert_eq!(encoder.complete(ids).unwrap(), text, "{ids:?}");
        }
        assert_eq!(encoder.complete(&[4, 5, 4, 5, 4, 5]).unwrap(), [2, 4, 5, 4, 5, 3], "cut as a long text is");
        for wrong in [&[4, 99][..], &[], &[2, 3]] {
            assert!(matches!(encoder.complete(wrong), Err(ModelError::InvalidInput(_))), "{wrong:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_with_their_special_tokens() {
        assert_eq!(encoder(4).unwrap().encode("good evening good evening good").unwrap(), [2, 4, 5, 3]);
    }

    #[test]
    fn t6_parts_have_special_tokens_of_their_own_and_read_what_the_whole_is_cut_by() {
        let spec = PartsSpec {
            ends: vec!["good".into()],
            from: 4,
            least: 2,
            most: 4,
            overlap: 1,
            discount: 1.0,
            discounts: Default::default(),
            whole: Vec::new(),
        };
        let encoder_of = || encoder(6).unwrap();
        let encoder = encoder_of().with_parts(&spec).unwrap();
        let (whole, parts) = encoder.encode_parts("evening good evening evening good evening evening").unwrap();
        assert_eq!(whole, [2, 5, 4, 5, 5, 3]);
        assert_eq!(parts, [vec![2, 5, 4, 3], vec![2, 5, 5, 4, 3], vec![2, 5, 5, 3]]);
        assert_eq!(encoder.encode_parts("good evening").unwrap(), (vec![2, 4, 5, 3], Vec::new()));
        let wrong = PartsSpec { ends: vec!["night".into()], ..spec };
        assert!(encoder_of().with_parts(&wrong).unwrap_err().contains("`night`"));
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
