//! `comments:suggestscore`, read by hand as [`super::request`] is.

use std::collections::BTreeMap;

use pipeline::feedback::{SuggestedScores, SuggestedSpan};
use serde_json::Value;

use super::request::{check_context, comment, flag, languages, text_member, wrong};
use crate::error::ApiError;

/// Most attributes of one suggestion.
const MAX_ATTRIBUTES: usize = 50;
/// Most spans of one attribute.
const MAX_SPANS: usize = 1000;
/// Longest name that is kept: of attributes, communities, sessions. In bytes.
const MAX_NAME: usize = 200;

/// What is suggested.
#[derive(Debug, PartialEq)]
pub(super) struct Suggestion {
    pub(super) text: String,
    pub(super) scores: BTreeMap<String, SuggestedScores>,
    pub(super) languages: Vec<String>,
    pub(super) community: Option<String>,
    pub(super) session: Option<String>,
    pub(super) client_token: Option<String>,
    /// The caller wants nothing kept: not even the suggestion.
    pub(super) do_not_store: bool,
}

impl Suggestion {
    pub(super) fn read(request: &Value) -> Result<Self, ApiError> {
        let text = comment(&request["comment"])?;
        check_context(&request["context"])?;
        let languages = languages(&request["languages"])?.unwrap_or_default();
        let units = text.encode_utf16().count();
        Ok(Self {
            scores: scores(&request["attributeScores"], units)?,
            text,
            languages,
            community: name(request, "communityId")?,
            session: name(request, "sessionId")?,
            client_token: text_member(request, "clientToken")?,
            do_not_store: flag(request, "doNotStore")?,
        })
    }
}

fn name(request: &Value, member: &str) -> Result<Option<String>, ApiError> {
    let name = text_member(request, member)?;
    match name.filter(|name| !name.is_empty()) {
        Some(name) if name.len() > MAX_NAME => {
            Err(wrong(member, format!("`{member}` is longer than {MAX_NAME} bytes.")))
        }
        name => Ok(name),
    }
}

fn scores(scores: &Value, units: usize) -> Result<BTreeMap<String, SuggestedScores>, ApiError> {
    let scores = match scores {
        Value::Object(scores) if (1..=MAX_ATTRIBUTES).contains(&scores.len()) => scores,
        Value::Object(scores) if !scores.is_empty() => {
            return Err(wrong(
                "attributeScores",
                format!("`attributeScores` names more than {MAX_ATTRIBUTES} attributes."),
            ));
        }
        Value::Null | Value::Object(_) => return Err(wrong("attributeScores", "Missing attribute_scores")),
        _ => return Err(wrong("attributeScores", "`attributeScores` must map attributes to scores.")),
    };
    scores
        .iter()
        .map(|(attribute, suggested)| Ok((attribute_name(attribute)?, suggested_scores(attribute, suggested, units)?)))
        .collect()
}

/// Attributes that we do not score may be suggested too: that is worth knowing.
fn attribute_name(name: &str) -> Result<String, ApiError> {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_@.-".contains(&byte);
    if !(1..=MAX_NAME).contains(&name.len()) || !name.bytes().all(fits) {
        let name: String = name.chars().take(100).collect();
        return Err(wrong("attributeScores", format!("Unknown requested attribute: {name}")));
    }
    Ok(name.to_owned())
}

fn suggested_scores(attribute: &str, suggested: &Value, units: usize) -> Result<SuggestedScores, ApiError> {
    let at = |member: &str| format!("attributeScores.{attribute}.{member}");
    let summary = match &suggested["summaryScore"] {
        Value::Null => None,
        score => Some(value(score, &at("summaryScore"))?),
    };
    let spans = match &suggested["spanScores"] {
        Value::Null => Vec::new(),
        Value::Array(spans) if spans.len() <= MAX_SPANS => {
            spans.iter().map(|one| span(one, &at("spanScores"), units)).collect::<Result<_, _>>()?
        }
        _ => {
            return Err(wrong(&at("spanScores"), format!("`spanScores` must be a list of at most {MAX_SPANS} spans.")));
        }
    };
    if summary.is_none() && spans.is_empty() {
        return Err(wrong(
            &at("summaryScore"),
            format!("The suggestion for {attribute} has neither summaryScore nor spanScores."),
        ));
    }
    Ok(SuggestedScores { summary, spans })
}

fn value(score: &Value, field: &str) -> Result<f32, ApiError> {
    match score["value"].as_f64() {
        Some(value) if (0.0..=1.0).contains(&value) => Ok(value as f32),
        _ => Err(wrong(field, format!("`{field}.value` must be a number from 0 to 1."))),
    }
}

fn span(span: &Value, field: &str, units: usize) -> Result<SuggestedSpan, ApiError> {
    let place = |member: &str| {
        span[member].as_u64().filter(|place| *place <= units as u64).and_then(|place| u32::try_from(place).ok())
    };
    let (Some(begin), Some(end)) = (place("begin"), place("end")) else {
        return Err(wrong(field, "A span needs `begin` and `end`, in UTF-16 units of the comment."));
    };
    if begin >= end {
        return Err(wrong(field, "A span must end behind its beginning."));
    }
    Ok(SuggestedSpan { begin, end, score: value(&span["score"], field)? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn suggest(scores: &Value) -> Result<Suggestion, ApiError> {
        Suggestion::read(&json!({ "comment": { "text": "ab 🦀" }, "attributeScores": scores, "communityId": "c" }))
    }

    #[test]
    fn i5_a_suggestion_is_read() {
        let read = suggest(&json!({
            "TOXICITY": { "summaryScore": { "value": 0.25, "type": "PROBABILITY" } },
            "SPAM": { "spanScores": [{ "begin": 3, "end": 5, "score": { "value": 1 } }] },
        }));
        let read = read.unwrap();
        assert_eq!(read.scores["TOXICITY"], SuggestedScores { summary: Some(0.25), spans: vec![] });
        assert_eq!(read.scores["SPAM"].spans, [SuggestedSpan { begin: 3, end: 5, score: 1.0 }]);
        assert_eq!((read.community.as_deref(), read.session, read.do_not_store), (Some("c"), None, false));
    }

    #[test]
    fn i5_a_suggestion_that_says_nothing_is_refused() {
        let span = |begin: i64, end: i64| json!({ "SPAM": { "spanScores": [{ "begin": begin, "end": end, "score": { "value": 1 } }] } });
        for scores in [
            json!(null),
            json!({}),
            json!([]),
            json!({ "TOXICITY": {} }),
            json!({ "TOXICITY": { "summaryScore": {} } }),
            json!({ "TOXICITY": { "summaryScore": { "value": 1.5 } } }),
            json!({ "TOXICITY": { "summaryScore": { "value": "1" } } }),
            json!({ "so bad": { "summaryScore": { "value": 1 } } }),
            span(0, 6),
            span(3, 3),
            span(-1, 3),
            json!({ "SPAM": { "spanScores": 7 } }),
        ] {
            assert_eq!(suggest(&scores).unwrap_err().code(), "invalid_field", "{scores}");
        }
    }
}
