//! Token ids instead of texts. Whose ids they are goes with the model's name: OpenAI's clients make ids of OpenAI's vocabulary
//! (LangChain does so unasked); taken for ours, they would be another text. So these become the text again that they were made of.

use std::borrow::Cow;

use tiktoken_rs::cl100k_base_singleton;

use crate::error::ApiError;

/// Most tokens of one array: OpenAI's limit.
pub(super) const MAX_TOKENS: usize = 8192;
/// Most tokens of one request: OpenAI's limit.
const MAX_TOTAL: usize = 300_000;

/// Whose token ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    /// Of the loaded model's own tokenizer.
    Own,
    /// `cl100k_base`, the vocabulary of all of OpenAI's embedding models.
    OpenAi,
}

/// Are these arrays of a size that is taken?
pub(super) fn check(arrays: &[Vec<u32>]) -> Result<(), ApiError> {
    for (index, ids) in arrays.iter().enumerate() {
        if !(1..=MAX_TOKENS).contains(&ids.len()) {
            // What is beyond the limit was not kept.
            let found = if ids.is_empty() { "no token".to_owned() } else { format!("more than {MAX_TOKENS} tokens") };
            let error = ApiError::invalid("input_size", format!("The array holds {found}: send 1 to {MAX_TOKENS}."));
            return Err(error.at(format!("input[{index}]")));
        }
    }
    let total: usize = arrays.iter().map(Vec::len).sum();
    if total > MAX_TOTAL {
        let message = format!("`input` holds {total} tokens: send at most {MAX_TOTAL} in one request.");
        return Err(ApiError::invalid("input_size", message).at("input"));
    }
    Ok(())
}

/// The texts that OpenAI's ids were made of, cut at `most` bytes: the model looks at less. Long work: not for async threads.
pub(super) fn to_texts(arrays: &[Vec<u32>], most: usize) -> Result<Vec<Cow<'static, str>>, ApiError> {
    let vocabulary = cl100k_base_singleton();
    let text = |(index, ids): (usize, &Vec<u32>)| {
        let bytes = vocabulary.decode_bytes(ids).map_err(|_| {
            let message = "An id of the array is not in `cl100k_base`, the vocabulary of OpenAI's embedding models: send text, or ids of it.";
            ApiError::invalid("token_unknown", message).at(format!("input[{index}]"))
        })?;
        // An array that was cut from a longer one may begin or end inside a character.
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        text.truncate(text.floor_char_boundary(most));
        Ok(Cow::Owned(text))
    };
    arrays.iter().enumerate().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i4_openais_ids_become_their_text_again() {
        let vocabulary = cl100k_base_singleton();
        for text in ["hiking in the alps", "grüße 🦀, 你好", " leading blank\n"] {
            let ids = vocabulary.encode_ordinary(text);
            assert_eq!(to_texts(&[ids], 1000).unwrap(), [text]);
        }
        // Known pairs, so that the vocabulary is the right one.
        assert_eq!(to_texts(&[vec![15339, 1917]], 1000).unwrap(), ["hello world"]);
        assert_eq!(to_texts(&[vec![15339, 1917]], 7).unwrap(), ["hello w"]);
        let unknown = to_texts(&[vec![15339], vec![200_000]], 1000).unwrap_err();
        assert_eq!(unknown.code(), "token_unknown");
    }

    #[test]
    fn i4_token_arrays_have_openais_limits() {
        for (arrays, good) in [
            (vec![vec![1; 8192]], true),
            (vec![vec![1; 8193]], false),
            (vec![vec![1], vec![]], false),
            (vec![vec![1; 8192]; 36], true),
            (vec![vec![1; 8192]; 37], false),
        ] {
            assert_eq!(check(&arrays).is_ok(), good, "{} of {}", arrays.len(), arrays[0].len());
        }
    }
}
