//! The member `input`: texts, borrowed where they have no escapes, or token ids.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, de};

use super::{MAX_INPUTS, tokens::MAX_TOKENS};

/// What is to be embedded.
pub(super) enum Input<'a> {
    /// One or several texts.
    Texts(Vec<Cow<'a, str>>),
    /// One or several arrays of token ids.
    Tokens(Vec<Vec<u32>>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Input<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(InputVisitor)
    }
}

struct InputVisitor;

impl<'de> de::Visitor<'de> for InputVisitor {
    type Value = Input<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, an array of texts, or one or several arrays of token ids")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Cow::Borrowed(text)]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Input::Texts(vec![Cow::Owned(text.to_owned())]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut texts, mut flat, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        // One more than may be sent is enough to know.
        while let Some(member) = members.next_element::<Member<'de>>()? {
            match member {
                Member::Text(text) => push(&mut texts, text, MAX_INPUTS),
                Member::Token(id) => push(&mut flat, id, MAX_TOKENS),
                Member::Tokens(ids) => push(&mut arrays, ids, MAX_INPUTS),
            }
        }
        match (texts.is_empty(), flat.is_empty(), arrays.is_empty()) {
            (_, true, true) => Ok(Input::Texts(texts)),
            (true, false, true) => Ok(Input::Tokens(vec![flat])),
            (true, true, false) => Ok(Input::Tokens(arrays)),
            _ => Err(de::Error::custom("texts, token ids and arrays of them are not mixed")),
        }
    }
}

fn push<T>(members: &mut Vec<T>, member: T, most: usize) {
    if members.len() <= most {
        members.push(member);
    }
}

/// A member of the array `input`.
enum Member<'a> {
    Text(Cow<'a, str>),
    Token(u32),
    Tokens(Vec<u32>),
}

impl<'de: 'a, 'a> Deserialize<'de> for Member<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> de::Visitor<'de> for MemberVisitor {
    type Value = Member<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token id, or an array of token ids")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Member::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E: de::Error>(self, id: u64) -> Result<Self::Value, E> {
        let id = u32::try_from(id).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(id), &self))?;
        Ok(Member::Token(id))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut ids = Vec::new();
        while let Some(id) = members.next_element::<u32>()? {
            push(&mut ids, id, MAX_TOKENS);
        }
        Ok(Member::Tokens(ids))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(json: &str) -> Result<Input<'_>, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn i4_inputs_are_texts_or_tokens() {
        for (json, expected) in [
            (r#""a""#, vec!["a"]),
            (r#""a\nb""#, vec!["a\nb"]),
            (r#"["a","b\u00fc"]"#, vec!["a", "bü"]),
            ("[]", vec![]),
        ] {
            let Ok(Input::Texts(texts)) = input(json) else { panic!("{json}") };
            assert_eq!(texts, expected, "{json}");
        }
        for (json, expected) in
            [("[1,2]", vec![vec![1, 2]]), ("[[1,2],[3]]", vec![vec![1, 2], vec![3]]), ("[[]]", vec![vec![]])]
        {
            let Ok(Input::Tokens(arrays)) = input(json) else { panic!("{json}") };
            assert_eq!(arrays, expected, "{json}");
        }
        for json in [
            "7",
            "null",
            "{}",
            "[null]",
            "[1.5]",
            "[-1]",
            "[4294967296]",
            "[[\"a\"]]",
            "[1,\"a\"]",
            "[[1],2]",
            "[[1],\"a\"]",
        ] {
            assert!(input(json).is_err(), "{json}");
        }
    }

    #[test]
    fn i4_more_than_may_be_sent_is_not_kept() {
        let json = format!("[{}1]", "[1],".repeat(100_000).trim_end_matches(",").to_owned() + ",");
        assert!(input(&json).is_err(), "mixed");
        let Ok(Input::Tokens(arrays)) = input(&format!("[{}[1]]", "[1],".repeat(100_000))) else { panic!() };
        assert_eq!(arrays.len(), MAX_INPUTS + 1);
        let Ok(Input::Tokens(arrays)) = input(&format!("[{}1]", "1,".repeat(100_000))) else { panic!() };
        assert_eq!(arrays[0].len(), MAX_TOKENS + 1);
    }

    #[test]
    fn texts_without_escapes_are_not_copied() {
        let Ok(Input::Texts(texts)) = input(r#"["a","b"]"#) else { panic!("no texts") };
        assert!(texts.iter().all(|text| matches!(text, Cow::Borrowed(_))));
    }
}
