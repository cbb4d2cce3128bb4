//! Word lists: terms that a policy wants to know about.
//!
//! A list is part of a policy file, so that every tenant has its own: built-in terms of chosen languages (LDNOOBW's and Surge AI's), own
//! terms, and terms that are allowed in spite of both. A hit is a signal like a model's score (`list.<name>`, 1 for a hit) and a stretch that can be masked.
//! The built-in lists hold ordinary words too: no rule should act on a hit alone.
//!
//! Terms are found in the folded text, in any case, as whole words: `Scunthorpe` holds no word but its own. Scripts that write without blanks
//! (Chinese, Japanese, Thai) have no word boundaries to ask for. Terms of a language count in texts of that language and in those whose
//! language cannot be told; own terms count everywhere.

mod builtin;

pub use builtin::{LANGUAGES, terms};

use std::{collections::BTreeSet, ops::Range};

use aho_corasick::{AhoCorasick, MatchKind};
use models::SpanScore;
use serde::Deserialize;
use unicode_script::{Script, UnicodeScript};

use crate::{language::UNDETERMINED, normalise::Normalised};

/// What the label of a list's signal begins with.
pub const PREFIX: &str = "list.";
/// Most own terms of a list, allowed ones included.
pub const MAX_TERMS: usize = 10_000;
/// Longest term, in bytes.
pub const MAX_TERM_BYTES: usize = 200;
/// Stands for every language in `languages`.
pub const ALL_LANGUAGES: &str = "all";

/// A `[[list]]` of a policy file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFile {
    /// Rules read it as `list.<name>`.
    pub name: String,
    /// Built-in terms of these languages; `["all"]` for every one.
    #[serde(default)]
    pub languages: Vec<String>,
    /// Own terms.
    #[serde(default)]
    pub terms: Vec<String>,
    /// Terms that are no hits, whatever is in them.
    #[serde(default)]
    pub allow: Vec<String>,
}

/// One thing that is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    list: usize,
    /// Position in [`LANGUAGES`]; `None` for an own term.
    language: Option<usize>,
    allowed: bool,
}

/// The lists of a policy, ready to search.
#[derive(Debug, Default)]
pub struct WordLists {
    labels: Vec<String>,
    terms: Vec<Term>,
    searcher: Option<AhoCorasick>,
}

impl WordLists {
    /// Compiles lists. Errors say which list, and what would be right.
    pub fn compile(files: &[ListFile]) -> Result<Self, String> {
        let (mut labels, mut terms, mut patterns) = (Vec::new(), Vec::new(), Vec::new());
        for (list, file) in files.iter().enumerate() {
            check(file)?;
            labels.push(format!("{PREFIX}{}", file.name));
            let mut add = |text: &str, language: Option<usize>, allowed: bool| {
                let folded = lower(Normalised::new(text).text()).0;
                if !folded.trim().is_empty() {
                    patterns.push(folded.trim().to_owned());
                    terms.push(Term { list, language, allowed });
                }
            };
            for (index, language) in LANGUAGES.iter().enumerate() {
                if file.languages.iter().any(|chosen| chosen == language || chosen == ALL_LANGUAGES) {
                    builtin::terms(language).for_each(|term| add(term, Some(index), false));
                }
            }
            file.terms.iter().for_each(|term| add(term, None, false));
            file.allow.iter().for_each(|term| add(term, None, true));
        }
        let searcher = match patterns.is_empty() {
            true => None,
            false => Some(
                AhoCorasick::builder()
                    .match_kind(MatchKind::Standard)
                    .build(&patterns)
                    .map_err(|error| format!("the lists are too large: {error}"))?,
            ),
        };
        Ok(Self { labels, terms, searcher })
    }

    /// Names of the lists with their prefix, in file order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Every hit in `text`, in text order. `language`: of the text.
    pub fn find(&self, text: &Normalised, language: &str) -> Vec<SpanScore> {
        let Some(searcher) = &self.searcher else { return Vec::new() };
        let (lower, places) = lower(text.text());
        let applies = |term: &Term| {
            term.language.is_none_or(|index| language == UNDETERMINED || is_language(LANGUAGES[index], language))
        };
        let found: Vec<(Term, Range<usize>)> = searcher
            .find_overlapping_iter(&lower)
            .map(|found| (self.terms[found.pattern().as_usize()], found.range()))
            .filter(|(term, range)| applies(term) && is_whole(&lower, range))
            .collect();
        let allowed: Vec<(usize, &Range<usize>)> =
            found.iter().filter(|(term, _)| term.allowed).map(|(term, range)| (term.list, range)).collect();
        let spared = |list: usize, range: &Range<usize>| {
            allowed.iter().any(|(of, within)| *of == list && within.start <= range.start && range.end <= within.end)
        };
        let place = |byte: usize| places.as_ref().map_or(byte, |places| places[byte]);
        let mut hits: Vec<SpanScore> = found
            .iter()
            .filter(|(term, range)| !term.allowed && !spared(term.list, range))
            .map(|(term, range)| SpanScore {
                start: place(range.start),
                end: place(range.end),
                label: self.labels[term.list].as_str().into(),
                score: 1.0,
            })
            .collect();
        hits.sort_by_key(|hit| (hit.start, hit.end));
        hits.dedup();
        hits
    }
}

fn check(file: &ListFile) -> Result<(), String> {
    let name = &file.name;
    let plain = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '_';
    if name.is_empty() || !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(plain) {
        return Err(format!("list `{name}`: a name has a-z, 0-9 and `_`, and begins with a letter"));
    }
    let known: BTreeSet<&str> = LANGUAGES.iter().copied().chain([ALL_LANGUAGES]).collect();
    if let Some(language) = file.languages.iter().find(|language| !known.contains(language.as_str())) {
        let known = known.into_iter().collect::<Vec<_>>().join(", ");
        return Err(format!("list `{name}`: there are no built-in terms for `{language}`; there are: {known}"));
    }
    if file.terms.len() + file.allow.len() > MAX_TERMS {
        return Err(format!("list `{name}` has more than {MAX_TERMS} terms"));
    }
    let too_long = |term: &&String| term.len() > MAX_TERM_BYTES || term.trim().is_empty();
    match file.terms.iter().chain(&file.allow).find(too_long) {
        Some(_) => Err(format!("list `{name}`: a term has 1 to {MAX_TERM_BYTES} bytes")),
        None => Ok(()),
    }
}

/// `no` is both kinds of Norwegian, `fil` is what detectors call `tl`.
fn is_language(list: &str, text: &str) -> bool {
    list == text || matches!((list, text), ("no", "nb" | "nn") | ("fil", "tl"))
}

/// In lower case; where each byte of it came from, unless the two have the same places.
fn lower(text: &str) -> (String, Option<Vec<usize>>) {
    if text.is_ascii() {
        return (text.to_ascii_lowercase(), None);
    }
    let (mut lower, mut places) = (String::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
    for (index, character) in text.char_indices() {
        for small in character.to_lowercase() {
            lower.push(small);
            places.resize(lower.len(), index);
        }
    }
    places.push(text.len());
    (lower, Some(places))
}

/// Does a match stand alone, as a word does?
fn is_whole(text: &str, range: &Range<usize>) -> bool {
    let boundary = |inside: Option<char>, outside: Option<char>| match (inside, outside) {
        (Some(inside), Some(outside)) => !inside.is_alphanumeric() || !outside.is_alphanumeric() || is_unspaced(inside),
        _ => true,
    };
    let matched = &text[range.clone()];
    boundary(matched.chars().next(), text[..range.start].chars().next_back())
        && boundary(matched.chars().next_back(), text[range.end..].chars().next())
}

/// Scripts that write words without blanks between them.
fn is_unspaced(character: char) -> bool {
    matches!(
        character.script(),
        Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Thai
            | Script::Lao
            | Script::Khmer
            | Script::Myanmar
    )
}

#[cfg(test)]
mod tests;
