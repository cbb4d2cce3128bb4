//! The learner of the product, fitted to rows with gaps, and predictions for evenings that it did not see.

use std::collections::BTreeSet;

use pipeline::matching::learner::{Learner, logistic};

use super::evening::Dates;

/// Turns of fitting: more change nothing.
const TURNS: usize = 4;
/// Precision of the constant: free.
const FREE: f64 = 1e-3;

/// One row: `None` where nothing is known.
pub(super) type Row = Vec<Option<f64>>;

/// A chance out of log odds.
pub(super) fn probability(logit: f64) -> f64 {
    logistic(logit)
}

/// Means and deviations of every column, and the weights.
pub(super) struct Fitted {
    scales: Vec<(f64, f64)>,
    learner: Learner,
}

impl Fitted {
    /// Fits to some rows; `precisions`: how firmly each column's weight is believed to be 0.
    pub(super) fn new(rows: &[Row], answers: &[bool], precisions: &[f64]) -> Self {
        let columns = rows.first().map_or(0, Vec::len);
        let scales: Vec<(f64, f64)> = (0..columns)
            .map(|column| {
                let known: Vec<f64> = rows.iter().filter_map(|row| row[column]).collect();
                let count = known.len().max(1) as f64;
                let mean = known.iter().sum::<f64>() / count;
                // What is missing will be the mean.
                let variance = known.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows.len().max(1) as f64;
                (mean, variance.sqrt())
            })
            .collect();
        let precisions: Vec<f64> = precisions.iter().copied().take(columns).chain([FREE]).collect();
        let prior = Learner::prior(vec![0.0; columns + 1], precisions);
        let scaled: Vec<Vec<f64>> = rows.iter().map(|row| scale(&scales, row)).collect();
        Self { learner: prior.fit(&scaled, answers, TURNS), scales }
    }

    /// Log odds of a yes.
    pub(super) fn logit(&self, row: &Row) -> f64 {
        self.learner.logit(&scale(&self.scales, row))
    }
}

/// In deviations from the mean, with a constant at the end.
fn scale(scales: &[(f64, f64)], row: &Row) -> Vec<f64> {
    let cell = |((mean, deviation), value): (&(f64, f64), &Option<f64>)| match value {
        Some(value) if *deviation > 1e-9 => (value - mean) / deviation,
        _ => 0.0,
    };
    scales.iter().zip(row).map(cell).chain([1.0]).collect()
}

/// Log odds of every decision, each evening's by a model of the others.
pub(super) fn held_out(dates: &Dates, rows: &[Row], precisions: &[f64]) -> Vec<f64> {
    let mut logits = vec![0.0; dates.len()];
    for (evening, own) in dates.evenings() {
        let model = without(dates, rows, precisions, &BTreeSet::from([evening]));
        for row in own {
            logits[row] = model.logit(&rows[row]);
        }
    }
    logits
}

/// A model of all evenings but these.
pub(super) fn without(dates: &Dates, rows: &[Row], precisions: &[f64], evenings: &BTreeSet<u32>) -> Fitted {
    let chosen: Vec<usize> = (0..dates.len()).filter(|row| !evenings.contains(&dates.date(*row).evening)).collect();
    let answers: Vec<bool> = chosen.iter().map(|row| dates.date(*row).yes).collect();
    let rows: Vec<Row> = chosen.iter().map(|row| rows[*row].clone()).collect();
    Fitted::new(&rows, &answers, precisions)
}
