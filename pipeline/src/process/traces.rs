//! What the platform says of people, and the traces by which the banned are known again.

use chrono::{DateTime, Utc};

use super::Pipeline;
use crate::{
    enforcement::{evasion::Traces, person::PersonFacts},
    error::PipelineError,
    item::{ActorId, TenantId, check_name},
};

/// Bytes of a tenant's key.
const KEY: usize = 32;

/// What the platform tells of a person. What is absent stays as it was.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// When their account was made.
    pub account_created_at: Option<DateTime<Utc>>,
    /// Device, address, e-mail: kept as keyed digests only.
    pub traces: Traces,
    /// Tries to get around a restriction, to be added to those known.
    pub circumvention_attempts: u32,
}

impl Pipeline {
    /// Keeps what the platform says of a person. Errors: `Invalid` with `trace_invalid`; no message quotes a trace.
    pub async fn tell_of_person(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        told: Told,
    ) -> Result<PersonFacts, PipelineError> {
        check_name("actor", actor.as_str())?;
        let digests = if told.traces == Traces::default() {
            Vec::new()
        } else {
            told.traces.digests(&self.store.trace_key(tenant, fresh_key()?).await?)?
        };
        let known = self.store.load_facts(tenant, actor).await?.unwrap_or_default();
        let facts = PersonFacts {
            account_created_at: told.account_created_at.or(known.account_created_at),
            traces: known.traces.saturating_add(u32::try_from(digests.len()).unwrap_or_default()),
            circumvention_attempts: known.circumvention_attempts.saturating_add(told.circumvention_attempts),
        };
        self.store.put_facts(tenant, actor, facts, digests).await?;
        Ok(facts)
    }

    /// People who are banned and share a trace with `actor`: (kind of the trace, who).
    pub async fn banned_like(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
    ) -> Result<Vec<(String, ActorId)>, PipelineError> {
        self.store.banned_with_traces_of(tenant, actor, self.clock.now()).await
    }
}

/// A key from the operating system's random numbers, as hex.
fn fresh_key() -> Result<String, PipelineError> {
    let mut key = [0; KEY];
    getrandom::fill(&mut key)
        .map_err(|error| PipelineError::Unavailable { part: "random numbers", message: error.to_string() })?;
    Ok(hex::encode(key))
}
