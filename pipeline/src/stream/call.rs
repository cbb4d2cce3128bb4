//! Calls are sessions: start, join, leave, end. Every transition is a pure function on [`Call`].
//!
//! Platforms repeat themselves and deliver late, so a transition that is already true is no error: joining twice,
//! leaving twice and ending twice with the same words change nothing. What contradicts the record is a `Conflict`.
//!
//! Here the order is the order of arrival, as at the HTTP door. What is told late, with its own time, is in [`super::heard`].

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::suspicion::Suspicion;
use crate::{
    error::PipelineError,
    item::{ActorId, CallId},
};

/// The most people that one call holds. More is a platform error, and a way to fill the store.
pub const MAX_PARTICIPANTS: usize = 1000;

/// One person in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Participant {
    /// Who.
    pub actor: ActorId,
    /// First join.
    pub joined_at: DateTime<Utc>,
    /// Set while out of the call; cleared by a re-join.
    #[serde(default)]
    pub left_at: Option<DateTime<Utc>>,
    /// Latest re-join; a participant who came back starts with a clean ladder.
    #[serde(default)]
    pub rejoined_at: Option<DateTime<Utc>>,
    /// Latest time for which a notice said that they are in, when they were in already: a leave from before it is history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<DateTime<Utc>>,
}

impl Participant {
    /// Somebody who joins now for the first time.
    pub fn new(actor: ActorId, joined_at: DateTime<Utc>) -> Self {
        Self { actor, joined_at, left_at: None, rejoined_at: None, confirmed_at: None }
    }
}

/// A call from start to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The platform's id.
    pub id: CallId,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Set once ended; never cleared.
    #[serde(default)]
    pub ended_at: Option<DateTime<Utc>>,
    /// In order of first join.
    pub participants: Vec<Participant>,
}

/// What a transition means to the outside: each becomes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallChange {
    /// A call that we did not know, with the people who are in it.
    Started(Vec<ActorId>),
    /// Somebody is in who was not.
    Joined(ActorId),
    /// Somebody is out who was in.
    Left(ActorId),
    /// It is over for everybody.
    Ended,
}

/// What changed between two states of one call. An end is told once, not once for each participant.
pub fn changes(before: Option<&Call>, after: &Call) -> Vec<CallChange> {
    let Some(before) = before else {
        let started = CallChange::Started(after.present().cloned().collect());
        return std::iter::once(started).chain(after.ended_at.map(|_| CallChange::Ended)).collect();
    };
    if after.ended_at.is_some() {
        return before.ended_at.is_none().then_some(CallChange::Ended).into_iter().collect();
    }
    let (was, is): (HashSet<&ActorId>, HashSet<&ActorId>) = (before.present().collect(), after.present().collect());
    let of = |participant: &Participant| match (was.contains(&participant.actor), is.contains(&participant.actor)) {
        (false, true) => Some(CallChange::Joined(participant.actor.clone())),
        (true, false) => Some(CallChange::Left(participant.actor.clone())),
        _ => None,
    };
    after.participants.iter().filter_map(of).collect()
}

/// Whether an action against a participant can still reach them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// In the call, or the call is one that we were never told of.
    Open,
    /// The call had ended, or the participant had left it, when the frame was captured.
    Gone,
}

impl Call {
    /// A call that starts now, with the people who are in it from the beginning.
    pub fn start(id: CallId, at: DateTime<Utc>, actors: Vec<ActorId>) -> Result<Self, PipelineError> {
        let mut call = Self { id, started_at: at, ended_at: None, participants: Vec::new() };
        for actor in actors {
            call = call.join(actor, at)?;
        }
        Ok(call)
    }

    /// Somebody joins or comes back.
    pub fn join(mut self, actor: ActorId, at: DateTime<Utc>) -> Result<Self, PipelineError> {
        self.refuse_ended("join")?;
        let full = self.participants.len() >= MAX_PARTICIPANTS;
        match self.participants.iter_mut().find(|participant| participant.actor == actor) {
            Some(participant) if participant.left_at.is_some() => {
                participant.left_at = None;
                participant.rejoined_at = Some(at);
            }
            Some(_) => {}
            None if full => return Err(self.full()),
            None => self.participants.push(Participant::new(actor, at)),
        }
        Ok(self)
    }

    /// Somebody leaves; the call goes on, even when empty, until it is ended.
    pub fn leave(mut self, actor: &ActorId, at: DateTime<Utc>) -> Result<Self, PipelineError> {
        self.refuse_ended("leave")?;
        let participant = self
            .participants
            .iter_mut()
            .find(|participant| participant.actor == *actor)
            .ok_or_else(|| PipelineError::NotFound { what: "participant", id: actor.to_string() })?;
        participant.left_at.get_or_insert(at);
        Ok(self)
    }

    /// The call ends for everybody. Ending an ended call changes nothing: the first time stands.
    pub fn end(mut self, at: DateTime<Utc>) -> Self {
        if self.ended_at.is_none() {
            // An end before the start is a platform's clock going backwards.
            self.ended_at = Some(at.max(self.started_at));
            for participant in &mut self.participants {
                participant.left_at.get_or_insert(at);
            }
        }
        self
    }

    /// Who is in it now.
    pub fn present(&self) -> impl Iterator<Item = &ActorId> {
        self.participants
            .iter()
            .filter(|participant| participant.left_at.is_none())
            .map(|participant| &participant.actor)
    }

    /// Whether an action on a frame that was captured at `at` can still reach `actor`.
    pub fn standing(&self, actor: &ActorId, at: DateTime<Utc>) -> Standing {
        let left = self.participants.iter().find(|p| p.actor == *actor).and_then(|p| p.left_at);
        let over = [self.ended_at, left].into_iter().flatten().any(|end| at >= end);
        if over { Standing::Gone } else { Standing::Open }
    }

    /// Did `actor` come back to this call after `since`?
    pub fn rejoined_after(&self, actor: &ActorId, since: DateTime<Utc>) -> bool {
        let participant = self.participants.iter().find(|participant| participant.actor == *actor);
        participant.and_then(|participant| participant.rejoined_at).is_some_and(|at| at > since)
    }

    pub(super) fn full(&self) -> PipelineError {
        PipelineError::Conflict {
            code: "call_full",
            message: format!("call `{}` has {MAX_PARTICIPANTS} participants, the most there may be", self.id),
        }
    }

    pub(super) fn refuse_ended(&self, what: &str) -> Result<(), PipelineError> {
        match self.ended_at {
            None => Ok(()),
            Some(ended) => Err(PipelineError::Conflict {
                code: "call_ended",
                message: format!("call `{}` ended at {ended}: nobody can {what} it; start a new call", self.id),
            }),
        }
    }
}

/// What is remembered of one participant of one call: violations per ladder, and the last frame's answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParticipantState {
    /// Ladder name → times of violations inside its window, oldest first.
    pub violations: std::collections::BTreeMap<String, Vec<DateTime<Utc>>>,
    /// Where they stand on ladders with cooldown or calm, by name.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub held: std::collections::BTreeMap<String, super::ladder::Held>,
    /// Set once the participant was disconnected.
    #[serde(default)]
    pub disconnected_at: Option<DateTime<Utc>>,
    /// Frames judged.
    #[serde(default)]
    pub frames: u64,
    /// How much there is to fear, 0..=1: the last frames' scores, fading (`sampling::risk`).
    #[serde(default)]
    pub risk: f32,
    /// Suspected frames in a row.
    #[serde(default)]
    pub suspicion: Suspicion,
}

impl ParticipantState {
    /// The state of somebody who came back after a disconnect: counting starts anew, the frame count goes on.
    #[must_use]
    pub fn returned(self) -> Self {
        Self { frames: self.frames, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::Kind;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
    }

    fn call() -> Call {
        Call::start("room".into(), at(0), vec!["ann".into(), "bob".into()]).unwrap()
    }

    #[test]
    fn f3_a_call_has_a_start_participants_and_an_end() {
        let call = call().join("cid".into(), at(5)).unwrap().leave(&"bob".into(), at(6)).unwrap().end(at(9));
        assert_eq!(call.started_at, at(0));
        assert_eq!(call.ended_at, Some(at(9)));
        let left: Vec<_> = call.participants.iter().map(|p| (p.actor.as_str(), p.joined_at, p.left_at)).collect();
        assert_eq!(left, [("ann", at(0), Some(at(9))), ("bob", at(0), Some(at(6))), ("cid", at(5), Some(at(9)))]);
    }

    #[test]
    fn f3_repeating_a_transition_changes_nothing() {
        let joined = call();
        assert_eq!(joined.clone().join("ann".into(), at(3)).unwrap(), joined);
        let left = joined.leave(&"ann".into(), at(4)).unwrap();
        assert_eq!(left.clone().leave(&"ann".into(), at(7)).unwrap(), left);
        let ended = left.end(at(8));
        assert_eq!(ended.clone().end(at(20)), ended);
    }

    #[test]
    fn f3_an_ended_call_takes_no_more_people() {
        let ended = call().end(at(8));
        for refused in [ended.clone().join("dan".into(), at(9)), ended.leave(&"ann".into(), at(9))] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), Kind::Conflict);
            assert!(matches!(error, PipelineError::Conflict { code: "call_ended", .. }), "{error}");
        }
    }

    #[test]
    fn f3_leaving_without_having_joined_is_not_found() {
        assert_eq!(call().leave(&"nobody".into(), at(1)).unwrap_err().kind(), Kind::NotFound);
    }

    #[test]
    fn f3_a_full_call_refuses_one_more() {
        let actors = (0..MAX_PARTICIPANTS).map(|i| ActorId(i.to_string())).collect();
        let full = Call::start("room".into(), at(0), actors).unwrap();
        assert!(matches!(full.join("one more".into(), at(1)), Err(PipelineError::Conflict { code: "call_full", .. })));
    }

    #[test]
    fn f3_an_end_before_the_start_is_moved_to_the_start() {
        assert_eq!(call().end(at(-50)).ended_at, Some(at(0)));
    }

    #[test]
    fn f3_changes_are_what_the_outside_is_told() {
        let told = |before: Option<&Call>, after: &Call| changes(before, after);
        let started = call();
        let (ann, cid) = (ActorId::from("ann"), ActorId::from("cid"));
        assert_eq!(told(None, &started), [CallChange::Started(vec!["ann".into(), "bob".into()])]);
        let joined = started.clone().join(cid.clone(), at(5)).unwrap();
        assert_eq!(told(Some(&started), &joined), [CallChange::Joined(cid)]);
        let left = joined.clone().leave(&ann, at(6)).unwrap();
        assert_eq!(told(Some(&joined), &left), [CallChange::Left(ann)]);
        let ended = left.clone().end(at(9));
        assert_eq!(told(Some(&left), &ended), [CallChange::Ended], "one event, whoever is in it");
        assert_eq!(told(Some(&ended), &ended.clone().end(at(10))), []);
        assert_eq!(told(None, &call().end(at(9))), [CallChange::Started(vec![]), CallChange::Ended]);
    }

    #[test]
    fn standing_follows_leave_rejoin_and_end() {
        let ann = ActorId::from("ann");
        let call = call().leave(&ann, at(10)).unwrap();
        assert_eq!(call.standing(&ann, at(9)), Standing::Open);
        assert_eq!(call.standing(&ann, at(10)), Standing::Gone);
        let call = call.join(ann.clone(), at(12)).unwrap();
        assert_eq!(call.standing(&ann, at(13)), Standing::Open);
        assert!(call.rejoined_after(&ann, at(11)));
        assert!(!call.rejoined_after(&ann, at(12)));
        let call = call.end(at(20));
        assert_eq!(call.standing(&ann, at(19)), Standing::Open);
        assert_eq!(call.standing(&ann, at(20)), Standing::Gone);
        assert_eq!(call.standing(&"stranger".into(), at(1)), Standing::Open);
    }
}
