//! How people behaved, shrunk towards everybody's mean: of somebody new nothing is known, and nothing is claimed.

use serde::{Deserialize, Serialize};

/// How often yes, how often no.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Yes, liked, answered.
    pub yes: f64,
    /// No, passed, left unanswered.
    pub no: f64,
}

impl Tally {
    /// How many in all.
    pub fn count(&self) -> f64 {
        self.yes + self.no
    }

    /// Counts one more.
    pub fn add(&mut self, yes: bool) {
        if yes { self.yes += 1.0 } else { self.no += 1.0 }
    }

    /// The share of yes as if `weight` more had been seen at `mean`: for nobody known it is `mean`, for well known people their own.
    pub fn shrunk(&self, mean: f64, weight: f64) -> f64 {
        (self.yes + mean * weight) / (self.count() + weight)
    }

    /// [`Tally::shrunk`] in log odds, less those of `mean`: 0 for somebody unknown.
    pub fn lift(&self, mean: f64, weight: f64) -> f64 {
        log_odds(self.shrunk(mean, weight)) - log_odds(mean)
    }
}

/// `ln(p / (1 − p))`, for p a little inside of 0..1.
pub fn log_odds(p: f64) -> f64 {
    let p = p.clamp(1e-6, 1.0 - 1e-6);
    (p / (1.0 - p)).ln()
}

/// What a person did and had done to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Behaviour {
    /// Likes and passes that they gave: how choosy they are.
    pub given: Tally,
    /// Likes and passes that they got: how sought after they are.
    pub received: Tally,
    /// How much oftener than others they say yes, the appeal of those whom they were shown taken off. A share: −1..=1.
    pub leaning: f64,
    /// How much oftener than others they are liked, the leaning of those who saw them taken off. A share: −1..=1.
    pub appeal: f64,
    /// First messages that they answered, and did not.
    pub replies: Tally,
    /// Sum of the ratings that they got, 1 to 5.
    pub rating_sum: f64,
    /// How many.
    pub ratings: f64,
    /// Reports against them that were not dismissed.
    pub reports: f64,
}

/// What is expected of somebody unknown: the means of everybody, and how many observations weigh as much.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// Share of likes among likes and passes.
    pub likes: f64,
    /// Share of first messages that are answered.
    pub replies: f64,
    /// Mean rating.
    pub rating: f64,
    /// Observations that weigh as much as these means.
    pub weight: f64,
}

impl Default for Expected {
    /// Likes: 0.42 of 5,522 decisions of the public speed-dating evenings. The weight is the one that predicts best there.
    fn default() -> Self {
        Self { likes: 0.42, replies: 0.5, rating: 3.5, weight: 4.0 }
    }
}

/// Somebody said yes or no to somebody: both tallies, and both estimates. A yes of one who likes everybody says little of the other. What
/// [`joint`] makes of all answers at once, one answer at a time.
pub fn observe(viewer: &mut Behaviour, candidate: &mut Behaviour, yes: bool, expected: &Expected) {
    let surprise = f64::from(u8::from(yes)) - expected.likes - viewer.leaning - candidate.appeal;
    viewer.given.add(yes);
    candidate.received.add(yes);
    viewer.leaning = (viewer.leaning + surprise / (viewer.given.count() + expected.weight)).clamp(-1.0, 1.0);
    candidate.appeal = (candidate.appeal + surprise / (candidate.received.count() + expected.weight)).clamp(-1.0, 1.0);
}

/// One answer, for [`joint`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Who answered.
    pub viewer: usize,
    /// About whom.
    pub candidate: usize,
    /// How much oftener than expected they said yes: 1 − expected, or −expected.
    pub surprise: f64,
}

/// Leaning and appeal of everybody from all answers at once: the two add up, each shrunk as `weight` answers of 0 would (best linear
/// unbiased prediction with two crossed random effects, by turns).
pub fn joint(people: usize, answers: &[Answer], weight: f64) -> Vec<(f64, f64)> {
    const TURNS: usize = 15;
    let mut estimates = vec![(0.0, 0.0); people];
    let mut counts = vec![(0.0, 0.0); people];
    for answer in answers {
        counts[answer.viewer].0 += 1.0;
        counts[answer.candidate].1 += 1.0;
    }
    for _ in 0..TURNS {
        let mut sums = vec![0.0; people];
        for answer in answers {
            sums[answer.viewer] += answer.surprise - estimates[answer.candidate].1;
        }
        for (person, estimate) in estimates.iter_mut().enumerate() {
            estimate.0 = sums[person] / (counts[person].0 + weight);
        }
        let mut sums = vec![0.0; people];
        for answer in answers {
            sums[answer.candidate] += answer.surprise - estimates[answer.viewer].0;
        }
        for (person, estimate) in estimates.iter_mut().enumerate() {
            estimate.1 = sums[person] / (counts[person].1 + weight);
        }
    }
    estimates
}

impl Behaviour {
    /// The mean rating, shrunk, from −1 (worst) over 0 (as expected) to 1.
    pub fn rating_lift(&self, expected: &Expected) -> f64 {
        let mean = (self.rating_sum + expected.rating * expected.weight) / (self.ratings + expected.weight);
        (mean - expected.rating) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x2_estimates_move_from_the_mean_to_the_person() {
        let mut tally = Tally::default();
        assert_eq!(tally.lift(0.4, 4.0), 0.0);
        let mut last = 0.4;
        for _ in 0..200 {
            tally.add(true);
            let now = tally.shrunk(0.4, 4.0);
            assert!(now > last && now < 1.0);
            last = now;
        }
        assert!(last > 0.98);
        // One like of a newcomer says less than ninety of a hundred.
        let (one, many) = (Tally { yes: 1.0, no: 0.0 }, Tally { yes: 90.0, no: 10.0 });
        assert!(one.shrunk(0.4, 4.0) < many.shrunk(0.4, 4.0));
    }

    #[test]
    fn x2_a_yes_of_who_likes_everybody_says_little() {
        let expected = Expected::default();
        let (mut eager, mut choosy) = (Behaviour::default(), Behaviour::default());
        for _ in 0..30 {
            observe(&mut eager, &mut Behaviour::default(), true, &expected);
            observe(&mut choosy, &mut Behaviour::default(), false, &expected);
        }
        let (mut one, mut other) = (Behaviour::default(), Behaviour::default());
        observe(&mut eager, &mut one, true, &expected);
        observe(&mut choosy, &mut other, true, &expected);
        assert!(other.appeal > 2.0 * one.appeal && one.appeal > 0.0, "{} {}", one.appeal, other.appeal);
        assert_eq!(one.received, other.received);
    }

    #[test]
    fn x2_one_answer_at_a_time_comes_near_to_all_at_once() {
        let mut dice = crate::matching::dice::Dice::seeded(6);
        let expected = Expected::default();
        let truth: Vec<(f64, f64)> = (0..40).map(|_| (0.15 * dice.normal(), 0.15 * dice.normal())).collect();
        let (mut online, mut answers) = (vec![Behaviour::default(); 80], Vec::new());
        for _ in 0..1_200 {
            let (viewer, candidate) = (dice.below(40), 40 + dice.below(40));
            let yes = dice.chance(expected.likes + truth[viewer].0 + truth[candidate - 40].1);
            answers.push(Answer { viewer, candidate, surprise: f64::from(u8::from(yes)) - expected.likes });
            let (left, right) = online.split_at_mut(40);
            observe(&mut left[viewer], &mut right[candidate - 40], yes, &expected);
        }
        let all = joint(80, &answers, expected.weight);
        let error =
            |estimate: &dyn Fn(usize) -> f64| (0..40).map(|n| (estimate(n) - truth[n].0).powi(2)).sum::<f64>() / 40.0;
        let (batch, single, nothing) = (error(&|n| all[n].0), error(&|n| online[n].leaning), error(&|_| 0.0));
        assert!(batch < 0.5 * nothing && single < 0.6 * nothing, "{batch} {single} {nothing}");
    }

    #[test]
    fn x2_ratings_are_shrunk_too() {
        let rated = |sum, count| Behaviour { rating_sum: sum, ratings: count, ..Behaviour::default() };
        let lift = |behaviour: Behaviour| behaviour.rating_lift(&Expected::default());
        assert_eq!(lift(Behaviour::default()), 0.0);
        assert!(lift(rated(5.0, 1.0)) < lift(rated(100.0, 20.0)));
        assert!(lift(rated(1.0, 1.0)) < 0.0);
    }
}
