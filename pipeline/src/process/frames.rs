//! What is special about live frames: too old ones, the same picture again, the pause until the next.

use std::{hash::BuildHasher, sync::PoisonError, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use models::Lane;

use super::{Mode, ParticipantKey, Pipeline, pictures::Seen};
use crate::{
    error::PipelineError,
    item::{Envelope, ItemKind},
    queue::fresh::Shed,
    stream::{call::ParticipantState, likeness::Likeness, sampling},
};

/// The last frame of a participant that models judged.
pub(super) struct LastFrame {
    pub(super) likeness: Likeness,
    pub(super) seen: Seen,
    pub(super) at: DateTime<Utc>,
}

impl Pipeline {
    /// Too old to be worth a verdict?
    pub(super) fn refuse_stale(&self, envelope: &Envelope, lane: Lane, mode: Mode) -> Result<(), PipelineError> {
        let Some(age) = self.overdue(envelope, lane, mode) else { return Ok(()) };
        Shed::Stale.count();
        Err(PipelineError::Stale { age_ms: u64::try_from(age.num_milliseconds()).unwrap_or(0) })
    }

    /// The age of a frame from which on no more work should be begun. Only what waited in the live lane has one: whoever asks directly
    /// gets an answer.
    pub(super) fn overdue(&self, envelope: &Envelope, lane: Lane, mode: Mode) -> Option<TimeDelta> {
        let live = envelope.kind == ItemKind::Frame && lane == Lane::Live && mode == Mode::Record;
        let age = self.clock.now() - envelope.received_at;
        (live && age > self.live_max_age?).then_some(age)
    }

    /// The scores of the participant's last judged frame, when this one shows the same and it was not long ago. Reusing does not
    /// make them younger, so that a picture that changes slowly is judged again in time.
    pub(super) fn same(&self, key: &ParticipantKey, likeness: &Likeness) -> Option<Seen> {
        let last = self.last_frames.get(key)?;
        let age = (self.clock.now() - last.at).to_std().unwrap_or(Duration::MAX);
        if age > Duration::from_secs(self.config.frame_reuse_seconds)
            || !likeness.shows_the_same(&last.likeness, self.config.frame_reuse_bits)
        {
            return None;
        }
        metrics::counter!("chaperone_frames_reused_total").increment(1);
        Some(last.seen.clone())
    }

    /// Milliseconds until the participant's next frame should be sent.
    pub(super) fn next_frame(&self, key: &ParticipantKey, state: &ParticipantState, envelope: &Envelope) -> u32 {
        let now = self.clock.now();
        let wish = sampling::wish(state, envelope.occurred_at);
        let age = (now - envelope.received_at).to_std().unwrap_or_default();
        let since = (now - DateTime::UNIX_EPOCH).to_std().unwrap_or_default();
        let mut sampler = self.sampler.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = sampler.next(self.keys.hash_one(key), wish, age, since);
        u32::try_from(pause.as_millis()).unwrap_or(u32::MAX)
    }
}

/// Whose frame it is; `None` for what is no frame of a call.
pub(super) fn participant(envelope: &Envelope) -> Option<ParticipantKey> {
    let whose = || Some((envelope.tenant.clone(), envelope.call.clone()?, envelope.actor.clone()?));
    if envelope.kind == ItemKind::Frame { whose() } else { None }
}
