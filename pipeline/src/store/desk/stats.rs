//! Counts: what waits, what was decided, by whom and how fast.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Desk;
use crate::{
    error::PipelineError,
    item::TenantId,
    review::{case::Priority, staff::Staff},
    store::link::{Row, values},
};

/// The longest time that counts are made over.
pub const MAX_DAYS: i64 = 366;

/// What waits in one queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueCount {
    /// Which.
    pub queue: String,
    /// For people.
    pub description: String,
    /// Cases that wait or are with somebody.
    pub open: u64,
    /// Of them, with somebody now.
    pub claimed: u64,
    /// Of them, with whoever asks.
    pub mine: u64,
    /// Past their time.
    pub overdue: u64,
    /// By priority: urgent, high, normal, low.
    pub by_priority: [u64; 4],
    /// When the oldest came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_at: Option<DateTime<Utc>>,
    /// When the next one is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due_at: Option<DateTime<Utc>>,
    /// Nobody gets its cases for now.
    pub paused: bool,
    /// Only leads get its cases.
    pub leads_only: bool,
    /// Only staff with this skill get its cases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<String>,
}

/// One day, one thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DayCount {
    /// `2026-01-31`, by UTC.
    pub day: String,
    /// What is counted: an action, a rule, a ruling, a queue.
    pub name: String,
    /// How many.
    pub count: u64,
}

/// What happened in a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Automatic actions by day and action.
    pub actions: Vec<DayCount>,
    /// Decisions by day and ruling.
    pub decisions: Vec<DayCount>,
    /// Decisions by day and queue.
    pub queues: Vec<DayCount>,
    /// Decisions by day and rule.
    pub rules: Vec<DayCount>,
    /// Decisions on real cases.
    pub decided: u64,
    /// Of them, overturned later.
    pub overturned: u64,
    /// Share of them; absent without decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overturn_rate: Option<f64>,
    /// Mean seconds that a reviewer looked.
    pub mean_looked_seconds: f64,
    /// Mean seconds from the opening of a case to its decision.
    pub mean_waited_seconds: f64,
    /// Reports by state.
    pub reports: BTreeMap<String, u64>,
    /// Appeals by state.
    pub appeals: BTreeMap<String, u64>,
}

impl Desk {
    /// What waits in each queue, those of the settings first.
    pub async fn queue_counts(&self, staff: &Staff) -> Result<Vec<QueueCount>, PipelineError> {
        let settings = self.settings(&staff.tenant).await?;
        let (now, who) = (self.now(), staff.clone());
        let rows = self
            .read("queue_counts", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT queue, rank, count(*), sum(CASE WHEN lease_until > $2 THEN 1 ELSE 0 END),
                                   sum(CASE WHEN lease_until > $2 AND holder = $3 THEN 1 ELSE 0 END),
                                   sum(CASE WHEN due_at < $2 THEN 1 ELSE 0 END), min(opened_at), min(due_at)
                               FROM cases WHERE tenant = $1 AND state = 'open' GROUP BY queue, rank";
                    link.rows(sql, values![who.tenant.as_str(), now, who.name.as_str()]).await
                })
            })
            .await?;
        let empty = |name: &str| {
            let rule = settings.queue(name);
            QueueCount {
                queue: name.to_owned(),
                description: rule.map(|rule| rule.description.clone()).unwrap_or_default(),
                open: 0,
                claimed: 0,
                mine: 0,
                overdue: 0,
                by_priority: [0; 4],
                oldest_at: None,
                next_due_at: None,
                paused: rule.is_some_and(|rule| rule.paused),
                leads_only: rule.is_some_and(|rule| rule.leads_only),
                skill: rule.and_then(|rule| rule.skill.clone()),
            }
        };
        let mut counts: Vec<QueueCount> = settings.queues.iter().map(|queue| empty(&queue.name)).collect();
        for row in rows {
            let name = row.text(0)?;
            let place = counts.iter().position(|count| count.queue == name).unwrap_or_else(|| {
                counts.push(empty(name));
                counts.len() - 1
            });
            let Some(count) = counts.get_mut(place) else { continue };
            let open = row.count(2)?;
            count.open += open;
            count.claimed += row.count(3)?;
            count.mine += row.count(4)?;
            count.overdue += row.count(5)?;
            if let Some(priority) = count.by_priority.get_mut(Priority::of_rank(row.int(1)?) as usize) {
                *priority += open;
            }
            let earlier =
                |known: Option<DateTime<Utc>>, new: DateTime<Utc>| Some(known.map_or(new, |known| known.min(new)));
            count.oldest_at = earlier(count.oldest_at, row.time(6)?);
            count.next_due_at = earlier(count.next_due_at, row.time(7)?);
        }
        Ok(counts)
    }

    /// What happened from `from` to `to`, at most [`MAX_DAYS`].
    pub async fn stats(
        &self,
        tenant: &TenantId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<Stats, PipelineError> {
        if from >= to || to - from > TimeDelta::days(MAX_DAYS) {
            let message = format!("`from` lies before `to`, by at most {MAX_DAYS} days");
            return Err(PipelineError::invalid("stats_range", message));
        }
        let tenant = tenant.clone();
        self.read("stats", move |mut link| {
            Box::pin(async move {
                let range = || values![tenant.as_str(), from, to];
                // A day in nanoseconds.
                const BY_DAY: &str = "at / 86400000000000";
                let real = "source NOT IN ('golden', 'second')";
                let by = |column: &str, more: &str| {
                    format!(
                        "SELECT {BY_DAY}, {column}, count(*) FROM decisions WHERE tenant = $1 AND at >= $2 AND at < $3 AND {real} {more}
                         GROUP BY 1, 2 ORDER BY 1, 2"
                    )
                };
                let actions = format!(
                    "SELECT {BY_DAY}, substr(kind, 6), count(*) FROM audit_entries WHERE tenant = $1 AND at >= $2 AND at < $3
                         AND actor = 'policy' GROUP BY 1, 2 ORDER BY 1, 2"
                );
                let actions = days(&link.rows(actions, range()).await?)?;
                let decisions = days(&link.rows(by("ruling", ""), range()).await?)?;
                let queues = days(&link.rows(by("queue", ""), range()).await?)?;
                let rules = days(&link.rows(by("rule", "AND rule IS NOT NULL"), range()).await?)?;
                let sums = format!(
                    "SELECT count(*), sum(CASE WHEN overturned_at IS NOT NULL THEN 1 ELSE 0 END), CAST(sum(looked_s) AS bigint),
                         CAST(sum(waited_ms) AS bigint)
                     FROM decisions WHERE tenant = $1 AND at >= $2 AND at < $3 AND {real}"
                );
                let sums = link.row(sums, range()).await?;
                let sum = |column: usize| sums.as_ref().map_or(Ok(0), |row| row.count(column));
                let (decided, overturned, looked, waited) = (sum(0)?, sum(1)?, sum(2)?, sum(3)?);
                let mean = |total: f64| if decided == 0 { 0.0 } else { total / decided as f64 };
                let reports = "SELECT state, count(*) FROM reports WHERE tenant = $1 AND at >= $2 AND at < $3 GROUP BY state ORDER BY state";
                let appeals = "SELECT state, count(*) FROM appeals WHERE tenant = $1 AND at >= $2 AND at < $3 GROUP BY state ORDER BY state";
                Ok(Stats {
                    actions,
                    decisions,
                    queues,
                    rules,
                    decided,
                    overturned,
                    overturn_rate: (decided > 0).then(|| overturned as f64 / decided as f64),
                    mean_looked_seconds: mean(looked as f64),
                    mean_waited_seconds: mean(waited as f64 / 1000.0),
                    reports: states(&link.rows(reports, range()).await?)?,
                    appeals: states(&link.rows(appeals, range()).await?)?,
                })
            })
        })
        .await
    }
}

fn days(rows: &[Row]) -> Result<Vec<DayCount>, PipelineError> {
    let one = |row: &Row| {
        let day = DateTime::from_timestamp(row.int(0)? * 86_400, 0).unwrap_or_default();
        Ok(DayCount { day: day.format("%F").to_string(), name: row.string(1)?, count: row.count(2)? })
    };
    rows.iter().map(one).collect()
}

fn states(rows: &[Row]) -> Result<BTreeMap<String, u64>, PipelineError> {
    rows.iter().map(|row| Ok((row.string(0)?, row.count(1)?))).collect()
}
