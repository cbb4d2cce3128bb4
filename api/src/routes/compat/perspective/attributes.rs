//! Perspective's attributes, as far as a loaded model gives them: the table says which labels answer an attribute, the models say which
//! labels there are. So a model with more labels brings more attributes, without a change here.

use std::collections::{BTreeMap, BTreeSet};

use models::Engine;

/// Perspective's name, our labels. The first label that a loaded model gives answers; without one the attribute is unknown here: no
/// score is made up.
const TABLE: [(&str, &[&str]); 13] = [
    ("TOXICITY", &["toxic"]),
    ("SEVERE_TOXICITY", &["severe_toxic"]),
    ("IDENTITY_ATTACK", &["identity_hate"]),
    ("INSULT", &["insult"]),
    ("PROFANITY", &["profanity", "obscene"]),
    ("THREAT", &["threat"]),
    ("SEXUALLY_EXPLICIT", &["sexually_explicit", "sexual_explicit"]),
    ("FLIRTATION", &["flirtation"]),
    ("SPAM", &["spam"]),
    ("OBSCENE", &["obscene"]),
    ("INFLAMMATORY", &["inflammatory"]),
    ("TOXICITY_FAST", &["toxic"]),
    ("UNSUBSTANTIAL", &["unsubstantial"]),
];
/// The language of models that name none.
pub(super) const DEFAULT_LANGUAGE: &str = "en";

/// What can be scored here and now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Label → languages of the models that give it.
    labels: BTreeMap<String, BTreeSet<String>>,
}

impl Offer {
    /// By the text models that judge.
    pub fn of(engine: &Engine, text_models: &[String]) -> Self {
        let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
        for spec in text_models.iter().filter_map(|model| engine.spec(model).ok()) {
            for label in &spec.labels {
                let languages = labels.entry(label.to_string()).or_default();
                match spec.languages.is_empty() {
                    true => languages.insert(DEFAULT_LANGUAGE.to_owned()),
                    false => {
                        languages.extend(spec.languages.iter().map(ToString::to_string));
                        true
                    }
                };
            }
        }
        Self { labels }
    }

    /// The label that answers an attribute, by its name with or without `@version` and the suffix `_EXPERIMENTAL`, whose scores
    /// became the production ones.
    pub fn label(&self, name: &str) -> Option<&'static str> {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let name = name.strip_suffix("_EXPERIMENTAL").unwrap_or(name);
        let (_, labels) = TABLE.into_iter().find(|(attribute, _)| *attribute == name)?;
        labels.iter().copied().find(|label| self.labels.contains_key(*label))
    }

    /// Is a text in this language (`en`, `en-GB`, `hi-Latn`) in the reach of the label's models?
    pub fn speaks(&self, label: &str, language: &str) -> bool {
        let Some(languages) = self.labels.get(label) else { return false };
        let plain = language.split(['-', '_']).next().unwrap_or(language);
        languages.iter().any(|known| known.eq_ignore_ascii_case(language) || known.eq_ignore_ascii_case(plain))
    }

    /// A language of the label's models, for texts that do not show theirs.
    pub fn usual_language(&self, label: &str) -> &str {
        let languages = self.labels.get(label);
        languages
            .and_then(|known| known.get(DEFAULT_LANGUAGE).or_else(|| known.first()))
            .map_or(DEFAULT_LANGUAGE, String::as_str)
    }

    /// Every attribute that can be scored.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        TABLE.into_iter().map(|(name, _)| name).filter(|name| self.label(name).is_some())
    }

    #[cfg(test)]
    pub(super) fn with(labels: &[(&str, &[&str])]) -> Self {
        let labels = labels.iter().map(|(label, languages)| {
            ((*label).to_owned(), languages.iter().map(|language| (*language).to_owned()).collect())
        });
        Self { labels: labels.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JIGSAW: [(&str, &[&str]); 7] = [
        ("toxic", &["en"]),
        ("severe_toxic", &["en"]),
        ("obscene", &["en"]),
        ("threat", &["en"]),
        ("insult", &["en"]),
        ("identity_hate", &["en"]),
        ("spam", &["en"]),
    ];

    #[test]
    fn i5_attributes_map_to_the_labels_that_there_are() {
        let offer = Offer::with(&JIGSAW);
        for (name, label) in [
            ("TOXICITY", Some("toxic")),
            ("SEVERE_TOXICITY", Some("severe_toxic")),
            ("IDENTITY_ATTACK", Some("identity_hate")),
            ("INSULT", Some("insult")),
            ("PROFANITY", Some("obscene")),
            ("THREAT", Some("threat")),
            ("SPAM", Some("spam")),
            ("OBSCENE", Some("obscene")),
            ("TOXICITY_FAST", Some("toxic")),
            ("TOXICITY@6", Some("toxic")),
            ("INSULT_EXPERIMENTAL", Some("insult")),
            ("INSULT_EXPERIMENTAL@1", Some("insult")),
            ("toxicity", None),
            ("SEXUALLY_EXPLICIT", None),
            ("FLIRTATION", None),
            ("AFFINITY_EXPERIMENTAL", None),
            ("", None),
        ] {
            assert_eq!(offer.label(name), label, "{name}");
        }
        assert_eq!(offer.names().count(), 9);
        assert_eq!(Offer::default().names().count(), 0, "no model, no attribute");
    }

    #[test]
    fn i5_a_model_with_more_labels_brings_more_attributes() {
        let offer = Offer::with(&[("profanity", &["en"]), ("obscene", &["en"]), ("sexually_explicit", &["en", "de"])]);
        assert_eq!(
            (offer.label("PROFANITY"), offer.label("SEXUALLY_EXPLICIT")),
            (Some("profanity"), Some("sexually_explicit"))
        );
        for (language, spoken) in
            [("en", true), ("en-GB", true), ("EN", true), ("de", true), ("de_AT", true), ("fr", false), ("", false)]
        {
            assert_eq!(offer.speaks("sexually_explicit", language), spoken, "{language}");
        }
        assert!(!offer.speaks("profanity", "de") && !offer.speaks("toxic", "en"));
        assert_eq!(Offer::with(&[("toxic", &["fr", "de"])]).usual_language("toxic"), "de");
    }
}
