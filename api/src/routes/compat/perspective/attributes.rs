//! Perspective's attributes that we have a model for.

/// An attribute, as our models know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute {
    name: &'static str,
    label: &'static str,
}

/// Perspective's name, our label. What is not here is answered as an unknown attribute: no score is made up.
const TABLE: [Attribute; 7] = [
    Attribute { name: "TOXICITY", label: "toxic" },
    Attribute { name: "SEVERE_TOXICITY", label: "severe_toxic" },
    Attribute { name: "IDENTITY_ATTACK", label: "identity_hate" },
    Attribute { name: "INSULT", label: "insult" },
    Attribute { name: "PROFANITY", label: "obscene" },
    Attribute { name: "THREAT", label: "threat" },
    Attribute { name: "SPAM", label: "spam" },
];

impl Attribute {
    /// By its name, with or without `@version` and the suffix `_EXPERIMENTAL`, whose scores became the production ones.
    pub fn find(name: &str) -> Option<Self> {
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        let name = name.strip_suffix("_EXPERIMENTAL").unwrap_or(name);
        TABLE.into_iter().find(|attribute| attribute.name == name)
    }

    /// Our label.
    pub fn label(self) -> &'static str {
        self.label
    }

    /// Every name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TABLE.into_iter().map(|attribute| attribute.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i5_attributes_map_to_labels() {
        for (name, label) in [
            ("TOXICITY", Some("toxic")),
            ("SEVERE_TOXICITY", Some("severe_toxic")),
            ("IDENTITY_ATTACK", Some("identity_hate")),
            ("INSULT", Some("insult")),
            ("PROFANITY", Some("obscene")),
            ("THREAT", Some("threat")),
            ("SPAM", Some("spam")),
            ("TOXICITY@6", Some("toxic")),
            ("INSULT_EXPERIMENTAL", Some("insult")),
            ("toxicity", None),
            ("SEXUALLY_EXPLICIT", None),
            ("FLIRTATION", None),
            ("", None),
        ] {
            assert_eq!(Attribute::find(name).map(Attribute::label), label, "{name}");
        }
        assert_eq!(Attribute::names().count(), 7);
    }
}
