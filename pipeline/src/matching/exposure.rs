//! Fair exposure: without it the ten best-looking people are shown to everybody, and most are shown to no one.
//!
//! Lists are made one after the other, each by the gradient of an α-fair welfare of exposure (Mo and Walrand 2000; α = 1 is Nash welfare,
//! α = 0 is by score alone): a candidate's score is worth `score · (1 + mean)^α / (1 + shown)^α`, `shown` counting showings by their place
//! in the list. Both sides count, for the score is the chance that both say yes.

use serde::Serialize;

use super::dice::Dice;

/// What a place in a list is worth: people look at the first ones most (the discount of DCG).
pub fn attention(place: usize) -> f64 {
    1.0 / (place as f64 + 2.0).log2()
}

/// A candidate of a list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// 0..=1.
    pub score: f64,
    /// How much attention they got lately, as [`attention`] counts it.
    pub shown: f64,
}

/// The order in which candidates are shown, as places in `candidates`. `mean`: the attention that everybody got on average. `alpha`: 0
/// (by score) to about 2 (almost equal).
pub fn order(candidates: &[Candidate], mean: f64, alpha: f64) -> Vec<usize> {
    let worth = |candidate: &Candidate| {
        candidate.score * ((1.0 + mean.max(0.0)) / (1.0 + candidate.shown.max(0.0))).powf(alpha)
    };
    let worths: Vec<f64> = candidates.iter().map(worth).collect();
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| worths[*b].total_cmp(&worths[*a]));
    order
}

/// Gini coefficient: 0 when all have the same, towards 1 when one has everything.
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (count, sum) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    if sum <= 0.0 {
        return 0.0;
    }
    let weighted: f64 = sorted.iter().enumerate().map(|(rank, value)| (rank as f64 + 1.0) * value).sum();
    2.0 * weighted / (count * sum) - (count + 1.0) / count
}

/// One line of the trade-off between good lists and fair ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TradeOff {
    /// How fair.
    pub alpha: f64,
    /// Expected matches, as a share of those of α = 0.
    pub matches_kept: f64,
    /// Of exposure.
    pub gini: f64,
    /// Share of people who were never shown.
    pub never_shown: f64,
    /// Share of people who can expect no match (less than half of one).
    pub without_match: f64,
}

/// Expected exposure and matches of a market where `people` of two sides are shown `length` of the other side, `days` times, for every
/// alpha. Tastes are part common (some are sought after by many), part personal.
pub fn trade_off(alphas: &[f64], people: usize, length: usize, days: usize, seed: u64) -> Vec<TradeOff> {
    let mut dice = Dice::seeded(seed);
    let fame: Vec<f64> = (0..2 * people).map(|_| dice.normal()).collect();
    let chance = |own: f64, fame: f64| 1.0 / (1.0 + (1.5 - fame - own).exp());
    // scores[a][b]: chance that both say yes.
    let scores: Vec<Vec<f64>> = (0..people)
        .map(|a| {
            let one =
                |b: usize, dice: &mut Dice| chance(dice.normal(), fame[people + b]) * chance(dice.normal(), fame[a]);
            (0..people).map(|b| one(b, &mut dice)).collect()
        })
        .collect();
    let mut lines: Vec<TradeOff> = alphas.iter().map(|alpha| play(&scores, *alpha, length, days, seed)).collect();
    let best = lines.first().map_or(1.0, |line| line.matches_kept);
    for line in &mut lines {
        line.matches_kept /= best;
    }
    lines
}

/// As [`TradeOff`], with the expected matches themselves.
fn play(scores: &[Vec<f64>], alpha: f64, length: usize, days: usize, seed: u64) -> TradeOff {
    let people = scores.len();
    let mut dice = Dice::seeded(seed);
    let (mut shown, mut matches) = (vec![0.0; 2 * people], vec![0.0; 2 * people]);
    let mut viewers: Vec<usize> = (0..2 * people).collect();
    for _ in 0..days {
        dice.shuffle(&mut viewers);
        for viewer in &viewers {
            let (own, first) = if *viewer < people { (*viewer, people) } else { (*viewer - people, 0) };
            let score = |other: usize| if first == people { scores[own][other] } else { scores[other][own] };
            let candidates: Vec<Candidate> =
                (0..people).map(|other| Candidate { score: score(other), shown: shown[first + other] }).collect();
            let mean = candidates.iter().map(|candidate| candidate.shown).sum::<f64>() / people as f64;
            for (place, other) in order(&candidates, mean, alpha).into_iter().take(length).enumerate() {
                shown[first + other] += attention(place);
                let expected = attention(place) * score(other);
                matches[*viewer] += expected;
                matches[first + other] += expected;
            }
        }
    }
    let share =
        |few: &dyn Fn(usize) -> bool| (0..2 * people).filter(|who| few(*who)).count() as f64 / (2 * people) as f64;
    TradeOff {
        alpha,
        matches_kept: matches.iter().sum(),
        gini: gini(&shown),
        never_shown: share(&|who| shown[who] == 0.0),
        without_match: share(&|who| matches[who] < 0.5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x7_gini_table() {
        for (values, expected) in [
            (vec![1.0, 1.0, 1.0], 0.0),
            (vec![0.0, 0.0, 0.0, 1.0], 0.75),
            (vec![1.0, 3.0], 0.25),
            (vec![], 0.0),
            (vec![0.0, 0.0], 0.0),
        ] {
            assert!((gini(&values) - expected).abs() < 1e-9, "{values:?}: {}", gini(&values));
        }
    }

    #[test]
    fn x7_equal_scores_are_shown_in_turn_and_alpha_0_is_by_score() {
        let two = |first: f64| [Candidate { score: 0.5, shown: first }, Candidate { score: 0.4, shown: 0.0 }];
        assert_eq!(order(&two(0.0), 0.0, 1.0), [0, 1]);
        assert_eq!(order(&two(5.0), 2.5, 1.0), [1, 0]);
        assert_eq!(order(&two(5.0), 2.5, 0.0), [0, 1]);
    }

    #[test]
    fn x7_fairness_costs_little_and_gives_much() {
        let lines = trade_off(&[0.0, 0.5, 1.0], 60, 6, 5, 4);
        assert!(lines[0].gini > lines[1].gini && lines[1].gini > lines[2].gini, "{lines:?}");
        assert!(lines[1].matches_kept > 0.9, "{lines:?}");
        assert!(lines[2].never_shown <= lines[0].never_shown, "{lines:?}");
    }
}
