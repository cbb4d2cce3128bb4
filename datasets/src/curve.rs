//! Points of the curves that figures of merit summarise. Each takes parallel slices and gives points `(x, y)` in 0..=1.

use crate::measure::CALIBRATION_BINS;

/// Points of a curve, in drawing order.
pub type Points = Vec<(f64, f64)>;

/// ROC: false-positive rate against recall, one point per distinct score, from (0, 0) to (1, 1). Empty with one class only.
pub fn roc(scores: &[f32], positive: &[bool]) -> Points {
    let steps = steps(scores, positive);
    let Some(&(hits, alarms)) = steps.last() else { return Vec::new() };
    if hits == 0.0 || alarms == 0.0 {
        return Vec::new();
    }
    std::iter::once((0.0, 0.0)).chain(steps.into_iter().map(|(h, a)| (a / alarms, h / hits))).collect()
}

/// Recall against precision, one point per distinct score from the highest down. Empty without positives.
pub fn precision_recall(scores: &[f32], positive: &[bool]) -> Points {
    let steps = steps(scores, positive);
    let Some(&(hits, _)) = steps.last() else { return Vec::new() };
    if hits == 0.0 {
        return Vec::new();
    }
    steps.into_iter().map(|(h, a)| (h / hits, h / (h + a))).collect()
}

/// Mean score against the share of positives, one point per bin of [`crate::measure::calibration_error`] that holds rows.
pub fn calibration(scores: &[f32], positive: &[bool]) -> Points {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let mut bins = [(0.0, 0.0, 0.0); CALIBRATION_BINS];
    for (score, mark) in scores.iter().zip(positive) {
        let score = f64::from(*score);
        let bin = ((score * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        bins[bin].0 += 1.0;
        bins[bin].1 += score;
        bins[bin].2 += f64::from(u8::from(*mark));
    }
    bins.into_iter().filter(|(rows, ..)| *rows > 0.0).map(|(rows, score, marks)| (score / rows, marks / rows)).collect()
}

/// Positives and negatives at or above each distinct score, from the highest down.
fn steps(scores: &[f32], positive: &[bool]) -> Points {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut hits, mut alarms) = (0.0, 0.0);
    order
        .chunk_by(|a, b| scores[*a] == scores[*b])
        .map(|group| {
            let fresh = group.iter().filter(|index| positive[**index]).count() as f64;
            hits += fresh;
            alarms += group.len() as f64 - fresh;
            (hits, alarms)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure;

    const SCORES: [f32; 5] = [0.9, 0.8, 0.8, 0.3, 0.1];
    const MARKS: [bool; 5] = [true, true, false, true, false];

    #[test]
    fn the_area_under_the_roc_points_is_the_auc() {
        let points = roc(&SCORES, &MARKS);
        assert_eq!((points[0], points[points.len() - 1]), ((0.0, 0.0), (1.0, 1.0)));
        let area: f64 = points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum();
        assert!((area - measure::roc_auc(&SCORES, &MARKS).unwrap()).abs() < 1e-9);
    }

    #[test]
    fn precision_falls_where_alarms_come_in() {
        let expected = [(1.0 / 3.0, 1.0), (2.0 / 3.0, 2.0 / 3.0), (1.0, 0.75), (1.0, 0.6)];
        for (found, expected) in precision_recall(&SCORES, &MARKS).into_iter().zip(expected) {
            assert!((found.0 - expected.0).abs() < 1e-9 && (found.1 - expected.1).abs() < 1e-9, "{found:?}");
        }
    }

    #[test]
    fn calibration_points_are_means_of_bins() {
        let points = calibration(&[0.5, 0.5, 0.99], &[true, false, true]);
        assert_eq!(points.len(), 2);
        assert!((points[0].0 - 0.5).abs() < 1e-6 && (points[0].1 - 0.5).abs() < 1e-6);
    }

    #[test]
    fn one_class_has_no_curve() {
        assert!(roc(&[0.1, 0.2], &[true, true]).is_empty());
        assert!(precision_recall(&[0.1], &[false]).is_empty());
        assert!(roc(&[], &[]).is_empty() && calibration(&[], &[]).is_empty());
    }
}
