//! Logistic regression that learns one answer at a time and knows how sure it is of each weight.
//!
//! Every weight has a mean and a precision. An answer moves the means by one Newton step of the posterior and adds its Fisher information
//! to the precisions (Spiegelhalter and Lauritzen 1990; Chapelle and Li 2011): weights begin at a prior and leave it only as far as what
//! was seen forces them (shrinkage).

use serde::{Deserialize, Serialize};

use super::dice::Dice;

/// `1 / (1 + e^−x)`.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Weights with their doubt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learner {
    /// One per feature.
    pub mean: Vec<f64>,
    /// One per feature: the inverse of the variance.
    pub precision: Vec<f64>,
    /// Answers seen.
    pub seen: u64,
}

impl Learner {
    /// Believes in `mean` as strongly as `precision` says.
    pub fn prior(mean: Vec<f64>, precision: Vec<f64>) -> Self {
        debug_assert_eq!(mean.len(), precision.len());
        Self { mean, precision, seen: 0 }
    }

    /// The log odds that the weights give.
    pub fn logit(&self, x: &[f64]) -> f64 {
        dot(&self.mean, x)
    }

    /// The chance, less bold the less sure the weights are (MacKay 1992: `σ(κ(s²) m)`).
    pub fn predict(&self, x: &[f64]) -> f64 {
        let variance: f64 = x.iter().zip(&self.precision).map(|(x, precision)| x * x / precision).sum();
        let kappa = 1.0 / (1.0 + std::f64::consts::PI * variance / 8.0).sqrt();
        logistic(kappa * self.logit(x))
    }

    /// Learns from one answer; one with a feature that is no number teaches nothing.
    pub fn learn(&mut self, x: &[f64], yes: bool) {
        if x.iter().any(|x| !x.is_finite()) {
            return;
        }
        let p = logistic(self.logit(x));
        let (error, information) = (f64::from(u8::from(yes)) - p, (p * (1.0 - p)).max(1e-6));
        for ((x, mean), precision) in x.iter().zip(&mut self.mean).zip(&mut self.precision) {
            if *x != 0.0 {
                *precision += x * x * information;
                *mean += x * error / *precision;
            }
        }
        self.seen += 1;
    }

    /// The most likely weights for all answers at once, and their precision: what one answer at a time comes near to. `self` is the prior.
    /// Each of the `turns` takes the likelihood for a parabola (Newton) and goes down it feature by feature.
    pub fn fit(&self, rows: &[Vec<f64>], yes: &[bool], turns: usize) -> Self {
        /// Sweeps over the features in one turn.
        const SWEEPS: usize = 4;
        debug_assert_eq!(rows.len(), yes.len());
        let mut fitted = self.clone();
        // By feature, so that memory is read in order.
        let columns: Vec<Vec<f64>> =
            (0..self.mean.len()).map(|feature| rows.iter().map(|row| row[feature]).collect()).collect();
        for _ in 0..turns {
            let p: Vec<f64> = rows.iter().map(|row| logistic(fitted.logit(row))).collect();
            let weights: Vec<f64> = p.iter().map(|p| (p * (1.0 - p)).max(1e-6)).collect();
            let mut errors: Vec<f64> = p.iter().zip(yes).map(|(p, yes)| f64::from(u8::from(*yes)) - p).collect();
            for (feature, column) in columns.iter().enumerate() {
                let curve = column.iter().zip(&weights).map(|(x, weight)| x * x * weight).sum::<f64>();
                fitted.precision[feature] = self.precision[feature] + curve;
            }
            for _ in 0..SWEEPS {
                for (feature, column) in columns.iter().enumerate() {
                    let held = (self.mean[feature] - fitted.mean[feature]) * self.precision[feature];
                    let step = (held + dot(column, &errors)) / fitted.precision[feature];
                    fitted.mean[feature] += step;
                    for ((error, x), weight) in errors.iter_mut().zip(column).zip(&weights) {
                        *error -= step * x * weight;
                    }
                }
            }
        }
        fitted.seen += rows.len() as u64;
        fitted
    }

    /// Weights as they might be: what Thompson sampling decides by.
    pub fn sample(&self, dice: &mut Dice) -> Vec<f64> {
        self.mean.iter().zip(&self.precision).map(|(mean, precision)| mean + dice.normal() / precision.sqrt()).collect()
    }
}

/// `Σ a·b`.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRUE: [f64; 3] = [-0.5, 1.5, 0.0];

    fn taught(answers: usize) -> Learner {
        let mut dice = Dice::seeded(1);
        let mut learner = Learner::prior(vec![0.0; 3], vec![1.0; 3]);
        for _ in 0..answers {
            let x = [1.0, dice.normal(), dice.normal()];
            let yes = dice.chance(logistic(dot(&TRUE, &x)));
            learner.learn(&x, yes);
        }
        learner
    }

    #[test]
    fn x2_the_weights_are_found_and_the_doubt_goes() {
        let (early, late) = (taught(20), taught(5_000));
        for (weight, truth) in late.mean.iter().zip(TRUE) {
            assert!((weight - truth).abs() < 0.15, "{:?}", late.mean);
        }
        assert!(late.precision.iter().zip(&early.precision).all(|(late, early)| late > early));
        assert_eq!(late.seen, 5_000);
    }

    #[test]
    fn x2_all_answers_at_once_and_one_at_a_time_agree() {
        let mut dice = Dice::seeded(2);
        let rows: Vec<Vec<f64>> = (0..3_000).map(|_| vec![1.0, dice.normal(), dice.normal()]).collect();
        let yes: Vec<bool> = rows.iter().map(|row| dice.chance(logistic(dot(&TRUE, row)))).collect();
        let prior = Learner::prior(vec![0.0; 3], vec![1.0; 3]);
        let fitted = prior.fit(&rows, &yes, 20);
        let mut online = prior;
        for (row, yes) in rows.iter().zip(&yes) {
            online.learn(row, *yes);
        }
        for feature in 0..3 {
            assert!((fitted.mean[feature] - online.mean[feature]).abs() < 0.1, "{:?} {:?}", fitted.mean, online.mean);
            assert!((fitted.precision[feature] / online.precision[feature] - 1.0).abs() < 0.2);
        }
    }

    #[test]
    fn x2_a_prior_is_left_only_for_evidence() {
        let mut sure = Learner::prior(vec![2.0], vec![1e6]);
        let mut unsure = Learner::prior(vec![2.0], vec![1.0]);
        for _ in 0..20 {
            sure.learn(&[1.0], false);
            unsure.learn(&[1.0], false);
        }
        assert!(sure.mean[0] > 1.9 && unsure.mean[0] < 0.0, "{sure:?} {unsure:?}");
        // The same weight, but little known: closer to a half.
        let (known, unknown) = (Learner::prior(vec![2.0], vec![1e6]), Learner::prior(vec![2.0], vec![0.5]));
        assert!(unknown.predict(&[1.0]) < known.predict(&[1.0]) && unknown.predict(&[1.0]) > 0.5);
    }

    #[test]
    fn x2_what_is_no_number_teaches_nothing() {
        let mut learner = Learner::prior(vec![0.0, 0.0], vec![1.0, 1.0]);
        learner.learn(&[0.0, 0.0], true);
        learner.learn(&[f64::NAN, 1.0], true);
        assert_eq!((learner.mean, learner.seen), (vec![0.0, 0.0], 1));
    }
}
