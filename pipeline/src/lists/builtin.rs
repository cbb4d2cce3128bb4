//! The terms that come with the product: the LDNOOBW lists in 26 languages (CC BY 4.0), and for English Surge AI's list too (MIT).

/// Languages that have terms.
pub const LANGUAGES: [&str; 26] = [
    "ar", "cs", "da", "de", "en", "eo", "es", "fa", "fi", "fil", "fr", "hi", "hu", "it", "ja", "kab", "ko", "nl", "no",
    "pl", "pt", "ru", "sv", "th", "tr", "zh",
];

const PROFANITY_EN: &str = include_str!("../../words/profanity_en.tsv");

/// The terms of one of [`LANGUAGES`]; none for others.
pub fn terms(language: &str) -> impl Iterator<Item = &'static str> {
    let list = match language {
        "ar" => include_str!("../../words/profanity/ar.txt"),
        "cs" => include_str!("../../words/profanity/cs.txt"),
        "da" => include_str!("../../words/profanity/da.txt"),
        "de" => include_str!("../../words/profanity/de.txt"),
        "en" => include_str!("../../words/profanity/en.txt"),
        "eo" => include_str!("../../words/profanity/eo.txt"),
        "es" => include_str!("../../words/profanity/es.txt"),
        "fa" => include_str!("../../words/profanity/fa.txt"),
        "fi" => include_str!("../../words/profanity/fi.txt"),
        "fil" => include_str!("../../words/profanity/fil.txt"),
        "fr" => include_str!("../../words/profanity/fr.txt"),
        "hi" => include_str!("../../words/profanity/hi.txt"),
        "hu" => include_str!("../../words/profanity/hu.txt"),
        "it" => include_str!("../../words/profanity/it.txt"),
        "ja" => include_str!("../../words/profanity/ja.txt"),
        "kab" => include_str!("../../words/profanity/kab.txt"),
        "ko" => include_str!("../../words/profanity/ko.txt"),
        "nl" => include_str!("../../words/profanity/nl.txt"),
        "no" => include_str!("../../words/profanity/no.txt"),
        "pl" => include_str!("../../words/profanity/pl.txt"),
        "pt" => include_str!("../../words/profanity/pt.txt"),
        "ru" => include_str!("../../words/profanity/ru.txt"),
        "sv" => include_str!("../../words/profanity/sv.txt"),
        "th" => include_str!("../../words/profanity/th.txt"),
        "tr" => include_str!("../../words/profanity/tr.txt"),
        "zh" => include_str!("../../words/profanity/zh.txt"),
        _ => "",
    };
    let english = if language == "en" { PROFANITY_EN } else { "" };
    let spelling = |line: &'static str| line.split('\t').next().unwrap_or_default();
    let lines =
        |text: &'static str| text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    // A number alone is no word, whatever it may stand for.
    lines(list).chain(lines(english).map(spelling)).filter(|term| term.chars().any(char::is_alphabetic))
}
