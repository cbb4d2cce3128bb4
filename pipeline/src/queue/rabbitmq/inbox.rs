//! What the broker has given to this process and nobody works on yet. Pure, except for the messages that it carries along.

use std::{
    collections::{HashMap, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use models::Lane;

use super::{held::Message, message::Parcel};
use crate::{
    item::{Item, ItemKind},
    queue::{
        fresh::{Fresh, Shed},
        isolation::{Isolation, Turn},
        lanes::GRACE,
        shares::Shares,
    },
};

/// An item that may be handed out.
pub(super) struct Ready {
    pub(super) parcel: Parcel,
    pub(super) lane: Lane,
    pub(super) message: Arc<Message>,
}

/// What the receiver has to do.
pub(super) enum Next {
    /// Hand this out.
    Ready(Box<Ready>),
    /// Ask the broker for a suspect.
    Suspect,
    /// Wait until something changes, or until this time of [`Isolation`]'s.
    Nothing(Option<Duration>),
}

/// Items by lane; of the live frames at most one per participant, once it has waited for [`GRACE`].
pub(super) struct Inbox {
    ready: [VecDeque<Ready>; 3],
    /// Frames that came less than [`GRACE`] ago, with the end of that time.
    arrived: VecDeque<(Duration, Ready)>,
    frames: Fresh<Ready>,
    shed: Vec<(Ready, Shed)>,
    max_age: Duration,
    held: [bool; 3],
    shares: Shares,
    isolation: Isolation,
    /// Some wait in the broker, as far as we know.
    suspected: bool,
    /// The broker was asked for one and has not answered yet.
    asked: bool,
    /// Those that it gave us.
    suspects: VecDeque<Ready>,
    pub(super) closed: bool,
}

impl Inbox {
    pub(super) fn new(max_age: Duration) -> Self {
        Self {
            ready: Default::default(),
            arrived: VecDeque::new(),
            frames: Fresh::new(max_age),
            shed: Vec::new(),
            max_age,
            held: [false; 3],
            shares: Shares::new(),
            isolation: Isolation::new(),
            suspected: false,
            asked: false,
            suspects: VecDeque::new(),
            closed: false,
        }
    }

    /// Lets an item wait for its turn.
    pub(super) fn push(&mut self, ready: Ready, now: DateTime<Utc>) {
        if is_frame(&ready.parcel.item, ready.lane) {
            self.arrived.push_back((since_epoch(now) + GRACE.min(self.max_age / 2), ready));
            self.thin(now);
        } else {
            self.ready[ready.lane.index()].push_back(ready);
        }
    }

    /// Hands out nothing of a lane from now on, or again.
    pub(super) fn hold(&mut self, lane: Lane, held: bool) {
        self.held[lane.index()] = held;
    }

    /// Does somebody wait for others to end?
    pub(super) fn is_isolating(&self) -> bool {
        self.isolation.is_closed()
    }

    /// Suspects wait in the broker.
    pub(super) fn suspect(&mut self) {
        self.suspected = true;
    }

    /// A suspect has come: nothing else is in flight.
    pub(super) fn push_suspect(&mut self, ready: Ready) {
        self.suspects.push_back(ready);
    }

    /// The broker has answered; `found`: with a suspect.
    pub(super) fn answered(&mut self, found: bool) {
        self.asked = false;
        self.suspected &= found;
    }

    /// What comes next at `now`, `clock` by the time of [`Isolation`], while `in_flight` are handed out.
    pub(super) fn next(&mut self, now: DateTime<Utc>, clock: Duration, in_flight: usize) -> Next {
        if in_flight == 0
            && let Some(suspect) = self.suspects.pop_front()
        {
            return Next::Ready(Box::new(suspect));
        }
        let busy = in_flight + self.suspects.len() + usize::from(self.asked);
        let others = self.waiting().iter().any(|waiting| *waiting > 0);
        match self.isolation.turn(clock, self.suspected, others, busy) {
            Turn::Others(again) => self.pop(now).map_or(Next::Nothing(again), |ready| Next::Ready(Box::new(ready))),
            Turn::Nobody(again) => Next::Nothing(again),
            Turn::Suspect => {
                self.asked = true;
                Next::Suspect
            }
        }
    }

    /// The next item of the lanes.
    fn pop(&mut self, now: DateTime<Utc>) -> Option<Ready> {
        self.thin(now);
        let live = Lane::Live.index();
        // A lane of stale frames only has nothing: then the next one is asked.
        let mut tried = self.held;
        loop {
            let frames = self.frames.len() > 0 || !self.arrived.is_empty();
            let filled =
                std::array::from_fn(|lane| !tried[lane] && (!self.ready[lane].is_empty() || (lane == live && frames)));
            let lane = self.shares.take(filled)?;
            let next = self.ready[lane].pop_front();
            match next.or_else(|| if lane == live { self.pop_frame(now) } else { None }) {
                Some(ready) => return Some(ready),
                None => tried[lane] = true,
            }
        }
    }

    /// Those that wait longest first.
    fn pop_frame(&mut self, now: DateTime<Utc>) -> Option<Ready> {
        if let Some(frame) = self.frames.pop(since_epoch(now)) {
            return Some(frame);
        }
        while let Some((_, frame)) = self.arrived.pop_front() {
            if !self.is_stale(&frame, now) {
                return Some(frame);
            }
            self.shed.push((frame, Shed::Stale));
        }
        None
    }

    fn is_stale(&self, frame: &Ready, now: DateTime<Utc>) -> bool {
        since_epoch(now).saturating_sub(since_epoch(age_from(&frame.parcel.item))) > self.max_age
    }

    /// Gives up the frames that a newer one displaces and those that are too old.
    pub(super) fn thin(&mut self, now: DateTime<Utc>) {
        let now = since_epoch(now);
        while self.arrived.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, frame)) = self.arrived.pop_front()
        {
            let (key, captured) = (participant(&frame.parcel.item), since_epoch(age_from(&frame.parcel.item)));
            self.shed.extend(self.frames.push(key, captured, frame).map(|older| (older, Shed::Displaced)));
        }
        self.shed.extend(self.frames.take_stale(now).into_iter().map(|frame| (frame, Shed::Stale)));
    }

    /// The frames given up since the last call.
    pub(super) fn take_shed(&mut self) -> Vec<(Ready, Shed)> {
        std::mem::take(&mut self.shed)
    }

    /// Everything that waits, by message; nothing is left.
    pub(super) fn drain(&mut self) -> Vec<Vec<Ready>> {
        let frames = self.frames.take_stale(Duration::MAX);
        let arrived = std::mem::take(&mut self.arrived).into_iter().map(|(_, frame)| frame);
        let frames = frames.into_iter().chain(arrived);
        let rest = self.ready.iter_mut().chain([&mut self.suspects]).flat_map(std::mem::take);
        let mut order: HashMap<*const Message, usize> = HashMap::new();
        let mut groups: Vec<Vec<Ready>> = Vec::new();
        for ready in frames.chain(rest) {
            let place = *order.entry(Arc::as_ptr(&ready.message)).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[place].push(ready);
        }
        groups
    }

    /// How many wait, per lane.
    pub(super) fn waiting(&self) -> [usize; 3] {
        let mut waiting = [0, 1, 2].map(|lane: usize| self.ready[lane].len());
        waiting[Lane::Live.index()] += self.frames.len() + self.arrived.len();
        waiting
    }
}

/// Frames of the live lane are perishable; everything else is kept until it is judged.
pub(super) fn is_frame(item: &Item, lane: Lane) -> bool {
    lane == Lane::Live && item.envelope.kind == ItemKind::Frame
}

/// When the age of a frame began: by our clock, because a platform's may be wrong.
pub(super) fn age_from(item: &Item) -> DateTime<Utc> {
    item.envelope.received_at
}

fn participant(item: &Item) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&item.envelope.tenant, &item.envelope.call, &item.envelope.actor).hash(&mut hasher);
    hasher.finish()
}

fn since_epoch(at: DateTime<Utc>) -> Duration {
    Duration::from_millis(u64::try_from(at.timestamp_millis()).unwrap_or(0))
}
