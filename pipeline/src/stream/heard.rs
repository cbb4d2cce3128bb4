//! Transitions of a call that are told with their own time: late, in any order, more than once.
//!
//! Whatever the order of arrival, the record ends as if everything had been told in the order of its times: a join counts against
//! leaves that are older, a leave against joins that are not newer, and what lies before the end counts although the end was
//! told first. A call that nobody told us of begins with the first thing that is told of it.

use chrono::{DateTime, Utc};

use super::call::{Call, MAX_PARTICIPANTS, Participant};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId},
};

impl Participant {
    /// The latest time for which we know that they were in.
    fn last_in(&self) -> DateTime<Utc> {
        [self.rejoined_at, self.confirmed_at].into_iter().flatten().fold(self.joined_at, DateTime::max)
    }

    /// They had joined by `at` at the latest. That they were in later than that is not forgotten.
    fn joined_by(&mut self, at: DateTime<Utc>) {
        if at < self.joined_at {
            if self.left_at.is_none() {
                self.confirmed_at = Some(self.last_in());
            }
            self.joined_at = at;
        }
    }

    fn heard_in(&mut self, at: DateTime<Utc>) {
        match self.left_at {
            Some(left) if at > left => {
                self.left_at = None;
                self.rejoined_at = Some(at);
            }
            Some(_) => {}
            None if at > self.last_in() => self.confirmed_at = Some(at),
            None => {}
        }
        self.joined_by(at);
    }

    fn heard_out(&mut self, at: DateTime<Utc>) {
        match self.left_at {
            // The later one: a join between the two must not bring them back.
            Some(left) => self.left_at = Some(left.max(at)),
            None if at >= self.last_in() => {
                self.left_at = Some(at);
                self.confirmed_at = None;
            }
            // They left and were back before we heard of it.
            None => self.rejoined_at = Some(self.last_in()),
        }
        self.joined_by(at);
    }
}

impl Call {
    /// A call of which nothing is known but that it was there at `at`.
    fn heard_of(id: &CallId, at: DateTime<Utc>) -> Self {
        Self { id: id.clone(), started_at: at, ended_at: None, participants: Vec::new() }
    }

    /// It started at `at` with these people. A start that is told after its call had ended is another call of the same id: `Conflict`.
    pub fn heard_start(
        known: Option<Self>,
        id: &CallId,
        at: DateTime<Utc>,
        actors: &[ActorId],
    ) -> Result<Self, PipelineError> {
        if let Some(known) = &known
            && let Some(ended) = known.ended_at.filter(|ended| at > *ended)
        {
            return Err(PipelineError::Conflict {
                code: "call_exists",
                message: format!("call `{id}` ended at {ended}: give every call its own id"),
            });
        }
        let mut call = known.unwrap_or_else(|| Self::heard_of(id, at));
        call.started_at = call.started_at.min(at);
        actors.iter().try_fold(call, |call, actor| Self::heard_join(Some(call), id, actor, at))
    }

    /// Somebody was in at `at`. `Conflict` when the call had ended by then, or is full.
    pub fn heard_join(
        known: Option<Self>,
        id: &CallId,
        actor: &ActorId,
        at: DateTime<Utc>,
    ) -> Result<Self, PipelineError> {
        let known = known.unwrap_or_else(|| Self::heard_of(id, at));
        if known.ended_at.is_some_and(|ended| at > ended) {
            known.refuse_ended("join")?;
        }
        known.before_its_end(at, |call| {
            call.participant(actor, at, |_| {})?.heard_in(at);
            Ok(())
        })
    }

    /// Somebody was out at `at`. Whoever leaves after the end, as platforms report it, changes nothing.
    pub fn heard_leave(
        known: Option<Self>,
        id: &CallId,
        actor: &ActorId,
        at: DateTime<Utc>,
    ) -> Result<Self, PipelineError> {
        let known = known.unwrap_or_else(|| Self::heard_of(id, at));
        if known.ended_at.is_some_and(|ended| at > ended) {
            return Ok(known);
        }
        known.before_its_end(at, |call| {
            call.participant(actor, at, |new| new.left_at = Some(at))?.heard_out(at);
            Ok(())
        })
    }

    /// Somebody's connection was gone at `at`: they are out, if they had joined by then and did not come back since.
    pub fn heard_gone(mut self, actor: &ActorId, at: DateTime<Utc>) -> Self {
        let inside = |p: &&mut Participant| p.actor == *actor && p.left_at.is_none() && p.last_in() <= at;
        if let Some(participant) = self.participants.iter_mut().find(inside) {
            participant.heard_out(at);
        }
        self
    }

    /// It ended at `at`. The first end that is told stands.
    pub fn heard_end(known: Option<Self>, id: &CallId, at: DateTime<Utc>) -> Self {
        known.unwrap_or_else(|| Self::heard_of(id, at)).end(at)
    }

    /// Changes what was before the end, if there is one: the end is taken back and told again.
    fn before_its_end(
        mut self,
        at: DateTime<Utc>,
        change: impl FnOnce(&mut Self) -> Result<(), PipelineError>,
    ) -> Result<Self, PipelineError> {
        let ended = self.ended_at.take();
        for participant in &mut self.participants {
            participant.left_at = participant.left_at.filter(|left| Some(*left) != ended);
        }
        self.started_at = self.started_at.min(at);
        change(&mut self)?;
        Ok(match ended {
            Some(ended) => self.end(ended),
            None => self,
        })
    }

    /// The participant; a new one is made by `complete` out of somebody who joined at `at`.
    fn participant(
        &mut self,
        actor: &ActorId,
        at: DateTime<Utc>,
        complete: impl FnOnce(&mut Participant),
    ) -> Result<&mut Participant, PipelineError> {
        let index = match self.participants.iter().position(|participant| participant.actor == *actor) {
            Some(index) => index,
            None if self.participants.len() >= MAX_PARTICIPANTS => return Err(self.full()),
            None => {
                let mut new = Participant::new(actor.clone(), at);
                complete(&mut new);
                self.participants.push(new);
                self.participants.len() - 1
            }
        };
        Ok(&mut self.participants[index])
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;
    use crate::stream::call::{CallChange, changes};

    #[derive(Debug, Clone)]
    enum Told {
        Start(Vec<&'static str>),
        Join(&'static str),
        Leave(&'static str),
        End,
    }
    use Told::{End, Join, Leave, Start};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000_000 + seconds)
    }

    fn hear(known: Option<Call>, (seconds, told): &(i64, Told)) -> Result<Call, PipelineError> {
        let (id, at) = (CallId::from("room"), at(*seconds));
        match told {
            Start(actors) => {
                let actors: Vec<ActorId> = actors.iter().map(|actor| ActorId::from(*actor)).collect();
                Call::heard_start(known, &id, at, &actors)
            }
            Join(actor) => Call::heard_join(known, &id, &(*actor).into(), at),
            Leave(actor) => Call::heard_leave(known, &id, &(*actor).into(), at),
            End => Ok(Call::heard_end(known, &id, at)),
        }
    }

    fn hear_all(told: &[(i64, Told)]) -> Call {
        told.iter().fold(None, |known, told| Some(hear(known, told).unwrap())).unwrap()
    }

    /// Who, first join, left: what the outside sees.
    type Row = (String, i64, Option<i64>);

    fn seen(call: &Call) -> (i64, Option<i64>, Vec<Row>) {
        let seconds = |time: DateTime<Utc>| (time - at(0)).num_seconds();
        let row = |p: &Participant| (p.actor.to_string(), seconds(p.joined_at), p.left_at.map(seconds));
        let mut rows: Vec<Row> = call.participants.iter().map(row).collect();
        rows.sort();
        (seconds(call.started_at), call.ended_at.map(seconds), rows)
    }

    fn row(actor: &str, joined: i64, left: Option<i64>) -> Row {
        (actor.into(), joined, left)
    }

    #[test]
    fn i1_what_is_told_late_ends_as_if_it_had_been_told_in_order() {
        type Case = (&'static str, Vec<(i64, Told)>, (i64, Option<i64>, Vec<Row>));
        let table: Vec<Case> = vec![
            ("in order", vec![(0, Start(vec!["ann"])), (5, Leave("ann"))], (0, None, vec![row("ann", 0, Some(5))])),
            (
                "a join before the start is told",
                vec![(3, Join("ann")), (0, Start(vec![]))],
                (0, None, vec![row("ann", 3, None)]),
            ),
            (
                "a leave before its join",
                vec![(5, Leave("ann")), (1, Join("ann"))],
                (1, None, vec![row("ann", 1, Some(5))]),
            ),
            (
                "an old leave after the re-join",
                vec![(1, Join("ann")), (3, Join("ann")), (2, Leave("ann"))],
                (1, None, vec![row("ann", 1, None)]),
            ),
            (
                "an old join after the leave",
                vec![(1, Join("ann")), (4, Leave("ann")), (2, Join("ann"))],
                (1, None, vec![row("ann", 1, Some(4))]),
            ),
            (
                "an end before its start",
                vec![(8, End), (0, Start(vec!["ann"]))],
                (0, Some(8), vec![row("ann", 0, Some(8))]),
            ),
            (
                "a leave from before the end",
                vec![(0, Start(vec!["ann", "bob"])), (8, End), (5, Leave("ann"))],
                (0, Some(8), vec![row("ann", 0, Some(5)), row("bob", 0, Some(8))]),
            ),
            (
                "a leave from after the end",
                vec![(0, Start(vec!["ann"])), (8, End), (9, Leave("ann"))],
                (0, Some(8), vec![row("ann", 0, Some(8))]),
            ),
            ("two ends", vec![(0, Start(vec![])), (8, End), (9, End)], (0, Some(8), vec![])),
        ];
        for (name, told, expected) in table {
            assert_eq!(seen(&hear_all(&told)), expected, "{name}");
        }
    }

    #[test]
    fn i1_what_contradicts_the_end_is_a_conflict() {
        let ended = hear_all(&[(0, Start(vec!["ann"])), (8, End)]);
        for (told, expected) in [((9, Start(vec![])), "call_exists"), ((9, Join("bob")), "call_ended")] {
            let error = hear(Some(ended.clone()), &told).unwrap_err();
            assert!(matches!(error, PipelineError::Conflict { code, .. } if code == expected), "{error}");
        }
        let full: Vec<ActorId> = (0..MAX_PARTICIPANTS).map(|index| ActorId(index.to_string())).collect();
        let full = Call::heard_start(None, &"room".into(), at(0), &full).unwrap();
        for told in [(1, Join("ann")), (1, Leave("ann"))] {
            let error = hear(Some(full.clone()), &told).unwrap_err();
            assert!(matches!(error, PipelineError::Conflict { code: "call_full", .. }), "{error}");
        }
    }

    #[test]
    fn i1_whose_connection_is_gone_is_out_of_what_they_had_joined() {
        let call = hear_all(&[(1, Join("ann")), (1, Join("bob")), (5, Join("cid"))]);
        let gone = ["ann", "cid", "nobody"].iter().fold(call, |call, actor| call.heard_gone(&(*actor).into(), at(3)));
        assert_eq!(seen(&gone).2, [row("ann", 1, Some(3)), row("bob", 1, None), row("cid", 5, None)]);
        let back = hear(Some(gone), &(4, Join("ann"))).unwrap();
        assert_eq!(seen(&back.heard_gone(&"ann".into(), at(3))).2[0], row("ann", 1, None));
    }

    #[test]
    fn f2_who_left_and_came_back_starts_anew_although_the_leave_was_told_last() {
        let call = hear_all(&[(1, Join("ann")), (5, Join("ann")), (4, Leave("ann"))]);
        assert!(call.rejoined_after(&"ann".into(), at(3)));
    }

    proptest! {
        /// Every order of the same notices, each of them once or twice, ends alike; and what was told twice in a row changes nothing.
        #[test]
        fn i1_the_order_of_arrival_does_not_matter(
            moves in prop::collection::vec((prop::sample::select(vec!["ann", "bob"]), any::<bool>()), 0..8),
            ends in any::<bool>(),
            keys in prop::collection::vec(any::<u32>(), 20),
        ) {
            let mut told = vec![(0, Start(vec!["ann"]))];
            told.extend(moves.iter().enumerate().map(|(index, (actor, join))| {
                (index as i64 + 1, if *join { Join(actor) } else { Leave(actor) })
            }));
            if ends {
                told.push((told.len() as i64, End));
            }
            // In the order of random keys, each once, and about half of them a second time somewhere.
            let again = (0..told.len()).filter(|index| keys[*index] % 2 == 0).map(|index| (keys[10 + index], index));
            let mut order: Vec<_> = (0..told.len()).map(|index| (keys[index], index)).chain(again).collect();
            order.sort_unstable();
            let shuffled: Vec<_> = order.into_iter().map(|(_, index)| told[index].clone()).collect();
            let (sorted, mixed) = (hear_all(&told), hear_all(&shuffled));
            prop_assert_eq!(seen(&sorted), seen(&mixed));
            let inside = |call: &Call| { let mut inside: Vec<_> = call.present().cloned().collect(); inside.sort(); inside };
            prop_assert_eq!(inside(&sorted), inside(&mixed));
            for again in &shuffled {
                let twice = hear(Some(mixed.clone()), again).unwrap();
                prop_assert_eq!(&changes(Some(&mixed), &twice), &Vec::<CallChange>::new());
                prop_assert_eq!(seen(&twice), seen(&mixed));
            }
        }
    }
}
