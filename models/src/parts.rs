//! A text's parts, sentence by sentence, so that nothing hides among harmless words: an encoder's score of a long text is one for all of it,
//! and a threat behind three friendly sentences hardly moves it. Pure.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

/// How a text is cut, and what its parts count. Lengths are in tokens, special ones not counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsSpec {
    /// Tokens behind which a part may end, as the vocabulary spells them.
    pub ends: Vec<String>,
    /// Shorter texts have no parts.
    pub from: usize,
    /// Length before which no part ends.
    pub least: usize,
    /// Length at which a part ends wherever it is.
    pub most: usize,
    /// Tokens that the next part repeats of one that ended so.
    pub overlap: usize,
    /// Taken off a part's logits before they are held against the text's: a sentence out of its context looks worse than it is.
    pub discount: f32,
    /// The same of single labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub discounts: BTreeMap<Arc<str>, f32>,
    /// Labels that only a text as a whole has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub whole: Vec<Arc<str>>,
}

impl PartsSpec {
    /// Why it makes no sense, if it does not.
    pub(crate) fn flaw(&self) -> Option<String> {
        let lengths = self.least >= 1 && self.least <= self.most && self.overlap < self.most;
        let fine = lengths && self.discounts.values().chain([&self.discount]).all(|discount| *discount >= 0.0);
        (!fine)
            .then(|| "`cascade.parts` needs `1 <= least <= most`, `overlap < most`, and discounts of at least 0".into())
    }

    /// What is taken off a part's logit of this label; infinite for what only the whole has.
    pub(crate) fn discount_of(&self, label: &Arc<str>) -> f32 {
        if self.whole.contains(label) {
            return f32::INFINITY;
        }
        self.discounts.get(label).copied().unwrap_or(self.discount)
    }
}

/// The parts of a text of these tokens; none when it has fewer than two. `ends` tells which tokens a part may end behind; of several in a row
/// it is the last.
pub(crate) fn cut(ids: &[u32], spec: &PartsSpec, ends: &[u32]) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, count) = (0, ids.len());
    if count <= spec.from {
        return parts;
    }
    while start < count {
        let longest = (start + spec.most).min(count);
        let ended = |end: &usize| *end < count && ends.contains(&ids[end - 1]) && !ends.contains(&ids[*end]);
        let sentence = (start + spec.least..=longest).find(ended);
        let mut end = sentence.unwrap_or(longest);
        // What is left belongs to it when it is too short for a part of its own.
        if count - end < spec.least && count - start <= spec.most {
            end = count;
        }
        parts.push(start..end);
        if end == count {
            break;
        }
        start = if sentence.is_some() { end } else { end - spec.overlap };
    }
    if parts.len() < 2 {
        parts.clear();
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STOP: u32 = 9;

    fn spec() -> PartsSpec {
        PartsSpec {
            ends: Vec::new(),
            from: 6,
            least: 3,
            most: 6,
            overlap: 2,
            discount: 1.0,
            discounts: [("threat".into(), 0.5)].into(),
            whole: vec!["mood".into()],
        }
    }

    fn parts(ids: &[u32]) -> Vec<Range<usize>> {
        cut(ids, &spec(), &[STOP])
    }

    #[test]
    fn t6_sentences_are_parts_and_what_does_not_end_is_cut_with_overlap() {
        for (ids, expected) in [
            (&[1, 1, 1, 1, 1, 9][..], &[][..]),
            (&[1, 1, 1, 9, 1, 1, 1, 9], &[0..4, 4..8]),
            (&[1, 9, 1, 1, 9, 9, 1, 1, 1, 1], &[0..6, 6..10]),
            (&[1, 1, 1, 9, 1, 1, 1, 1, 9, 1], &[0..4, 4..10]),
            (&[1, 1, 1, 1, 1, 1, 1, 1, 1], &[0..6, 4..9]),
            (&[1, 1, 1, 1, 9, 1, 1], &[0..5, 5..7]),
        ] {
            assert_eq!(parts(ids), expected, "{ids:?}");
        }
    }

    #[test]
    fn specs_that_would_never_end_are_refused() {
        assert_eq!(spec().flaw(), None);
        for wrong in [
            PartsSpec { overlap: 6, ..spec() },
            PartsSpec { least: 0, overlap: 0, ..spec() },
            PartsSpec { most: 2, ..spec() },
            PartsSpec { discount: f32::NAN, ..spec() },
        ] {
            assert!(wrong.flaw().is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_label_may_have_a_discount_of_its_own() {
        assert_eq!(spec().discount_of(&"threat".into()), 0.5);
        assert_eq!(spec().discount_of(&"insult".into()), 1.0);
        assert_eq!(spec().discount_of(&"mood".into()), f32::INFINITY);
    }

    proptest! {
        #[test]
        fn t6_parts_leave_nothing_out(ids in prop::collection::vec(0_u32..10, 0..200)) {
            let parts = parts(&ids);
            let mut reached = 0;
            for part in &parts {
                prop_assert!(part.start <= reached && part.end > reached && part.len() <= spec().most);
                reached = part.end;
            }
            prop_assert!(parts.is_empty() || reached == ids.len());
            prop_assert!(parts.len() != 1);
        }
    }
}
