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
    /// The same by day and rule: the severest of those that fired.
    pub actions_by_rule: Vec<DayCount>,
    /// The same by day and label that this rule went by.
    pub actions_by_label: Vec<DayCount>,
    /// Decisions by day and ruling.
    pub decisions: Vec<DayCount>,
    /// What people did, by day and action.
    pub measures: Vec<DayCount>,
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

impl Stats {
    /// One row per day, thing counted and name, with a head: what spreadsheets and reports read.
    pub fn csv(&self) -> String {
        let tables = [
            ("automatic_action", &self.actions),
            ("automatic_action_by_rule", &self.actions_by_rule),
            ("automatic_action_by_label", &self.actions_by_label),
            ("decision", &self.decisions),
            ("decision_by_action", &self.measures),
            ("decision_by_rule", &self.rules),
            ("decision_by_queue", &self.queues),
        ];
        let mut text = String::from("day,what,name,count\n");
        let mut row = |day: &str, what: &str, name: &str, count: u64| {
            // Names of rules and queues are plain, but a leading sign would make a spreadsheet calculate.
            let plain = name.replace(['"', '\n', '\r'], " ");
            let guard = if plain.starts_with(['=', '+', '-', '@', '\t']) { "'" } else { "" };
            text.push_str(&format!("{day},{what},\"{guard}{plain}\",{count}\n"));
        };
        for (what, counts) in tables {
            for DayCount { day, name, count } in counts {
                row(day, what, name, *count);
            }
        }
        for (what, states) in [("report", &self.reports), ("appeal", &self.appeals)] {
            for (state, count) in states {
                row("", what, state, *count);
            }
        }
        row("", "decided", "all", self.decided);
        row("", "decided", "overturned", self.overturned);
        text
    }
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
                // Reasons are kept severest first.
                let first = |rule: &str| {
                    format!(
                        "SELECT day, name, count(*) FROM (SELECT {BY_DAY} AS day, {rule} AS name FROM audit_entries
                             WHERE tenant = $1 AND at >= $2 AND at < $3 AND actor = 'policy') AS acted
                         WHERE name IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2"
                    )
                };
                let rule = link.choose("json_extract(detail, '$.rules[0]')", "detail::json #>> '{rules,0}'");
                let label = link.choose("json_extract(detail, '$.labels[0]')", "detail::json #>> '{labels,0}'");
                let actions_by_rule = days(&link.rows(first(rule), range()).await?)?;
                let actions_by_label = days(&link.rows(first(label), range()).await?)?;
                let decisions = days(&link.rows(by("ruling", ""), range()).await?)?;
                let measures = days(&link.rows(by("action", "AND action IS NOT NULL"), range()).await?)?;
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
                    actions_by_rule,
                    actions_by_label,
                    decisions,
                    measures,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c7_numbers_are_a_table_that_no_spreadsheet_calculates_with() {
        let one = |name: &str| vec![DayCount { day: "2026-01-31".into(), name: name.into(), count: 2 }];
        let stats = Stats {
            actions: one("warn"),
            actions_by_rule: one("=spam\""),
            actions_by_label: Vec::new(),
            decisions: one("act"),
            measures: one("ban"),
            queues: Vec::new(),
            rules: Vec::new(),
            decided: 2,
            overturned: 1,
            overturn_rate: Some(0.5),
            mean_looked_seconds: 1.0,
            mean_waited_seconds: 1.0,
            reports: BTreeMap::from([("closed".into(), 3)]),
            appeals: BTreeMap::new(),
        };
        let expected = "day,what,name,count\n2026-01-31,automatic_action,\"warn\",2\n2026-01-31,automatic_action_by_rule,\"'=spam \",2\n\
            2026-01-31,decision,\"act\",2\n2026-01-31,decision_by_action,\"ban\",2\n,report,\"closed\",3\n,decided,\"all\",2\n\
            ,decided,\"overturned\",1\n";
        assert_eq!(stats.csv(), expected);
    }
}
