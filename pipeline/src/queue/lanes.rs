//! What waits in which lane, what is being worked on, and what comes next. Pure: no clock, no IO, no lock.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use models::Lane;

use super::{LaneDepth, shares::Shares};
use crate::item::ItemId;

/// A point in time as this module sees it: since some start.
type Instant = Duration;

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
    waiting: [VecDeque<ItemId>; 3],
    delayed: BinaryHeap<Reverse<(Instant, ItemId)>>,
    known: HashMap<ItemId, Known>,
    shares: Shares,
}

impl Lanes {
    pub(super) fn new(capacity: [usize; 3]) -> Self {
        Self {
            capacity,
            taken: [0; 3],
            in_flight: [0; 3],
            waiting: Default::default(),
            delayed: BinaryHeap::new(),
            known: HashMap::new(),
            shares: Shares::new(),
        }
    }

    /// Takes places for the ids that are not known yet, for all of them or, `false`, for none.
    pub(super) fn reserve(&mut self, lane: Lane, items: &[(ItemId, u32)]) -> bool {
        let free = self.capacity[lane.index()].saturating_sub(self.taken[lane.index()]);
        let mut fresh: Vec<ItemId> = Vec::new();
        for (id, bytes) in items {
            if let std::collections::hash_map::Entry::Vacant(place) = self.known.entry(*id) {
                place.insert(Known { lane, attempts: 0, bytes: *bytes, place: Place::Reserved });
                fresh.push(*id);
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
    pub(super) fn admit(&mut self, lane: Lane, items: &[(ItemId, u32)]) -> Vec<ItemId> {
        let mut fresh = Vec::with_capacity(items.len());
        for (id, bytes) in items {
            let known = self.known.entry(*id).or_insert_with(|| {
                // Another call's reservation was withdrawn while this one's items were written.
                self.taken[lane.index()] += 1;
                Known { lane, attempts: 0, bytes: *bytes, place: Place::Reserved }
            });
            if known.place == Place::Reserved {
                known.place = Place::Waiting;
                self.waiting[known.lane.index()].push_back(*id);
                fresh.push(*id);
            }
        }
        fresh
    }

    /// The items did not become durable: their places are free again.
    pub(super) fn withdraw(&mut self, items: &[(ItemId, u32)]) {
        for (id, _) in items {
            if let Some(known) = self.known.get(id)
                && known.place == Place::Reserved
            {
                self.taken[known.lane.index()] -= 1;
                self.known.remove(id);
            }
        }
    }

    /// Puts back what an earlier process left, whatever the capacity.
    pub(super) fn restore(&mut self, id: ItemId, lane: Lane, attempts: u32, bytes: u32) {
        if self.known.insert(id, Known { lane, attempts, bytes, place: Place::Waiting }).is_none() {
            self.taken[lane.index()] += 1;
            self.waiting[lane.index()].push_back(id);
        }
    }

    /// The next item: the most urgent lane that has one and has not used up its share of this round.
    pub(super) fn take(&mut self) -> Option<Next> {
        let lane = self.shares.take([0, 1, 2].map(|lane: usize| !self.waiting[lane].is_empty()))?;
        let id = self.waiting[lane].pop_front()?;
        let known = self.known.get_mut(&id)?;
        known.place = Place::InFlight;
        self.taken[lane] -= 1;
        self.in_flight[lane] += 1;
        Some(Next { id, lane: known.lane, attempt: known.attempts + 1 })
    }

    /// The ids that follow in a lane, as long as they are few and small: worth reading together with the one just taken.
    pub(super) fn ahead(&self, lane: Lane, count: usize, mut bytes: usize) -> Vec<ItemId> {
        let mut ids = Vec::new();
        for id in self.waiting[lane.index()].iter().take(count) {
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
                    self.waiting[known.lane.index()].retain(|waiting| *waiting != id);
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
            None => self.waiting[lane].push_front(id),
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
            if let Some(known) = self.known.get(&id) {
                self.waiting[known.lane.index()].push_front(id);
            }
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

    fn fill(lanes: &mut Lanes, lane: Lane, count: usize) -> Vec<ItemId> {
        let items: Vec<_> = (0..count).map(|_| (ItemId::new(), 10)).collect();
        assert!(lanes.reserve(lane, &items));
        lanes.admit(lane, &items)
    }

    fn order(lanes: &mut Lanes, count: usize) -> String {
        (0..count).filter_map(|_| lanes.take()).map(|next| next.lane.as_str().chars().next().unwrap()).collect()
    }

    #[test]
    fn full_lanes_share_eight_four_one() {
        let mut lanes = Lanes::new([100; 3]);
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
            let mut lanes = Lanes::new([100; 3]);
            for (lane, count) in filled {
                fill(&mut lanes, *lane, *count);
            }
            assert_eq!(order(&mut lanes, 12), expected);
        }
    }

    #[test]
    fn a_full_lane_refuses_the_whole_call_and_known_ids_take_no_place() {
        let mut lanes = Lanes::new([3; 3]);
        let first = fill(&mut lanes, Lane::Live, 2);
        let two: Vec<_> = (0..2).map(|_| (ItemId::new(), 1)).collect();
        assert!(!lanes.reserve(Lane::Live, &two));
        assert_eq!(lanes.depth()[1].waiting, 2);
        assert!(lanes.reserve(Lane::Bulk, &two), "another lane has room");
        let again: Vec<_> = first.iter().map(|id| (*id, 1)).chain([(ItemId::new(), 1)]).collect();
        assert!(lanes.reserve(Lane::Live, &again), "one new id fits");
        assert_eq!(lanes.admit(Lane::Live, &again).len(), 1);
        assert_eq!(lanes.depth()[1].waiting, 3);
    }

    #[test]
    fn a_withdrawn_reservation_frees_its_places() {
        let mut lanes = Lanes::new([2; 3]);
        let items = [(ItemId::new(), 1), (ItemId::new(), 1)];
        assert!(lanes.reserve(Lane::Live, &items));
        lanes.withdraw(&items);
        assert_eq!((lanes.depth()[1].waiting, lanes.take()), (0, None));
        assert!(lanes.reserve(Lane::Live, &items));
    }

    #[test]
    fn what_comes_back_is_older_and_first_again() {
        let mut lanes = Lanes::new([9; 3]);
        let ids = fill(&mut lanes, Lane::Live, 2);
        assert_eq!(lanes.take(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 1 }));
        lanes.put_back(ids[0], None);
        assert_eq!(lanes.take(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 2 }));
        lanes.put_back(ids[0], Some(Duration::from_secs(5)));
        assert_eq!(lanes.promote(Duration::from_secs(4)), Some(Duration::from_secs(5)));
        assert_eq!(lanes.take().map(|next| next.id), Some(ids[1]));
        assert_eq!(lanes.take(), None);
        assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (1, 1));
        assert_eq!(lanes.promote(Duration::from_secs(5)), None);
        assert_eq!(lanes.take(), Some(Next { id: ids[0], lane: Lane::Live, attempt: 3 }));
        lanes.forget(ids[0]);
        lanes.forget(ids[1]);
        assert_eq!((lanes.depth()[1].waiting, lanes.depth()[1].in_flight), (0, 0));
    }

    #[test]
    fn read_ahead_stops_at_its_bytes() {
        let mut lanes = Lanes::new([9; 3]);
        let ids = fill(&mut lanes, Lane::Live, 5);
        assert_eq!(lanes.ahead(Lane::Live, 3, 1000), ids[..3]);
        assert_eq!(lanes.ahead(Lane::Live, 9, 25), ids[..2]);
        assert!(lanes.ahead(Lane::Bulk, 9, 25).is_empty());
    }
}
