//! Policies of tenants: handed in, put into force, taken back, and read again by every process.

use std::{collections::HashMap, sync::Arc};

use serde_json::json;

use super::Pipeline;
use crate::{
    error::PipelineError,
    item::{Envelope, TenantId},
    policy::{
        InForce, Policy, PolicyError,
        rollout::{Alarm, Change, Hand, INSTALLATION, MAX_NOTE_BYTES, PolicyVersion, Rollout, Tally},
    },
    record::{POLICY_CHANGED, interested},
    store::{Event, Recorded},
};

/// What a tenant's policy is called in messages about it.
const POLICY_FILE: &str = "policy.toml";
/// Most tenants' policies that are read again in one turn; more follow in the next.
const TURN: usize = 1000;

/// How a version is to come into force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Of how many people in a hundred it judges the items; 100 is everybody.
    pub percent: u8,
    /// When it is taken back by itself.
    pub alarm: Option<Alarm>,
}

impl Pipeline {
    /// The policy that judges this item.
    pub(super) fn policy_for(&self, envelope: &Envelope) -> InForce {
        self.policies.choose(&envelope.tenant, envelope.actor.as_ref())
    }

    /// Checks a policy's text. Errors: `Invalid` with `policy_invalid`; the message has line and column.
    pub fn check_policy(&self, text: &str) -> Result<Policy, PipelineError> {
        Policy::parse(POLICY_FILE, text).map_err(|PolicyError { line, column, message, .. }| {
            PipelineError::invalid("policy_invalid", format!("line {line}, column {column}: {message}"))
        })
    }

    /// Keeps a checked text as a version that is not in force. The same text again is the version that it was: `false`.
    pub async fn draft_policy(
        &self,
        tenant: &TenantId,
        text: &str,
        author: &str,
        note: &str,
    ) -> Result<(PolicyVersion, bool), PipelineError> {
        check_note(note)?;
        let policy = self.check_policy(text)?;
        let version = PolicyVersion {
            tenant: tenant.clone(),
            number: 0,
            version: policy.version().to_owned(),
            digest: policy.digest(),
            author: author.to_owned(),
            note: note.to_owned(),
            created_at: self.clock.now(),
            text: text.to_owned(),
        };
        self.store.put_policy(version).await
    }

    /// What is in force for a tenant.
    pub async fn rollout(&self, tenant: &TenantId) -> Result<Rollout, PipelineError> {
        let newest = self.store.rollouts(tenant, 1).await?.pop();
        Ok(newest.unwrap_or_else(|| Rollout::initial(tenant.clone())))
    }

    /// The policy of a version number; 0 is the installation's own. Errors: `NotFound`.
    pub async fn policy_version(&self, tenant: &TenantId, number: u32) -> Result<PolicyVersion, PipelineError> {
        if number == INSTALLATION {
            let policy = self.policies.installation();
            return Ok(PolicyVersion {
                tenant: tenant.clone(),
                number,
                version: policy.version().to_owned(),
                digest: policy.digest(),
                author: "installation".into(),
                note: "the installation's own policy (`pipeline.policy`)".into(),
                created_at: chrono::DateTime::UNIX_EPOCH,
                text: policy.text().to_owned(),
            });
        }
        let found = self.store.load_policy(tenant, number).await?;
        found.ok_or_else(|| PipelineError::NotFound { what: "policy version", id: number.to_string() })
    }

    /// Puts a version into force. This process has it at once, the others within seconds. Errors: `NotFound`, `Invalid`, and `Conflict`
    /// when somebody else changed it meanwhile.
    pub async fn go_live(
        &self,
        tenant: &TenantId,
        number: u32,
        terms: Terms,
        by: &str,
        note: &str,
    ) -> Result<Rollout, PipelineError> {
        check_note(note)?;
        let version = self.policy_version(tenant, number).await?;
        // It was checked when it was handed in, by the program of that day.
        self.check_policy(&version.text)?;
        let now = self.rollout(tenant).await?;
        let in_force = self.policy_version(tenant, now.live).await?;
        let asked = self.check_policy(&in_force.text).map(|policy| policy.rollout()).unwrap_or_default();
        if asked.require_backtest && !self.store.is_backtested(tenant, &version.digest).await? {
            let message =
                format!("the policy in force asks for a backtest first: run one of version {number}, then try again");
            return Err(PipelineError::Conflict { code: "backtest_required", message });
        }
        self.flush_tallies().await?;
        let (seen, _) = self.store.tallies(tenant, now.revision).await?;
        let next = now.go_live(number, terms.percent, terms.alarm, seen, self.hand(by, note))?;
        self.roll_out(next).await
    }

    /// Ends a trial, or goes back to `to` or to what was in force before.
    pub async fn roll_back(
        &self,
        tenant: &TenantId,
        to: Option<u32>,
        by: &str,
        note: &str,
    ) -> Result<Rollout, PipelineError> {
        check_note(note)?;
        if let Some(number) = to {
            self.check_policy(&self.policy_version(tenant, number).await?.text)?;
        }
        let next = self.rollout(tenant).await?.roll_back(to, Change::RolledBack, self.hand(by, note))?;
        self.roll_out(next).await
    }

    fn hand(&self, by: &str, note: &str) -> Hand {
        Hand { by: by.to_owned(), note: note.to_owned(), at: self.clock.now() }
    }

    async fn roll_out(&self, rollout: Rollout) -> Result<Rollout, PipelineError> {
        let events = vec![event(&rollout)];
        let webhooks = interested(&events, &self.webhooks);
        if self.store.put_rollout(&rollout, events, webhooks).await? == Recorded::Stale {
            let message = "somebody else changed what is in force at the same moment: look at it, then try again";
            return Err(PipelineError::Conflict { code: "policy_changed", message: message.into() });
        }
        metrics::counter!("chaperone_policy_rollouts_total", "change" => rollout.change.as_str()).increment(1);
        self.take_up(&rollout).await?;
        Ok(rollout)
    }

    /// Reads what is in force again, and takes up what is new. Answers for how many tenants. A stored policy that this program cannot
    /// read leaves what is in force there, and is logged: the other tenants' still come.
    pub async fn refresh_policies(&self) -> Result<usize, PipelineError> {
        let rollouts = self.store.rollouts_in_force().await?;
        let newer = rollouts.iter().filter(|rollout| self.policies.revision(&rollout.tenant) < rollout.revision);
        let mut taken = 0;
        for rollout in newer.take(TURN) {
            match self.take_up(rollout).await {
                Ok(()) => taken += 1,
                Err(error @ PipelineError::Unavailable { .. }) => return Err(error),
                Err(error) => {
                    metrics::counter!("chaperone_policy_refused_total").increment(1);
                    let (tenant, revision) = (rollout.tenant.as_str(), rollout.revision);
                    tracing::error!(tenant, revision, %error, "a stored policy cannot be used: the one before stays in force");
                }
            }
        }
        Ok(taken)
    }

    /// As [`Self::refresh_policies`], for all tenants: before the first item, so that none is judged by a policy that is no longer in force.
    pub async fn load_policies(&self) -> Result<(), PipelineError> {
        while self.refresh_policies().await? == TURN {}
        Ok(())
    }

    async fn take_up(&self, rollout: &Rollout) -> Result<(), PipelineError> {
        let tenant = &rollout.tenant;
        let mut read = HashMap::new();
        for number in [rollout.live].into_iter().chain(rollout.canary.map(|canary| canary.number)) {
            let policy = match number {
                INSTALLATION => None,
                number => Some(Arc::new(self.check_policy(&self.policy_version(tenant, number).await?.text)?)),
            };
            read.insert(number, policy);
        }
        let live = read.get(&rollout.live).cloned().flatten();
        let canary = rollout.canary.map(|canary| {
            let policy = read.get(&canary.number).cloned().flatten();
            (policy.unwrap_or_else(|| self.policies.installation()), canary.percent)
        });
        self.policies.roll_out(tenant.clone(), rollout.revision, live, canary);
        tracing::info!(
            tenant = tenant.as_str(),
            revision = rollout.revision,
            live = rollout.live,
            canary = rollout.canary.map(|canary| canary.number),
            "a policy came into force"
        );
        Ok(())
    }

    /// Writes down what this process has judged under each revision.
    pub async fn flush_tallies(&self) -> Result<(), PipelineError> {
        let counted = self.policies.take_tallies();
        if counted.is_empty() {
            return Ok(());
        }
        let result = self.store.add_tallies(counted.clone()).await;
        if result.is_err() {
            self.policies.put_back(counted);
        }
        result
    }

    /// Takes back new versions whose pass-rate moved too far. Answers the tenants. Doing it twice changes nothing more.
    pub async fn heed_alarms(&self) -> Result<Vec<TenantId>, PipelineError> {
        let mut taken_back = Vec::new();
        for rollout in self.store.rollouts_in_force().await?.into_iter().filter(|rollout| rollout.alarm.is_some()) {
            let (live, canary) = self.store.tallies(&rollout.tenant, rollout.revision).await?;
            let Some(breach) = rollout.alarmed(live, canary) else { continue };
            let next = rollout.roll_back(None, Change::Alarm, self.hand("alarm", &breach.note()))?;
            match self.roll_out(next).await {
                Ok(rollout) => {
                    let (tenant, live) = (rollout.tenant.as_str(), rollout.live);
                    tracing::error!(tenant, live, breach = breach.note(), "a new policy was taken back by its alarm");
                    taken_back.push(rollout.tenant);
                }
                // Somebody was quicker.
                Err(PipelineError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(taken_back)
    }

    /// How much each side has judged under what is in force.
    pub async fn tallies(&self, rollout: &Rollout) -> Result<(Tally, Tally), PipelineError> {
        self.store.tallies(&rollout.tenant, rollout.revision).await
    }
}

fn check_note(note: &str) -> Result<(), PipelineError> {
    if note.len() <= MAX_NOTE_BYTES {
        return Ok(());
    }
    let message = format!("`note` has {} bytes, at most {MAX_NOTE_BYTES}: shorten it", note.len());
    Err(PipelineError::invalid("note_too_long", message))
}

/// What the outside is told of a change.
fn event(rollout: &Rollout) -> Event {
    let mut data = json!({
        "revision": rollout.revision,
        "change": rollout.change,
        "live": rollout.live,
        "by": rollout.by,
        "note": rollout.note,
    });
    if let Some(canary) = rollout.canary {
        data["canary"] = json!({ "version": canary.number, "percent": canary.percent });
    }
    Event {
        sequence: 0,
        kind: POLICY_CHANGED.to_owned(),
        tenant: rollout.tenant.clone(),
        key: format!("{}:{}", rollout.tenant, rollout.revision),
        at: rollout.at,
        data,
    }
}
