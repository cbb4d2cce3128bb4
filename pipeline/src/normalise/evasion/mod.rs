//! Words in disguise: the text as its author wants it to be understood.
//!
//! Every trick is undone only where a word comes out that people disguise for a reason (`words/`): digits and symbols for letters, letters
//! spelled out, punctuation or blanks inside a word, repeated and swapped letters, stars, accents, known odd spellings. When a text has one
//! such word, its other odd words are read too. A text without any is left as it is; the result is judged *in addition* to the text
//! itself, so that a wrong reading can add to a score and never take from it.
//!
//! Time is linear in the length of the text: words longer than 40 characters are not looked at, and a word has at most 64 readings.

mod letters;
mod spelled;
mod token;
mod vocabulary;

use std::ops::Range;

use self::{
    token::{Wanted, decode},
    vocabulary::Vocabulary,
};
use super::map::{Edit, Normalised};

/// Punctuation around words.
const AROUND: &str = ".,!?;:'~*_-…‘’→`^|";
/// Punctuation that separates words without a blank.
const BETWEEN: &str = "/\"()[]{}<>,;:…—–“”«»";

/// `text` with its disguised words in plain; `None` when it has none.
pub(super) fn unmask(text: &Normalised) -> Option<Normalised> {
    if edits(text.text(), Wanted::Risky).is_empty() {
        return None;
    }
    Some(text.edited(&edits(text.text(), Wanted::Known)))
}

fn edits(text: &str, wanted: Wanted) -> Vec<Edit> {
    let mut edits = spelled::find(text, wanted);
    let spelled: Vec<Range<usize>> = edits.iter().map(|edit| edit.bytes.clone()).collect();
    let mut pairs = Pairs::default();
    for (start, token) in blank_separated(text) {
        let inside = spelled.partition_point(|place| place.end <= start);
        if spelled.get(inside).is_some_and(|place| place.start < start + token.len()) || is_address(token) {
            pairs.forget();
            continue;
        }
        for (offset, part) in token_parts(token) {
            edits.extend(of_part(start + offset, part, wanted));
        }
        edits.extend(pairs.next(start, token));
    }
    edits.sort_by_key(|edit| (edit.bytes.start, std::cmp::Reverse(edit.bytes.end)));
    // Of two that overlap, the one that begins first.
    let mut end = 0;
    edits.retain(|edit| {
        let free = edit.bytes.start >= end;
        end = if free { edit.bytes.end } else { end };
        free
    });
    edits
}

fn blank_separated(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = text.as_ptr() as usize;
    text.split_whitespace().map(move |token| (token.as_ptr() as usize - base, token))
}

/// The parts of a token between quotes, brackets and slashes, with their places.
fn token_parts(token: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = token.as_ptr() as usize;
    let parts = token.split(|character: char| BETWEEN.contains(character)).flat_map(|part| part.split(".."));
    parts.filter(|part| !part.is_empty()).map(move |part| (part.as_ptr() as usize - base, part))
}

/// Reads one part: without the punctuation around it, then with what follows it (`sh!t!` and `f**`), then piece by piece.
fn of_part(start: usize, part: &str, wanted: Wanted) -> Vec<Edit> {
    let around = |character: char| AROUND.contains(character);
    let core = part.trim_matches(around);
    let offset = part.len() - part.trim_start_matches(around).len();
    let edit = |offset: usize, shown: &str, word: &str| Edit {
        bytes: start + offset..start + offset + shown.len(),
        with: word.to_owned(),
    };
    if let Some(word) = decode(core, wanted) {
        return vec![edit(offset, core, word)];
    }
    let starred = part[offset..].trim_end_matches(|character: char| character != '*' && around(character));
    if starred.len() > core.len()
        && let Some(word) = decode(starred, wanted)
    {
        return vec![edit(offset, starred, word)];
    }
    if !core.contains('-') {
        return Vec::new();
    }
    let pieces = core.split('-').scan(offset, |at, piece| {
        let here = *at;
        *at += piece.len() + 1;
        Some((here, piece))
    });
    pieces.filter_map(|(at, piece)| decode(piece, wanted).map(|word| edit(at, piece, word))).collect()
}

/// Links and addresses are no words.
fn is_address(token: &str) -> bool {
    let lower = token.to_ascii_lowercase();
    let mail = lower.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.'));
    let host = lower.rsplit('/').next_back().unwrap_or(&lower);
    let site = host.rsplit_once('.').is_some_and(|(name, end)| {
        name.len() > 1
            && matches!(
                end,
                "com"
                    | "net"
                    | "org"
                    | "edu"
                    | "gov"
                    | "io"
                    | "info"
                    | "co"
                    | "uk"
                    | "de"
                    | "fr"
                    | "ru"
                    | "me"
                    | "tv"
                    | "ly"
                    | "be"
                    | "gg"
                    | "app"
                    | "dev"
            )
    });
    mail || site || lower.contains("://") || lower.starts_with("www.")
}

/// Words cut in two by a blank.
#[derive(Default)]
struct Pairs {
    /// Where the token before begins, and its letters.
    before: Option<(usize, String)>,
}

impl Pairs {
    fn forget(&mut self) {
        self.before = None;
    }

    /// The next token: does it complete the one before? Neither half may be a word of its own.
    fn next(&mut self, start: usize, token: &str) -> Option<Edit> {
        let vocabulary = Vocabulary::get();
        let core = token.trim_end_matches(|character: char| AROUND.contains(character));
        let half = !core.is_empty()
            && core.len() <= 20
            && core.bytes().all(|byte| byte.is_ascii_alphabetic())
            && vocabulary.find(&core.to_ascii_lowercase()).is_none();
        if !half {
            self.forget();
            return None;
        }
        let lower = core.to_ascii_lowercase();
        // Punctuation after the first half would have ended the word.
        let before =
            self.before.replace((start, if core.len() == token.len() { lower.clone() } else { String::new() }));
        let (first, letters) = before.filter(|(_, letters)| !letters.is_empty())?;
        let word = vocabulary.find(&format!("{letters}{lower}")).filter(|word| word.strong && word.text.len() > 3)?;
        Some(Edit { bytes: first..start + core.len(), with: word.text.to_owned() })
    }
}

#[cfg(test)]
mod tests;
