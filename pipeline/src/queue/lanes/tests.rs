//! Tables about what waits, what is shed and what comes next.

use super::*;

const AGE: Duration = Duration::from_secs(2);
const NOW: Duration = Duration::from_secs(100);

fn fill(lanes: &mut Lanes, lane: Lane, count: usize) -> Vec<ItemId> {
    let items: Vec<_> = (0..count).map(|_| Entry { id: ItemId::new(), bytes: 10, frame: None }).collect();
    assert!(lanes.reserve(lane, &items));
    lanes.admit(lane, &items, NOW)
}

fn order(lanes: &mut Lanes, count: usize) -> String {
    (0..count).filter_map(|_| lanes.take(NOW).ok()).map(|next| next.lane.as_str().chars().next().unwrap()).collect()
}

#[test]
fn full_lanes_share_eight_four_one() {
    let mut lanes = Lanes::new([100; 3], AGE);
    for lane in Lane::ALL {
        fill(&mut lanes, lane, 50);
    }
    assert_eq!(order(&mut lanes, 26), "iiiiiiiillllbiiiiiiiillllb");
}

#[test]
fn an_idle_lane_gives_its_turn_away() {
    let cases: [(&[(Lane, usize)], &str); 4] = [
        (&[(Lane::Bulk, 3)], "bbb"),
        (&[(Lane::Interactive, 10), (Lane::Bulk, 2)], "iiiiiiiibiib"),
        (&[(Lane::Live, 6), (Lane::Bulk, 2)], "llllbllb"),
        (&[(Lane::Interactive, 1), (Lane::Live, 1), (Lane::Bulk, 1)], "ilb"),
    ];
    for (filled, expected) in cases {
        let mut lanes = Lanes::new([100; 3], AGE);
        for (lane, count) in filled {
            fill(&mut lanes, *lane, *count);
        }
        assert_eq!(order(&mut lanes, 12), expected);
    }
}

fn entry(id: ItemId) -> Entry {
    Entry { id, bytes: 10, frame: None }
}

#[test]
fn a_full_lane_refuses_the_whole_call_and_known_ids_take_no_place() {
    let mut lanes = Lanes::new([3; 3], AGE);
    let first = fill(&mut lanes, Lane::Live, 2);
    let two: Vec<_> = (0..2).map(|_| entry(ItemId::new())).collect();
    assert!(!lanes.reserve(Lane::Live, &two));
    assert_eq!(lanes.depth()[1].waiting, 2);
    assert!(lanes.reserve(Lane::Bulk, &two), "another lane has room");
    let again: Vec<_> = first.iter().copied().chain([ItemId::new()]).map(entry).collect();
    assert!(lanes.reserve(Lane::Live, &again), "one new id fits");
    assert_eq!(lanes.admit(Lane::Live, &again, NOW).len(), 1);
    assert_eq!(lanes.depth()[1].waiting, 3);
}

#[test]
fn a_withdrawn_reservation_frees_its_places() {
    let mut lanes = Lanes::new([2; 3], AGE);
    let items = [entry(ItemId::new()), entry(ItemId::new())];
    assert!(lanes.reserve(Lane::Live, &items));
    lanes.withdraw(&items);
    assert_eq!((lanes.depth()[1].waiting, lanes.take(NOW).ok()), (0, None));
    assert!(lanes.reserve(Lane::Live, &items));
}

#[test]
fn what_comes_back_is_older_and_first_again() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let ids = fill(&mut lanes, Lane::Live, 2);
    assert_eq!(lanes.take(NOW).ok(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 1, suspect: false }));
    lanes.put_back(ids[0], None);
    assert_eq!(lanes.take(NOW).ok(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 2, suspect: false }));
    lanes.put_back(ids[0], Some(Duration::from_secs(5)));
    assert_eq!(lanes.promote(Duration::from_secs(4)), Some(Duration::from_secs(5)));
    assert_eq!(lanes.take(NOW).ok().map(|next| next.id), Some(ids[1]));
    assert_eq!(lanes.take(NOW).ok(), None);
    assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (1, 1));
    assert_eq!(lanes.promote(Duration::from_secs(5)), None);
    assert_eq!(lanes.take(NOW).ok(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 3, suspect: false }));
    lanes.forget(ids[0]);
    lanes.forget(ids[1]);
    assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (0, 0));
}

/// Admits one frame of `participant`, received at `at` (milliseconds after [`NOW`]).
fn frame(lanes: &mut Lanes, participant: u64, at: u64) -> ItemId {
    let now = NOW + Duration::from_millis(at);
    let entry = Entry { frame: Some(Frame { participant, since: now }), ..entry(ItemId::new()) };
    lanes.thin(now);
    assert!(lanes.reserve(Lane::Live, &[entry]));
    lanes.admit(Lane::Live, &[entry], now);
    entry.id
}

fn taken(lanes: &mut Lanes, at: u64) -> Option<ItemId> {
    lanes.take(NOW + Duration::from_millis(at)).ok().map(|next| next.id)
}

#[test]
fn f5_frames_that_come_together_to_free_hands_are_all_judged_in_order() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let frames: Vec<_> = [0, 0, 30, 60].map(|at| frame(&mut lanes, 7, at)).into();
    for expected in &frames {
        assert_eq!(taken(&mut lanes, 99), Some(*expected));
    }
    assert!(lanes.take_shed().is_empty());
}

#[test]
fn f5_a_frame_that_waits_is_displaced_by_a_newer_one_of_the_same_participant() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let ann = [0, 200, 400].map(|at| frame(&mut lanes, 1, at));
    let bob = frame(&mut lanes, 2, 450);
    assert_eq!(taken(&mut lanes, 600), Some(ann[2]), "the newest, and in the turn of the first");
    assert_eq!(taken(&mut lanes, 600), Some(bob));
    assert_eq!(taken(&mut lanes, 600), None);
    assert_eq!(lanes.take_shed(), [(ann[0], Shed::Displaced), (ann[1], Shed::Displaced)]);
    assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (0, 2), "places are free again");
}

#[test]
fn f5_a_lane_that_frames_of_few_fill_does_not_become_full() {
    let mut lanes = Lanes::new([9; 3], AGE);
    for at in 0..100 {
        frame(&mut lanes, at % 3, at * 20);
    }
    assert!(lanes.depth()[1].waiting <= 3 + 6, "{:?}", lanes.depth());
}

#[test]
fn f5_a_frame_that_waits_too_long_is_stale_and_others_are_not() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let ids = fill(&mut lanes, Lane::Live, 1);
    let (old, young) = (frame(&mut lanes, 1, 0), frame(&mut lanes, 2, 1500));
    assert_eq!(taken(&mut lanes, 2001), Some(ids[0]), "what is no frame waits as long as it must");
    assert_eq!(taken(&mut lanes, 2001), Some(young));
    assert_eq!(taken(&mut lanes, 2001), None);
    assert_eq!(lanes.take_shed(), [(old, Shed::Stale)]);
}

#[test]
fn f5_a_frame_that_comes_back_gives_way_to_a_newer_one() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let first = frame(&mut lanes, 1, 0);
    assert_eq!(taken(&mut lanes, 0), Some(first));
    let second = frame(&mut lanes, 1, 100);
    lanes.thin(NOW + Duration::from_millis(250));
    lanes.put_back(first, None);
    assert_eq!(lanes.take_shed(), [(first, Shed::Displaced)]);
    assert_eq!((taken(&mut lanes, 300), taken(&mut lanes, 300)), (Some(second), None));
    // With nothing newer it comes again, until it is too old.
    lanes.put_back(second, Some(NOW + Duration::from_millis(500)));
    lanes.promote(NOW + Duration::from_millis(500));
    assert_eq!(taken(&mut lanes, 500), Some(second));
    lanes.put_back(second, Some(NOW + Duration::from_secs(60)));
    lanes.promote(NOW + Duration::from_secs(60));
    assert_eq!(taken(&mut lanes, 60_000), None);
    assert_eq!(lanes.take_shed(), [(second, Shed::Stale)]);
    assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (0, 0));
}

#[test]
fn f5_nothing_is_taken_from_a_held_lane() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let (text, frame) = (fill(&mut lanes, Lane::Interactive, 1)[0], frame(&mut lanes, 1, 0));
    lanes.hold(Lane::Live, true);
    assert_eq!((taken(&mut lanes, 1), taken(&mut lanes, 1)), (Some(text), None));
    lanes.hold(Lane::Live, false);
    assert_eq!(taken(&mut lanes, 1), Some(frame));
}

#[test]
fn read_ahead_stops_at_its_bytes() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let ids = fill(&mut lanes, Lane::Live, 5);
    assert_eq!(lanes.ahead(Lane::Live, 3, 1000), ids[..3]);
    assert_eq!(lanes.ahead(Lane::Live, 9, 25), ids[..2]);
    assert!(lanes.ahead(Lane::Bulk, 9, 25).is_empty());
}

#[test]
fn i7_suspects_are_handed_out_alone() {
    let mut lanes = Lanes::new([9; 3], AGE);
    let ids: Vec<_> = (0..5).map(|_| ItemId::new()).collect();
    for (id, lost) in ids.iter().zip([2, 0, 1, 3, 0]) {
        lanes.restore(entry(*id), Left { lane: Lane::Bulk, attempts: 0, lost }, NOW);
    }
    assert_eq!(lanes.depth()[2].waiting, 5);
    let take = |lanes: &mut Lanes, at: u64| lanes.take(NOW + Duration::from_millis(at));
    let suspect = |id| Ok(Next { id, lane: Lane::Bulk, attempt: 1, suspect: true });
    assert_eq!(take(&mut lanes, 0).unwrap().id, ids[1], "a new process works for the others first");
    assert!(matches!(take(&mut lanes, 1_000), Err(Some(_))), "what is in flight ends first");
    lanes.forget(ids[1]);
    assert_eq!(take(&mut lanes, 1_001), suspect(ids[0]));
    assert_eq!(take(&mut lanes, 1_002), Err(None), "nobody beside it");
    assert!(lanes.is_isolating());
    lanes.put_back(ids[0], None);
    assert_eq!(take(&mut lanes, 1_003), suspect(ids[3]), "one that came back is no suspect any more");
    lanes.untake(ids[3]);
    assert_eq!(take(&mut lanes, 1_004), suspect(ids[3]), "one that was not tried is one");
    lanes.forget(ids[3]);
    let rest: Vec<_> = (0..3).map(|_| take(&mut lanes, 1_005).unwrap()).collect();
    assert_eq!(rest.iter().map(|next| next.id).collect::<Vec<_>>(), [ids[0], ids[2], ids[4]]);
    assert_eq!(
        rest.iter().map(|next| (next.attempt, next.suspect)).collect::<Vec<_>>(),
        [(2, false), (1, false), (1, false)]
    );
    assert!(!lanes.is_isolating());
}
