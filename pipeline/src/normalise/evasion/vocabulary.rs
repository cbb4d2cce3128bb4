//! The words that disguises are searched for, and the words that show that a text is none.

use std::{collections::HashMap, sync::LazyLock};

/// The commonest English words, commonest first (`pipeline/words/make.py`).
const COMMON: &str = include_str!("../../../words/common_en.txt");
/// Words that insult, threaten or single out.
const INSULTS: &str = include_str!("../../../words/insults_en.txt");
/// Spelling, usual spelling, severity: Surge AI's list.
const PROFANITY: &str = include_str!("../../../words/profanity_en.tsv");
/// The English list of LDNOOBW.
const OBSCENE: &str = include_str!("../../../words/profanity/en.txt");

/// Severity (1 to 3) in [`PROFANITY`] from which on a word is strong.
const STRONG_FROM: f32 = 1.6;
/// Rank of words that the list of common ones lacks.
pub(super) const RARE: u32 = 20_000;
/// Shortest word that is searched for.
const SHORTEST: usize = 3;

/// What is known about a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word {
    /// The word itself.
    pub(super) text: &'static str,
    /// Place in the list of common words; [`RARE`] for others.
    pub(super) rank: u32,
    /// One that people disguise.
    pub(super) risky: bool,
    /// So strong, or so plainly an insult, that weak traces of it are enough.
    pub(super) strong: bool,
}

/// All words.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    words: HashMap<&'static str, Word>,
    /// Odd spellings that are known as such → the usual ones.
    usual: HashMap<&'static str, &'static str>,
    /// Words by their form without doubled letters.
    squashed: HashMap<String, Vec<&'static str>>,
    /// Strong words by first letter and length.
    masked: HashMap<(u8, usize), Vec<&'static str>>,
}

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::build);

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

impl Vocabulary {
    /// The one vocabulary; made at its first use, in some milliseconds.
    pub(super) fn get() -> &'static Self {
        &VOCABULARY
    }

    fn build() -> Self {
        let mut this = Self::default();
        for (rank, word) in (0..).zip(lines(COMMON)) {
            this.words.insert(word, Word { text: word, rank, risky: false, strong: false });
        }
        for line in lines(PROFANITY) {
            let mut fields = line.split('\t');
            let (Some(spelling), Some(usual)) = (fields.next(), fields.next()) else { continue };
            let severity: f32 = fields.next().and_then(|field| field.parse().ok()).unwrap_or(1.0);
            if is_word(spelling) {
                this.add(spelling, severity >= STRONG_FROM);
            }
            if spelling != usual && is_word(usual) && this.words.get(spelling).is_none_or(|word| word.rank >= RARE) {
                this.usual.insert(spelling, usual);
            }
        }
        lines(OBSCENE).filter(|word| is_word(word)).for_each(|word| this.add(word, false));
        lines(INSULTS).flat_map(str::split_ascii_whitespace).for_each(|word| this.add(word, true));
        this.index();
        this
    }

    fn add(&mut self, word: &'static str, strong: bool) {
        // `xxx` and its like are kisses and placeholders.
        if word.len() < SHORTEST || squash(word).len() < 2 {
            return;
        }
        let entry = self.words.entry(word).or_insert(Word { text: word, rank: RARE, risky: true, strong });
        entry.risky = true;
        entry.strong |= strong;
    }

    fn index(&mut self) {
        let mut words: Vec<&'static str> = self.words.keys().copied().collect();
        words.sort_by_key(|word| (self.words[word].rank, *word));
        for word in words {
            self.squashed.entry(squash(word)).or_default().push(word);
            if self.words[word].strong {
                self.masked.entry((word.as_bytes()[0], word.len())).or_default().push(word);
            }
        }
    }

    /// What is known about `word`, which is in lower case.
    pub(super) fn find(&self, word: &str) -> Option<Word> {
        self.words.get(word).copied()
    }

    pub(super) fn is_risky(&self, word: &str) -> bool {
        self.find(word).is_some_and(|word| word.risky)
    }

    /// The usual spelling of a known odd one.
    pub(super) fn usual(&self, spelling: &str) -> Option<&'static str> {
        self.usual.get(spelling).copied()
    }

    /// Words that `stretched` may be with letters repeated, the likeliest first: risky ones, then common ones.
    pub(super) fn stretched(&self, stretched: &str) -> Option<&'static str> {
        let runs = runs(stretched);
        let candidates = self.squashed.get(&squash(stretched))?;
        let fits = |word: &&&'static str| {
            **word != stretched && self::runs(word).iter().zip(&runs).all(|(word, seen)| word.1 <= seen.1)
        };
        let rank = |word: &&&'static str| (!self.is_risky(word), self.find(word).map(|word| word.rank));
        candidates.iter().filter(fits).min_by_key(rank).copied()
    }

    /// The commonest strong word that has the letters of `pattern`, in which `None` may be any.
    pub(super) fn masked(&self, pattern: &[Option<u8>]) -> Option<&'static str> {
        let first = pattern.first().copied().flatten()?;
        let fits = |word: &&&'static str| {
            word.bytes().zip(pattern).all(|(letter, wanted)| wanted.is_none_or(|wanted| wanted == letter))
        };
        self.masked.get(&(first, pattern.len()))?.iter().find(fits).copied()
    }
}

/// Letters and how often each is repeated.
fn runs(word: &str) -> Vec<(u8, usize)> {
    let mut runs: Vec<(u8, usize)> = Vec::new();
    for byte in word.bytes() {
        match runs.last_mut() {
            Some((letter, count)) if *letter == byte => *count += 1,
            _ => runs.push((byte, 1)),
        }
    }
    runs
}

fn squash(word: &str) -> String {
    runs(word).into_iter().map(|(letter, _)| char::from(letter)).collect()
}

/// Are letters repeated as in no English word: one three times, or two of them twice?
pub(super) fn is_stretched(word: &str) -> bool {
    let runs = runs(word);
    runs.iter().any(|(_, count)| *count >= 3) || runs.iter().filter(|(_, count)| *count >= 2).count() >= 2
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn t6_the_word_files_are_read_whole() {
        let vocabulary = Vocabulary::get();
        assert!(vocabulary.words.len() > 12_000, "{}", vocabulary.words.len());
        let distinct: HashSet<&str> = lines(COMMON).collect();
        assert_eq!(distinct.len(), 12_000);
        assert!(vocabulary.find("the").is_some_and(|word| word.rank < 3 && !word.risky));
        assert!(vocabulary.find("idiot").is_some_and(|word| word.risky && word.strong));
        assert_eq!(vocabulary.find("qwrtz"), None);
    }

    #[test]
    fn t6_stretched_words_are_found() {
        let vocabulary = Vocabulary::get();
        for (stretched, word) in [("iiidiooot", Some("idiot")), ("niiceee", Some("nice")), ("xqqq", None)] {
            assert_eq!(vocabulary.stretched(stretched), word);
        }
        assert!(is_stretched("nooo") && is_stretched("iddiott") && !is_stretched("letter"));
    }

    #[test]
    fn t6_masked_words_are_found() {
        let pattern =
            |text: &str| text.bytes().map(|byte| byte.is_ascii_lowercase().then_some(byte)).collect::<Vec<_>>();
        for (masked, word) in [("id**t", Some("idiot")), ("l*ser", Some("loser")), ("*diot", None), ("q**", None)] {
            assert_eq!(Vocabulary::get().masked(&pattern(masked)), word, "{masked}");
        }
    }
}
