//! A request to Perspective, read by hand so that what is wrong is told in Perspective's own words: its clients look for them.

use serde_json::Value;

use super::{MAX_COMMENT, attributes::Offer};
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
    /// As requested; `None`: to be detected.
    pub(super) languages: Option<Vec<String>>,
    /// To be echoed.
    pub(super) client_token: Option<String>,
}

/// One requested attribute.
#[derive(Debug, PartialEq)]
pub(super) struct Wanted {
    /// As the request wrote it.
    pub(super) name: String,
    /// The labels whose highest score answers it: one at least.
    pub(super) labels: Vec<&'static str>,
    /// Scores below are left out.
    pub(super) threshold: Option<f32>,
}

impl Analysis {
    /// Reads a request. Errors are Perspective's, in the order in which it found them.
    pub(super) fn read(request: &Value, offer: &Offer) -> Result<Self, ApiError> {
        let text = comment(&request["comment"])?;
        check_context(&request["context"])?;
        let languages = languages(&request["languages"])?;
        let attributes = attributes(&request["requestedAttributes"], offer)?;
        let spans = flag(request, "spanAnnotations")?;
        flag(request, "doNotStore")?;
        let client_token = text_member(request, "clientToken")?;
        for unused in ["sessionId", "communityId"] {
            text_member(request, unused)?;
        }
        Ok(Self { text, attributes, spans, languages, client_token })
    }
}

pub(super) fn wrong(field: &str, message: impl Into<String>) -> ApiError {
    ApiError::invalid("invalid_field", message).at(field)
}

/// The words of `comment`, which must be there.
pub(super) fn comment(comment: &Value) -> Result<String, ApiError> {
    match &comment["type"] {
        Value::Null => {}
        Value::String(kind) if matches!(kind.as_str(), "PLAIN_TEXT" | "TEXT_TYPE_UNSPECIFIED") => {}
        other => {
            let other: String = other.as_str().unwrap_or("of this form").chars().take(50).collect();
            return Err(wrong("comment.type", format!("Comment type {other} is not supported: send PLAIN_TEXT.")));
        }
    }
    let text = match &comment["text"] {
        Value::String(text) => text.as_str(),
        Value::Null => "",
        _ => return Err(wrong("comment.text", "`comment.text` must be text.")),
    };
    if pipeline::normalise::is_blank(text) {
        return Err(ApiError::invalid("text_empty", "Comment must be non-empty.").at("comment.text"));
    }
    if text.len() > MAX_COMMENT {
        return Err(ApiError::invalid("text_too_long", "Comment text too long.").at("comment.text"));
    }
    Ok(text.to_owned())
}

/// No model reads the context, but what cannot be one is refused.
pub(super) fn check_context(context: &Value) -> Result<(), ApiError> {
    match context {
        Value::Null => Ok(()),
        Value::Object(_) if !context["entries"].is_null() && !context["articleAndParentComment"].is_null() => {
            Err(wrong("context", "Context is either entries or articleAndParentComment, not both."))
        }
        Value::Object(_) if matches!(context["entries"], Value::Null | Value::Array(_)) => Ok(()),
        _ => Err(wrong("context", "`context` must be an object with entries or articleAndParentComment.")),
    }
}

/// `languages`, when it names any.
pub(super) fn languages(languages: &Value) -> Result<Option<Vec<String>>, ApiError> {
    match languages {
        Value::Null => Ok(None),
        Value::Array(names) if names.is_empty() => Ok(None),
        Value::Array(names) if names.len() <= 50 && names.iter().all(Value::is_string) => {
            Ok(Some(names.iter().filter_map(Value::as_str).map(|name| name.chars().take(20).collect()).collect()))
        }
        _ => Err(wrong("languages", "`languages` must be a list of language codes: send [\"en\"].")),
    }
}

/// A member that is true or false, or absent.
pub(super) fn flag(request: &Value, name: &str) -> Result<bool, ApiError> {
    match &request[name] {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(*value),
        _ => Err(wrong(name, format!("`{name}` must be true or false."))),
    }
}

/// A member that is text, or absent.
pub(super) fn text_member(request: &Value, name: &str) -> Result<Option<String>, ApiError> {
    match &request[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(wrong(name, format!("`{name}` must be text."))),
    }
}

fn attributes(requested: &Value, offer: &Offer) -> Result<Vec<Wanted>, ApiError> {
    let requested = match requested {
        Value::Object(requested) if !requested.is_empty() => requested,
        Value::Null | Value::Object(_) => {
            let error = ApiError::invalid("no_requested_attributes", "Missing requested_attributes");
            return Err(error.at("requestedAttributes"));
        }
        _ => return Err(wrong("requestedAttributes", "`requestedAttributes` must map names to `{}`.")),
    };
    requested.iter().map(|(name, options)| wanted(name, options, offer)).collect()
}

fn wanted(name: &str, options: &Value, offer: &Offer) -> Result<Wanted, ApiError> {
    let name: String = name.chars().take(100).collect();
    let labels = offer.labels(&name);
    if labels.is_empty() {
        let known = offer.names().collect::<Vec<_>>().join(", ");
        return Err(wrong("requestedAttributes", format!("Unknown requested attribute: {name} (known here: {known})")));
    }
    if !matches!(options, Value::Null | Value::Object(_)) {
        return Err(wrong("requestedAttributes", format!("The options of {name} must be an object: send {{}}.")));
    }
    match &options["scoreType"] {
        Value::Null => {}
        Value::String(kind) if matches!(kind.as_str(), "PROBABILITY" | "SCORE_TYPE_UNSPECIFIED") => {}
        other => {
            let kind: String = other.as_str().unwrap_or("of this form").chars().take(50).collect();
            let message = format!("Requested score type {kind} is not supported by attribute {name}");
            return Err(wrong("requestedAttributes", message));
        }
    }
    let threshold = match &options["scoreThreshold"] {
        Value::Null => None,
        Value::Number(number) => number.as_f64().map(|number| number as f32),
        _ => return Err(wrong("requestedAttributes", format!("The scoreThreshold of {name} must be a number."))),
    };
    Ok(Wanted { name, labels, threshold })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer() -> Offer {
        Offer::with(&[("toxic", &["en"]), ("insult", &["en"]), ("threat", &["en"])])
    }

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
        asked["context"] = json!({ "entries": [{ "text": "before" }] });
        let analysis = Analysis::read(&asked, &offer()).unwrap();
        assert_eq!(
            (analysis.text.as_str(), analysis.spans, analysis.client_token.as_deref()),
            ("hello", false, Some("abc"))
        );
        let wanted: Vec<_> = analysis
            .attributes
            .iter()
            .map(|wanted| (wanted.name.as_str(), wanted.labels[0], wanted.threshold))
            .collect();
        assert_eq!(wanted, [("TOXICITY", "toxic", None), ("INSULT", "insult", Some(0.5))]);
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
            (with("/comment", json!(7)), "text_empty", "Comment must be non-empty."),
            (with("/comment/text", json!(7)), "invalid_field", "`comment.text`"),
            (with("/comment/text", json!(" \n\u{200b}")), "text_empty", "Comment must be non-empty."),
            (with("/comment/text", json!("x".repeat(20 * 1024 + 1))), "text_too_long", "Comment text too long."),
            (with("/requestedAttributes", json!({})), "no_requested_attributes", "Missing requested_attributes"),
            (with("/requestedAttributes", json!(["TOXICITY"])), "invalid_field", "`requestedAttributes` must"),
            (with("/requestedAttributes", json!({ "NICE": {} })), "invalid_field", "Unknown requested attribute: NICE"),
            (with("/requestedAttributes", json!({ "SPAM": {} })), "invalid_field", "Unknown requested attribute: SPAM"),
            (with("/requestedAttributes", json!({ "THREAT": 1 })), "invalid_field", "The options of THREAT"),
            (
                with("/requestedAttributes", json!({ "THREAT": { "scoreType": "RAW" } })),
                "invalid_field",
                "Requested score type RAW is not supported by attribute THREAT",
            ),
            (with("/languages", json!("en")), "invalid_field", "`languages` must be a list"),
            (with("/comment", json!({ "text": "a", "type": "HTML" })), "invalid_field", "Comment type HTML"),
            (with("/spanAnnotations", json!("yes")), "invalid_field", "`spanAnnotations` must be true or false"),
            (with("/clientToken", json!(7)), "invalid_field", "`clientToken` must be text"),
            (
                with("/context", json!({ "entries": [], "articleAndParentComment": {} })),
                "invalid_field",
                "Context is either",
            ),
        ] {
            let error = Analysis::read(&request, &offer()).unwrap_err();
            assert_eq!(error.code(), code, "{request}");
            assert!(error.message().starts_with(message), "{}", error.message());
        }
    }
}
