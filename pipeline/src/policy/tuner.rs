//! Which cut of a score gives which precision, by what humans have said. Pure.

use serde::{Deserialize, Serialize};

use crate::interval::{Z95, wilson};

/// One item that a human has judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// The model's score for the label, 0..=1.
    pub score: f32,
    /// A human found that it breaks the rule.
    pub violates: bool,
}

/// What a cut would have done: items with this score or more are flagged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    /// The lowest score that is flagged.
    pub cut: f32,
    /// Flagged items that break the rule.
    pub hits: u64,
    /// Flagged items that do not.
    pub false_alarms: u64,
    /// Items that break the rule and are not flagged.
    pub missed: u64,
    /// Share of flagged items that break the rule.
    pub precision: f64,
    /// Where the true precision is, with 95 % confidence (Wilson).
    pub precision_interval: (f64, f64),
    /// Share of items that break the rule and are flagged.
    pub recall: f64,
    /// Where the true recall is, with 95 % confidence.
    pub recall_interval: (f64, f64),
}

/// What the labels say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuning {
    /// Items.
    pub items: u64,
    /// Those that break the rule.
    pub violating: u64,
    /// Every cut that makes a difference, ascending, thinned to at most [`MOST`].
    pub curve: Vec<Cut>,
    /// The lowest cut that reaches the target beyond doubt: the whole interval lies above it. `None`: too few labels, or no cut does.
    pub sure: Option<Cut>,
    /// The lowest cut that reaches the target by its figure alone.
    pub likely: Option<Cut>,
}

/// Cuts that a curve shows at most.
pub const MOST: usize = 200;

/// Draws the curve, and finds the lowest cuts whose precision is at least `target`. Lowest, because of two cuts that are right often
/// enough the lower one misses less. Scores that are no numbers are left out.
pub fn tune(labelled: &[Labelled], target: f64) -> Tuning {
    let mut rows: Vec<Labelled> = labelled.iter().copied().filter(|row| row.score.is_finite()).collect();
    rows.sort_by(|a, b| b.score.total_cmp(&a.score));
    let violating = rows.iter().filter(|row| row.violates).count() as u64;
    let (mut hits, mut false_alarms, mut curve) = (0, 0, Vec::new());
    for (index, row) in rows.iter().enumerate() {
        if row.violates {
            hits += 1;
        } else {
            false_alarms += 1;
        }
        // Equal scores are flagged together.
        if rows.get(index + 1).is_some_and(|next| next.score.total_cmp(&row.score).is_eq()) {
            continue;
        }
        curve.push(cut(row.score, hits, false_alarms, violating - hits));
    }
    curve.reverse();
    let sure = curve.iter().find(|cut| cut.precision_interval.0 >= target).copied();
    let likely = curve.iter().find(|cut| cut.precision >= target).copied();
    Tuning { items: rows.len() as u64, violating, sure, likely, curve: thinned(curve) }
}

fn cut(cut: f32, hits: u64, false_alarms: u64, missed: u64) -> Cut {
    let share = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    Cut {
        cut,
        hits,
        false_alarms,
        missed,
        precision: share(hits, hits + false_alarms),
        precision_interval: wilson(hits, hits + false_alarms, Z95),
        recall: share(hits, hits + missed),
        recall_interval: wilson(hits, hits + missed, Z95),
    }
}

/// At most [`MOST`] of them, evenly, first and last among them.
fn thinned(curve: Vec<Cut>) -> Vec<Cut> {
    if curve.len() <= MOST {
        return curve;
    }
    let last = curve.len() - 1;
    (0..MOST).map(|place| curve[place * last / (MOST - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows(rows: &[(f32, bool)]) -> Vec<Labelled> {
        rows.iter().map(|(score, violates)| Labelled { score: *score, violates: *violates }).collect()
    }

    #[test]
    fn p4_precision_and_recall_of_every_cut() {
        let tuning =
            tune(&rows(&[(0.9, true), (0.8, true), (0.8, false), (0.5, false), (0.4, true), (f32::NAN, true)]), 0.7);
        let curve: Vec<_> = tuning.curve.iter().map(|cut| (cut.cut, cut.hits, cut.false_alarms, cut.missed)).collect();
        assert_eq!(curve, [(0.4, 3, 2, 0), (0.5, 2, 2, 1), (0.8, 2, 1, 1), (0.9, 1, 0, 2)]);
        assert_eq!((tuning.items, tuning.violating), (5, 3));
        assert!((tuning.curve[0].precision - 0.6).abs() < 1e-9 && (tuning.curve[2].recall - 2.0 / 3.0).abs() < 1e-9);
        assert_eq!(tuning.likely.map(|cut| cut.cut), Some(0.9));
        assert_eq!(tuning.sure, None, "three items prove nothing");
        assert_eq!(tune(&[], 0.9).curve, []);
    }

    #[test]
    fn p4_a_cut_is_proposed_when_the_labels_prove_it() {
        // Above 0.7 all of 200 violate; from 0.3 on every second one does.
        let many: Vec<_> = (0..200)
            .map(|n| (0.7 + n as f32 / 1000.0, true))
            .chain((0..200).map(|n| (0.3 + n as f32 / 1000.0, n % 2 == 0)))
            .collect();
        let tuning = tune(&rows(&many), 0.95);
        let (sure, likely) = (tuning.sure.unwrap(), tuning.likely.unwrap());
        assert!(likely.cut < 0.7 && likely.cut <= sure.cut, "{likely:?} {sure:?}");
        assert!(sure.precision_interval.0 >= 0.95 && sure.hits >= 100, "{sure:?}");
        let (low, high) = sure.precision_interval;
        assert!(low <= sure.precision && sure.precision <= high);
        assert_eq!(tuning.curve.len(), MOST);
    }

    proptest! {
        #[test]
        fn p4_counts_add_up_and_recall_falls_with_the_cut(
            labelled in prop::collection::vec((0.0_f32..=1.0, any::<bool>()), 0..300), target in 0.1_f64..1.0
        ) {
            let tuning = tune(&rows(&labelled), target);
            for cut in &tuning.curve {
                prop_assert_eq!(cut.hits + cut.missed, tuning.violating);
                prop_assert!(cut.hits + cut.false_alarms <= tuning.items);
            }
            prop_assert!(tuning.curve.is_sorted_by(|a, b| a.cut < b.cut && a.recall >= b.recall));
            prop_assert!(tuning.sure.is_none_or(|cut| cut.precision >= target));
        }
    }
}
