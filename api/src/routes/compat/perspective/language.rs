//! The language of a comment: as requested, else as detected; and whether the attribute's models know it.

use pipeline::{
    language::{Language, UNDETERMINED},
    process::Pipeline,
};
use serde_json::json;

use super::{
    attributes::{DEFAULT_LANGUAGE, Offer},
    request::{Analysis, Wanted},
};
use crate::error::ApiError;

/// What the answer says of languages.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    /// As requested, or as detected.
    pub(super) languages: Vec<String>,
    /// The most likely first; empty when the request named languages, and when none can be told.
    pub(super) detected: Vec<String>,
}

/// The languages of a text, most likely first; of ours the detector names one at most. Empty: it cannot be told.
pub(super) fn detect(pipeline: &Pipeline, text: &str) -> Vec<String> {
    let Language { code, .. } = pipeline.language_of(text);
    if code == UNDETERMINED { Vec::new() } else { vec![code] }
}

/// Settles the language of a comment; `detect` is asked when the request names none. Errors are Perspective's.
///
/// A text whose language cannot be told is judged as one in the models' usual language: whoever could make a text look like none would
/// have found a way past every score. One without any letter has no language, and Perspective says so.
pub(super) fn settle(
    analysis: &Analysis,
    offer: &Offer,
    detect: impl FnOnce(&str) -> Vec<String>,
) -> Result<Spoken, ApiError> {
    if let Some(requested) = &analysis.languages {
        return match deaf(analysis, offer, requested) {
            Some(attribute) => Err(unsupported(attribute, requested, "requestedLanguages")),
            None => Ok(Spoken { languages: requested.clone(), ..Spoken::default() }),
        };
    }
    if !analysis.text.contains(char::is_alphabetic) {
        return Err(ApiError::invalid("language_unknown", "Unable to detect language").at("languages"));
    }
    let detected = detect(&analysis.text);
    if detected.is_empty() {
        let label = analysis.attributes.first().and_then(|wanted| wanted.labels.first());
        let usual = label.map_or(DEFAULT_LANGUAGE, |label| offer.usual_language(label));
        return Ok(Spoken { languages: vec![usual.to_owned()], detected });
    }
    match deaf(analysis, offer, &detected) {
        Some(attribute) => Err(unsupported(attribute, &detected, "detectedLanguages")),
        None => Ok(Spoken { languages: detected.clone(), detected }),
    }
}

/// The first attribute whose models know none of these languages.
fn deaf<'a>(analysis: &'a Analysis, offer: &Offer, languages: &[String]) -> Option<&'a str> {
    let deaf = |wanted: &&Wanted| offer.speaking(&wanted.labels, languages).is_empty();
    analysis.attributes.iter().find(deaf).map(|wanted| wanted.name.as_str())
}

/// Clients look for the phrase `does not support request languages`.
fn unsupported(attribute: &str, languages: &[String], member: &str) -> ApiError {
    let message = format!("Attribute {attribute} does not support request languages: {}", languages.join(", "));
    let more = json!({ "attribute": attribute, member: languages });
    ApiError::invalid("language_unsupported", message)
        .at("languages")
        .with_detail(json!({ "languageNotSupportedByAttributeError": more }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analysis(text: &str, languages: Option<&[&str]>) -> Analysis {
        let mut request =
            json!({ "comment": { "text": text }, "requestedAttributes": { "TOXICITY": {}, "INSULT": {} } });
        if let Some(languages) = languages {
            request["languages"] = json!(languages);
        }
        Analysis::read(&request, &offer()).unwrap()
    }

    fn offer() -> Offer {
        Offer::with(&[("toxic", &["en", "de"]), ("insult", &["en"])])
    }

    fn settled(text: &str, languages: Option<&[&str]>, found: &[&str]) -> Result<Spoken, ApiError> {
        settle(&analysis(text, languages), &offer(), |_| found.iter().map(|code| (*code).to_owned()).collect())
    }

    fn spoken(languages: &[&str], detected: &[&str]) -> Spoken {
        let owned = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        Spoken { languages: owned(languages), detected: owned(detected) }
    }

    #[test]
    fn i5_what_the_request_says_stands() {
        assert_eq!(settled("hello", Some(&["en"]), &["fr"]).unwrap(), spoken(&["en"], &[]));
        assert_eq!(settled("hello", Some(&["fr", "en"]), &[]).unwrap(), spoken(&["fr", "en"], &[]), "one is enough");
        assert_eq!(settled("1234", Some(&["en"]), &[]).unwrap(), spoken(&["en"], &[]));
        let refused = settled("hallo", Some(&["de"]), &[]).unwrap_err();
        assert!(refused.message().contains("Attribute INSULT does not support request languages: de"), "{refused:?}");
    }

    #[test]
    fn i5_without_languages_the_text_says_it() {
        assert_eq!(settled("hello", None, &["en"]).unwrap(), spoken(&["en"], &["en"]));
        assert_eq!(settled("hm", None, &[]).unwrap(), spoken(&["en"], &[]), "judged as usual when it cannot be told");
        let refused = settled("hallo", None, &["de"]).unwrap_err();
        assert_eq!(refused.code(), "language_unsupported");
        assert!(refused.message().contains("INSULT does not support request languages: de"), "{refused:?}");
        for text in ["1234 !!!", "🖕", "…"] {
            let refused = settled(text, None, &["en"]).unwrap_err();
            assert_eq!(
                (refused.code(), refused.message()),
                ("language_unknown", "Unable to detect language"),
                "{text}"
            );
        }
    }
}
