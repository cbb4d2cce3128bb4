//! A request to Perspective, read by hand so that what is wrong is told in Perspective's own words: its clients look for them.

use serde_json::{Value, json};

use super::{Attribute, LANGUAGE, MAX_COMMENT};
use crate::error::ApiError;

/// What is asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Analysis {
    /// The comment.
    pub(super) text: String,
    /// What to score it for; at least one.
    pub(super) attributes: Vec<Wanted>,
    /// Sentence by sentence too.
    pub(super) spans: bool,
    /// As requested.
    pub(super) languages: Option<Vec<String>>,
    /// To be echoed.
    pub(super) client_token: Option<String>,
}

/// One requested attribute.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// As the request wrote it.
    pub(super) name: String,
    /// What it means here.
    pub(super) attribute: Attribute,
    /// Scores below are left out.
    pub(super) threshold: Option<f32>,
}

impl Analysis {
    /// Reads a request. Errors are Perspective's, in the order in which it found them.
    pub(super) fn read(request: &Value) -> Result<Self, ApiError> {
        let text = comment(&request["comment"])?;
        let context = &request["context"];
        if !context["entries"].is_null() && !context["articleAndParentComment"].is_null() {
            return Err(wrong("context", "Context is either entries or articleAndParentComment, not both."));
        }
        let languages = languages(&request["languages"])?;
        let attributes = attributes(&request["requestedAttributes"])?;
        if let Some(languages) = &languages
            && !languages.iter().any(|language| is_ours(language))
        {
            return Err(unsupported(&attributes[0].name, languages));
        }
        Ok(Self {
            text,
            attributes,
            spans: request["spanAnnotations"].as_bool().unwrap_or(false),
            languages,
            client_token: request["clientToken"].as_str().map(ToOwned::to_owned),
        })
    }
}

fn wrong(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid("invalid_field", message).at(field)
}

fn comment(comment: &Value) -> Result<String, ApiError> {
    match comment["type"].as_str() {
        None | Some("PLAIN_TEXT" | "TEXT_TYPE_UNSPECIFIED") => {}
        Some(other) => {
            let other: String = other.chars().take(50).collect();
            return Err(wrong("comment.type", format!("Comment type {other} is not supported: send PLAIN_TEXT.")));
        }
    }
    let text = comment["text"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(ApiError::invalid("text_empty", "Comment must be non-empty.").at("comment.text"));
    }
    if text.len() > MAX_COMMENT {
        return Err(ApiError::invalid("text_too_long", "Comment text too long.").at("comment.text"));
    }
    Ok(text.to_owned())
}

fn languages(languages: &Value) -> Result<Option<Vec<String>>, ApiError> {
    match languages {
        Value::Null => Ok(None),
        Value::Array(names) if names.is_empty() => Ok(None),
        Value::Array(names) if names.iter().all(Value::is_string) => {
            Ok(Some(names.iter().filter_map(Value::as_str).map(|name| name.chars().take(20).collect()).collect()))
        }
        _ => Err(wrong("languages", "`languages` must be a list of language codes: send [\"en\"].")),
    }
}

/// `en`, `en-GB`, …
fn is_ours(language: &str) -> bool {
    language.split(['-', '_']).next().is_some_and(|language| language.eq_ignore_ascii_case(LANGUAGE))
}

fn unsupported(attribute: &str, languages: &[String]) -> ApiError {
    let message = format!("Attribute {attribute} does not support request languages: {}", languages.join(", "));
    let more = json!({ "attribute": attribute, "requestedLanguages": languages });
    ApiError::invalid("language_unsupported", message)
        .at("languages")
        .with_detail(json!({ "languageNotSupportedByAttributeError": more }))
}

fn attributes(requested: &Value) -> Result<Vec<Wanted>, ApiError> {
    let Some(requested) = requested.as_object().filter(|requested| !requested.is_empty()) else {
        return Err(
            ApiError::invalid("no_requested_attributes", "Missing requested_attributes").at("requestedAttributes")
        );
    };
    requested.iter().map(|(name, options)| wanted(name, options)).collect()
}

fn wanted(name: &str, options: &Value) -> Result<Wanted, ApiError> {
    let name: String = name.chars().take(100).collect();
    let Some(attribute) = Attribute::find(&name) else {
        let known = Attribute::names().collect::<Vec<_>>().join(", ");
        return Err(wrong("requestedAttributes", format!("Unknown requested attribute: {name} (known here: {known})")));
    };
    if let Some(kind) =
        options["scoreType"].as_str().filter(|kind| !matches!(*kind, "PROBABILITY" | "SCORE_TYPE_UNSPECIFIED"))
    {
        let kind: String = kind.chars().take(50).collect();
        return Err(wrong(
            "requestedAttributes",
            format!("Requested score type {kind} is not supported by attribute {name}"),
        ));
    }
    let threshold = match &options["scoreThreshold"] {
        Value::Null => None,
        Value::Number(number) => number.as_f64().map(|number| number as f32),
        _ => return Err(wrong("requestedAttributes", format!("The scoreThreshold of {name} must be a number."))),
    };
    Ok(Wanted { name, attribute, threshold })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({ "comment": { "text": "hello" }, "requestedAttributes": { "TOXICITY": {} } })
    }

    #[test]
    fn i5_a_request_is_read() {
        let mut asked = request();
        asked["requestedAttributes"]["INSULT"] = json!({ "scoreThreshold": 0.5, "scoreType": "PROBABILITY" });
        asked["languages"] = json!(["en-GB"]);
        asked["clientToken"] = json!("abc");
        asked["doNotStore"] = json!(true);
        asked["sessionId"] = json!("s");
        let analysis = Analysis::read(&asked).unwrap();
        assert_eq!(
            (analysis.text.as_str(), analysis.spans, analysis.client_token.as_deref()),
            ("hello", false, Some("abc"))
        );
        let wanted: Vec<_> =
            analysis.attributes.iter().map(|wanted| (wanted.name.as_str(), wanted.threshold)).collect();
        assert_eq!(wanted, [("TOXICITY", None), ("INSULT", Some(0.5))]);
    }

    #[test]
    fn i5_what_is_wrong_is_told_in_perspectives_words() {
        let with = |path: &str, value: Value| {
            let mut request = request();
            *request.pointer_mut(path).unwrap_or(&mut Value::Null) = value.clone();
            if request.pointer(path).is_none() {
                request[path.trim_start_matches('/')] = value;
            }
            request
        };
        for (request, code, message) in [
            (json!({}), "text_empty", "Comment must be non-empty."),
            (with("/comment/text", json!(" \n")), "text_empty", "Comment must be non-empty."),
            (with("/comment/text", json!("x".repeat(20 * 1024 + 1))), "text_too_long", "Comment text too long."),
            (with("/requestedAttributes", json!({})), "no_requested_attributes", "Missing requested_attributes"),
            (with("/requestedAttributes", json!({ "NICE": {} })), "invalid_field", "Unknown requested attribute: NICE"),
            (
                with("/requestedAttributes", json!({ "THREAT": { "scoreType": "RAW" } })),
                "invalid_field",
                "Requested score type RAW is not supported by attribute THREAT",
            ),
            (
                with("/languages", json!(["de", "fr"])),
                "language_unsupported",
                "Attribute TOXICITY does not support request languages: de, fr",
            ),
            (with("/languages", json!("en")), "invalid_field", "`languages` must be a list"),
            (with("/comment", json!({ "text": "a", "type": "HTML" })), "invalid_field", "Comment type HTML"),
            (
                with("/context", json!({ "entries": [], "articleAndParentComment": {} })),
                "invalid_field",
                "Context is either",
            ),
        ] {
            let error = Analysis::read(&request).unwrap_err();
            assert_eq!(error.code(), code, "{request}");
            assert!(error.message().starts_with(message), "{}", error.message());
        }
    }
}
