//! What is hidden from every ranker: what people are, whom they like, how readily, when they come, whether they answer.
//!
//! Widths are those of the 15 public speed-dating evenings, of 5,522 decisions: the chance of a yes deviates by 0.22 between those who
//! decide and by 0.17 between those who are decided on (maximum likelihood, two crossed effects with a correlation of −0.2: who is
//! sought after is choosier); with a slope of 0.24 of the logistic curve these are 0.9 and 0.7 in log odds. Tastes there are at least 0.06
//! wide, as far as questionnaires tell; here they are 0.1, for who writes a profile says more than a questionnaire. Two sides seek each
//! other, one readier to say yes than the other.

use pipeline::matching::{dice::Dice, feature::cosine, learner::logistic};

/// Length of vectors: as many directions as tastes have, not as embeddings have numbers.
pub(super) const DIMENSIONS: usize = 16;
/// A vector of a person.
pub(super) type Vector = [f32; DIMENSIONS];

/// Log odds of a yes between ordinary people without any taste.
const ORDINARY: f64 = -1.1;
/// By how much one side says yes more readily than the middle, and the other less.
const SIDES: f64 = 0.4;
const LEANING: f64 = 0.9;
const APPEAL: f64 = 0.7;
/// Of leaning and appeal.
const CORRELATION: f64 = -0.2;
/// Log odds per cosine of taste and truth; the cosine of strangers deviates by 1/4.
const TASTE: f64 = 2.0;
/// How much of a taste is to like who is as oneself.
const LIKE_ONESELF: f32 = 0.3;
/// How much of a profile is not so.
const BLUR: f32 = 0.6;
/// Of answering a first message: mean and deviation, in log odds.
const POLITENESS: (f64, f64) = (0.3, 1.0);

/// Somebody, as they are.
#[derive(Debug, Clone)]
pub(super) struct Hidden {
    /// One of the two sides that seek each other.
    pub(super) side: bool,
    /// What they are.
    truth: Vector,
    /// What they write of it.
    pub(super) profile: Vector,
    /// What they like.
    pub(super) taste: Vector,
    /// How much everybody likes them.
    pub(super) appeal: f64,
    /// How readily they say yes.
    pub(super) leaning: f64,
    /// Chance that they come on a day.
    pub(super) comes: f64,
    /// Log odds that they answer a first message.
    polite: f64,
}

fn unit(values: Vector) -> Vector {
    let norm = cosine(&values, &values).sqrt().max(1e-6);
    values.map(|value| value / norm)
}

/// `one + share · other`, of unit length.
fn mixed(one: Vector, other: Vector, share: f32) -> Vector {
    unit(std::array::from_fn(|place| one[place] + share * other[place]))
}

fn direction(dice: &mut Dice) -> Vector {
    unit(std::array::from_fn(|_| dice.normal() as f32))
}

impl Hidden {
    /// Somebody new.
    pub(super) fn drawn(side: bool, dice: &mut Dice) -> Self {
        let truth = direction(dice);
        let common = dice.normal();
        let own = CORRELATION * common + (1.0 - CORRELATION * CORRELATION).sqrt() * dice.normal();
        Self {
            side,
            profile: mixed(truth, direction(dice), BLUR),
            taste: mixed(direction(dice), truth, LIKE_ONESELF),
            truth,
            appeal: APPEAL * common,
            leaning: LEANING * own + if side { SIDES } else { -SIDES },
            comes: 0.25 + 0.75 * dice.unit(),
            polite: POLITENESS.0 + POLITENESS.1 * dice.normal(),
        }
    }

    /// How much the other is what this one likes, in log odds.
    pub(super) fn fit(&self, other: &Self) -> f64 {
        TASTE * f64::from(cosine(&self.taste, &other.truth))
    }

    /// How alike both profiles are.
    pub(super) fn likeness(&self, other: &Self) -> f64 {
        f64::from(cosine(&self.profile, &other.profile))
    }

    /// The chance that this one says yes to the other.
    pub(super) fn likes(&self, other: &Self) -> f64 {
        logistic(ORDINARY + self.fit(other) + other.appeal + self.leaning)
    }

    /// The chance that this one answers the other's first message: one likes to write to whom one likes.
    pub(super) fn answers(&self, other: &Self) -> f64 {
        logistic(self.polite + self.fit(other))
    }
}
