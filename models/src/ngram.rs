//! Text to n-gram features, hashed into a fixed number of buckets. One pass, no allocation per n-gram.
//!
//! The text is lower-cased and lightly normalised into [`Normalised`], whose every character knows the bytes it came
//! from. Then two blocks of features are counted:
//!
//! | block | what | buckets |
//! |---|---|---|
//! | words | runs of letters and digits, alone and (with `word_max` 2) in neighbouring pairs | `0 .. 2^word_bits` |
//! | characters | `char_min ..= char_max` characters of one blank-separated token, with the blank on either side | the next `2^char_bits` |
//!
//! Training reads these very counts (`examples/export_features.rs`), so that a model is trained on what it will see.
//! A change here makes every weight file stale: raise [`crate::linear::FORMAT_VERSION`] with it and train again.

/// What is counted and into how many buckets. Part of every weight file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// 0: no word features; 1: words; 2: words and pairs.
    pub word_max: u8,
    /// Shortest character n-gram, at least 1.
    pub char_min: u8,
    /// Longest character n-gram, at most 8.
    pub char_max: u8,
    /// Binary logarithm of the number of word buckets.
    pub word_bits: u8,
    /// Binary logarithm of the number of character buckets.
    pub char_bits: u8,
}

impl Settings {
    /// Number of buckets of the word block, which comes first.
    pub fn word_buckets(self) -> usize {
        1 << self.word_bits
    }

    /// Number of buckets of both blocks.
    pub fn buckets(self) -> usize {
        self.word_buckets() + (1 << self.char_bits)
    }

    /// What is wrong with these settings, if anything.
    pub fn check(self) -> Result<(), &'static str> {
        if self.word_max > 2 {
            return Err("word_max is 0, 1 or 2");
        }
        if self.char_min == 0 || self.char_min > self.char_max || self.char_max > 8 {
            return Err("character n-grams need 1 <= char_min <= char_max <= 8");
        }
        if !(1..=24).contains(&self.word_bits) || !(1..=24).contains(&self.char_bits) {
            return Err("word_bits and char_bits are 1 to 24");
        }
        Ok(())
    }
}

/// A normalised text: lower case, one blank between tokens and one at either end, invisible characters dropped,
/// a run of three or more equal characters cut to two.
#[derive(Debug, Default, Clone)]
pub struct Normalised {
    chars: Vec<char>,
    /// Bytes of the original text that each character came from; empty ranges for blanks.
    bytes: Vec<(u32, u32)>,
}

impl Normalised {
    /// Normalises `text`. Bytes past 4 GiB are ignored.
    pub fn new(text: &str) -> Self {
        let mut this = Self::default();
        this.set(text);
        this
    }

    /// As [`Normalised::new`], reusing the memory of `self`.
    pub fn set(&mut self, text: &str) {
        self.chars.clear();
        self.bytes.clear();
        self.blank();
        for (at, c) in text.char_indices() {
            let (Ok(start), Ok(end)) = (u32::try_from(at), u32::try_from(at + c.len_utf8())) else { break };
            if c.is_ascii() {
                if c.is_ascii_whitespace() || c.is_ascii_control() {
                    self.blank();
                } else {
                    self.push(c.to_ascii_lowercase(), start, end);
                }
            } else if c.is_whitespace() || c.is_control() {
                self.blank();
            } else if !is_invisible(c) {
                for lower in c.to_lowercase() {
                    self.push(straighten(lower), start, end);
                }
            }
        }
        self.blank();
    }

    /// Becomes characters `from..to` of `other`, with a blank at either end.
    pub fn set_part(&mut self, other: &Self, from: usize, to: usize) {
        self.chars.clear();
        self.bytes.clear();
        self.blank();
        self.chars.extend_from_slice(&other.chars[from..to]);
        self.bytes.extend_from_slice(&other.bytes[from..to]);
        self.blank();
    }

    /// The characters, with a blank at either end.
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// Bytes of the original text that characters `from..to` came from, outer blanks not counted; `None` when only
    /// blanks are in there.
    pub fn byte_range(&self, from: usize, to: usize) -> Option<(usize, usize)> {
        let bytes = self.bytes.get(from..to)?;
        let (start, _) = bytes.iter().find(|b| b.0 < b.1)?;
        let (_, end) = bytes.iter().rev().find(|b| b.0 < b.1)?;
        Some((*start as usize, *end as usize))
    }

    fn blank(&mut self) {
        if self.chars.last() != Some(&' ') {
            self.chars.push(' ');
            self.bytes.push((0, 0));
        }
    }

    fn push(&mut self, c: char, start: u32, end: u32) {
        let n = self.chars.len();
        if n >= 2 && self.chars[n - 1] == c && self.chars[n - 2] == c {
            // The third of a run: its bytes belong to the second.
            self.bytes[n - 1].1 = end;
        } else {
            self.chars.push(c);
            self.bytes.push((start, end));
        }
    }
}

/// Characters that a reader does not see and that only split words: zero-width ones, the soft hyphen, variation selectors.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

fn straighten(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{201b}' | '\u{2032}' => '\'',
        '\u{201c}' | '\u{201d}' | '\u{201f}' | '\u{2033}' => '"',
        other => other,
    }
}

const WORD_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const CHAR_SEED: u64 = 0xc2b2_ae3d_27d4_eb4f;
const PRIME: u64 = 0x2127_599b_f432_5c37;

fn step(hash: u64, value: u64) -> u64 {
    (hash ^ value).wrapping_mul(PRIME).rotate_left(29)
}

fn bucket(hash: u64, bits: u8) -> u32 {
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(WORD_SEED);
    // `bits` is 1 to 24, so the result fits.
    (mixed >> (64 - u32::from(bits))) as u32
}

/// Calls `emit(bucket, from, to)` for every occurrence of every feature; `from..to` are positions in
/// [`Normalised::chars`] (a blank at either side may be among them). Words come first, in text order.
pub fn each(settings: Settings, text: &Normalised, mut emit: impl FnMut(u32, usize, usize)) {
    if settings.word_max > 0 {
        each_word(settings, text.chars(), &mut emit);
    }
    let chars = text.chars();
    let base = 1u32 << settings.word_bits;
    let (min, max) = (usize::from(settings.char_min), usize::from(settings.char_max));
    let mut token = 1;
    while token < chars.len() {
        // `token` is the first character after a blank; the blanks on both sides belong to the token.
        let stop = chars[token..].iter().position(|c| *c == ' ').map_or(chars.len(), |n| token + n + 1);
        for from in token - 1..stop {
            let mut hash = CHAR_SEED;
            for (n, c) in chars[from..stop.min(from + max)].iter().enumerate() {
                hash = step(hash, u64::from(*c));
                if n + 1 >= min {
                    emit(base + bucket(hash, settings.char_bits), from, from + n + 1);
                }
            }
        }
        token = stop;
    }
}

fn each_word(settings: Settings, chars: &[char], emit: &mut impl FnMut(u32, usize, usize)) {
    let mut previous: Option<(u64, usize)> = None;
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_alphanumeric() {
            at += 1;
            continue;
        }
        let from = at;
        let mut hash = WORD_SEED;
        while at < chars.len() && chars[at].is_alphanumeric() {
            hash = step(hash, u64::from(chars[at]));
            at += 1;
        }
        emit(bucket(hash, settings.word_bits), from, at);
        if settings.word_max > 1 {
            if let Some((before, start)) = previous {
                emit(bucket(step(before.rotate_left(7), hash), settings.word_bits), start, at);
            }
            previous = Some((hash, from));
        }
    }
}

/// Counts per bucket: a small open-addressed table that is reused from text to text.
#[derive(Debug, Default, Clone)]
pub struct Counts {
    /// Bucket + 1, or 0 for a free slot; a power of two long.
    keys: Vec<u32>,
    slots: Vec<u32>,
    entries: Vec<(u32, u32)>,
}

impl Counts {
    /// Counts the features of `text`, forgetting what was counted before.
    pub fn count(&mut self, settings: Settings, text: &Normalised) {
        self.entries.clear();
        self.keys.clear();
        // A token has at most 1.5 starts per character, so the table is never full.
        let per_char = usize::from(settings.char_max - settings.char_min) + 1 + usize::from(settings.word_max);
        let size = (text.chars().len() * 2 * per_char.max(1)).next_power_of_two().max(16);
        self.keys.resize(size, 0);
        self.slots.resize(size, 0);
        each(settings, text, |bucket, _, _| self.add(bucket));
    }

    /// `(bucket, occurrences)`, in order of first occurrence.
    pub fn entries(&self) -> &[(u32, u32)] {
        &self.entries
    }

    /// Occurrences of one bucket.
    pub fn of(&self, bucket: u32) -> u32 {
        let slot = self.slot(bucket);
        if self.keys[slot] == 0 { 0 } else { self.entries[self.slots[slot] as usize].1 }
    }

    fn slot(&self, bucket: u32) -> usize {
        let mask = self.keys.len() - 1;
        let mut slot = bucket.wrapping_mul(0x9e37_79b1) as usize & mask;
        while self.keys[slot] != 0 && self.keys[slot] != bucket + 1 {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn add(&mut self, bucket: u32) {
        let slot = self.slot(bucket);
        if self.keys[slot] == 0 {
            self.keys[slot] = bucket + 1;
            self.slots[slot] = self.entries.len() as u32;
            self.entries.push((bucket, 1));
        } else {
            self.entries[self.slots[slot] as usize].1 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SETTINGS: Settings = Settings { word_max: 2, char_min: 2, char_max: 5, word_bits: 12, char_bits: 12 };

    fn normal(text: &str) -> String {
        Normalised::new(text).chars().iter().collect()
    }

    #[test]
    fn normalising_table() {
        for (text, expected) in [
            ("", " "),
            ("  \n\t ", " "),
            ("Hello,  World", " hello, world "),
            ("soooooo", " soo "),
            ("I\u{2019}m", " i'm "),
            ("a\u{200b}b\u{ad}c", " abc "),
            ("\u{c4}RGER", " \u{e4}rger "),
            ("a\u{3000}b", " a b "),
        ] {
            assert_eq!(normal(text), expected, "{text:?}");
        }
    }

    #[test]
    fn byte_ranges_point_into_the_original_text() {
        let original = "\u{130}stanbul  nooooo!";
        let text = Normalised::new(original);
        let at = text.chars().iter().position(|c| *c == 'n').unwrap();
        let (start, end) = text.byte_range(1, at + 4).unwrap();
        assert_eq!(&original[start..end], "\u{130}stanbul");
        let last = text.chars().len();
        let from = text.chars().iter().rposition(|c| *c == 'n').unwrap();
        let (start, end) = text.byte_range(from, last).unwrap();
        assert_eq!(&original[start..end], "nooooo!");
        assert_eq!(text.byte_range(0, 1), None);
    }

    #[test]
    fn occurrences_of_a_short_text() {
        let text = Normalised::new("ab c");
        let mut found = Vec::new();
        each(SETTINGS, &text, |bucket, from, to| {
            let gram: String = text.chars()[from..to].iter().collect();
            found.push((bucket < 1 << 12, gram));
        });
        let grams = |words: bool| found.iter().filter(|f| f.0 == words).map(|f| f.1.as_str()).collect::<Vec<_>>();
        assert_eq!(grams(true), ["ab", "c", "ab c"]);
        assert_eq!(grams(false), [" a", " ab", " ab ", "ab", "ab ", "b ", " c", " c ", "c "]);
    }

    #[test]
    fn equal_grams_share_a_bucket_and_are_counted() {
        let mut counts = Counts::default();
        counts.count(SETTINGS, &Normalised::new("no No NO"));
        let mut first = None;
        each(SETTINGS, &Normalised::new("no"), |bucket, _, _| {
            first.get_or_insert(bucket);
        });
        assert_eq!(counts.of(first.unwrap()), 3);
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        assert!(SETTINGS.check().is_ok());
        for broken in [
            Settings { word_max: 3, ..SETTINGS },
            Settings { char_min: 0, ..SETTINGS },
            Settings { char_min: 6, ..SETTINGS },
            Settings { char_max: 9, ..SETTINGS },
            Settings { word_bits: 0, ..SETTINGS },
            Settings { char_bits: 25, ..SETTINGS },
        ] {
            assert!(broken.check().is_err(), "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_counted_completely(text in "\\PC{0,200}") {
            let normalised = Normalised::new(&text);
            let mut counts = Counts::default();
            counts.count(SETTINGS, &normalised);
            let mut occurrences = 0;
            each(SETTINGS, &normalised, |bucket, from, to| {
                occurrences += 1;
                assert!((bucket as usize) < SETTINGS.buckets());
                if let Some((start, end)) = normalised.byte_range(from, to) {
                    assert!(text.get(start..end).is_some());
                }
            });
            prop_assert_eq!(counts.entries().iter().map(|entry| entry.1).sum::<u32>(), occurrences);
        }
    }
}
