//! Perspective's attributes, as far as a loaded model gives them: the table says which labels answer an attribute, the models say which
//! labels there are. So a model with more labels brings more attributes, without a change here.

use std::collections::{BTreeMap, BTreeSet};

use models::Engine;

/// How an attribute's score comes from the labels that loaded models give.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// The first of these that there is: the others are lesser stand-ins.
    First(&'static [&'static str]),
    /// The highest of these: each finds some of what the attribute means.
    Highest(&'static [&'static str]),
}

use Source::{First, Highest};

/// Perspective's name, our labels. Without a label the attribute is unknown here: no score is made up.
const TABLE: [(&str, Source); 13] = [
    ("TOXICITY", First(&["toxic"])),
    ("SEVERE_TOXICITY", First(&["severe_toxic"])),
    // Jigsaw's `identity_hate` is slurs and abuse; hate in ordinary words is found by `hate` alone.
    ("IDENTITY_ATTACK", Highest(&["identity_hate", "hate"])),
    ("INSULT", First(&["insult"])),
    ("PROFANITY", First(&["profanity", "obscene"])),
    ("THREAT", First(&["threat"])),
    ("SEXUALLY_EXPLICIT", First(&["sexually_explicit", "sexual_explicit"])),
    ("FLIRTATION", First(&["flirtation"])),
    ("SPAM", First(&["spam"])),
    ("OBSCENE", First(&["obscene"])),
    ("INFLAMMATORY", First(&["inflammatory"])),
    ("TOXICITY_FAST", First(&["toxic"])),
    ("UNSUBSTANTIAL", First(&["unsubstantial"])),
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

    /// The labels whose highest score answers an attribute, by its name with or without `@version` and the suffix `_EXPERIMENTAL`, whose
    /// scores became the production ones. None where no loaded model answers it.
    pub fn labels(&self, name: &str) -> Vec<&'static str> {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let name = name.strip_suffix("_EXPERIMENTAL").unwrap_or(name);
        let there =
            |labels: &'static [&'static str]| labels.iter().copied().filter(|label| self.labels.contains_key(*label));
        match TABLE.into_iter().find(|(attribute, _)| *attribute == name) {
            Some((_, First(labels))) => there(labels).take(1).collect(),
            Some((_, Highest(labels))) => there(labels).collect(),
            None => Vec::new(),
        }
    }

    /// Is a text in this language (`en`, `en-GB`, `hi-Latn`) in the reach of the label's models?
    pub fn speaks(&self, label: &str, language: &str) -> bool {
        let Some(languages) = self.labels.get(label) else { return false };
        let plain = language.split(['-', '_']).next().unwrap_or(language);
        languages.iter().any(|known| known.eq_ignore_ascii_case(language) || known.eq_ignore_ascii_case(plain))
    }

    /// Those of these labels whose models know one of these languages.
    pub fn speaking(&self, labels: &[&'static str], languages: &[String]) -> Vec<&'static str> {
        let knows = |label: &&str| languages.iter().any(|language| self.speaks(label, language));
        labels.iter().copied().filter(knows).collect()
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
        TABLE.into_iter().map(|(name, _)| name).filter(|name| !self.labels(name).is_empty())
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
            ("TOXICITY", "toxic"),
            ("SEVERE_TOXICITY", "severe_toxic"),
            ("IDENTITY_ATTACK", "identity_hate"),
            ("INSULT", "insult"),
            ("PROFANITY", "obscene"),
            ("THREAT", "threat"),
            ("SPAM", "spam"),
            ("OBSCENE", "obscene"),
            ("TOXICITY_FAST", "toxic"),
            ("TOXICITY@6", "toxic"),
            ("INSULT_EXPERIMENTAL", "insult"),
            ("INSULT_EXPERIMENTAL@1", "insult"),
        ] {
            assert_eq!(offer.labels(name), [label], "{name}");
        }
        for name in ["toxicity", "SEXUALLY_EXPLICIT", "FLIRTATION", "AFFINITY_EXPERIMENTAL", ""] {
            assert!(offer.labels(name).is_empty(), "{name}");
        }
        assert_eq!(offer.names().count(), 9);
        assert_eq!(Offer::default().names().count(), 0, "no model, no attribute");
    }

    #[test]
    fn i5_a_model_with_more_labels_brings_more_attributes() {
        let offer = Offer::with(&[
            ("profanity", &["en"]),
            ("obscene", &["en"]),
            ("sexually_explicit", &["en", "de"]),
            ("hate", &["en"]),
            ("identity_hate", &["en"]),
        ]);
        assert_eq!(offer.labels("PROFANITY"), ["profanity"], "`obscene` only stands in for it");
        assert_eq!(offer.labels("SEXUALLY_EXPLICIT"), ["sexually_explicit"]);
        assert_eq!(offer.labels("IDENTITY_ATTACK"), ["identity_hate", "hate"], "both count");
        for (language, spoken) in
            [("en", true), ("en-GB", true), ("EN", true), ("de", true), ("de_AT", true), ("fr", false), ("", false)]
        {
            assert_eq!(offer.speaks("sexually_explicit", language), spoken, "{language}");
        }
        assert!(!offer.speaks("profanity", "de") && !offer.speaks("toxic", "en"));
        assert_eq!(Offer::with(&[("toxic", &["fr", "de"])]).usual_language("toxic"), "de");
    }
}
