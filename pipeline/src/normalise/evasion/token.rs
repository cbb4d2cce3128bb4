//! One disguised word.

use super::{
    letters,
    vocabulary::{RARE, Vocabulary, Word, is_stretched},
};

/// Longest word that is looked at, in characters.
const LONGEST: usize = 40;
/// Shortest.
const SHORTEST: usize = 3;

/// Which words may come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Those that people disguise.
    Risky,
    /// Any: the text has disguised words, so that odd spelling is no accident.
    Known,
}

impl Wanted {
    pub(super) fn fits(self, word: Word) -> bool {
        word.risky || (self == Self::Known && word.rank < RARE && word.text.len() >= SHORTEST)
    }
}

/// The word that `token` (without blanks, and without punctuation around it) is a disguise of.
pub(super) fn decode(token: &str, wanted: Wanted) -> Option<&'static str> {
    let length = token.chars().take(LONGEST + 1).count();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return None;
    }
    let lower = token.to_lowercase();
    if lower.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return of_letters(&lower, wanted);
    }
    if !lower.chars().any(char::is_alphabetic) {
        return None;
    }
    of_usual(&lower, wanted)
        .or_else(|| of_symbols(&lower, wanted))
        .or_else(|| of_mask(&lower))
        .or_else(|| of_pieces(&lower, wanted))
}

fn find(word: &str, wanted: Wanted) -> Option<&'static str> {
    Vocabulary::get().find(word).filter(|word| wanted.fits(*word)).map(|word| word.text)
}

/// A spelling that is known for what it stands for: `biatch`.
fn of_usual(lower: &str, wanted: Wanted) -> Option<&'static str> {
    Vocabulary::get().usual(lower).and_then(|usual| find(usual, wanted))
}

fn stretched(lower: &str, wanted: Wanted) -> Option<&'static str> {
    if !is_stretched(lower) {
        return None;
    }
    Vocabulary::get().stretched(lower).and_then(|word| find(word, wanted))
}

/// Letters only: a known odd spelling, repeated letters, two letters swapped.
fn of_letters(lower: &str, wanted: Wanted) -> Option<&'static str> {
    let vocabulary = Vocabulary::get();
    if let Some(usual) = of_usual(lower, wanted) {
        return Some(usual);
    }
    if vocabulary.find(lower).is_some() {
        return None;
    }
    stretched(lower, wanted).or_else(|| swapped(lower))
}

/// Only strong words that are common too: every other word is near some rare one.
fn swapped(lower: &str) -> Option<&'static str> {
    if !(4..=20).contains(&lower.len()) {
        return None;
    }
    let mut bytes = lower.as_bytes().to_vec();
    let mut best: Option<Word> = None;
    for first in 1..bytes.len() - 1 {
        if bytes[first] == bytes[first + 1] {
            continue;
        }
        bytes.swap(first, first + 1);
        let found = std::str::from_utf8(&bytes).ok().and_then(|word| Vocabulary::get().find(word));
        bytes.swap(first, first + 1);
        if let Some(word) = found.filter(|word| word.strong && word.rank < RARE)
            && best.is_none_or(|best| word.rank < best.rank)
        {
            best = Some(word);
        }
    }
    best.map(|word| word.text)
}

/// Digits and symbols in the place of letters.
fn of_symbols(lower: &str, wanted: Wanted) -> Option<&'static str> {
    let readings = letters::readings(lower.chars());
    let direct =
        readings.iter().filter_map(|reading| Vocabulary::get().find(reading)).filter(|word| wanted.fits(*word));
    let direct = direct.min_by_key(|word| (!word.risky, word.rank)).map(|word| word.text);
    direct.or_else(|| readings.iter().find_map(|reading| stretched(reading, wanted)))
}

/// Letters hidden behind stars or the like: `f**k`. The first one must be seen, and of a word with more hidden than seen letters only
/// the very usual ones are guessed.
fn of_mask(lower: &str) -> Option<&'static str> {
    let is_star = |character: char| matches!(character, '*' | '#' | '%' | '&' | '?' | '@' | '$' | '_' | '-' | '.');
    if !lower.is_ascii() || !lower.chars().all(|character| character.is_ascii_lowercase() || is_star(character)) {
        return None;
    }
    let pattern: Vec<Option<u8>> = lower.bytes().map(|byte| byte.is_ascii_lowercase().then_some(byte)).collect();
    let hidden = pattern.iter().filter(|letter| letter.is_none()).count();
    let (seen, ends_hidden) = (pattern.len() - hidden, pattern.last().is_some_and(Option::is_none));
    let stars = lower.bytes().filter(|byte| *byte == b'*').count();
    if (ends_hidden && stars < hidden) || hidden == 0 {
        return None;
    }
    let guessable = match seen {
        1 => {
            stars == hidden && (4..=5).contains(&pattern.len()) && matches!(pattern[0], Some(b'f' | b's' | b'c' | b'b'))
        }
        _ => stars == hidden || hidden <= seen,
    };
    if guessable { Vocabulary::get().masked(&pattern) } else { None }
}

/// Punctuation between the letters: `sh-it`.
fn of_pieces(lower: &str, wanted: Wanted) -> Option<&'static str> {
    let vocabulary = Vocabulary::get();
    let is_piece = |character: char| !letters::of(character).is_empty();
    let pieces: Vec<&str> =
        lower.split(|character: char| !is_piece(character)).filter(|piece| !piece.is_empty()).collect();
    // `idiot's`, `half-wit`: nothing is hidden from a model that reads the parts.
    let plain = |piece: &&str| vocabulary.find(piece).is_some_and(|word| word.risky || piece.len() > 1);
    if pieces.len() < 2 || pieces.iter().any(|piece| vocabulary.is_risky(piece)) || pieces.iter().all(plain) {
        return None;
    }
    let joined = letters::readings(pieces.iter().flat_map(|piece| piece.chars()));
    // Common words come about by chance: `re-cap`.
    let risky = if wanted == Wanted::Known { Wanted::Risky } else { wanted };
    let direct = joined.iter().find_map(|reading| find(reading, risky));
    direct.or_else(|| joined.iter().find_map(|reading| stretched(reading, risky)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_disguised_words_are_read() {
        for (token, word) in [
            ("57up!d", "stupid"),
            ("1d10t", "idiot"),
            ("L0$3R", "loser"),
            ("iddiiooott", "idiot"),
            ("STUUUUPID", "stupid"),
            ("stpuid", "stupid"),
            ("mor-on", "moron"),
            ("id*ot", "idiot"),
            ("1d.i0t", "idiot"),
            ("ïdîöt", "idiot"),
            ("l*ser", "loser"),
            ("5tuuup1d", "stupid"),
        ] {
            assert_eq!(decode(token, Wanted::Risky), Some(word), "{token}");
        }
    }

    #[test]
    fn t6_ordinary_words_are_left_alone() {
        for token in [
            "hello",
            "idiot",
            "idiot's",
            "3rd",
            "10am",
            "b2b",
            "mp3",
            "h1n1",
            "$500",
            "5pm",
            "r2d2",
            "x86",
            "covid-19",
            "well-known",
            "o'clock",
            "letter",
            "Mississippi",
            "aaron",
            "naïve",
            "café",
            "über",
            "año",
            "k8s",
            "v2.1",
            "c++",
            "c#",
            "a.m",
            "half-wit",
            "re-cap",
            "co-op",
            "xoxo",
            "brrr",
            "the",
            "3d",
            "4k",
            "gr8",
            "m8",
            "50%",
            "1st",
            "a/c",
            "at&t",
            "q&a",
        ] {
            assert_eq!(decode(token, Wanted::Risky), None, "{token}");
        }
    }

    #[test]
    fn t6_common_words_are_read_when_the_text_has_disguises() {
        assert_eq!(decode("y0ur", Wanted::Risky), None);
        assert_eq!(decode("y0ur", Wanted::Known), Some("your"));
        assert_eq!(decode("2024", Wanted::Known), None);
    }
}
