//! What is special about live frames: too old ones, the same picture again, the pause until the next.

use std::{hash::BuildHasher, sync::PoisonError, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use models::Lane;

use super::{Mode, ParticipantKey, Pipeline, Work, pictures::Seen};
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
        let left = self.time_left(envelope, lane, mode);
        let Some(over) = left.filter(|left| *left < TimeDelta::zero()) else { return Ok(()) };
        Shed::Stale.count();
        let age = self.live_max_age.unwrap_or_default() - over;
        Err(PipelineError::Stale { age_ms: u64::try_from(age.num_milliseconds()).unwrap_or(0) })
    }

    /// What `work` answers, unless the frame becomes too old while it waits: `None`.
    pub(super) async fn in_time<F: Future>(&self, item: &Work<'_>, work: F) -> Option<F::Output> {
        match self.time_left(item.envelope, item.lane, item.mode) {
            None => Some(work.await),
            Some(left) => tokio::time::timeout(left.to_std().unwrap_or_default(), work).await.ok(),
        }
    }

    /// Time within which work on a frame should begin. Only what waited in the live lane has a limit: whoever asks directly gets an
    /// answer.
    fn time_left(&self, envelope: &Envelope, lane: Lane, mode: Mode) -> Option<TimeDelta> {
        let live = envelope.kind == ItemKind::Frame && lane == Lane::Live && mode == Mode::Record;
        Some(self.live_max_age.filter(|_| live)? - (self.clock.now() - envelope.received_at))
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
