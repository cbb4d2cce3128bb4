//! PostgreSQL's text type refuses NUL. So texts from outside are escaped: `\` becomes `\\` and NUL becomes `\0`; every other text
//! stays as it is. No two texts become the same one, so keys stay keys.

use std::borrow::Cow;

use crate::error::PipelineError;

/// A text as its column holds it.
pub(in crate::store) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '\0']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('\\', "\\\\").replace('\0', "\\0"))
}

/// As [`escape`], owned.
pub(in crate::store) fn escaped(text: String) -> String {
    match escape(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(changed) => changed,
    }
}

/// The inverse of [`escape`].
pub(in crate::store) fn unescape(text: String) -> Result<String, PipelineError> {
    if !text.contains('\\') {
        return Ok(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('\\') => whole.push('\\'),
                Some('0') => whole.push('\0'),
                _ => {
                    let message = "a text column holds an escape that nobody wrote".to_owned();
                    return Err(PipelineError::Internal { part: "store", message });
                }
            },
            other => whole.push(other),
        }
    }
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_text_comes_back_and_no_two_meet(one in "[a\\\\0\0]{0,12}", other in "[a\\\\0\0]{0,12}") {
            let (first, second) = (escape(&one).into_owned(), escape(&other).into_owned());
            prop_assert!(!first.contains('\0'));
            prop_assert_eq!(unescape(first.clone()).unwrap(), &one[..]);
            prop_assert_eq!(first == second, one == other);
        }
    }

    #[test]
    fn ordinary_texts_are_not_copied() {
        assert!(matches!(escape("ünïcode"), Cow::Borrowed(_)));
        assert!(unescape("broken \\x".into()).is_err());
        assert!(unescape("broken \\".into()).is_err());
    }
}
