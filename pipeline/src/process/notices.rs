//! What the platform tells us, put into effect.
//!
//! Nothing here remembers which notices were seen: every effect goes by the time of what happened, so the same notice twice, or an
//! old one late, ends where one in its order would have ended.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::Pipeline;
use crate::{
    Kind,
    error::PipelineError,
    item::{ActorId, CallId, TenantId},
    notice::{Fact, Notice},
    stream::call::Call,
};

/// Calls that a disconnect ends somebody's part in at most. More than a handful is a defect of the platform.
const CALLS_OF_ONE: usize = 1000;

/// What came of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in effect, now or since before.
    Done,
    /// Its type is not known here.
    Ignored,
}

impl Pipeline {
    /// Puts one notice into effect. Doing it again changes nothing. `Invalid` and `Conflict` stay so however often it is tried.
    pub async fn apply(&self, notice: &Notice) -> Result<Applied, PipelineError> {
        let applied = self.put_into_effect(notice).await;
        let result = match &applied {
            Ok(Applied::Done) => "applied",
            Ok(Applied::Ignored) => "ignored",
            Err(error) if is_final(error) => "refused",
            Err(_) => "failed",
        };
        metrics::counter!("chaperone_notices_total", "type" => notice.fact.as_str(), "result" => result).increment(1);
        applied
    }

    async fn put_into_effect(&self, notice: &Notice) -> Result<Applied, PipelineError> {
        if notice.fact == Fact::Unknown {
            return Ok(Applied::Ignored);
        }
        notice.check_time(self.clock.now())?;
        let Notice { tenant, at, .. } = notice;
        match &notice.fact {
            Fact::Unknown => return Ok(Applied::Ignored),
            Fact::UserConnected(actor) => self.store.put_presence(tenant, actor, true, *at).await?,
            Fact::UserDisconnected(actor) => {
                // First: somebody whose join is told from now on finds that they are gone.
                self.store.put_presence(tenant, actor, false, *at).await?;
                for call in self.store.open_calls_of(tenant, actor, CALLS_OF_ONE).await? {
                    self.take_out(tenant, &call, actor, *at).await?;
                }
            }
            Fact::CallStarted(call, actors) => {
                let gone = self.gone_since(tenant, actors, *at).await?;
                self.change_call(tenant, call, Some(*at), |known, at| {
                    Ok(without(Call::heard_start(known, call, at, actors)?, &gone))
                })
                .await?;
            }
            Fact::CallJoined(call, actor) => {
                let gone = self.gone_since(tenant, std::slice::from_ref(actor), *at).await?;
                self.change_call(tenant, call, Some(*at), |known, at| {
                    Ok(without(Call::heard_join(known, call, actor, at)?, &gone))
                })
                .await?;
            }
            Fact::CallLeft(call, actor) => {
                let leave = |known, at| Call::heard_leave(known, call, actor, at);
                self.change_call(tenant, call, Some(*at), leave).await?;
            }
            Fact::CallEnded(call) => {
                self.change_call(tenant, call, Some(*at), |known, at| Ok(Call::heard_end(known, call, at))).await?;
            }
        }
        Ok(Applied::Done)
    }

    /// Somebody whose connection was gone at `at` is out of a call that they had joined by then.
    async fn take_out(
        &self,
        tenant: &TenantId,
        call: &CallId,
        actor: &ActorId,
        at: DateTime<Utc>,
    ) -> Result<(), PipelineError> {
        let step = |known: Option<Call>, at| {
            let known = known.ok_or_else(|| PipelineError::NotFound { what: "call", id: call.to_string() })?;
            Ok(known.heard_gone(actor, at))
        };
        match self.change_call(tenant, call, Some(at), step).await {
            // It expired meanwhile.
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            changed => changed.map(drop),
        }
    }

    /// Of these people, who is known to have lost their connection at `at` or later, and when.
    async fn gone_since(
        &self,
        tenant: &TenantId,
        actors: &[ActorId],
        at: DateTime<Utc>,
    ) -> Result<HashMap<ActorId, DateTime<Utc>>, PipelineError> {
        let mut gone = HashMap::new();
        for actor in actors {
            if let Some((false, since)) = self.store.load_presence(tenant, actor).await?
                && since >= at
            {
                gone.insert(actor.clone(), since);
            }
        }
        Ok(gone)
    }
}

/// Would the same notice fail the same way for ever?
pub fn is_final(error: &PipelineError) -> bool {
    matches!(error.kind(), Kind::Invalid | Kind::Conflict | Kind::NotFound)
}

fn without(call: Call, gone: &HashMap<ActorId, DateTime<Utc>>) -> Call {
    gone.iter().fold(call, |call, (actor, at)| call.heard_gone(actor, *at))
}
