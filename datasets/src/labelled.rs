//! Every set of labelled texts in one shape: what a text is marked with, and to which slice of its set it belongs.

use std::path::Path;

use serde::Deserialize;

use crate::{
    DataError,
    load::{self, TOXICITY_LABELS, rows, zero_or_one},
};

/// One labelled text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The text.
    pub text: String,
    /// What is known about it; labels that the set does not speak of are not here.
    pub marks: Vec<(&'static str, bool)>,
    /// The part of the set that it belongs to, to be looked at alone: a functionality, an identity, a trick. Empty: none.
    pub slice: String,
    /// Drawn without looking at its labels: see [`load::Toxicity::natural`].
    pub natural: bool,
    /// An obfuscated text: the same as it was written first.
    pub original: Option<String>,
}

/// The sets that [`read`] knows, as `manifest.toml` calls them.
pub const SETS: [&str; 9] = [
    "jigsaw_test",
    "edos_dev",
    "hatemoji_build_dev",
    "functional_heldout",
    "identity_templates_public",
    "evasion_public",
    "surge_public",
    "sms_public",
    "youtube_public",
];

/// Reads a set of [`SETS`], or another file with the same columns, by its name.
pub fn read(set: &str, path: &Path) -> Result<Vec<Labelled>, DataError> {
    match set {
        name if name.starts_with("jigsaw") => jigsaw(path),
        name if name.starts_with("edos") => edos(path),
        name if name.starts_with("hatemoji") => hatemoji(path),
        name if name.starts_with("functional") => functional(path),
        name if name.starts_with("identity") => identity(path),
        name if name.starts_with("evasion") => evasion(path),
        name if name.starts_with("surge") => {
            Ok(load::marked(path)?.into_iter().map(|row| Labelled::new(row.text, vec![("toxic", row.toxic)])).collect())
        }
        name if ["sms", "youtube", "smishing"].iter().any(|prefix| name.starts_with(prefix)) => {
            Ok(load::spam(path)?.into_iter().map(|row| Labelled::new(row.text, vec![("spam", row.spam)])).collect())
        }
        _ => Err(DataError::Unknown { name: set.to_owned(), known: SETS.join(", ") }),
    }
}

impl Labelled {
    fn new(text: String, marks: Vec<(&'static str, bool)>) -> Self {
        Self { text, marks, slice: String::new(), natural: true, original: None }
    }

    fn in_slice(self, slice: impl Into<String>) -> Self {
        Self { slice: slice.into(), ..self }
    }
}

fn jigsaw(path: &Path) -> Result<Vec<Labelled>, DataError> {
    let row = |row: load::Toxicity| {
        let marks = TOXICITY_LABELS.into_iter().zip(row.labels).collect();
        Labelled { natural: row.natural, ..Labelled::new(row.text, marks) }
    };
    Ok(load::toxicity(path)?.into_iter().map(row).collect())
}

#[derive(Deserialize)]
struct EdosRow {
    #[serde(deserialize_with = "zero_or_one")]
    label_sexist: bool,
    label_category: String,
    text: String,
}

fn edos(path: &Path) -> Result<Vec<Labelled>, DataError> {
    rows(path, |row: EdosRow| {
        Ok(Labelled::new(row.text, vec![("sexism", row.label_sexist)]).in_slice(row.label_category))
    })
}

#[derive(Deserialize)]
struct HatemojiRow {
    #[serde(deserialize_with = "zero_or_one")]
    label_gold: bool,
    r#type: String,
    text: String,
}

fn hatemoji(path: &Path) -> Result<Vec<Labelled>, DataError> {
    rows(path, |row: HatemojiRow| Ok(Labelled::new(row.text, vec![("hate", row.label_gold)]).in_slice(row.r#type)))
}

#[derive(Deserialize)]
struct FunctionalRow {
    functionality: String,
    #[serde(deserialize_with = "zero_or_one")]
    hateful: bool,
    text: String,
}

fn functional(path: &Path) -> Result<Vec<Labelled>, DataError> {
    rows(
        path,
        |row: FunctionalRow| Ok(Labelled::new(row.text, vec![("hate", row.hateful)]).in_slice(row.functionality)),
    )
}

fn identity(path: &Path) -> Result<Vec<Labelled>, DataError> {
    rows(path, |row: load::Marked| {
        let slice = identity_of(&row.text).unwrap_or_default().to_owned();
        Ok(Labelled::new(row.text, vec![("toxic", row.toxic)]).in_slice(slice))
    })
}

/// The identity that a template was filled with: its last word, or the last two.
fn identity_of(text: &str) -> Option<&str> {
    IDENTITIES.into_iter().find(|identity| text.strip_suffix(identity).is_some_and(|rest| rest.ends_with(' ')))
}

/// The identities of the unintended-bias templates.
pub const IDENTITIES: [&str; 50] = [
    "african american",
    "middle eastern",
    "middle aged",
    "american",
    "buddhist",
    "hispanic",
    "taoist",
    "gay",
    "paralyzed",
    "black",
    "jewish",
    "catholic",
    "latinx",
    "protestant",
    "trans",
    "indian",
    "younger",
    "mexican",
    "lesbian",
    "young",
    "straight",
    "lgbtq",
    "lgbt",
    "latina",
    "millenial",
    "female",
    "christian",
    "blind",
    "bisexual",
    "european",
    "asian",
    "male",
    "heterosexual",
    "muslim",
    "japanese",
    "deaf",
    "canadian",
    "teenage",
    "homosexual",
    "transgender",
    "older",
    "elderly",
    "nonbinary",
    "old",
    "chinese",
    "latino",
    "african",
    "white",
    "sikh",
    "queer",
];

#[derive(Deserialize)]
struct EvasionRow {
    #[serde(deserialize_with = "zero_or_one")]
    toxic: bool,
    evasion: String,
    text: String,
    original: String,
}

fn evasion(path: &Path) -> Result<Vec<Labelled>, DataError> {
    rows(path, |row: EvasionRow| {
        let labelled = Labelled::new(row.text, vec![("toxic", row.toxic)]).in_slice(row.evasion);
        Ok(Labelled { original: Some(row.original), ..labelled })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_found_at_the_end() {
        for (text, expected) in [
            ("a kind african american", Some("african american")),
            ("a proud american", Some("american")),
            ("being old", Some("old")),
            ("a bold", None),
            ("gay", None),
        ] {
            assert_eq!(identity_of(text), expected, "{text:?}");
        }
    }

    #[test]
    fn unknown_sets_say_which_there_are() {
        let error = read("poems", Path::new("x")).unwrap_err().to_string();
        assert!(error.contains("jigsaw_test"), "{error}");
    }
}
