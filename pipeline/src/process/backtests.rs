//! Backtests and tuning: policies and cuts against what is recorded.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::OwnedSemaphorePermit;
use uuid::Uuid;

use super::Pipeline;
use crate::{
    error::PipelineError,
    item::{ItemId, TenantId},
    policy::{
        Policy,
        backtest::{Backtest, Human, Report, Run},
        tuner::{Labelled, Tuning, tune},
    },
    store::{ItemRecord, OutcomePlace, desk::verdicts::ItemVerdict},
};

/// Outcomes that are read at once.
const PAGE: usize = 500;
/// Pages between two notes of how far it is.
const NOTED: usize = 10;
/// What humans said, at most, of one backtest or tuning.
pub const MAX_VERDICTS: usize = 10_000;
/// Longest period.
const MAX_PERIOD: TimeDelta = TimeDelta::days(366);
/// A backtest that was not heard of for so long has died with its process.
pub const SILENCE: TimeDelta = TimeDelta::seconds(60);

/// What is to be tried, on what.
pub struct Trial {
    /// Whose.
    pub tenant: TenantId,
    /// The version, if it is one.
    pub number: Option<u32>,
    /// The policy.
    pub text: String,
    /// Outcomes decided from then on.
    pub from: DateTime<Utc>,
    /// Up to then.
    pub to: DateTime<Utc>,
    /// What humans have said: whether an item breaks the rules. Comes before what reviewers have decided, which is known.
    pub verdicts: HashMap<ItemId, bool>,
    /// Who asks.
    pub by: String,
}

impl Pipeline {
    /// Begins a backtest; it goes on in a task of its own, and [`Pipeline::backtest`] says how far it is. Errors: `Invalid`, and `Full` while
    /// this process is at work on others.
    pub async fn start_backtest(&self, trial: Trial) -> Result<Run, PipelineError> {
        let Trial { tenant, number, text, from, to, verdicts, by } = trial;
        if from >= to || to - from > MAX_PERIOD {
            let message = format!("`from` must lie before `to`, by at most {} days", MAX_PERIOD.num_days());
            return Err(PipelineError::invalid("period_invalid", message));
        }
        check_count(verdicts.len())?;
        let policy = Arc::new(self.check_policy(&text)?);
        let Ok(turn) = Arc::clone(&self.backtests).try_acquire_owned() else {
            return Err(PipelineError::Full { what: "the bench for backtests", retry_after_s: 30 });
        };
        let now = self.clock.now();
        let run = Run {
            id: Uuid::now_v7(),
            tenant,
            number,
            digest: policy.digest(),
            from,
            to,
            by,
            started_at: now,
            heard_at: now,
            items: 0,
            report: None,
            error: None,
        };
        self.store.put_backtest(&run).await?;
        let (pipeline, started) = (self.clone(), run.clone());
        tokio::spawn(async move { pipeline.finish_backtest(started, policy, verdicts, turn).await });
        Ok(run)
    }

    async fn finish_backtest(
        &self,
        mut run: Run,
        policy: Arc<Policy>,
        verdicts: HashMap<ItemId, bool>,
        turn: OwnedSemaphorePermit,
    ) {
        match self.try_out(&mut run, policy, &verdicts).await {
            Ok(report) => (run.items, run.report) = (report.items, Some(report)),
            Err(error) => {
                tracing::warn!(backtest = %run.id, %error, "a backtest failed");
                run.error = Some("the store did not answer: start it again".to_owned());
            }
        }
        run.heard_at = self.clock.now();
        if let Err(error) = self.store.put_backtest(&run).await {
            tracing::warn!(backtest = %run.id, %error, "what came of a backtest is lost");
        }
        drop(turn);
    }

    async fn try_out(
        &self,
        run: &mut Run,
        policy: Arc<Policy>,
        verdicts: &HashMap<ItemId, bool>,
    ) -> Result<Report, PipelineError> {
        let mut backtest = Backtest::new(policy, self.config.second_opinion.clone());
        let mut place = OutcomePlace::default();
        for page in 1.. {
            let (outcomes, next) = self.store.outcomes_between(&run.tenant, run.from, run.to, place, PAGE).await?;
            if outcomes.is_empty() {
                break;
            }
            place = next;
            let ids: Vec<ItemId> = outcomes.iter().map(|outcome| outcome.envelope.id).collect();
            let decided = self.desk.verdicts_on(&run.tenant, &ids).await?;
            let overturned = self.store.overturned_items(&run.tenant, ids).await?;
            let human = |id: &ItemId| Human {
                violates: verdicts.get(id).or_else(|| decided.get(id)).copied(),
                overturned: overturned.contains(id),
            };
            let known: Vec<Human> = outcomes.iter().map(|outcome| human(&outcome.envelope.id)).collect();
            // Conditions of a whole page are work for a thread that may be busy.
            let done = tokio::task::spawn_blocking(move || {
                for (outcome, human) in outcomes.iter().zip(known) {
                    backtest.add(outcome, human);
                }
                backtest
            });
            backtest =
                done.await.map_err(|error| PipelineError::Internal { part: "backtest", message: error.to_string() })?;
            if page % NOTED == 0 {
                (run.items, run.heard_at) = (backtest.items(), self.clock.now());
                self.store.put_backtest(run).await?;
            }
        }
        Ok(backtest.finish())
    }

    /// How far a backtest is, or what came of it. Errors: `NotFound`.
    pub async fn backtest(&self, tenant: &TenantId, id: Uuid) -> Result<Run, PipelineError> {
        let run = self.store.load_backtest(tenant, id).await?;
        run.ok_or_else(|| PipelineError::NotFound { what: "backtest", id: id.to_string() })
    }

    /// Draws precision and recall of a label's cuts from what humans have said about items: `verdicts`, and what reviewers have decided since
    /// `from`, the newest first, as far as there is room. Left out are items that are not there, that no model has scored for the label, and
    /// those that break a rule which does not read it.
    pub async fn tune(
        &self,
        tenant: &TenantId,
        label: &str,
        target: f64,
        verdicts: HashMap<ItemId, bool>,
        from: DateTime<Utc>,
    ) -> Result<Tuning, PipelineError> {
        if !(target > 0.0 && target < 1.0) {
            let message = "`precision` is a share between 0 and 1: 0.95 is ninety-five right in a hundred";
            return Err(PipelineError::invalid("precision_out_of_range", message));
        }
        check_count(verdicts.len())?;
        let (room, policy) = (MAX_VERDICTS - verdicts.len(), self.policies.of(tenant));
        let decided = self.desk.verdicts_since(tenant, from, room).await?;
        let of_label = |said: &ItemVerdict| {
            // Which label it is about is known by the rule only: somebody's spam says nothing about insults.
            let rule = said.rule.as_ref().filter(|_| said.violates);
            rule.and_then(|rule| policy.rule_reads(rule, label)).unwrap_or(true)
        };
        let decided = decided.into_iter().filter(of_label).map(|said| (said.item, said.violates));
        let verdicts: HashMap<ItemId, bool> = decided.chain(verdicts).collect();
        let mut labelled = Vec::with_capacity(verdicts.len());
        for (id, violates) in verdicts {
            let Some(ItemRecord::Judged(outcome)) = self.store.load_item(tenant, id).await? else { continue };
            let scores = outcome.signals.iter().filter(|signal| signal.label == label).map(|signal| signal.score);
            if let Some(score) = scores.max_by(f32::total_cmp) {
                labelled.push(Labelled { score, violates });
            }
        }
        Ok(tune(&labelled, target))
    }
}

fn check_count(verdicts: usize) -> Result<(), PipelineError> {
    if verdicts <= MAX_VERDICTS {
        return Ok(());
    }
    let message = format!("`verdicts` has {verdicts} entries, at most {MAX_VERDICTS}: send a sample");
    Err(PipelineError::invalid("verdicts_too_many", message))
}
