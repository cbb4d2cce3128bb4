//! Content hashes: what was judged, without keeping it.

use sha2::{Digest, Sha256};

use crate::item::Content;

/// SHA-256 of `bytes`, lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// SHA-256 of an item's content as it was received, lower-case hex.
pub fn content_sha256(content: &Content) -> String {
    match content {
        Content::Text(text) => sha256_hex(text.as_bytes()),
        Content::Picture(bytes) => sha256_hex(bytes),
    }
}

/// Names one text as judged by one set of models: equal keys have equal scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TextKey([u8; 32]);

impl TextKey {
    /// `models` is `name@version` of every model that judges, in order, and whatever else the answer hangs on.
    pub fn new<'a>(models: impl IntoIterator<Item = &'a str>, text: &str) -> Self {
        let mut digest = Sha256::new();
        for model in models {
            digest.update((model.len() as u64).to_le_bytes());
            digest.update(model);
        }
        digest.update(text);
        Self(digest.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_the_known_ones() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(content_sha256(&Content::Text("abc".into())), abc);
        assert_eq!(content_sha256(&Content::Picture(bytes::Bytes::from_static(b"abc"))), abc);
    }

    #[test]
    fn another_text_or_another_model_version_is_another_key() {
        let models = |version: &str| [format!("toxicity@{version}")];
        let key = |models: &[String], text: &str| TextKey::new(models.iter().map(String::as_str), text);
        assert_eq!(key(&models("1"), "hello"), key(&models("1"), "hello"));
        assert_ne!(key(&models("1"), "hello"), key(&models("2"), "hello"));
        assert_ne!(key(&models("1"), "hello"), key(&models("1"), "hello "));
        assert_ne!(key(&["a".into(), "b".into()], "c"), key(&["a".into()], "bc"));
    }
}
