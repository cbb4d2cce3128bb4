//! When a batch is cut and what goes into it: a pure rule.
//!
//! No clock, no channel, no thread. [`BatchState`] holds what waits; [`BatchState::cut`] takes a batch out and says why
//! it ended there. The caller reserves an idle instance *first* and cuts then, so batches grow while the device works.
//!
//! The rule:
//!
//! 1. The batch starts with an *anchor*: the oldest entry of the most urgent lane that waits. Every lane gets the anchor
//!    at least once in [`PASSES`] + 1 cuts: nobody waits for ever. In the live lane too the oldest goes first: which frames
//!    are still worth it is decided before they come here, and a newer one that overtakes only makes the others late.
//! 2. It is filled with the anchor's neighbours in length, nearest first, because a batch is padded to its longest.
//! 3. The most urgent lane fills it; each other lane that waits has a share ([`SHARE`]) and no more: bulk work moves on
//!    under load, and a lone caller is not held up by a batch full of it.
//! 4. It ends at the first of: nothing left, most inputs, most tokens (longest × inputs), enough tokens for as few as wait ([`QUEUE_PART`]), or a
//!    length gap, where padding would cost more than another execution does.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use crate::{Lane, batch::EntryId, spec::Batching};

/// Cuts that a waiting lane may be passed over before the batch is built around it.
pub const PASSES: u32 = 8;

/// A lane that is not the most urgent one gets `max_inputs / SHARE` places; in models with smaller batches, only its
/// turns as anchor.
pub const SHARE: usize = 8;

/// Padding that a batch may have beyond [`Batching::padding_tokens`], as a part of its real tokens: one in so many. More fills
/// batches better and wastes more: with 12 tokens and one in 16, a simulation with times measured on MiniLM (64 callers, mixed
/// lengths) gave 116 texts/s, with 24 tokens and one in 6 it gave 107.
pub const GAP_PART: usize = 16;

/// A batch with [`Batching::enough_tokens`] may go on growing up to one in so many of the tokens that wait: who waits in a long queue gains more
/// by throughput than by a short batch. In a simulation with times measured on MiniLM (one core, mixed lengths, Poisson arrivals) 64 tokens and
/// one in 4 lower the p99 from 77 to 73 ms at half load and from 167 to 149 ms at 85 %, and 64 callers still get their 119 texts/s.
pub const QUEUE_PART: usize = 4;

/// Why a batch ended where it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// Nothing was left waiting.
    Empty,
    /// The batch has `max_inputs`.
    MaxInputs,
    /// One more would exceed `max_tokens`.
    TokenBudget,
    /// It is big enough for as few as wait.
    Enough,
    /// What is left differs too much in length.
    LengthGap,
    /// What is left belongs to lanes that had their share.
    LaneShare,
}

impl StopReason {
    /// Every reason.
    pub const ALL: [Self; 6] =
        [Self::Empty, Self::MaxInputs, Self::TokenBudget, Self::Enough, Self::LengthGap, Self::LaneShare];

    /// Name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::MaxInputs => "max_inputs",
            Self::TokenBudget => "token_budget",
            Self::Enough => "enough",
            Self::LengthGap => "length_gap",
            Self::LaneShare => "lane_share",
        }
    }
}

/// A batch, by the ids of its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The anchor first, then in the order in which they were taken.
    pub ids: Vec<EntryId>,
    /// Why it ended.
    pub stop: StopReason,
}

/// `(length, id)`: sorted by length, and by age among equals.
type Place = (usize, u64);

#[derive(Debug, Default)]
struct Queue {
    by_length: BTreeSet<Place>,
    /// `(id, length, queued)`; ids grow with time, so the first is the oldest.
    by_age: std::collections::BTreeMap<u64, (usize, Instant)>,
    tokens: usize,
    /// Cuts since this lane last had the anchor while it waited.
    passed: u32,
}

impl Queue {
    fn push(&mut self, (length, id): Place, queued: Instant) {
        self.by_length.insert((length, id));
        self.by_age.insert(id, (length, queued));
        self.tokens += length;
    }

    fn remove(&mut self, id: u64) -> bool {
        let Some((length, _)) = self.by_age.remove(&id) else { return false };
        self.tokens -= length;
        self.by_length.remove(&(length, id))
    }
}

/// What waits for one model.
#[derive(Debug)]
pub struct BatchState {
    rule: Batching,
    lanes: [Queue; 3],
    next: u64,
}

/// A batch that is being filled.
struct Filling {
    rule: Batching,
    /// Tokens that are enough.
    enough: usize,
    ids: Vec<EntryId>,
    longest: usize,
    real: usize,
    over_budget: bool,
    over_enough: bool,
    over_gap: bool,
}

impl Filling {
    fn push(&mut self, (length, id): Place) {
        self.ids.push(EntryId(id));
        self.longest = self.longest.max(length);
        self.real += length;
    }

    /// May an entry of this length join? Remembers which limit said no.
    fn accepts(&mut self, length: usize) -> bool {
        let padded = self.longest.max(length) * (self.ids.len() + 1);
        let real = self.real + length;
        let budget = padded <= self.rule.max_tokens;
        let enough = padded <= self.enough;
        let gap = padded - real <= self.rule.padding_tokens + real / GAP_PART;
        self.over_budget |= !budget;
        self.over_enough |= budget && !enough;
        self.over_gap |= budget && enough && !gap;
        budget && enough && gap
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= self.rule.max_inputs.max(1)
    }

    /// Takes up to `most` neighbours of `length` from one lane, nearest first; among equals the oldest first.
    /// A direction that was refused once is over: going on in it only makes padding worse.
    fn take(&mut self, queue: &mut Queue, length: usize, most: usize) {
        let (mut up, mut down) = (true, true);
        let mut taken = 0;
        let split = (length, 0);
        while taken < most && !self.is_full() && (up || down) {
            let above = up.then(|| queue.by_length.range(split..).next().copied()).flatten();
            let below = down.then(|| queue.by_length.range(..split).next_back().copied()).flatten();
            let (place, upward) = match (above, below) {
                (Some(a), Some(b)) if a.0 - length <= length - b.0 => (a, true),
                (Some(a), None) => (a, true),
                (_, Some(b)) => (b, false),
                (None, None) => break,
            };
            if self.accepts(place.0) {
                queue.remove(place.1);
                self.push(place);
                taken += 1;
            } else if upward {
                up = false;
            } else {
                down = false;
            }
        }
    }
}

impl BatchState {
    /// An empty state under this rule.
    pub fn new(rule: Batching) -> Self {
        Self { rule, lanes: Default::default(), next: 0 }
    }

    /// Adds an entry of this length (tokens; 1 where nothing is padded) and gives it an id.
    pub fn push(&mut self, lane: Lane, length: usize, queued: Instant) -> EntryId {
        let id = self.next;
        self.next += 1;
        self.lanes[lane.index()].push((length, id), queued);
        EntryId(id)
    }

    /// Takes an entry out whose caller left. False when it is not there.
    pub fn remove(&mut self, id: EntryId) -> bool {
        self.lanes.iter_mut().any(|queue| queue.remove(id.0))
    }

    /// Entries that wait.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|queue| queue.by_age.len()).sum()
    }

    /// Nothing waits?
    pub fn is_empty(&self) -> bool {
        self.lanes.iter().all(|queue| queue.by_age.is_empty())
    }

    /// How long an idle instance should still wait for more inputs: zero when the batch is full anyway, when the oldest
    /// entry has waited `max_delay_us`, or when nothing waits.
    pub fn patience(&self, now: Instant) -> Duration {
        let delay = Duration::from_micros(self.rule.max_delay_us);
        let oldest = self.lanes.iter().filter_map(|queue| Some(queue.by_age.first_key_value()?.1.1)).min();
        match oldest {
            Some(oldest) if !delay.is_zero() && self.len() < self.rule.max_inputs => {
                delay.saturating_sub(now.saturating_duration_since(oldest))
            }
            _ => Duration::ZERO,
        }
    }

    /// Takes the next batch; `None` when nothing waits.
    pub fn cut(&mut self) -> Option<Cut> {
        let urgent = Lane::ALL.into_iter().find(|lane| !self.lanes[lane.index()].by_age.is_empty())?;
        let enough = self.enough();
        let (lane, anchor) = self.take_anchor(urgent)?;
        let mut filling = Filling {
            rule: self.rule,
            enough,
            ids: Vec::new(),
            longest: 0,
            real: 0,
            over_budget: false,
            over_enough: false,
            over_gap: false,
        };
        filling.push(anchor);

        let share = self.rule.max_inputs / SHARE;
        for other in Lane::ALL {
            // The anchor counts against its lane's places.
            let used = usize::from(other == lane);
            let most = if other == urgent { self.kept_for(urgent, share) } else { share };
            filling.take(&mut self.lanes[other.index()], anchor.0, most.saturating_sub(used));
        }

        let stop = if self.is_empty() {
            StopReason::Empty
        } else if filling.is_full() {
            StopReason::MaxInputs
        } else if filling.over_budget {
            StopReason::TokenBudget
        } else if filling.over_enough {
            StopReason::Enough
        } else if filling.over_gap {
            StopReason::LengthGap
        } else {
            StopReason::LaneShare
        };
        Some(Cut { ids: filling.ids, stop })
    }

    /// Tokens with which the next batch is big enough.
    fn enough(&self) -> usize {
        match self.rule.enough_tokens {
            0 => usize::MAX,
            enough => enough.max(self.lanes.iter().map(|queue| queue.tokens).sum::<usize>() / QUEUE_PART),
        }
    }

    /// Picks the lane whose turn it is and takes the entry out around which the batch is built.
    fn take_anchor(&mut self, urgent: Lane) -> Option<(Lane, Place)> {
        let overdue = Lane::ALL
            .into_iter()
            .filter(|lane| !self.lanes[lane.index()].by_age.is_empty())
            .filter(|lane| self.lanes[lane.index()].passed >= PASSES)
            .max_by_key(|lane| self.lanes[lane.index()].passed);
        let lane = overdue.unwrap_or(urgent);
        for other in Lane::ALL {
            let queue = &mut self.lanes[other.index()];
            let waits = other != lane && !queue.by_age.is_empty();
            queue.passed = if waits { queue.passed + 1 } else { 0 };
        }
        let queue = &mut self.lanes[lane.index()];
        let (id, length) = queue.by_age.first_key_value().map(|(id, (length, _))| (*id, *length))?;
        queue.remove(id);
        Some((lane, (length, id)))
    }

    /// Places for the most urgent lane: all but what the other waiting lanes have a right to.
    fn kept_for(&self, urgent: Lane, share: usize) -> usize {
        let others: usize = Lane::ALL
            .into_iter()
            .filter(|lane| *lane != urgent)
            .map(|lane| self.lanes[lane.index()].by_age.len().min(share))
            .sum();
        self.rule.max_inputs.saturating_sub(others).max(1)
    }
}

#[cfg(test)]
mod tests;
