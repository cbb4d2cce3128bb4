//! The score of a pair: the chance that both say yes, learned from what people answered, explained part by part.

use serde::{Deserialize, Serialize};

use super::{
    behaviour::Expected,
    feature::{COUNT, FEATURES, Known, Part, Row, Someone, Traits, rows},
    learner::{Learner, dot, logistic},
};

/// The learned combination. Rises by one version with each answer that it learned from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreModel {
    /// Which features there were when it was made; with others it is made anew.
    pub features: Vec<String>,
    /// Weights.
    pub learner: Learner,
    /// What is expected of somebody unknown.
    #[serde(default)]
    pub expected: Expected,
}

impl Default for ScoreModel {
    fn default() -> Self {
        let (mean, precision) = FEATURES.iter().map(|feature| (feature.prior, feature.precision)).unzip();
        Self {
            features: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
            learner: Learner::prior(mean, precision),
            expected: Expected::default(),
        }
    }
}

/// What one part adds, in log odds, mean of both directions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PartScore {
    /// Which.
    pub part: Part,
    /// Above 0: speaks for the pair.
    pub log_odds: f64,
}

/// The score of a pair, seen from the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchScore {
    /// 0..=1, the same from both sides: the geometric mean of both chances.
    pub total: f64,
    /// Chance that the first says yes to the second.
    pub forward: f64,
    /// Chance that the second says yes to the first.
    pub backward: f64,
    /// Why.
    pub parts: Vec<PartScore>,
}

impl ScoreModel {
    /// Are these the features of this program? A model of others is of no use.
    pub fn fits(&self) -> bool {
        let names = FEATURES.iter().map(|feature| feature.name);
        let sizes = [self.learner.mean.len(), self.learner.precision.len()];
        sizes == [COUNT; 2] && self.features.iter().map(String::as_str).eq(names)
    }

    /// How many answers it has seen.
    pub fn version(&self) -> u64 {
        self.learner.seen
    }

    /// The score of two people.
    pub fn score(&self, one: &Someone, other: &Someone) -> MatchScore {
        let (first, second) = (Traits::of(one, &self.expected), Traits::of(other, &self.expected));
        self.score_known((one, &first), (other, &second))
    }

    /// As [`ScoreModel::score`], of people whose traits are known.
    pub fn score_known(&self, one: Known<'_>, other: Known<'_>) -> MatchScore {
        let both = rows(one, other);
        let [forward, backward] = both.map(|row| self.learner.predict(&row));
        let parts = Part::ALL.map(|part| {
            let log_odds = (self.adds(part, &both[0]) + self.adds(part, &both[1])) / 2.0;
            PartScore { part, log_odds }
        });
        MatchScore { total: (forward * backward).sqrt(), forward, backward, parts: parts.into() }
    }

    /// The chance that the first says yes to the second, and the other way round.
    pub fn chances(&self, one: Known<'_>, other: Known<'_>) -> [f64; 2] {
        rows(one, other).map(|row| self.learner.predict(&row))
    }

    /// What one part of a row adds, in log odds.
    fn adds(&self, part: Part, row: &Row) -> f64 {
        let terms = FEATURES.iter().zip(row).zip(&self.learner.mean);
        terms.filter(|((feature, _), _)| feature.part == Some(part)).map(|((_, x), weight)| x * weight).sum()
    }

    /// What somebody's reputation adds to every score in which they are the candidate, in log odds. Below 0: a penalty.
    pub fn reputation(&self, person: &Someone) -> f64 {
        let nobody = Someone::default();
        let (viewer, candidate) = (Traits::of(&nobody, &self.expected), Traits::of(person, &self.expected));
        let [row, _] = rows((&nobody, &viewer), (person, &candidate));
        self.adds(Part::Reputation, &row)
    }

    /// The total alone, with these weights: a sample of them explores, the means do not.
    pub fn total_with(weights: &[f64], one: Known<'_>, other: Known<'_>) -> f64 {
        let [forward, backward] = rows(one, other).map(|row| logistic(dot(weights, &row)));
        (forward * backward).sqrt()
    }

    /// The viewer liked the candidate, or passed.
    pub fn learn(&mut self, viewer: &Someone, candidate: &Someone, yes: bool) {
        let (first, second) = (Traits::of(viewer, &self.expected), Traits::of(candidate, &self.expected));
        let [row, _] = rows((viewer, &first), (candidate, &second));
        self.learner.learn(&row, yes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::person::About;

    fn person(interest: &str) -> Someone {
        Someone { interests: vec![interest.into()], ..Someone::default() }
    }

    #[test]
    fn x2_a_score_is_the_same_from_both_sides_and_its_parts_add_up() {
        let model = ScoreModel::default();
        let mut one = person("chess");
        one.behaviour.appeal = 0.3;
        let mut other = person("chess");
        (other.strikes, other.terms.about) = (1, About { age: Some(20), ..About::default() });
        let (there, back) = (model.score(&one, &other), model.score(&other, &one));
        assert!((there.total - back.total).abs() < 1e-12 && there.forward == back.backward);
        let of = |score: &MatchScore, part| score.parts.iter().find(|score| score.part == part).unwrap().log_odds;
        assert!(
            of(&there, Part::Interests) > 0.0
                && of(&there, Part::Reputation) < 0.0
                && of(&there, Part::Behaviour) > 0.0
        );
        let sum: f64 = there.parts.iter().map(|part| part.log_odds).sum();
        let expected = Expected::default();
        let (a, b) = (Traits::of(&one, &expected), Traits::of(&other, &expected));
        let logits: f64 = rows((&one, &a), (&other, &b)).iter().map(|row| model.learner.logit(row)).sum();
        assert!((sum + model.learner.mean[0] - logits / 2.0).abs() < 1e-9, "nothing is hidden but the constant");
    }

    #[test]
    fn x2_x7_strikes_reports_and_distrust_lower_a_score_before_anything_is_learned() {
        let model = ScoreModel::default();
        let (one, clean) = (person("chess"), person("chess"));
        let base = model.score(&one, &clean).total;
        let worse = [
            Someone { strikes: 1, ..clean.clone() },
            Someone { trust: Some(0.3), ..clean.clone() },
            Someone {
                behaviour: crate::matching::behaviour::Behaviour { reports: 2.0, ..Default::default() },
                ..clean.clone()
            },
        ];
        for person in worse {
            assert!(model.score(&one, &person).total < base, "{person:?}");
            assert!(model.reputation(&person) < 0.0 && model.reputation(&clean) == 0.0);
        }
    }

    #[test]
    fn x2_answers_change_the_score_and_the_version() {
        let mut model = ScoreModel::default();
        let (viewer, chess, rugby) = (person("chess"), person("chess"), person("rugby"));
        let lead = |model: &ScoreModel| model.score(&viewer, &chess).forward - model.score(&viewer, &rugby).forward;
        let before = lead(&model);
        for _ in 0..300 {
            model.learn(&viewer, &chess, false);
            model.learn(&viewer, &rugby, true);
        }
        assert!(before > 0.0 && lead(&model) < -0.1, "{before} {}", lead(&model));
        assert_eq!(model.version(), 600);
        let stored: ScoreModel = serde_json::from_str(&serde_json::to_string(&model).unwrap()).unwrap();
        assert!(stored == model && stored.fits());
        let other = ScoreModel { features: vec!["x".into()], ..stored };
        assert!(!other.fits());
    }
}
