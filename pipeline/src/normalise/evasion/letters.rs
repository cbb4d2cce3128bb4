//! What characters stand for in disguised words.

use unicode_normalization::char::decompose_canonical;

const ALPHABET: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
/// Most readings of one word that are tried.
const MAX_READINGS: usize = 64;

/// Small letters that `character` may stand for, the likeliest first; empty when it stands for none.
pub(super) fn of(character: char) -> &'static [u8] {
    let place = |letter: char| -> &'static [u8] {
        let lower = letter.to_ascii_lowercase();
        let index = usize::from(u8::try_from(u32::from(lower)).unwrap_or(0).saturating_sub(b'a'));
        if lower.is_ascii_lowercase() { &ALPHABET[index..=index] } else { &[] }
    };
    match character {
        'a'..='z' | 'A'..='Z' => place(character),
        '0' => b"o",
        '1' | '|' => b"il",
        '2' => b"z",
        '3' | '€' => b"e",
        '4' | '@' => b"a",
        '5' | '$' | '§' => b"s",
        '6' => b"gb",
        '7' | '+' => b"t",
        '8' => b"b",
        '9' => b"g",
        '!' | '¡' | 'ı' => b"i",
        '(' | '¢' => b"c",
        '£' | 'ł' | 'Ł' => b"l",
        '¥' => b"y",
        '×' => b"x",
        'ø' | 'Ø' => b"o",
        'đ' | 'Đ' | 'ð' => b"d",
        'ə' => b"e",
        'ħ' => b"h",
        'ŧ' => b"t",
        'ß' => b"bs",
        'µ' | 'μ' => b"u",
        '\u{1f1e6}'..='\u{1f1ff}' => {
            let index = usize::try_from(u32::from(character) - 0x1f1e6).unwrap_or(0);
            &ALPHABET[index..=index]
        }
        _ if character.is_ascii() => &[],
        _ => {
            let mut base = None;
            decompose_canonical(character, |part| {
                base.get_or_insert(part);
            });
            base.map_or(&[] as &[u8], place)
        }
    }
}

/// Every reading of `word`; none when a character stands for no letter, or when there would be too many.
pub(super) fn readings(word: impl Iterator<Item = char>) -> Vec<String> {
    let mut readings = vec![String::new()];
    for character in word {
        let options = of(character);
        match options {
            [] => return Vec::new(),
            [letter] => readings.iter_mut().for_each(|reading| reading.push(char::from(*letter))),
            _ if readings.len() * options.len() > MAX_READINGS => return Vec::new(),
            _ => {
                let longer = |reading: &String| {
                    options.iter().map(|letter| format!("{reading}{}", char::from(*letter))).collect::<Vec<_>>()
                };
                readings = readings.iter().flat_map(longer).collect();
            }
        }
    }
    readings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_symbols_have_letters() {
        for (word, expected) in [
            ("5h!t", &["shit"][..]),
            ("1d10t", &["idiot", "idlot", "ldiot", "ldlot"]),
            ("ÎDÎÖT", &["idiot"]),
            ("🇫🇺🇨🇰", &["fuck"]),
            ("a#b", &[]),
        ] {
            assert_eq!(readings(word.chars()), expected, "{word}");
        }
        assert!(readings("1111111".chars()).is_empty(), "too many");
    }
}
