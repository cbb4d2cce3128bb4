//! A person who can be matched.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::PipelineError,
    hash::sha256_hex,
    index::{Attributes, Condition, Point},
    item::{ProfileId, TenantId},
    matching::{filter, person::Terms},
};

/// Most interests of a profile.
pub const MAX_INTERESTS: usize = 50;
/// Longest interest, in bytes.
pub const MAX_INTEREST_BYTES: usize = 200;
/// Longest bio, in bytes.
pub const MAX_BIO_BYTES: usize = 5_000;
/// Most attributes of a profile.
pub const MAX_ATTRIBUTES: usize = 50;
/// Longest attribute name, in bytes.
pub const MAX_ATTRIBUTE_NAME_BYTES: usize = 64;
/// Longest string in an attribute, in bytes.
pub const MAX_ATTRIBUTE_BYTES: usize = 200;
/// Most members of a list attribute, and most values of a condition.
pub const MAX_ATTRIBUTE_VALUES: usize = 50;
/// Most conditions of a search.
pub const MAX_CONDITIONS: usize = 20;
/// Most hits of a search.
pub const MAX_HITS: usize = 100;

/// What a profile is made of, as the platform sends it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileDraft {
    /// Short phrases.
    pub interests: Vec<String>,
    /// Free text.
    pub bio: String,
    /// Filterable.
    pub attributes: Attributes,
    /// What they say of themselves, and whom they seek.
    pub terms: Terms,
}

/// A person's text and attributes with the embedding made of the text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Unique within the tenant.
    pub id: ProfileId,
    /// Whose.
    pub tenant: TenantId,
    /// Short phrases, most important first.
    #[serde(default)]
    pub interests: Vec<String>,
    /// Free text.
    #[serde(default)]
    pub bio: String,
    /// What searches filter by.
    #[serde(default)]
    pub attributes: Attributes,
    /// Rises when the embedded text changes.
    pub version: u32,
    /// SHA-256 of the embedded text and the embedding model's name and version: unchanged means that `vector` stands.
    pub text_sha256: String,
    /// Unit length.
    pub vector: Arc<[f32]>,
    /// Last write.
    pub updated_at: DateTime<Utc>,
    /// What they say of themselves, and whom they seek.
    #[serde(default)]
    pub terms: Terms,
}

impl Profile {
    /// The text that is embedded: interests as one line, then the bio.
    pub fn embedded_text(interests: &[String], bio: &str) -> String {
        let interests = interests.join(", ");
        match (interests.is_empty(), bio.trim()) {
            (true, bio) => bio.to_owned(),
            (false, "") => interests,
            (false, bio) => format!("{interests}. {bio}"),
        }
    }

    /// What the index keeps of this person.
    pub fn point(&self) -> Point {
        let mut attributes = filter::payload(&self.terms);
        attributes.extend(self.attributes.clone());
        Point { tenant: self.tenant.clone(), id: self.id.clone(), vector: self.vector.clone(), attributes }
    }

    /// What `text_sha256` holds for `text` embedded by `model` (`name@version`).
    pub fn digest(model: &str, text: &str) -> String {
        sha256_hex(format!("{model}\0{text}").as_bytes())
    }
}

impl ProfileDraft {
    /// Checks sizes and types, takes blanks off the interests and drops empty ones. Errors, all `Invalid`:
    /// `profile_empty`, `profile_too_large`, `attribute_invalid`.
    pub fn checked(mut self) -> Result<Self, PipelineError> {
        let too_large = |message: String| Err(PipelineError::invalid("profile_too_large", message));
        self.interests = self.interests.iter().map(|interest| interest.trim().to_owned()).collect();
        self.interests.retain(|interest| !interest.is_empty());
        if self.interests.len() > MAX_INTERESTS {
            return too_large(format!("a profile has at most {MAX_INTERESTS} interests: send the most important ones"));
        }
        if let Some(long) = self.interests.iter().find(|interest| interest.len() > MAX_INTEREST_BYTES) {
            let message = format!("an interest has {} bytes, at most {MAX_INTEREST_BYTES}: shorten it", long.len());
            return too_large(message);
        }
        if self.bio.len() > MAX_BIO_BYTES {
            return too_large(format!("the bio has {} bytes, at most {MAX_BIO_BYTES}: shorten it", self.bio.len()));
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return too_large(format!("a profile has at most {MAX_ATTRIBUTES} attributes: send those you filter by"));
        }
        if crate::normalise::is_blank(&Profile::embedded_text(&self.interests, &self.bio)) {
            return Err(PipelineError::invalid(
                "profile_empty",
                "a profile needs interests or a bio: send at least one",
            ));
        }
        self.attributes.iter().try_for_each(|(name, value)| check_attribute(name, value))?;
        self.terms = self.terms.checked()?;
        Ok(self)
    }
}

fn invalid_attribute<T>(message: String) -> Result<T, PipelineError> {
    Err(PipelineError::invalid("attribute_invalid", message))
}

fn check_name(name: &str) -> Result<(), PipelineError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || name.len() > MAX_ATTRIBUTE_NAME_BYTES || !name.bytes().all(plain) {
        return invalid_attribute(format!(
            "an attribute name has 1 to {MAX_ATTRIBUTE_NAME_BYTES} letters, digits or `_`: rename it"
        ));
    }
    Ok(())
}

fn check_attribute(name: &str, value: &Value) -> Result<(), PipelineError> {
    check_name(name)?;
    let members = match value {
        Value::Array(members) if members.len() > MAX_ATTRIBUTE_VALUES => {
            return invalid_attribute(format!(
                "attribute `{name}` has at most {MAX_ATTRIBUTE_VALUES} members: send fewer"
            ));
        }
        Value::Array(members) if members.iter().all(Value::is_string) => members.as_slice(),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => std::slice::from_ref(value),
        _ => {
            return invalid_attribute(format!(
                "attribute `{name}` must be a string, number, boolean or list of strings"
            ));
        }
    };
    if members.iter().any(|member| member.as_str().is_some_and(|text| text.len() > MAX_ATTRIBUTE_BYTES)) {
        return invalid_attribute(format!(
            "a string in attribute `{name}` has at most {MAX_ATTRIBUTE_BYTES} bytes: shorten it"
        ));
    }
    Ok(())
}

/// Checks a search's filter and limit. Errors, all `Invalid`: `limit_out_of_range`, `filter_invalid`,
/// `attribute_invalid`.
pub fn check_search(filter: &[Condition], limit: usize) -> Result<(), PipelineError> {
    if !(1..=MAX_HITS).contains(&limit) {
        return Err(PipelineError::invalid("limit_out_of_range", format!("`limit` is 1 to {MAX_HITS}, not {limit}")));
    }
    let invalid = |message: String| Err(PipelineError::invalid("filter_invalid", message));
    if filter.len() > MAX_CONDITIONS {
        return invalid(format!("a search has at most {MAX_CONDITIONS} conditions: send fewer"));
    }
    for condition in filter {
        match condition {
            Condition::Any { attribute, values } | Condition::None { attribute, values } => {
                check_name(attribute)?;
                if values.is_empty() || values.len() > MAX_ATTRIBUTE_VALUES {
                    return invalid(format!(
                        "the condition on `{attribute}` needs 1 to {MAX_ATTRIBUTE_VALUES} `values`"
                    ));
                }
                if !values
                    .iter()
                    .all(|value| value.is_string() || value.is_boolean() || value.is_i64() || value.is_u64())
                {
                    return invalid(format!(
                        "`values` of `{attribute}` must be strings, whole numbers or booleans; for other numbers use `range`"
                    ));
                }
            }
            Condition::Range { attribute, min, max } => {
                check_name(attribute)?;
                let ends = [min, max].into_iter().flatten();
                if ends.clone().count() == 0 || ends.clone().any(|end| !end.is_finite()) || !ends.is_sorted() {
                    return invalid(format!(
                        "the range of `{attribute}` needs `min` or `max`, and `min` not above `max`"
                    ));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T, PipelineError>) -> &'static str {
        match result {
            Err(PipelineError::Invalid { code, .. }) => code,
            other => panic!("not refused: {other:?}"),
        }
    }

    fn draft(value: Value) -> ProfileDraft {
        ProfileDraft {
            interests: vec![" chess ".into(), " ".into()],
            bio: String::new(),
            attributes: [("a".into(), value)].into(),
            ..Default::default()
        }
    }

    #[test]
    fn x1_a_good_draft_is_tidied() {
        for value in [json!("x"), json!(3), json!(2.5), json!(true), json!(["x", "y"]), json!([])] {
            assert_eq!(draft(value).checked().unwrap().interests, ["chess"]);
        }
    }

    #[test]
    fn x1_bad_drafts_are_refused() {
        for value in [json!(null), json!({}), json!([1]), json!([["x"]]), json!("x".repeat(201)), json!(vec!["x"; 51])]
        {
            assert_eq!(code(draft(value.clone()).checked()), "attribute_invalid", "{value}");
        }
        for name in ["", "a b", "a.b", "ä", &"a".repeat(65)] {
            let attributes = [(name.to_owned(), json!(1))].into();
            assert_eq!(code(ProfileDraft { attributes, ..draft(json!(1)) }.checked()), "attribute_invalid", "{name}");
        }
        let with = |interests: Vec<String>, bio: String| ProfileDraft { interests, bio, ..Default::default() };
        assert_eq!(code(with(vec![], " \u{200b}".into()).checked()), "profile_empty");
        assert_eq!(code(with(vec!["x".into(); 51], String::new()).checked()), "profile_too_large");
        assert_eq!(code(with(vec!["x".repeat(201)], String::new()).checked()), "profile_too_large");
        assert_eq!(code(with(vec![], "x".repeat(5_001)).checked()), "profile_too_large");
        let attributes = (0..51).map(|i| (format!("a{i}"), json!(i))).collect();
        assert_eq!(code(ProfileDraft { attributes, ..draft(json!(1)) }.checked()), "profile_too_large");
    }

    #[test]
    fn x1_searches_are_checked() {
        let any =
            |values: Value| Condition::Any { attribute: "a".into(), values: serde_json::from_value(values).unwrap() };
        let range = |min, max| Condition::Range { attribute: "a".into(), min, max };
        check_search(&[any(json!(["x", 1, true])), range(Some(1.0), Some(1.0)), range(None, Some(2.0))], 10).unwrap();
        for limit in [0, 101] {
            assert_eq!(code(check_search(&[], limit)), "limit_out_of_range");
        }
        let bad = [
            any(json!([])),
            any(json!([1.5])),
            any(json!([null])),
            range(None, None),
            range(Some(2.0), Some(1.0)),
            range(Some(f64::NAN), None),
        ];
        for condition in bad {
            assert_eq!(code(check_search(std::slice::from_ref(&condition), 5)), "filter_invalid", "{condition:?}");
        }
        assert_eq!(code(check_search(&vec![range(Some(0.0), None); 21], 5)), "filter_invalid");
    }

    #[test]
    fn x1_the_embedded_text_has_interests_then_bio() {
        assert_eq!(Profile::embedded_text(&["chess".into(), "go".into()], " I play. "), "chess, go. I play.");
        assert_eq!(Profile::embedded_text(&[], "bio"), "bio");
        assert_eq!(Profile::embedded_text(&["chess".into()], " "), "chess");
        assert_ne!(Profile::digest("m@1", "x"), Profile::digest("m@2", "x"));
    }
}
