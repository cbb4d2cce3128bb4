//! Who of the candidates comes onto a list, and in which order: the chance that both say yes and meet, with what is not known yet tried out, and
//! attention shared fairly.

use super::{
    dice::Dice,
    exploration::explored,
    exposure::{self, Candidate},
    feature::{Someone, Traits},
    score::ScoreModel,
};

/// Days after which somebody who was not seen comes back half as probably.
const PRESENCE_HALF_LIFE_DAYS: f64 = 7.0;
/// The least chance that somebody comes back.
const LEAST_PRESENCE: f64 = 0.05;
/// The chance that somebody who does not know the viewer yet is shown them in time, if they come: of a like that nobody sees nothing comes.
const SEEN: f64 = 0.5;

/// Somebody who may be shown.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Who.
    pub someone: &'a Someone,
    /// They said yes to the viewer already.
    pub likes_viewer: bool,
    /// Attention that they got lately, as [`exposure::attention`] counts it.
    pub shown: f64,
}

/// The order in which candidates are shown, as places in `entries`. `fairness`: α of [`exposure::order`].
pub fn order(
    model: &ScoreModel,
    viewer: &Someone,
    entries: &[Entry<'_>],
    fairness: f64,
    dice: &mut Dice,
) -> Vec<usize> {
    let own = Traits::of(viewer, &model.expected);
    let worth = |entry: &Entry<'_>, dice: &mut Dice| {
        let tried = explored(&entry.someone.behaviour, &model.expected, dice);
        let traits = Traits::of(entry.someone, &model.expected).appealing(tried.appeal);
        let [forward, backward] = model.chances((viewer, &own), (entry.someone, &traits));
        let back = if entry.likes_viewer { 1.0 } else { SEEN * presence(entry.someone) * backward };
        (forward * back).sqrt()
    };
    let candidates: Vec<Candidate> =
        entries.iter().map(|entry| Candidate { score: worth(entry, dice), shown: entry.shown }).collect();
    let mean = candidates.iter().map(|candidate| candidate.shown).sum::<f64>() / candidates.len().max(1) as f64;
    exposure::order(&candidates, mean, fairness)
}

/// The chance that somebody comes back; 1 when nothing is known.
fn presence(person: &Someone) -> f64 {
    person.idle_days.map_or(1.0, |days| (-days.max(0.0) / PRESENCE_HALF_LIFE_DAYS).exp2().max(LEAST_PRESENCE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(entries: &[Entry<'_>]) -> usize {
        order(&ScoreModel::default(), &Someone::default(), entries, 0.5, &mut Dice::seeded(1))[0]
    }

    /// Known so well that a draw changes nothing.
    fn known() -> Someone {
        let mut someone = Someone::default();
        (someone.behaviour.received.yes, someone.behaviour.received.no) = (4.2e5, 5.8e5);
        someone
    }

    #[test]
    fn x5_who_likes_the_viewer_comes_first() {
        let someone = known();
        let entry = |likes_viewer| Entry { someone: &someone, likes_viewer, shown: 0.0 };
        assert_eq!(first(&[entry(false), entry(true), entry(false)]), 1);
    }

    #[test]
    fn x5_who_was_not_seen_for_long_comes_later_but_a_like_waits_for_nobody() {
        let (there, gone) = (known(), Someone { idle_days: Some(21.0), ..known() });
        let entry = |someone, likes_viewer| Entry { someone, likes_viewer, shown: 0.0 };
        assert_eq!(first(&[entry(&gone, false), entry(&there, false)]), 1);
        assert_eq!(first(&[entry(&gone, true), entry(&there, false)]), 0);
        assert!(presence(&gone) > 0.0 && presence(&there) == 1.0);
    }

    #[test]
    fn x7_attention_is_shared() {
        let someone = known();
        let entry = |shown| Entry { someone: &someone, likes_viewer: false, shown };
        assert_eq!(first(&[entry(9.0), entry(0.0)]), 1);
    }
}
