//! Equal scores are cut by id, not by chance: so all points with the score at the cut have to be seen. Pure.

use super::Hit;

/// Hits looked at beyond the limit.
const MARGIN: usize = 8;
/// Where looking for the end of a tie stops.
const MAX_TIE: usize = 4096;

/// How many to ask for at first.
pub(super) fn first(limit: usize) -> usize {
    limit.saturating_add(MARGIN)
}

/// How many to ask for instead of `asked`, best first in `scores`, because the score at the cut may go on; `None` when all is seen.
/// `limit` is at least 1.
pub(super) fn wider(scores: &[f32], limit: usize, asked: usize) -> Option<usize> {
    let open = scores.len() == asked && scores.last() == scores.get(limit.saturating_sub(1));
    (open && asked < limit.saturating_add(MAX_TIE)).then(|| asked.saturating_mul(4))
}

/// The best `limit` hits, ties by id.
pub(super) fn cut(mut hits: Vec<Hit>, limit: usize) -> Vec<Hit> {
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    hits.truncate(limit);
    hits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_asked_for_while_the_score_at_the_cut_goes_on() {
        for (scores, limit, asked, expected) in [
            (vec![0.9, 0.8, 0.7], 1, 3, None),
            (vec![0.9, 0.9, 0.9], 1, 3, Some(12)),
            (vec![0.9, 0.8, 0.8], 2, 3, Some(12)),
            (vec![0.9, 0.8, 0.8], 1, 3, None),
            (vec![0.9, 0.9], 1, 3, None),
            (vec![], 1, 9, None),
            (vec![0.5; 5000], 1, 5000, None),
        ] {
            assert_eq!(wider(&scores, limit, asked), expected, "{} {limit} {asked}", scores.len());
        }
    }
}
