//! How far two people agree who judged the same cases: Cohen's kappa. Pure.
//!
//! Jacob Cohen, "A coefficient of agreement for nominal scales", Educational and Psychological Measurement 20 (1960), 37-46.

use std::{collections::BTreeMap, hash::Hash};

/// Agreement beyond chance of pairs of judgements: 1 is full agreement, 0 what chance gives, below 0 worse than chance. `None` without pairs, and
/// when both always said one and the same thing: then chance alone explains everything, and kappa is not defined.
pub fn kappa<T: Ord + Hash + Clone>(pairs: &[(T, T)]) -> Option<f64> {
    if pairs.is_empty() {
        return None;
    }
    let count = pairs.len() as f64;
    let agreed = pairs.iter().filter(|(one, other)| one == other).count() as f64 / count;
    let mut shares: BTreeMap<&T, (f64, f64)> = BTreeMap::new();
    for (one, other) in pairs {
        shares.entry(one).or_default().0 += 1.0;
        shares.entry(other).or_default().1 += 1.0;
    }
    let by_chance: f64 = shares.values().map(|(one, other)| (one / count) * (other / count)).sum();
    if (1.0 - by_chance).abs() < f64::EPSILON {
        return None;
    }
    Some((agreed - by_chance) / (1.0 - by_chance))
}

/// Share of pairs that are the same; `None` without pairs.
pub fn agreement<T: PartialEq>(pairs: &[(T, T)]) -> Option<f64> {
    (!pairs.is_empty()).then(|| pairs.iter().filter(|(one, other)| one == other).count() as f64 / pairs.len() as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(yes_yes: usize, yes_no: usize, no_yes: usize, no_no: usize) -> Vec<(bool, bool)> {
        let cells =
            [((true, true), yes_yes), ((true, false), yes_no), ((false, true), no_yes), ((false, false), no_no)];
        cells.into_iter().flat_map(|(pair, count)| std::iter::repeat_n(pair, count)).collect()
    }

    #[test]
    fn c7_kappa_of_known_tables() {
        // Worked by hand: (observed - chance) / (1 - chance).
        let rows = [
            (table(20, 5, 10, 15), Some(0.4)),              // 0.70 observed, 0.50 by chance
            (table(45, 15, 25, 15), Some(0.130_434_782_6)), // 0.60 observed, 0.54 by chance
            (table(10, 0, 0, 10), Some(1.0)),
            (table(0, 10, 10, 0), Some(-1.0)),
            (table(25, 25, 25, 25), Some(0.0)),
            (table(10, 0, 0, 0), None),
            (table(0, 0, 0, 0), None),
        ];
        for (pairs, expected) in rows {
            match (kappa(&pairs), expected) {
                (Some(kappa), Some(expected)) => assert!((kappa - expected).abs() < 1e-9, "{kappa} {expected}"),
                (found, expected) => assert_eq!(found, expected),
            }
        }
        assert_eq!(agreement(&table(20, 5, 10, 15)), Some(0.7));
        assert_eq!(agreement::<bool>(&[]), None);
    }

    proptest! {
        #[test]
        fn c7_kappa_is_the_same_from_both_sides_and_at_most_one(pairs in proptest::collection::vec((0_u8..4, 0_u8..4), 1..60)) {
            let turned: Vec<(u8, u8)> = pairs.iter().map(|(one, other)| (*other, *one)).collect();
            match (kappa(&pairs), kappa(&turned)) {
                (Some(one), Some(other)) => {
                    prop_assert!((one - other).abs() < 1e-9);
                    prop_assert!(one <= 1.0 + 1e-9);
                }
                (one, other) => prop_assert_eq!(one, other),
            }
        }
    }
}
