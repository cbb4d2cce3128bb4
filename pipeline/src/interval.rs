//! How sure a share is. Pure.

/// Two-sided 95 % of the normal distribution.
pub const Z95: f64 = 1.959_964;

/// Wilson's score interval of `hits` out of `trials` (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927): where the true share is, with
/// the confidence that `z` stands for. Unlike the plain one it stays within 0..=1 and is honest about few trials. Without
/// trials everything is possible: (0, 1).
pub fn wilson(hits: u64, trials: u64, z: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let n = trials as f64;
    let share = hits.min(trials) as f64 / n;
    let scale = 1.0 + z * z / n;
    let centre = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn p4_intervals_are_those_of_the_literature() {
        // Values of R's `prop.test(x, n, correct = FALSE)`.
        for (hits, trials, low, high) in [
            (8, 10, 0.490_16, 0.943_32),
            (0, 10, 0.0, 0.277_53),
            (10, 10, 0.722_47, 1.0),
            (95, 100, 0.888_25, 0.978_46),
        ] {
            let found = wilson(hits, trials, Z95);
            assert!((found.0 - low).abs() < 1e-4 && (found.1 - high).abs() < 1e-4, "{hits}/{trials}: {found:?}");
        }
        assert_eq!(wilson(0, 0, Z95), (0.0, 1.0));
    }

    proptest! {
        #[test]
        fn p4_an_interval_holds_its_share_and_narrows_with_trials(hits in 0_u64..500, more in 0_u64..500) {
            let trials = hits + more;
            let (low, high) = wilson(hits, trials, Z95);
            prop_assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0);
            if trials > 0 {
                let share = hits as f64 / trials as f64;
                prop_assert!(low <= share + 1e-9 && share <= high + 1e-9);
                let wider = wilson(hits * 10, trials * 10, Z95);
                prop_assert!(wider.1 - wider.0 <= high - low + 1e-9);
            }
        }
    }
}
