//! The language of a comment: as requested, else as detected; and whether the attribute's models know it.

use serde_json::json;

use super::{
    attributes::{DEFAULT_LANGUAGE, Offer},
    request::Analysis,
};
use crate::error::ApiError;

/// What the answer says of languages.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// As requested, or as detected.
    pub(super) languages: Vec<String>,
    /// The most likely first; empty when the request named languages.
    pub(super) detected: Vec<String>,
}

/// The languages of a text, most likely first. Empty: it does not show.
pub(super) fn detect(_text: &str) -> Vec<String> {
    Vec::new()
}

/// Settles the language of a comment. Errors are Perspective's.
pub(super) fn settle(analysis: &Analysis, offer: &Offer) -> Result<Spoken, ApiError> {
    let Some(requested) = &analysis.languages else {
        let label = analysis.attributes.first().map(|wanted| wanted.label);
        let usual = label.map_or(DEFAULT_LANGUAGE, |label| offer.usual_language(label));
        return Ok(Spoken { languages: vec![usual.to_owned()], detected: Vec::new() });
    };
    let deaf = analysis
        .attributes
        .iter()
        .find(|wanted| !requested.iter().any(|language| offer.speaks(wanted.label, language)));
    match deaf {
        Some(wanted) => Err(unsupported(&wanted.name, requested, "requestedLanguages")),
        None => Ok(Spoken { languages: requested.clone(), detected: Vec::new() }),
    }
}

/// Clients look for the phrase `does not support request languages`.
fn unsupported(attribute: &str, languages: &[String], member: &str) -> ApiError {
    let message = format!("Attribute {attribute} does not support request languages: {}", languages.join(", "));
    let more = json!({ "attribute": attribute, member: languages });
    ApiError::invalid("language_unsupported", message)
        .at("languages")
        .with_detail(json!({ "languageNotSupportedByAttributeError": more }))
}
