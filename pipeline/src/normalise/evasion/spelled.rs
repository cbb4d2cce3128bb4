//! Words spelled out letter by letter: `f u n`, `f.u.n`, `f*u*n`.

use std::ops::Range;

use super::{
    letters,
    token::Wanted,
    vocabulary::{RARE, Vocabulary},
};
use crate::normalise::map::Edit;

/// Fewest letters of a word that is spelled out.
const FEWEST: usize = 3;
/// Most characters between two letters.
const WIDEST_GAP: usize = 3;
/// Longest word that is looked for.
const LONGEST_WORD: usize = 18;
/// What a letter that belongs to no word costs, against about 3 to 11 for a word.
const LOOSE_LETTER: f32 = 14.0;

/// Letters with the same gap between them.
#[derive(Debug, Default)]
struct Run {
    /// Place of each letter in the text.
    letters: Vec<(Range<usize>, char)>,
}

/// Finds the words that are spelled out in `text`. Edits come in text order.
pub(super) fn find(text: &str, wanted: Wanted) -> Vec<Edit> {
    let mut edits = Vec::new();
    for run in runs(text) {
        if let Some(found) = read(text, &run, wanted) {
            edits.extend(found);
        }
    }
    edits
}

fn is_flag(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Can this character be a letter of a spelled word?
fn is_letter(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '@' | '$' | '!') || is_flag(character)
}

/// All runs of single letters.
fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut run = Run::default();
    // The gap that this run has, and the place where the last letter ended.
    let (mut gap, mut end): (Option<&str>, usize) = (None, 0);
    let mut before: Option<char> = None;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let next = characters.peek().map(|(_, next)| *next);
        let bounded = |neighbour: Option<char>| neighbour.is_none_or(|neighbour| !neighbour.is_alphanumeric());
        let joined = is_flag(character) && !run.letters.is_empty() && end == at;
        let single = is_letter(character) && (bounded(before) || joined) && bounded(next);
        let width = at..at + character.len_utf8();
        before = Some(character);
        if !single {
            if character.is_alphanumeric() {
                close(&mut run, &mut runs);
                gap = None;
            }
            continue;
        }
        let between = &text[end..at];
        let fits = joined || (gap.is_none_or(|gap| alike(gap, between)) && is_gap(between));
        // A symbol is a letter only where the gaps say so: in `hey ! you` it is none.
        if !run.letters.is_empty() && !fits {
            close(&mut run, &mut runs);
            gap = None;
        }
        if run.letters.is_empty() && !character.is_alphanumeric() && !is_flag(character) {
            continue;
        }
        if !run.letters.is_empty() && !joined {
            gap = Some(between);
        }
        end = width.end;
        run.letters.push((width, character));
    }
    close(&mut run, &mut runs);
    runs
}

fn close(run: &mut Run, runs: &mut Vec<Run>) {
    let run = std::mem::take(run);
    if run.letters.len() >= FEWEST {
        runs.push(run);
    }
}

fn is_gap(between: &str) -> bool {
    let count = between.chars().take(WIDEST_GAP + 1).count();
    (1..=WIDEST_GAP).contains(&count) && !between.chars().any(char::is_alphanumeric)
}

fn alike(one: &str, other: &str) -> bool {
    one == other || (one.trim().is_empty() && other.trim().is_empty())
}

/// The words of a run as edits; `None` when there is nothing to find.
fn read(text: &str, run: &Run, wanted: Wanted) -> Option<Vec<Edit>> {
    let vocabulary = Vocabulary::get();
    let mut best: Option<(f32, Vec<Range<usize>>, String)> = None;
    for choice in 0..2 {
        let letter = |(_, character): &(Range<usize>, char)| {
            let options = letters::of(*character);
            options.get(choice).or(options.first()).copied().map(char::from)
        };
        let joined: String = run.letters.iter().map(letter).collect::<Option<_>>()?;
        let (cost, words) = segment(&joined);
        if best.as_ref().is_none_or(|(known, ..)| cost < *known) {
            best = Some((cost, words, joined));
        }
    }
    let (_, words, joined) = best?;
    let found = |word: &Range<usize>| vocabulary.find(&joined[word.clone()]);
    let loose = words.iter().filter(|word| found(word).is_none()).count();
    let hit = |strong: bool| {
        words
            .iter()
            .filter_map(found)
            .any(|word| word.text.len() >= FEWEST && if strong { word.strong } else { word.risky })
    };
    // U.S.A. and its like are written so by everybody.
    let initials =
        run.letters.iter().all(|(place, character)| character.is_uppercase() && text[place.end..].starts_with('.'));
    let enough = match wanted {
        Wanted::Risky => hit(initials) && loose * 3 <= joined.len(),
        Wanted::Known => {
            (hit(initials) && loose * 3 <= joined.len()) || (!initials && loose == 0 && joined.len() > FEWEST)
        }
    };
    if !enough {
        return None;
    }
    let mut edits = Vec::new();
    let mut end: Option<usize> = None;
    for word in words {
        let bytes = run.letters[word.start].0.start..run.letters[word.end - 1].0.end;
        if let Some(end) = end {
            edits.push(Edit { bytes: end..bytes.start, with: " ".to_owned() });
        }
        end = Some(bytes.end);
        edits.push(Edit { bytes, with: joined[word].to_owned() });
    }
    Some(edits)
}

/// The cheapest way to cut `letters` (ASCII) into words: common words are cheap, loose letters dear.
fn segment(letters: &str) -> (f32, Vec<Range<usize>>) {
    let vocabulary = Vocabulary::get();
    let count = letters.len();
    let mut best: Vec<(f32, usize)> = vec![(f32::INFINITY, 0); count + 1];
    best[0].0 = 0.0;
    for start in 0..count {
        let so_far = best[start].0;
        for end in start + 1..=count.min(start + LONGEST_WORD) {
            let word = vocabulary.find(&letters[start..end]);
            let cost = match (word, end - start) {
                (Some(word), 1) if word.rank < RARE => 3.0,
                (_, 1) => LOOSE_LETTER,
                (Some(word), _) => (word.rank as f32 + 20.0).ln() + 1.0,
                (None, _) => continue,
            };
            if so_far + cost < best[end].0 {
                best[end] = (so_far + cost, start);
            }
        }
    }
    let mut words = Vec::new();
    let mut end = count;
    while end > 0 {
        words.push(best[end].1..end);
        end = best[end].1;
    }
    words.reverse();
    (best[count].0, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        find(text, Wanted::Risky).into_iter().map(|edit| edit.with).collect()
    }

    #[test]
    fn t6_spelled_words_are_read() {
        for (text, words) in [
            ("you i d i o t", "idiot"),
            ("y o u i d i o t", "you idiot"),
            ("i  d  i  o  t", "idiot"),
            ("i.d.i.o.t!", "idiot"),
            ("so i-d-1-0-t", "idiot"),
            ("i*d*i*o*t and m_o_r_o_n", "idiotmoron"),
            ("b u t t h e l o s e r", "but the loser"),
            ("i 😂 d 😂 i 😂 o 😂 t", "idiot"),
            ("🇮🇩🇮🇴🇹", "idiot"),
            ("i\nd\ni\no\nt", "idiot"),
        ] {
            assert_eq!(read(text), words, "{text}");
        }
    }

    #[test]
    fn t6_letters_that_spell_nothing_are_left_alone() {
        for text in [
            "U.S.A. and the U.K.",
            "A B C D E F G",
            "x x x",
            "a, b, c and d",
            "1 2 3 4 5",
            "vitamin B 1 2 and C",
            "🇬🇧🇫🇷🇩🇪",
            "h e l l o",
            "J. R. R. Tolkien",
            "i - d - 1",
            "a! b! c!",
        ] {
            assert_eq!(read(text), "", "{text}");
        }
    }
}
