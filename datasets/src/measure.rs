//! Figures of merit. Each takes parallel slices; `None` means that the figure does not exist for such data (one class
//! only, no spread, nothing at all).

/// Area under the ROC curve: the chance that a random positive scores above a random negative, a tie counting half.
///
/// `AUC = (R − p(p + 1) / 2) / (p · n)`, R the sum of the positives' ranks, equal scores sharing their average rank.
pub fn roc_auc(scores: &[f32], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let positives = positive.iter().filter(|mark| **mark).count() as f64;
    let negatives = positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return None;
    }
    let scores: Vec<f64> = scores.iter().copied().map(f64::from).collect();
    let sum: f64 = ranks(&scores).iter().zip(positive).filter(|(_, mark)| **mark).map(|(rank, _)| rank).sum();
    Some((sum - positives * (positives + 1.0) / 2.0) / (positives * negatives))
}

/// Average precision: `Σ (Rₖ − Rₖ₋₁) · Pₖ` over the distinct scores from the highest down, P precision and R recall when
/// everything from that score on is called positive. Equal scores enter together.
pub fn average_precision(scores: &[f32], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let total = positive.iter().filter(|mark| **mark).count() as f64;
    if total == 0.0 {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let (mut hits, mut seen, mut sum) = (0.0, 0.0, 0.0);
    for group in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let fresh = group.iter().filter(|index| positive[**index]).count() as f64;
        hits += fresh;
        seen += group.len() as f64;
        sum += fresh / total * (hits / seen);
    }
    Some(sum)
}

/// F1 when scores from `cut` on are called positive: `2 · TP / (2 · TP + FP + FN)`.
pub fn f1(scores: &[f32], positive: &[bool], cut: f32) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let (mut hits, mut wrong) = (0.0, 0.0);
    for (score, mark) in scores.iter().zip(positive) {
        match (*score >= cut, *mark) {
            (true, true) => hits += 1.0,
            (true, false) | (false, true) => wrong += 1.0,
            (false, false) => {}
        }
    }
    (hits + wrong > 0.0).then(|| 2.0 * hits / (2.0 * hits + wrong))
}

/// Share of true positives among what scores from `cut` on; `None` when nothing does.
pub fn precision(scores: &[f32], positive: &[bool], cut: f32) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let called: Vec<bool> =
        scores.iter().zip(positive).filter(|(score, _)| **score >= cut).map(|(_, mark)| *mark).collect();
    (!called.is_empty()).then(|| called.iter().filter(|mark| **mark).count() as f64 / called.len() as f64)
}

/// Share of the positives that score from `cut` on; `None` without positives.
pub fn recall(scores: &[f32], positive: &[bool], cut: f32) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    let total = positive.iter().filter(|mark| **mark).count();
    let found = scores.iter().zip(positive).filter(|(score, mark)| **mark && **score >= cut).count();
    (total > 0).then(|| found as f64 / total as f64)
}

/// Bins of [`calibration_error`].
pub const CALIBRATION_BINS: usize = 15;

/// Expected calibration error over 15 bins of equal width: `Σ n_b / n · |mean score − share of positives|`. Scores are
/// probabilities in 0..=1. Meaningful only for rows of natural prevalence.
pub fn calibration_error(scores: &[f32], positive: &[bool]) -> Option<f64> {
    assert_eq!(scores.len(), positive.len(), "one mark per score");
    if scores.is_empty() {
        return None;
    }
    let mut bins = [(0.0, 0.0); CALIBRATION_BINS];
    for (score, mark) in scores.iter().zip(positive) {
        let bin = ((f64::from(*score) * CALIBRATION_BINS as f64) as usize).min(CALIBRATION_BINS - 1);
        bins[bin].0 += f64::from(*score);
        bins[bin].1 += f64::from(u8::from(*mark));
    }
    // n_b cancels: n_b / n · |s / n_b − m / n_b| = |s − m| / n.
    Some(bins.iter().map(|(sum, marks): &(f64, f64)| (sum - marks).abs()).sum::<f64>() / scores.len() as f64)
}

/// Spearman's rank correlation: Pearson's correlation of the ranks, equal values sharing their average rank.
pub fn spearman(a: &[f64], b: &[f64]) -> Option<f64> {
    assert_eq!(a.len(), b.len(), "pairs");
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(&b) {
        product += (x - mean) * (y - mean);
        left += (x - mean).powi(2);
        right += (y - mean).powi(2);
    }
    (left > 0.0 && right > 0.0).then(|| product / (left * right).sqrt())
}

/// Ranks from 1; equal values share their average rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (group.len() as f64 + 1.0) / 2.0;
        for index in group {
            ranks[*index] = rank;
        }
        before += group.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: bool = true;
    const F: bool = false;

    fn close(found: Option<f64>, expected: Option<f64>) -> bool {
        match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-6,
            (None, None) => true,
            _ => false,
        }
    }

    #[test]
    fn roc_auc_table() {
        let table: &[(&[f32], &[bool], Option<f64>)] = &[
            (&[0.1, 0.4, 0.35, 0.8], &[F, F, T, T], Some(0.75)),
            (&[0.1, 0.2, 0.8, 0.9], &[F, F, T, T], Some(1.0)),
            (&[0.9, 0.8, 0.2, 0.1], &[F, F, T, T], Some(0.0)),
            (&[0.5, 0.5, 0.5], &[F, T, T], Some(0.5)),
            // Pairs: 0.5 against 0.5 is half, against 0.2 whole.
            (&[0.5, 0.5, 0.2], &[T, F, F], Some(0.75)),
            (&[0.5, 0.6], &[T, T], None),
            (&[], &[], None),
        ];
        for (scores, marks, expected) in table {
            assert!(close(roc_auc(scores, marks), *expected), "{scores:?} {:?}", roc_auc(scores, marks));
        }
    }

    #[test]
    fn average_precision_table() {
        let table: &[(&[f32], &[bool], Option<f64>)] = &[
            (&[0.1, 0.4, 0.35, 0.8], &[F, F, T, T], Some(0.5 + 0.5 * 2.0 / 3.0)),
            (&[0.9, 0.8, 0.1], &[T, T, F], Some(1.0)),
            // All equal: precision is prevalence, in whatever order the rows come.
            (&[0.5, 0.5, 0.5, 0.5], &[T, F, F, F], Some(0.25)),
            (&[0.5, 0.5, 0.5, 0.5], &[F, F, F, T], Some(0.25)),
            (&[0.5], &[F], None),
        ];
        for (scores, marks, expected) in table {
            assert!(
                close(average_precision(scores, marks), *expected),
                "{scores:?} {:?}",
                average_precision(scores, marks)
            );
        }
    }

    #[test]
    fn f1_precision_recall_table() {
        let scores = [0.9, 0.8, 0.7, 0.1];
        let marks = [T, F, T, T];
        for (cut, f, p, r) in [
            (0.75, Some(0.4), Some(0.5), Some(1.0 / 3.0)),
            (0.7, Some(2.0 / 3.0), Some(2.0 / 3.0), Some(2.0 / 3.0)),
            (0.95, Some(0.0), None, Some(0.0)),
        ] {
            assert!(close(f1(&scores, &marks, cut), f), "f1 at {cut}");
            assert!(close(precision(&scores, &marks, cut), p), "precision at {cut}");
            assert!(close(recall(&scores, &marks, cut), r), "recall at {cut}");
        }
        assert_eq!(f1(&[0.1], &[F], 0.5), None);
        assert_eq!(recall(&[0.1], &[F], 0.5), None);
    }

    #[test]
    fn calibration_error_table() {
        let table: &[(&[f32], &[bool], Option<f64>)] = &[
            (&[1.0, 0.0], &[T, F], Some(0.0)),
            (&[1.0, 0.0], &[F, T], Some(1.0)),
            (&[0.5, 0.5], &[T, F], Some(0.0)),
            (&[0.75, 0.75, 0.75, 0.75], &[T, F, F, F], Some(0.5)),
            // Two bins whose errors must not cancel.
            (&[0.25, 0.75], &[T, F], Some(0.75)),
            (&[], &[], None),
        ];
        for (scores, marks, expected) in table {
            assert!(
                close(calibration_error(scores, marks), *expected),
                "{scores:?} {:?}",
                calibration_error(scores, marks)
            );
        }
    }

    #[test]
    fn spearman_table() {
        let table: &[(&[f64], &[f64], Option<f64>)] = &[
            (&[1.0, 2.0, 3.0], &[10.0, 200.0, 3000.0], Some(1.0)),
            (&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], Some(-1.0)),
            (&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 4.0], Some(0.8)),
            // Ranks 1, 2.5, 2.5, 4 against 1, 2, 3, 4: 4.5 / √(4.5 · 5).
            (&[1.0, 2.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0], Some(4.5 / (4.5f64 * 5.0).sqrt())),
            (&[1.0, 1.0], &[1.0, 2.0], None),
        ];
        for (a, b, expected) in table {
            assert!(close(spearman(a, b), *expected), "{a:?} {b:?} {:?}", spearman(a, b));
        }
    }
}
