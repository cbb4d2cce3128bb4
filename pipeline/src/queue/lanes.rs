//! What waits in which lane, what is being worked on, and what comes next. Pure: no clock, no IO, no lock.
//!
//! Frames in the live lane wait as [`Fresh`] says: of each participant the newest, and none that is too old. Others than
//! frames wait first in, first out, in any lane, and are never shed.
//!
//! Suspects, which several processes were lost with, wait apart and are handed out alone ([`Isolation`]).

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use models::Lane;

use super::{
    LaneDepth, SUSPECT_AFTER,
    fresh::{Fresh, Shed},
    isolation::{Isolation, Turn},
    shares::Shares,
};
use crate::item::ItemId;

/// A newer frame displaces one only that has waited at least this long: frames that come together to a worker with free
/// hands are all judged. Well under the pause between two frames of a camera, so that an overload is seen at once.
pub(super) const GRACE: Duration = Duration::from_millis(100);

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
    suspect: bool,
}

impl Known {
    fn new(entry: &Entry, lane: Lane, attempts: u32, place: Place) -> Self {
        let frame = entry.frame.filter(|_| lane == Lane::Live);
        Self { lane, attempts, bytes: entry.bytes, place, frame, suspect: false }
    }
}

/// An item to be handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    pub(super) id: ItemId,
    pub(super) lane: Lane,
    /// 1 for the first try.
    pub(super) attempt: u32,
    /// Its try has to be written down before it begins.
    pub(super) suspect: bool,
}

/// What was left by an earlier process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) lane: Lane,
    /// Tries of its own.
    pub(super) attempts: u32,
    /// Processes that were lost and may have had it in hand.
    pub(super) lost: u32,
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
    suspects: VecDeque<ItemId>,
    isolation: Isolation,
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
            suspects: VecDeque::new(),
            isolation: Isolation::new(),
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
    pub(super) fn restore(&mut self, entry: Entry, left: Left, now: Instant) {
        let Left { lane, attempts, lost } = left;
        let known = Known { suspect: lost >= SUSPECT_AFTER, ..Known::new(&entry, lane, attempts, Place::Waiting) };
        if self.known.insert(entry.id, known).is_none() {
            self.taken[lane.index()] += 1;
            match known.frame {
                _ if known.suspect => self.suspects.push_back(entry.id),
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
            let Some(Known { place: Place::Waiting, frame: Some(frame), .. }) = self.known.get(&id) else { continue };
            if now.saturating_sub(frame.since) <= self.max_age {
                return Some(id);
            }
            self.give_up(id, Shed::Stale);
        }
        None
    }

    /// The next item, or when to look again if nothing else changes.
    pub(super) fn take(&mut self, now: Instant) -> Result<Next, Option<Instant>> {
        let others = self.has_frames() || self.waiting.iter().any(|waiting| !waiting.is_empty());
        match self.isolation.turn(now, !self.suspects.is_empty(), others, self.in_flight.iter().sum()) {
            Turn::Others(again) => self.take_other(now).ok_or(again),
            Turn::Suspect => self.suspects.pop_front().and_then(|id| self.hand_out(id)).ok_or(None),
            Turn::Nobody(again) => Err(again),
        }
    }

    /// Does somebody wait for what is in flight to end?
    pub(super) fn is_isolating(&self) -> bool {
        self.isolation.is_closed()
    }

    /// The most urgent lane that has an item and has not used up its share of this round.
    fn take_other(&mut self, now: Instant) -> Option<Next> {
        // A lane of stale frames only has nothing: then the next one is asked.
        let mut tried = self.held;
        loop {
            let ready = std::array::from_fn(|lane| {
                !tried[lane] && (!self.waiting[lane].is_empty() || (lane == Lane::Live.index() && self.has_frames()))
            });
            let lane = self.shares.take(ready)?;
            let frame = |lanes: &mut Self| if lane == Lane::Live.index() { lanes.take_frame(now) } else { None };
            match self.waiting[lane].pop_front().or_else(|| frame(self)) {
                Some(id) => return self.hand_out(id),
                None => tried[lane] = true,
            }
        }
    }

    fn hand_out(&mut self, id: ItemId) -> Option<Next> {
        let known = self.known.get_mut(&id)?;
        known.place = Place::InFlight;
        self.taken[known.lane.index()] -= 1;
        self.in_flight[known.lane.index()] += 1;
        Some(Next { id, lane: known.lane, attempt: known.attempts + 1, suspect: known.suspect })
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
                    if known.suspect {
                        self.suspects.retain(|suspect| *suspect != id);
                    } else if known.frame.is_none() {
                        self.waiting[known.lane.index()].retain(|waiting| *waiting != id);
                    }
                }
            }
        }
    }

    /// An item in flight comes back, one attempt older: in front of its lane, at once or when `due` has come. This process lives: it is
    /// no suspect any more.
    pub(super) fn put_back(&mut self, id: ItemId, due: Option<Instant>) {
        let Some(known) = self.known.get_mut(&id) else { return };
        if known.place != Place::InFlight {
            return;
        }
        known.place = Place::Waiting;
        known.attempts += 1;
        known.suspect = false;
        let lane = known.lane.index();
        self.in_flight[lane] -= 1;
        self.taken[lane] += 1;
        match due {
            Some(due) => self.delayed.push(Reverse((due, id))),
            None => self.put_in_front(id),
        }
    }

    /// In front of its lane; a frame joins the frames, unless a newer one of its participant waits.
    fn put_in_front(&mut self, id: ItemId) {
        match self.known.get(&id) {
            Some(known) if known.frame.is_some() => self.join(id),
            Some(known) => self.waiting[known.lane.index()].push_front(id),
            None => {}
        }
    }

    /// An item that was taken goes back in front of its lane as if it had not been.
    pub(super) fn untake(&mut self, id: ItemId) {
        let Some(known) = self.known.get_mut(&id).filter(|known| known.place == Place::InFlight) else { return };
        known.place = Place::Waiting;
        self.in_flight[known.lane.index()] -= 1;
        self.taken[known.lane.index()] += 1;
        if known.suspect {
            self.suspects.push_front(id);
        } else {
            self.put_in_front(id);
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
            self.put_in_front(id);
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
mod tests;
