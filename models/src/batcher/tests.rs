use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const RULE: Batching =
    Batching { max_inputs: 8, max_tokens: 256, max_waiting: 64, max_delay_us: 0, padding_tokens: 12, enough_tokens: 0 };

fn state(entries: &[(Lane, usize)]) -> BatchState {
    state_under(RULE, entries)
}

fn state_under(rule: Batching, entries: &[(Lane, usize)]) -> BatchState {
    let mut state = BatchState::new(rule);
    for (lane, length) in entries {
        state.push(*lane, *length, Instant::now());
    }
    state
}

fn ids(cut: &Cut) -> Vec<u64> {
    cut.ids.iter().map(|id| id.0).collect()
}

/// One row per rule: what waits, what is taken in which order, why it stopped.
#[test]
fn cuts_follow_the_table() {
    use Lane::{Bulk, Interactive, Live};
    type Row = (&'static str, Vec<(Lane, usize)>, Vec<u64>, StopReason);
    let table: Vec<Row> = vec![
        ("one entry", vec![(Interactive, 16)], vec![0], StopReason::Empty),
        ("equal lengths in order of age", vec![(Interactive, 16); 3], vec![0, 1, 2], StopReason::Empty),
        ("most inputs", vec![(Interactive, 16); 10], (0..8).collect(), StopReason::MaxInputs),
        ("most tokens", vec![(Interactive, 60); 6], vec![0, 1, 2, 3], StopReason::TokenBudget),
        (
            "longer than the budget goes alone",
            vec![(Interactive, 300), (Interactive, 300)],
            vec![0],
            StopReason::TokenBudget,
        ),
        (
            "a long one is left for later",
            vec![(Interactive, 10), (Interactive, 60), (Interactive, 11)],
            vec![0, 2],
            StopReason::LengthGap,
        ),
        (
            "the oldest anchors, even when it is the long one",
            vec![(Interactive, 200), (Interactive, 10), (Interactive, 11)],
            vec![0],
            StopReason::TokenBudget,
        ),
        (
            "nearest in length first",
            vec![(Bulk, 20), (Bulk, 24), (Bulk, 21), (Bulk, 18)],
            vec![0, 2, 3, 1],
            StopReason::Empty,
        ),
        (
            "urgent before bulk, bulk has one place in eight",
            vec![(Bulk, 16), (Bulk, 16), (Interactive, 16)],
            vec![2, 0],
            StopReason::LaneShare,
        ),
        (
            "live's share goes to its oldest",
            vec![(Live, 1), (Live, 1), (Interactive, 1)],
            vec![2, 0],
            StopReason::LaneShare,
        ),
        ("only bulk fills the whole batch", vec![(Bulk, 16); 9], (0..8).collect(), StopReason::MaxInputs),
        (
            "a full urgent lane keeps a place for each lower one",
            [vec![(Interactive, 16); 9], vec![(Live, 16), (Bulk, 16)]].concat(),
            vec![0, 1, 2, 3, 4, 5, 9, 10],
            StopReason::MaxInputs,
        ),
    ];
    for (name, entries, expected, stop) in table {
        let cut = state(&entries).cut().unwrap();
        assert_eq!((ids(&cut), cut.stop), (expected, stop), "{name}");
    }
}

/// Messages of all lengths, 64 callers, each with one text at a time: what is computed beside the texts themselves.
#[test]
fn i6_little_is_padded_however_lengths_mix() {
    let rule = Batching { max_inputs: 32, max_tokens: 1024, ..RULE };
    let mut state = BatchState::new(rule);
    // Most are short, a few very long, in no order: 37 and 101 share no factor.
    let length = |number: usize| 4 + (number * 37 % 101).pow(2) / 50;
    let mut lengths: Vec<usize> = (0..64).map(length).collect();
    for length in &lengths {
        state.push(Lane::Interactive, *length, Instant::now());
    }
    let (mut real, mut padded, mut cuts) = (0, 0, 0);
    while lengths.len() < 4000 {
        let cut = state.cut().unwrap();
        let of = |id: &EntryId| lengths[id.0 as usize];
        real += cut.ids.iter().map(of).sum::<usize>();
        padded += cut.ids.len() * cut.ids.iter().map(of).max().unwrap();
        cuts += 1;
        for _ in 0..cut.ids.len() {
            let next = length(lengths.len());
            state.push(Lane::Interactive, next, Instant::now());
            lengths.push(next);
        }
    }
    let share = padded as f64 / real as f64;
    assert!(share < 1.09, "{share:.3} tokens are computed for each real one");
    assert!(lengths.len() / cuts >= 4, "batches of {} on average", lengths.len() / cuts);
}

/// A GPU is handed fuller batches: there padding is cheaper than another execution.
#[test]
fn i6_a_model_may_ask_for_fuller_batches() {
    let entries: Vec<(Lane, usize)> = (1..=8).map(|number| (Lane::Bulk, number * 8)).collect();
    let rule = |padding_tokens| Batching { max_tokens: 1024, padding_tokens, ..RULE };
    let taken = |padding_tokens| state_under(rule(padding_tokens), &entries).cut().unwrap().ids.len();
    assert!(taken(12) < 4);
    assert_eq!(taken(512), 8);
}

#[test]
fn nothing_waits_nothing_is_cut() {
    assert_eq!(BatchState::new(RULE).cut(), None);
}

#[test]
fn live_is_oldest_first_like_the_others() {
    let rule = Batching { max_inputs: 1, ..RULE };
    let mut state = state_under(rule, &[(Lane::Live, 1); 20]);
    let order: Vec<u64> = std::iter::from_fn(|| state.cut()).map(|cut| cut.ids[0].0).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[test]
fn bulk_anchors_after_eight_passes() {
    let rule = Batching { max_inputs: 4, ..RULE };
    let mut state = BatchState::new(rule);
    // Too long to be anybody's neighbour.
    let long = state.push(Lane::Bulk, 200, Instant::now());
    for _ in 0..PASSES {
        for _ in 0..4 {
            state.push(Lane::Interactive, 8, Instant::now());
        }
        assert!(!state.cut().unwrap().ids.contains(&long));
    }
    state.push(Lane::Interactive, 8, Instant::now());
    assert_eq!(state.cut().unwrap().ids[0], long);
}

#[test]
fn a_removed_entry_is_not_cut() {
    let mut state = state(&[(Lane::Interactive, 5), (Lane::Interactive, 5)]);
    assert!(state.remove(EntryId(0)));
    assert!(!state.remove(EntryId(0)));
    assert_eq!(ids(&state.cut().unwrap()), [1]);
    assert!(state.is_empty());
}

#[test]
fn patience_ends_with_the_delay_or_a_full_batch() {
    let start = Instant::now();
    let rule = Batching { max_delay_us: 2_000, max_inputs: 2, ..RULE };
    let mut state = BatchState::new(rule);
    assert_eq!(state.patience(start), Duration::ZERO);
    state.push(Lane::Interactive, 4, start);
    assert_eq!(state.patience(start + Duration::from_micros(500)), Duration::from_micros(1_500));
    assert_eq!(state.patience(start + Duration::from_millis(5)), Duration::ZERO);
    state.push(Lane::Interactive, 4, start);
    assert_eq!(state.patience(start), Duration::ZERO);
}

fn any_lane() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Interactive), Just(Lane::Live), Just(Lane::Bulk)]
}

proptest! {
    /// Every entry leaves exactly once; no batch exceeds its budget, unless it is one entry that does so alone.
    #[test]
    fn none_lost_none_twice_budget_held(
        steps in prop::collection::vec((prop::collection::vec((any_lane(), 1_usize..300), 0..12), any::<bool>()), 1..40),
        max_inputs in 1_usize..12,
    ) {
        let rule = Batching { max_inputs, max_tokens: 256, ..RULE };
        let mut state = BatchState::new(rule);
        let (mut lengths, mut seen) = (Vec::new(), HashSet::new());
        let check = |cut: Cut, lengths: &[usize], seen: &mut HashSet<u64>| -> Result<(), TestCaseError> {
            prop_assert!(!cut.ids.is_empty() && cut.ids.len() <= max_inputs);
            let longest = cut.ids.iter().map(|id| lengths[id.0 as usize]).max().unwrap();
            prop_assert!(cut.ids.len() == 1 || longest * cut.ids.len() <= 256);
            for id in cut.ids {
                prop_assert!(seen.insert(id.0), "{id:?} was cut twice");
            }
            Ok(())
        };
        for (entries, cut) in steps {
            for (lane, length) in entries {
                let id = state.push(lane, length, Instant::now());
                prop_assert_eq!(id.0 as usize, lengths.len());
                lengths.push(length);
            }
            if cut && let Some(cut) = state.cut() {
                check(cut, &lengths, &mut seen)?;
            }
        }
        while let Some(cut) = state.cut() {
            check(cut, &lengths, &mut seen)?;
        }
        prop_assert_eq!(seen.len(), lengths.len());
        prop_assert!(state.is_empty());
    }

    /// However much urgent work keeps coming, what waits now leaves within a bounded number of cuts.
    #[test]
    fn nobody_waits_for_ever(
        entries in prop::collection::vec((any_lane(), 1_usize..300), 1..24),
        noise in prop::collection::vec((any_lane(), 1_usize..300), 1..6),
    ) {
        let mut state = state(&entries);
        let mut left: HashSet<u64> = (0..entries.len() as u64).collect();
        let bound = entries.len() * (PASSES as usize + 2) + 20;
        let mut cuts = 0;
        while !left.is_empty() {
            for (lane, length) in &noise {
                state.push(*lane, *length, Instant::now());
            }
            for id in state.cut().unwrap().ids {
                left.remove(&id.0);
            }
            cuts += 1;
            prop_assert!(cuts <= bound, "{} entries wait after {cuts} cuts", left.len());
        }
    }
}

/// Few wait: short batches. Many wait: bigger ones.
#[test]
fn a_batch_is_big_enough_for_as_many_as_wait() {
    let rule = Batching { max_inputs: 32, max_tokens: 1024, enough_tokens: 64, ..RULE };
    for (waiting, taken, stop) in [
        (1, 1, StopReason::Empty),
        (4, 4, StopReason::Empty),
        (5, 4, StopReason::Enough),
        (16, 4, StopReason::Enough),
        (32, 8, StopReason::Enough),
        (200, 32, StopReason::MaxInputs),
    ] {
        let cut = state_under(rule, &vec![(Lane::Interactive, 16); waiting]).cut().unwrap();
        assert_eq!((cut.ids.len(), cut.stop), (taken, stop), "{waiting}");
    }
    let alone = state_under(rule, &[(Lane::Interactive, 200), (Lane::Interactive, 200)]).cut().unwrap();
    assert_eq!(ids(&alone), [0], "a text that is longer by itself goes alone");
    assert_eq!(rule.on(crate::Device::Cuda(0)).enough_tokens, 0);
}
