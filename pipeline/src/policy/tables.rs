//! The tables of a policy file that say what becomes of decisions: `[strikes]`, `[breaker]`, `[acknowledge]`.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Deserialize;
use toml::Spanned;

use super::{PolicyError, file::Source};
use crate::{
    action::ActionKind,
    enforcement::{
        acknowledge::Acknowledge,
        breaker::Caps,
        inverse::restricts,
        strikes::{StrikeRules, StrikeStep, Weights},
    },
};

/// Longest time that a strike counts, and longest suspension: ten years.
const MAX_DAYS: u32 = 3650;
/// Longest wait for the platform's word, in seconds.
const MAX_ACKNOWLEDGE_SECONDS: u32 = 3600;
/// Most tellings of one action.
const MAX_TRIES: u32 = 20;
/// Most steps of the strikes.
const MAX_STEPS: usize = 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StrikesFile {
    days: Spanned<u32>,
    weights: Weights,
    steps: Spanned<Vec<StepFile>>,
    #[serde(default = "reason")]
    reason: String,
}

fn reason() -> String {
    "You have broken the rules too often.".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    strikes: u32,
    action: ActionKind,
    hours: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AcknowledgeFile {
    seconds: Spanned<u32>,
    tries: Spanned<u32>,
}

/// Table `[rollout]`: what is asked of the next version, by the one in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RolloutRules {
    /// It must have been backtested.
    pub require_backtest: bool,
}

pub(super) fn strikes(source: &Source<'_>, table: StrikesFile) -> Result<StrikeRules, PolicyError> {
    let days = *table.days.get_ref();
    if !(1..=MAX_DAYS).contains(&days) {
        return Err(source.error(table.days.span().start, format!("`days` is 1 to {MAX_DAYS}")));
    }
    let at = table.steps.span().start;
    let refuse = |message: String| Err(source.error(at, message));
    let steps = table.steps.into_inner();
    if steps.is_empty() || steps.len() > MAX_STEPS {
        return refuse(format!("strikes have 1 to {MAX_STEPS} steps"));
    }
    if steps[0].strikes == 0 || !steps.is_sorted_by(|a, b| a.strikes < b.strikes) {
        return refuse("steps of the strikes must ascend by `strikes` from 1 on, each number once".into());
    }
    for step in &steps {
        if !restricts(step.action) {
            return refuse("a step of the strikes is `suspend` or `ban`".into());
        }
        if step.action == ActionKind::Suspend && step.hours.is_none() {
            return refuse("a suspension has an end: say after how many `hours`".into());
        }
    }
    let steps = steps.into_iter().map(|step| {
        let lasts = step.hours.map(|hours| lasting(source, at, hours)).transpose()?;
        Ok(StrikeStep { strikes: step.strikes, action: step.action, lasts })
    });
    Ok(StrikeRules {
        window: TimeDelta::days(days.into()),
        weights: table.weights,
        steps: steps.collect::<Result<_, _>>()?,
        reason: table.reason.trim().to_owned(),
    })
}

/// How long a suspension or ban lasts.
pub(super) fn lasting(source: &Source<'_>, at: usize, hours: u32) -> Result<TimeDelta, PolicyError> {
    if (1..=MAX_DAYS * 24).contains(&hours) {
        return Ok(TimeDelta::hours(hours.into()));
    }
    Err(source.error(at, format!("`hours` is 1 to {}", MAX_DAYS * 24)))
}

pub(super) fn breaker(source: &Source<'_>, table: BTreeMap<ActionKind, Spanned<u32>>) -> Result<Caps, PolicyError> {
    for (kind, cap) in &table {
        if *kind < ActionKind::Disconnect {
            let message = format!("`{}` needs no breaker: caps are for disconnect, suspend and ban", kind.as_str());
            return Err(source.error(cap.span().start, message));
        }
    }
    Ok(Caps(table.into_iter().map(|(kind, cap)| (kind, cap.into_inner())).collect()))
}

pub(super) fn acknowledge(source: &Source<'_>, table: &AcknowledgeFile) -> Result<Acknowledge, PolicyError> {
    let (seconds, tries) = (*table.seconds.get_ref(), *table.tries.get_ref());
    if !(1..=MAX_ACKNOWLEDGE_SECONDS).contains(&seconds) {
        return Err(source.error(table.seconds.span().start, format!("`seconds` is 1 to {MAX_ACKNOWLEDGE_SECONDS}")));
    }
    if !(1..=MAX_TRIES).contains(&tries) {
        return Err(source.error(table.tries.span().start, format!("`tries` is 1 to {MAX_TRIES}")));
    }
    Ok(Acknowledge { seconds, tries })
}
