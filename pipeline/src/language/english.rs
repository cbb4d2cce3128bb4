//! Common words that are English and little else: evidence in texts that are too short or too oddly spelt for trigrams.

use std::{collections::HashMap, sync::LazyLock};

/// Words of everyday English, of chat, and of abuse. Made by hand; a word that occurred in more than one of the 3,000 texts in 30 other
/// languages of the public language set (`the` in a few names excepted) was left out: `die`, `was`, `for`, `in`, `so`, `by`.
const WORDS: &str = "\
the and you your yours this that these those with without what which who why how when where because would could should can cannot \
it's i'm i'll i've i'd you're you've you'll we're they're that's there's he's she's what's let's ain't don't can't won't didn't \
doesn't isn't aren't wasn't haven't hasn't shouldn't wouldn't couldn't dont didnt cant wont thats youre ive wanna gonna gotta lemme \
pls plz thx omg wtf lmao dude idk tbh have had having been being just about like get know think want need make made going doing \
said tell told see saw look looking find found keep give gave take taken feel feels they them their she him his our its then than \
there here again never always ever really very much some any only also too well good bad right wrong great nice new old people \
someone something anything everything nothing everyone anyone nobody friend guy girl girls boy women woman please thanks thank \
sorry hello hey yeah okay love hate stupid moron loser pussy dumb ugly shut stop kill suck sucks crap home house work school money \
phone call today tonight tomorrow night morning week year life down off out into from through after before until while between \
against every other another same next last still already maybe though if not are were did does all will up";

/// Words of abuse that no language has as an ordinary word: one of them is reason enough to let an English model look.
const STRONG: &str = "\
fuck fucks fucked fucking fucker fuckin motherfucker shit shits bullshit shitty bitch bitches whore asshole assholes cunt cunts \
bastard faggot faggots nigger niggers nigga retard retarded dickhead kys";

/// Share of the words from which on a text is English.
const ENGLISH_FROM: f32 = 0.25;
/// Share from which on a text may be English.
const MAYBE_FROM: f32 = 0.12;

static LISTED: LazyLock<HashMap<&str, Kind>> = LazyLock::new(|| {
    let common = WORDS.split_ascii_whitespace().map(|word| (word, Kind::Common));
    common.chain(STRONG.split_ascii_whitespace().map(|word| (word, Kind::Strong))).collect()
});

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Common,
    Strong,
}

/// How much English was found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    words: usize,
    hits: usize,
    /// Different words that were found; counted up to 2.
    distinct: usize,
    strong: bool,
}

impl Evidence {
    /// Counts in `text`, whose words are separated by blanks.
    pub(super) fn of(text: &str) -> Self {
        let mut evidence = Self::default();
        let mut first = None;
        let mut lower = String::new();
        for word in text.split_ascii_whitespace() {
            evidence.words += 1;
            lower.clear();
            lower.extend(word.chars().map(|character| character.to_ascii_lowercase()));
            let Some((listed, kind)) = LISTED.get_key_value(lower.trim_matches('\'')) else { continue };
            evidence.hits += 1;
            evidence.strong |= *kind == Kind::Strong;
            if *first.get_or_insert(*listed) != *listed {
                evidence.distinct = 2;
            }
        }
        evidence.distinct = evidence.distinct.max(usize::from(first.is_some()));
        evidence
    }

    fn share(&self) -> f32 {
        self.hits as f32 / self.words.max(1) as f32
    }

    /// Is the text English beyond doubt?
    pub(super) fn is_english(&self) -> bool {
        self.distinct >= 2 && self.share() >= ENGLISH_FROM
    }

    /// Is there enough English in it that it must not be called foreign?
    pub(super) fn is_there(&self) -> bool {
        self.strong || self.distinct >= 2 || self.share() >= MAYBE_FROM
    }

    /// How sure it is that this is English, 0..=1: grows with the share of listed words.
    pub(super) fn confidence(&self) -> f32 {
        (0.7 + 0.6 * self.share()).min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t6_common_words_are_evidence_of_english() {
        for (text, english, there) in [
            ("how are you doing", true, true),
            ("the the the", false, true),
            ("guten Morgen zusammen", false, false),
            ("dat is een week van het jaar zonder hate en zonder ruzie", false, true),
            ("Fuck das war jetzt aber wirklich mehr als knapp", false, true),
            ("", false, false),
        ] {
            let evidence = Evidence::of(text);
            assert_eq!((evidence.is_english(), evidence.is_there()), (english, there), "{text}");
        }
    }
}
