//! What waits in which lane, what is being worked on, and what comes next. Pure: no clock, no IO, no lock.
//!
//! Frames in the live lane wait as [`Fresh`] says: of each participant the newest, and none that is too old. Others than
//! frames wait first in, first out, in any lane, and are never shed.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use models::Lane;

use super::{
    LaneDepth,
    fresh::{Fresh, Shed},
    shares::Shares,
};
use crate::item::ItemId;

/// A newer frame displaces one only that has waited at least this long: frames that come together to a worker with free
/// hands are all judged. Well under the pause between two frames of a camera, so that an overload is seen at once.
const GRACE: Duration = Duration::from_millis(100);

/// A point in time as this module sees it: since some start.
type Instant = Duration;

/// What a frame of a call is to its lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Hash of tenant, call and actor.
    pub(super) participant: u64,
    /// When its age began.
    pub(super) since: Instant,
}

/// An item as its lane sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: ItemId,
    /// Size of its content.
    pub(super) bytes: u32,
    /// Set for frames; matters in the live lane only.
    pub(super) frame: Option<Frame>,
}

/// Where a known item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its place in the lane is taken; it is not durable yet.
    Reserved,
    /// In the lane, or on its way back into it.
    Waiting,
    /// Handed out.
    InFlight,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    lane: Lane,
    attempts: u32,
    bytes: u32,
    place: Place,
    /// Only of what may be shed.
    frame: Option<Frame>,
}

impl Known {
    fn new(entry: &Entry, lane: Lane, attempts: u32, place: Place) -> Self {
        let frame = entry.frame.filter(|_| lane == Lane::Live);
        Self { lane, attempts, bytes: entry.bytes, place, frame }
    }
}

/// An item to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: ItemId,
    pub(super) lane: Lane,
    /// 1 for the first try.
    pub(super) attempt: u32,
}

/// Ids only: about 100 bytes for each item that waits, whatever its content.
#[derive(Debug)]
pub(super) struct Lanes {
    capacity: [usize; 3],
    /// Places taken: reserved, waiting and delayed.
    taken: [usize; 3],
    in_flight: [usize; 3],
    /// All that waits except frames.
    waiting: [VecDeque<ItemId>; 3],
    /// Frames that came less than [`GRACE`] ago, with the end of that time.
    arrived: VecDeque<(Instant, ItemId)>,
    /// Frames that wait longer.
    fresh: Fresh<ItemId>,
    /// Frames that were given up and not yet told of.
    shed: Vec<(ItemId, Shed)>,
    grace: Duration,
    max_age: Duration,
    /// Lanes that nothing is taken from for now.
    held: [bool; 3],
    delayed: BinaryHeap<Reverse<(Instant, ItemId)>>,
    known: HashMap<ItemId, Known>,
    shares: Shares,
}

impl Lanes {
    /// Frames in the live lane may wait for `max_age`.
    pub(super) fn new(capacity: [usize; 3], max_age: Duration) -> Self {
        Self {
            capacity,
            taken: [0; 3],
            in_flight: [0; 3],
            waiting: Default::default(),
            arrived: VecDeque::new(),
            fresh: Fresh::new(max_age),
            shed: Vec::new(),
            grace: GRACE.min(max_age / 2),
            max_age,
            held: [false; 3],
            delayed: BinaryHeap::new(),
            known: HashMap::new(),
            shares: Shares::new(),
        }
    }

    /// Takes places for the ids that are not known yet, for all of them or, `false`, for none.
    pub(super) fn reserve(&mut self, lane: Lane, items: &[Entry]) -> bool {
        let free = self.capacity[lane.index()].saturating_sub(self.taken[lane.index()]);
        let mut fresh: Vec<ItemId> = Vec::new();
        for entry in items {
            if let std::collections::hash_map::Entry::Vacant(place) = self.known.entry(entry.id) {
                place.insert(Known::new(entry, lane, 0, Place::Reserved));
                fresh.push(entry.id);
            }
        }
        if fresh.len() > free {
            for id in fresh {
                self.known.remove(&id);
            }
            return false;
        }
        self.taken[lane.index()] += fresh.len();
        true
    }

    /// The items are durable: they may be handed out. Answers which of them are new.
    pub(super) fn admit(&mut self, lane: Lane, items: &[Entry], now: Instant) -> Vec<ItemId> {
        let mut fresh = Vec::with_capacity(items.len());
        for entry in items {
            let known = self.known.entry(entry.id).or_insert_with(|| {
                // Another call's reservation was withdrawn while this one's items were written.
                self.taken[lane.index()] += 1;
                Known::new(entry, lane, 0, Place::Reserved)
            });
            if known.place == Place::Reserved {
                known.place = Place::Waiting;
                match known.frame {
                    Some(_) => self.arrived.push_back((now + self.grace, entry.id)),
                    None => self.waiting[known.lane.index()].push_back(entry.id),
                }
                fresh.push(entry.id);
            }
        }
        fresh
    }

    /// The items did not become durable: their places are free again.
    pub(super) fn withdraw(&mut self, items: &[Entry]) {
        for Entry { id, .. } in items {
            if let Some(known) = self.known.get(id)
                && known.place == Place::Reserved
            {
                self.taken[known.lane.index()] -= 1;
                self.known.remove(id);
            }
        }
    }

    /// Puts back what an earlier process left, whatever the capacity.
    pub(super) fn restore(&mut self, entry: Entry, lane: Lane, attempts: u32, now: Instant) {
        let known = Known::new(&entry, lane, attempts, Place::Waiting);
        if self.known.insert(entry.id, known).is_none() {
            self.taken[lane.index()] += 1;
            match known.frame {
                Some(_) => self.arrived.push_back((now + self.grace, entry.id)),
                None => self.waiting[lane.index()].push_back(entry.id),
            }
        }
    }

    /// Nothing is taken from `lane` until it is released.
    pub(super) fn hold(&mut self, lane: Lane, held: bool) {
        self.held[lane.index()] = held;
    }

    /// Gives up the frames that a newer one displaces and those that are too old.
    pub(super) fn thin(&mut self, now: Instant) {
        while let Some((until, id)) = self.arrived.front().copied()
            && until <= now
        {
            self.arrived.pop_front();
            self.join(id);
        }
        for id in self.fresh.take_stale(now) {
            self.give_up(id, Shed::Stale);
        }
    }

    /// [`Lanes::thin`], and of what has just arrived as well those that are too old.
    pub(super) fn thin_all(&mut self, now: Instant) {
        self.thin(now);
        for (until, id) in std::mem::take(&mut self.arrived) {
            let since = self.known.get(&id).and_then(|known| known.frame).map_or(now, |frame| frame.since);
            if now.saturating_sub(since) > self.max_age {
                self.give_up(id, Shed::Stale);
            } else {
                self.arrived.push_back((until, id));
            }
        }
    }

    /// The frames given up since the last call: they are forgotten here, and have to be elsewhere.
    pub(super) fn take_shed(&mut self) -> Vec<(ItemId, Shed)> {
        std::mem::take(&mut self.shed)
    }

    /// Keeps for the next [`Lanes::take_shed`] what could not be told of.
    pub(super) fn put_back_shed(&mut self, shed: Vec<(ItemId, Shed)>) {
        self.shed.extend(shed);
    }

    /// A frame joins those that may be displaced.
    fn join(&mut self, id: ItemId) {
        let Some(Known { place: Place::Waiting, frame: Some(frame), .. }) = self.known.get(&id) else { return };
        if let Some(displaced) = self.fresh.push(frame.participant, frame.since, id) {
            self.give_up(displaced, Shed::Displaced);
        }
    }

    fn give_up(&mut self, id: ItemId, why: Shed) {
        if self.waits(id) {
            self.forget(id);
            self.shed.push((id, why));
        }
    }

    /// The next frame: those that wait longest first. One that is stale is given up instead.
    fn take_frame(&mut self, now: Instant) -> Option<ItemId> {
        self.thin(now);
        while let Some(id) = self.fresh.pop(now).or_else(|| self.arrived.pop_front().map(|(_, id)| id)) {
            match self.known.get(&id) {
                Some(Known { place: Place::Waiting, frame: Some(frame), .. }) => {
                    if now.saturating_sub(frame.since) <= self.max_age {
                        return Some(id);
                    }
                    self.give_up(id, Shed::Stale);
                }
                _ => {}
            }
        }
        None
    }

    /// The next item: the most urgent lane that has one and has not used up its share of this round.
    pub(super) fn take(&mut self, now: Instant) -> Option<Next> {
        // A lane of stale frames only has nothing: then the next one is asked.
        let mut tried = self.held;
        loop {
            let ready = std::array::from_fn(|lane| {
                !tried[lane] && (!self.waiting[lane].is_empty() || (lane == Lane::Live.index() && self.has_frames()))
            });
            let lane = self.shares.take(ready)?;
            let frame = |lanes: &mut Self| if lane == Lane::Live.index() { lanes.take_frame(now) } else { None };
            let Some(id) = self.waiting[lane].pop_front().or_else(|| frame(self)) else {
                tried[lane] = true;
                continue;
            };
            let known = self.known.get_mut(&id)?;
            known.place = Place::InFlight;
            self.taken[lane] -= 1;
            self.in_flight[lane] += 1;
            return Some(Next { id, lane: known.lane, attempt: known.attempts + 1 });
        }
    }

    fn has_frames(&self) -> bool {
        !self.arrived.is_empty() || self.fresh.len() > 0
    }

    /// The ids that follow in a lane, as long as they are few and small: worth reading together with the one just taken.
    pub(super) fn ahead(&self, lane: Lane, count: usize, mut bytes: usize) -> Vec<ItemId> {
        let mut ids = Vec::new();
        let frames = self.fresh.ahead().chain(self.arrived.iter().map(|(_, id)| id)).filter(|_| lane == Lane::Live);
        for id in self.waiting[lane.index()].iter().chain(frames).take(count) {
            let size = self.known.get(id).map_or(0, |known| known.bytes as usize);
            if size > bytes {
                break;
            }
            bytes -= size;
            ids.push(*id);
        }
        ids
    }

    /// An item in flight is done with, whatever became of it.
    pub(super) fn forget(&mut self, id: ItemId) {
        if let Some(known) = self.known.remove(&id) {
            match known.place {
                Place::InFlight => self.in_flight[known.lane.index()] -= 1,
                Place::Reserved | Place::Waiting => {
                    self.taken[known.lane.index()] -= 1;
                    // A frame's place among frames is passed over when its turn comes.
                    if known.frame.is_none() {
                        self.waiting[known.lane.index()].retain(|waiting| *waiting != id);
                    }
                }
            }
        }
    }

    /// An item in flight comes back, one attempt older: in front of its lane, at once or when `due` has come.
    pub(super) fn put_back(&mut self, id: ItemId, due: Option<Instant>) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if known.place != Place::InFlight {
            return;
        }
        known.place = Place::Waiting;
        known.attempts += 1;
        let lane = known.lane.index();
        self.in_flight[lane] -= 1;
        self.taken[lane] += 1;
        match due {
            Some(due) => self.delayed.push(Reverse((due, id))),
            None => self.to_front(id),
        }
    }

    /// In front of its lane; a frame joins the frames, unless a newer one of its participant waits.
    fn to_front(&mut self, id: ItemId) {
        match self.known.get(&id) {
            Some(known) if known.frame.is_some() => self.join(id),
            Some(known) => self.waiting[known.lane.index()].push_front(id),
            None => {}
        }
    }

    /// An item that was taken goes back in front of its lane as if it had not been.
    pub(super) fn untake(&mut self, id: ItemId) {
        if self.known.get(&id).is_some_and(|known| known.place == Place::InFlight) {
            self.put_back(id, None);
            if let Some(known) = self.known.get_mut(&id) {
                known.attempts -= 1;
            }
        }
    }

    /// Does the item wait for its turn?
    pub(super) fn waits(&self, id: ItemId) -> bool {
        self.known.get(&id).is_some_and(|known| known.place == Place::Waiting)
    }

    /// Moves what has waited long enough back into its lane; answers when to look again.
    pub(super) fn promote(&mut self, now: Instant) -> Option<Instant> {
        while let Some(Reverse((due, id))) = self.delayed.peek().copied() {
            if due > now {
                return Some(due);
            }
            self.delayed.pop();
            self.to_front(id);
        }
        None
    }

    pub(super) fn depth(&self) -> Vec<LaneDepth> {
        let depth = |lane: Lane| LaneDepth {
            lane,
            waiting: self.taken[lane.index()],
            in_flight: self.in_flight[lane.index()],
            capacity: self.capacity[lane.index()],
        };
        Lane::ALL.map(depth).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: Duration = Duration::from_secs(2);
    const NOW: Duration = Duration::from_secs(100);

    fn fill(lanes: &mut Lanes, lane: Lane, count: usize) -> Vec<ItemId> {
        let items: Vec<_> = (0..count).map(|_| Entry { id: ItemId::new(), bytes: 10, frame: None }).collect();
        assert!(lanes.reserve(lane, &items));
        lanes.admit(lane, &items, NOW)
    }

    fn order(lanes: &mut Lanes, count: usize) -> String {
        (0..count).filter_map(|_| lanes.take(NOW)).map(|next| next.lane.as_str().chars().next().unwrap()).collect()
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
        assert_eq!((lanes.depth()[1].waiting, lanes.take(NOW)), (0, None));
        assert!(lanes.reserve(Lane::Live, &items));
    }

    #[test]
    fn what_comes_back_is_older_and_first_again() {
        let mut lanes = Lanes::new([9; 3], AGE);
        let ids = fill(&mut lanes, Lane::Live, 2);
        assert_eq!(lanes.take(NOW), Some(Next { id: ids[0], lane: Lane::Live, attempt: 1 }));
        lanes.put_back(ids[0], None);
        assert_eq!(lanes.take(NOW), Some(Next { id: ids[0], lane: Lane::Live, attempt: 2 }));
        lanes.put_back(ids[0], Some(Duration::from_secs(5)));
        assert_eq!(lanes.promote(Duration::from_secs(4)), Some(Duration::from_secs(5)));
        assert_eq!(lanes.take(NOW).map(|next| next.id), Some(ids[1]));
        assert_eq!(lanes.take(NOW), None);
        assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (1, 1));
        assert_eq!(lanes.promote(Duration::from_secs(5)), None);
        assert_eq!(lanes.take(NOW), Some(Next { id: ids[0], lane: Lane::Live, attempt: 3 }));
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
        lanes.take(NOW + Duration::from_millis(at)).map(|next| next.id)
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
}
