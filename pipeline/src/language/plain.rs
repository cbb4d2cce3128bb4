//! The part of a text that is language: no links, addresses, mentions, numbers or symbols.

use unicode_script::{Script, UnicodeScript};

/// Words of a text up to a number of letters, and in which scripts they are written.
#[derive(Debug)]
pub(super) struct Plain {
    text: String,
    letters: usize,
    /// Letters per script, those of CJK together.
    scripts: Vec<(Script, usize)>,
}

impl Plain {
    /// Takes in words until `most` letters are there.
    pub(super) fn new(text: &str, most: usize) -> Self {
        let mut plain = Self { text: String::new(), letters: 0, scripts: Vec::new() };
        for word in text.split_whitespace().filter(|word| is_language(word)) {
            plain.push(word, most);
            if plain.letters >= most {
                break;
            }
        }
        plain
    }

    fn push(&mut self, word: &str, most: usize) {
        self.blank();
        for character in word.chars() {
            if self.letters >= most {
                return;
            }
            match character {
                '\'' | '\u{2019}' => self.text.push('\''),
                _ if character.is_alphabetic() => self.letter(character),
                // Marks are part of the letters before them in many scripts.
                _ if !character.is_ascii() && !is_symbol(character) => self.text.push(character),
                _ => self.blank(),
            }
        }
    }

    fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with(' ') {
            self.text.push(' ');
        }
    }

    fn letter(&mut self, letter: char) {
        self.text.push(letter);
        self.letters += 1;
        let script = match letter.script() {
            Script::Hiragana | Script::Katakana | Script::Hangul => Script::Han,
            script => script,
        };
        match self.scripts.iter_mut().find(|(known, _)| *known == script) {
            Some((_, count)) => *count += 1,
            None => self.scripts.push((script, 1)),
        }
    }

    /// The words, with blanks between them.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How many letters there are.
    pub(super) fn letters(&self) -> usize {
        self.letters
    }

    /// Share of the letters that the commonest script has; 0 without letters.
    pub(super) fn share_of_main_script(&self) -> f32 {
        let most = self.scripts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        most as f32 / self.letters.max(1) as f32
    }

    /// Are at least `share` of the letters Latin?
    pub(super) fn is_latin(&self, share: f32) -> bool {
        let latin = self.scripts.iter().find(|(script, _)| *script == Script::Latin).map_or(0, |(_, count)| *count);
        latin as f32 >= share * self.letters.max(1) as f32
    }
}

/// Is this word language, or a link, an address, a mention, a tag, a number?
fn is_language(word: &str) -> bool {
    let starts = |prefix: &str| word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    let number = word.starts_with(|first: char| first.is_ascii_digit()) && word.is_ascii();
    !(number || word.contains("://") || starts("www.") || word.contains('@') || word.starts_with('#'))
}

fn is_symbol(character: char) -> bool {
    matches!(character.script(), Script::Common | Script::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_what_is_no_language_is_left_out() {
        for (text, expected) in [
            ("see https://a.example/x and mail me@b.example", "see and mail"),
            ("@ann #fun 2nd 10:30 don\u{2019}t", "don't"),
            ("né à Paris, hélas!", "né à Paris hélas "),
            ("नमस्ते दुनिया", "नमस्ते दुनिया"),
            ("👍👍", ""),
        ] {
            assert_eq!(Plain::new(text, 100).text(), expected, "{text}");
        }
    }

    #[test]
    fn t6_scripts_are_counted_and_long_texts_cut() {
        let mixed = Plain::new("hello привет", 100);
        assert!((mixed.share_of_main_script() - 6.0 / 11.0).abs() < 1e-6);
        assert!(!mixed.is_latin(0.8) && Plain::new("hello", 10).is_latin(0.8));
        assert!((Plain::new("日本語のテキスト", 100).share_of_main_script() - 1.0).abs() < 1e-6);
        assert_eq!(Plain::new(&"word ".repeat(10_000), 400).letters(), 400);
        assert_eq!(Plain::new("", 400).share_of_main_script(), 0.0);
    }
}
