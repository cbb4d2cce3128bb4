//! A simulated month: people with hidden tastes come, go, are shown a list a day, like and pass, write and answer. What do rankers make of it?
//!
//! | part | module |
//! |---|---|
//! | what is hidden: people, whom they like, when they come | [`nature`] |
//! | what a platform sees: profiles, answers, an index of vectors | [`market`] |
//! | how lists are made: ours through the product's own functions, and others | [`ranker`] |
//!
//! Every ranker meets the same people. How likely people like each other is drawn as wide as the public speed-dating evenings show it (see
//! [`nature`]); how far a profile tells of it is printed first, so that nobody need believe that the simulation flatters nobody.

mod market;
mod nature;
mod ranker;

use pipeline::matching::{dice::Dice, exposure::gini};

use self::{market::Market, nature::Hidden, ranker::Ranker};
use crate::report::Report;

/// Pairs that calibration looks at.
const PAIRS: usize = 40_000;

/// Plays the month for every ranker.
pub fn run(people: usize, days: usize) -> Report {
    let mut report = Report::new("month");
    calibrate(&mut report);
    for (name, ranker) in Ranker::ALL {
        let begin = std::time::Instant::now();
        let month = play(ranker, people, days);
        report.figure(&format!("{name}: matches per person"), vec![month.matches]);
        report.figure(&format!("{name}: matches with an answered message per person"), vec![month.answered]);
        report.figure(&format!("{name}: share of showings that were liked, %"), vec![month.liked * 100.0]);
        report.figure(&format!("{name}: Gini of exposure"), vec![month.gini]);
        report.figure(&format!("{name}: Gini of matches"), vec![month.gini_of_matches]);
        report.figure(&format!("{name}: people without a match, %"), vec![month.without * 100.0]);
        report.figure(&format!("{name}: seconds"), vec![begin.elapsed().as_secs_f64()]);
    }
    report
}

/// What a month came to. People who were there for less than a week are not counted: they had no chance.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Month {
    matches: f64,
    answered: f64,
    liked: f64,
    gini: f64,
    gini_of_matches: f64,
    without: f64,
}

fn play(ranker: Ranker, count: usize, days: usize) -> Month {
    // Nature and rankers throw dice of their own: everybody meets the same people.
    let (mut nature, mut dice) = (Dice::seeded(5), Dice::seeded(6));
    let mut market = Market::new(count, &mut nature);
    let mut order: Vec<usize> = (0..count).collect();
    for day in 0..days {
        market.begin(day, &mut nature);
        nature.shuffle(&mut order);
        for viewer in &order {
            // As many dice whatever ranker: people come on the same days.
            if !market.comes(*viewer, &mut nature) {
                continue;
            }
            let list = ranker.list(&mut market, *viewer, &mut dice);
            market.visit(*viewer, &list, &mut dice);
        }
    }
    let lives = market.close(days);
    let column = |of: fn(&market::Life) -> f64| -> Vec<f64> { lives.iter().map(of).collect() };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let matches = column(|life| f64::from(life.matches));
    Month {
        answered: mean(&column(|life| f64::from(life.answered))),
        liked: market.likes as f64 / market.looks.max(1) as f64,
        gini: gini(&column(|life| life.shown / life.days)),
        gini_of_matches: gini(&column(|life| f64::from(life.matches) / life.days)),
        without: matches.iter().filter(|count| **count == 0.0).count() as f64 / lives.len().max(1) as f64,
        matches: mean(&matches),
    }
}

/// How well parts of the truth tell who likes whom, among pairs drawn at random: ROC-AUC of a yes.
fn calibrate(report: &mut Report) {
    let mut nature = Dice::seeded(1);
    let mut rows = Vec::with_capacity(PAIRS);
    for _ in 0..PAIRS {
        let viewer = Hidden::drawn(true, &mut nature);
        let candidate = Hidden::drawn(false, &mut nature);
        let yes = nature.chance(viewer.likes(&candidate));
        rows.push((viewer, candidate, yes));
    }
    let yes: Vec<bool> = rows.iter().map(|(.., yes)| *yes).collect();
    report.figure(
        "share of yes among pairs at random, %",
        vec![yes.iter().filter(|yes| **yes).count() as f64 / yes.len() as f64 * 100.0],
    );
    let mut auc = |name: &str, score: fn(&Hidden, &Hidden) -> f64| {
        let scores: Vec<f32> = rows.iter().map(|(viewer, candidate, _)| score(viewer, candidate) as f32).collect();
        let auc = datasets::measure::roc_auc(&scores, &yes).unwrap_or(f64::NAN);
        report.figure(&format!("ROC-AUC of a yes, by {name}"), vec![auc]);
    };
    auc("likeness of profiles alone", |viewer, candidate| candidate.likeness(viewer));
    auc("the hidden taste alone", nature::Hidden::fit);
    auc("the hidden appeal alone", |_, candidate| candidate.appeal);
    auc("the hidden leaning alone", |viewer, _| viewer.leaning);
    auc("all that is hidden", nature::Hidden::likes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(name: &str) -> Month {
        let (_, ranker) = Ranker::ALL.into_iter().find(|(known, _)| *known == name).unwrap();
        play(ranker, 200, 12)
    }

    #[test]
    fn x2_x7_ours_makes_more_matches_than_others_and_shares_attention_better_than_popularity() {
        let (ours, cosine, random, popularity) =
            (month("ours"), month("cosine only"), month("random"), month("popularity"));
        for other in [cosine, random, popularity] {
            assert!(ours.matches > 1.1 * other.matches, "{ours:?} {other:?}");
            assert!(ours.without <= other.without, "{ours:?} {other:?}");
        }
        assert!(ours.gini < popularity.gini, "{ours:?} {popularity:?}");
        let hidden = month("knows what is hidden");
        assert!(hidden.matches > ours.matches, "nothing beats the truth: {hidden:?} {ours:?}");
    }

    #[test]
    fn x2_a_month_repeats() {
        assert_eq!(month("random"), month("random"));
    }
}
