//! The policy's word on one item, with all that depends on the person and on the day's caps.

use super::{Mode, Pipeline, Work};
use crate::{
    action::ActionKind,
    enforcement::{
        breaker::{Place, day},
        person::{Person, PersonChange},
    },
    error::PipelineError,
    item::TenantId,
    policy::{Evaluation, Facts, add_consequences, evaluate},
    record::{breaker_opened, interested},
    stream::call::ParticipantState,
};

/// What the policy says, and what it was told of the person.
pub(super) struct Ruling {
    pub(super) evaluation: Evaluation,
    person: Option<Person>,
    /// Places under the day's caps that were taken for it: given back when it does not come about.
    pub(super) taken: Vec<ActionKind>,
}

impl Ruling {
    /// Without people and caps: what no rule said.
    pub(super) fn plain(evaluation: Evaluation) -> Self {
        Self { evaluation, person: None, taken: Vec::new() }
    }

    /// The person's new state, when something is to be remembered. Strikes alone count, too: whoever gives them must have seen those
    /// before, so that no step of theirs is missed or taken twice.
    pub(super) fn person_change(&self, work: &Work<'_>) -> Option<PersonChange> {
        let (person, actor) = (self.person.as_ref()?, work.envelope.actor.clone()?);
        let strikes = self.evaluation.draft.as_ref().is_some_and(|draft| draft.strikes > 0);
        let state = match &self.evaluation.person {
            Some(state) => state.clone(),
            None if strikes => person.state.clone(),
            None => return None,
        };
        Some(PersonChange { actor, state, seen: person.version })
    }
}

impl Pipeline {
    /// Judges by the policy, and looks the person up where something depends on them: most items cost no read.
    pub(super) async fn rule(
        &self,
        work: &Work<'_>,
        facts: Facts<'_>,
        state: &ParticipantState,
    ) -> Result<Ruling, PipelineError> {
        let at = work.envelope.occurred_at;
        let mut person = match work.policy.reads_person(work.envelope.kind) {
            true => self.look_up(work).await?,
            false => None,
        };
        let mut evaluation = evaluate(&work.policy, &Facts { person: person.as_ref(), ..facts }, state, at);
        if evaluation.wants_person && person.is_none() {
            person = self.look_up(work).await?;
            evaluation = evaluate(&work.policy, &Facts { person: person.as_ref(), ..facts }, state, at);
        }
        Ok(Ruling { evaluation, person, taken: Vec::new() })
    }

    async fn look_up(&self, work: &Work<'_>) -> Result<Option<Person>, PipelineError> {
        let Some(actor) = &work.envelope.actor else { return Ok(None) };
        Ok(Some(self.store.load_person(&work.envelope.tenant, actor, self.clock.now()).await?))
    }

    /// Adds what the ruling leads to: strikes, their step, and reviews in place of what the day's caps no longer allow.
    pub(super) async fn add_consequences(&self, work: &Work<'_>, ruling: Ruling) -> Result<Ruling, PipelineError> {
        let Ruling { evaluation, person, mut taken } = ruling;
        let mut capped = Vec::new();
        loop {
            let decided = add_consequences(&work.policy, evaluation.clone(), person.as_ref(), &capped);
            let drafts = decided.draft.iter().chain(&decided.consequence);
            let wanted: Vec<ActionKind> = drafts.map(|draft| draft.kind).filter(|kind| !taken.contains(kind)).collect();
            let mut refused = None;
            // A dry run takes nobody's place.
            for kind in wanted.into_iter().filter(|_| work.mode == Mode::Record) {
                let Some(cap) = work.policy.caps().of(kind) else { continue };
                match self.take_place(&work.envelope.tenant, kind, cap).await {
                    Ok(true) => taken.push(kind),
                    Ok(false) => {
                        refused = Some(kind);
                        break;
                    }
                    Err(error) => {
                        self.give_places_back(&work.envelope.tenant, &taken).await;
                        return Err(error);
                    }
                }
            }
            match refused {
                Some(kind) => capped.push(kind),
                None => return Ok(Ruling { evaluation: decided, person, taken }),
            }
        }
    }

    async fn take_place(&self, tenant: &TenantId, kind: ActionKind, cap: u32) -> Result<bool, PipelineError> {
        let now = self.clock.now();
        let events = vec![breaker_opened(tenant, kind, cap, now)];
        let webhooks = interested(&events, &self.webhooks);
        let place = self.store.take_place(tenant, day(now), kind, cap, now, (events, webhooks)).await?;
        if place == (Place::Refused { first: true }) {
            metrics::counter!("chaperone_breaker_opened_total", "action" => kind.as_str()).increment(1);
            let (tenant, action) = (tenant.as_str(), kind.as_str());
            tracing::error!(tenant, action, cap, "the day's cap is reached: until tomorrow humans decide instead");
        }
        Ok(place == Place::Taken)
    }

    /// A place that is not given back only makes the day's cap smaller: a failure is no reason to fail.
    pub(super) async fn give_places_back(&self, tenant: &TenantId, taken: &[ActionKind]) {
        for kind in taken {
            if let Err(error) = self.store.give_place_back(tenant, day(self.clock.now()), *kind).await {
                tracing::warn!(action = kind.as_str(), %error, "a place under the day's cap is lost");
            }
        }
    }
}
