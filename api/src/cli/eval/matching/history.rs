//! What both did earlier in the evening, by the estimates of the product: how readily they say yes, how readily others say yes to them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pipeline::matching::behaviour::{Answer, joint};

use super::{
    evening::Dates,
    fit::{Row, probability, without},
    profiles,
};

/// How firmly every weight is believed to be 0.
pub(super) const PRECISION: f64 = 10.0;
/// Columns of a row.
const COLUMNS: usize = 16;
/// Answers that weigh as much as knowing nothing.
const WEIGHT: f64 = 4.0;
/// Groups of evenings in which the profiles' predictions for training are made.
const FOLDS: usize = 4;

/// Log odds of every decision from profiles and earlier decisions. `profile_rows`: what profiles say; `alone`: the log odds from them, each
/// evening's by a model of the others. Nothing that is computed for an evening has seen its answers, the predictions from profiles that
/// the training reads included.
pub(super) fn held_out(dates: &Dates, profile_rows: &[Row], alone: &[f64]) -> Vec<f64> {
    let evenings = dates.evenings();
    let precisions = profiles::precisions(profile_rows.first().map_or(0, Vec::len));
    let mut logits = vec![0.0; dates.len()];
    for (held, own) in &evenings {
        let mut seen = alone.to_vec();
        let others: Vec<u32> = evenings.keys().copied().filter(|evening| evening != held).collect();
        for fold in 0..FOLDS {
            let fold: BTreeSet<u32> = others.iter().copied().skip(fold).step_by(FOLDS).collect();
            let apart: BTreeSet<u32> = fold.iter().copied().chain([*held]).collect();
            let model = without(dates, profile_rows, &precisions, &apart);
            for row in fold.iter().flat_map(|evening| &evenings[evening]) {
                seen[*row] = model.logit(&profile_rows[*row]);
            }
        }
        let mut rows: Vec<Row> = vec![Vec::new(); dates.len()];
        for own in evenings.values() {
            evening(dates, own, &seen, &mut rows);
        }
        let model = without(dates, &rows, &[PRECISION; COLUMNS], &BTreeSet::from([*held]));
        for row in own {
            logits[*row] = model.logit(&rows[*row]);
        }
    }
    logits
}

fn evening(dates: &Dates, own: &[usize], alone: &[f64], rows: &mut [Row]) {
    let mut numbers: HashMap<u32, usize> = HashMap::new();
    for row in own {
        let next = numbers.len();
        numbers.entry(dates.date(*row).viewer).or_insert(next);
        let next = numbers.len();
        numbers.entry(dates.date(*row).candidate).or_insert(next);
    }
    let answer = |row: usize| {
        let date = dates.date(row);
        Answer {
            viewer: numbers[&date.viewer],
            candidate: numbers[&date.candidate],
            surprise: f64::from(u8::from(date.yes)) - probability(alone[row]),
        }
    };
    let mut rounds: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for row in own {
        rounds.entry(dates.round(*row)).or_default().push(*row);
    }
    let mut before: Vec<Answer> = Vec::new();
    for (round, together) in rounds {
        let known = joint(numbers.len(), &before, WEIGHT);
        let count = |pick: fn(&Answer) -> usize, person: usize| {
            before.iter().filter(|answer| pick(answer) == person).count() as f64
        };
        let mean = before.iter().map(|answer| answer.surprise).sum::<f64>() / before.len().max(1) as f64;
        for row in &together {
            let Answer { viewer, candidate, .. } = answer(*row);
            let ((leaning, viewer_appeal), (candidate_leaning, appeal)) = (known[viewer], known[candidate]);
            let (given, received) = (count(|a| a.viewer, viewer), count(|a| a.candidate, candidate));
            let (their_given, own_received) = (count(|a| a.viewer, candidate), count(|a| a.candidate, viewer));
            let back = dates.reverse(*row).map(|row| alone[row]);
            rows[*row] = [
                leaning,
                appeal,
                candidate_leaning,
                viewer_appeal,
                given,
                received,
                their_given,
                own_received,
                f64::from(round),
                mean,
                leaning * given.sqrt(),
                appeal * received.sqrt(),
                leaning * appeal,
                viewer_appeal * appeal,
                alone[*row],
            ]
            .into_iter()
            .map(Some)
            .chain([back])
            .collect();
        }
        before.extend(together.into_iter().map(answer));
    }
}
