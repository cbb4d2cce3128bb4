//! Trying out what is not known yet: who looks best on what little is known may only be lucky, and who was never shown cannot be liked.
//!
//! Thompson sampling: every candidate is ranked by a draw of what they might be worth, wide for newcomers and narrow for the well known
//! (Thompson 1933; Chapelle and Li 2011). [`simulate`] shows what that gains.

use super::{
    behaviour::{Behaviour, Expected, Tally},
    dice::Dice,
};

/// How people are chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// By a draw from what is believed of each.
    Thompson,
    /// The best so far, but with this chance anybody.
    EpsilonGreedy(f64),
    /// The best so far.
    Exploit,
}

/// A draw of the like-rate that somebody with this tally might have.
pub fn draw(tally: &Tally, expected: &Expected, dice: &mut Dice) -> f64 {
    let weight = expected.weight.max(1e-3);
    dice.beta(tally.yes + expected.likes * weight, tally.no + (1.0 - expected.likes) * weight)
}

/// A person's behaviour with an appeal that they might have, as far as what was seen of them allows: what their score is computed from when
/// they are explored.
pub fn explored(behaviour: &Behaviour, expected: &Expected, dice: &mut Dice) -> Behaviour {
    let mean = behaviour.received.shrunk(expected.likes, expected.weight);
    let appeal = (behaviour.appeal + draw(&behaviour.received, expected, dice) - mean).clamp(-1.0, 1.0);
    Behaviour { appeal, ..*behaviour }
}

/// A simulated market.
#[derive(Debug, Clone, Copy)]
pub struct Market {
    /// Candidates there at the start.
    pub candidates: usize,
    /// Every so many rounds the oldest leaves and a newcomer comes; 0: never.
    pub churn: usize,
    /// Showings.
    pub rounds: usize,
}

/// What a strategy got out of a market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gain {
    /// Likes that the best candidate of every moment would have got more, in expectation.
    pub regret: f64,
    /// Regret of the last tenth, per round: does it go on?
    pub late_regret: f64,
}

/// Plays a strategy through a market whose hidden like-rates follow from the seed: the same for every strategy.
pub fn simulate(strategy: Strategy, market: Market, seed: u64) -> Gain {
    let expected = Expected::default();
    let mut nature = Dice::seeded(seed);
    let mut dice = Dice::seeded(seed ^ 0xd1ce);
    let newcomer = |nature: &mut Dice| (nature.beta(2.1, 2.9), Tally::default());
    let mut people: Vec<(f64, Tally)> = (0..market.candidates).map(|_| newcomer(&mut nature)).collect();
    let mut gain = Gain { regret: 0.0, late_regret: 0.0 };
    let late = market.rounds - market.rounds / 10;
    for round in 0..market.rounds {
        if market.churn > 0 && round > 0 && round % market.churn == 0 {
            people.remove(0);
            people.push(newcomer(&mut nature));
        }
        let explore = matches!(strategy, Strategy::EpsilonGreedy(epsilon) if dice.chance(epsilon));
        let mut worth = |tally: &Tally| match strategy {
            Strategy::Thompson => draw(tally, &expected, &mut dice),
            Strategy::EpsilonGreedy(_) | Strategy::Exploit => tally.shrunk(expected.likes, expected.weight),
        };
        let worths: Vec<f64> = people.iter().map(|(_, tally)| worth(tally)).collect();
        let best = (0..people.len()).max_by(|a, b| worths[*a].total_cmp(&worths[*b])).unwrap_or_default();
        let chosen = if explore { dice.below(people.len()) } else { best };
        let most = people.iter().map(|(rate, _)| *rate).fold(0.0, f64::max);
        let missed = most - people[chosen].0;
        gain.regret += missed;
        if round >= late {
            gain.late_regret += missed / (market.rounds - late) as f64;
        }
        let liked = nature.chance(people[chosen].0);
        people[chosen].1.add(liked);
    }
    gain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn x2_thompson_regrets_less_than_greed_and_than_chance() {
        for market in
            [Market { candidates: 50, churn: 0, rounds: 5_000 }, Market { candidates: 50, churn: 200, rounds: 5_000 }]
        {
            let mean = |strategy| (0..20).map(|seed| simulate(strategy, market, seed).regret).sum::<f64>() / 20.0;
            let (thompson, epsilon, exploit) =
                (mean(Strategy::Thompson), mean(Strategy::EpsilonGreedy(0.1)), mean(Strategy::Exploit));
            assert!(thompson < epsilon && thompson < exploit, "{market:?}: {thompson} {epsilon} {exploit}");
        }
    }

    #[test]
    fn x2_the_well_known_are_drawn_narrowly() {
        let expected = Expected::default();
        let spread = |tally: Tally| {
            let mut dice = Dice::seeded(5);
            let draws: Vec<f64> = (0..2_000).map(|_| draw(&tally, &expected, &mut dice)).collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64
        };
        let (new, known) = (Tally::default(), Tally { yes: 300.0, no: 300.0 });
        assert!(spread(new) > 20.0 * spread(known));
    }

    #[test]
    fn x2_an_explored_person_keeps_their_appeal_on_average() {
        let expected = Expected::default();
        let person = Behaviour { appeal: 0.1, received: Tally { yes: 3.0, no: 2.0 }, ..Behaviour::default() };
        let mut dice = Dice::seeded(9);
        let draws: Vec<f64> = (0..4_000).map(|_| explored(&person, &expected, &mut dice).appeal).collect();
        assert!((draws.iter().sum::<f64>() / 4_000.0 - 0.1).abs() < 0.01);
        assert!(draws.iter().any(|draw| *draw > 0.2) && draws.iter().any(|draw| *draw < 0.0));
    }
}
