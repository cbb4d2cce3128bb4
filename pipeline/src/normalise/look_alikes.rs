//! Letters that look like Latin ones, read as Latin where they stand for them.
//!
//! The table is Unicode's (UTS 39, `confusables.txt`), through the crate `unicode-security`. Cyrillic, Greek and other letters are replaced
//! only in words that become Latin altogether: words that mix scripts already, and, in a text that is Latin otherwise, words whose every
//! letter has a Latin twin. Russian in a Russian text stays.

use unicode_normalization::{UnicodeNormalization, char::canonical_combining_class};
use unicode_script::{Script, UnicodeScript};
use unicode_security::confusable_detection::skeleton;

use super::characters::Glyph;

/// Latin letters per other letter from which on a text is Latin.
const MOSTLY_LATIN: usize = 4;

/// Replaces in place.
pub(super) fn replace(glyphs: &mut Vec<Glyph>) {
    for glyph in glyphs.iter_mut() {
        if let Some(letter) = in_disguise(glyph.character) {
            glyph.character = letter;
        }
    }
    if glyphs.iter().all(|glyph| !is_foreign(glyph.character)) {
        return;
    }
    each_word(glyphs, |word| {
        if word.iter().any(|glyph| is_latin(glyph.character)) {
            replace_word(word);
        }
    });
    let foreign = glyphs.iter().filter(|glyph| is_foreign(glyph.character)).count();
    let latin = glyphs.iter().filter(|glyph| is_latin(glyph.character)).count();
    if latin >= foreign * MOSTLY_LATIN {
        each_word(glyphs, replace_word);
    }
    compose(glyphs);
}

/// Composes letters and the marks after them: a letter that has become Latin may have a composed form now.
fn compose(glyphs: &mut Vec<Glyph>) {
    if !glyphs.iter().any(is_mark) {
        return;
    }
    let mut composed = Vec::with_capacity(glyphs.len());
    for cluster in glyphs.chunk_by(|_, next| is_mark(next)) {
        let (Some(first), Some(last)) = (cluster.first(), cluster.last()) else { continue };
        if cluster.len() == 1 {
            composed.push(first.clone());
            continue;
        }
        let from = first.from.start..last.from.end;
        let characters = cluster.iter().map(|glyph| glyph.character).nfc();
        composed.extend(characters.map(|character| Glyph { character, from: from.clone() }));
    }
    *glyphs = composed;
}

/// A mark on the character before it.
fn is_mark(glyph: &Glyph) -> bool {
    canonical_combining_class(glyph.character) != 0
}

/// Every stretch of letters, with the marks on them: a letter that has no composed form does not end its word.
fn each_word(glyphs: &mut [Glyph], mut act: impl FnMut(&mut [Glyph])) {
    let apart = |glyph: &Glyph| !glyph.character.is_alphanumeric() && !is_mark(glyph);
    for word in glyphs.split_mut(apart).filter(|word| !word.is_empty()) {
        act(word);
    }
}

/// Makes a word Latin, if all its letters of other scripts have Latin twins.
fn replace_word(word: &mut [Glyph]) {
    let twins: Option<Vec<(usize, char)>> = word
        .iter()
        .enumerate()
        .filter(|(_, glyph)| is_foreign(glyph.character))
        .map(|(index, glyph)| Some((index, twin(glyph.character)?)))
        .collect();
    for (index, letter) in twins.unwrap_or_default() {
        word[index].character = letter;
    }
}

fn is_latin(character: char) -> bool {
    character.script() == Script::Latin
}

/// A letter of a script that has Latin look-alikes.
fn is_foreign(character: char) -> bool {
    !character.is_ascii()
        && matches!(
            character.script(),
            Script::Cyrillic
                | Script::Greek
                | Script::Armenian
                | Script::Cherokee
                | Script::Coptic
                | Script::Lisu
                | Script::Georgian
        )
        && character.is_alphabetic()
}

/// The ASCII letter that this one is drawn like.
fn twin(character: char) -> Option<char> {
    let mut buffer = [0; 4];
    let mut prototype = skeleton(character.encode_utf8(&mut buffer));
    let first = prototype.next().filter(|_| prototype.next().is_none())?;
    let letter = if first.is_ascii() { first } else { in_disguise(first)? };
    // In the table `l` also stands for I and 1.
    let letter = if letter == 'l' && character.is_uppercase() { 'I' } else { letter };
    letter.is_ascii_alphabetic().then_some(letter)
}

/// Symbols and phonetic letters that are Latin letters to the eye, in no orthography of their own.
fn in_disguise(character: char) -> Option<char> {
    Some(match character {
        // Squared and circled letters that are no compatibility forms.
        '\u{1f150}'..='\u{1f169}' => letter(character, '\u{1f150}'),
        '\u{1f170}'..='\u{1f189}' => letter(character, '\u{1f170}'),
        // LATIN LETTER SMALL CAPITAL …
        'ᴀ' => 'a',
        'ʙ' => 'b',
        'ᴄ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' => 'e',
        'ꜰ' => 'f',
        'ɢ' => 'g',
        'ʜ' => 'h',
        'ɪ' => 'i',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ʟ' => 'l',
        'ᴍ' => 'm',
        'ɴ' => 'n',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ʀ' => 'r',
        'ꜱ' => 's',
        'ᴛ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ʏ' => 'y',
        'ᴢ' => 'z',
        // Phonetic letters and old forms.
        'ɑ' | 'ɐ' => 'a',
        'ɡ' => 'g',
        'ɩ' => 'i',
        'ĸ' | 'ʞ' => 'k',
        'ʇ' => 't',
        'ǝ' => 'e',
        'ɯ' | 'ʍ' => 'm',
        'ɹ' => 'r',
        'ʌ' => 'v',
        'ʎ' => 'y',
        'ƒ' => 'f',
        '℮' => 'e',
        _ => return None,
    })
}

/// The letter as far into the alphabet as `character` is after `first`.
fn letter(character: char, first: char) -> char {
    let offset = u8::try_from(u32::from(character) - u32::from(first)).unwrap_or(0);
    char::from(b'a' + offset.min(25))
}
