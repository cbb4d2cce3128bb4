//! How well people judge: cases with known answers mixed in, second reviews, agreement; and what it costs them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, audit, cases, not_found};
use crate::{
    error::PipelineError,
    item::{CaseId, TenantId},
    review::{
        agreement::{agreement, kappa},
        case::{Case, CaseDraft, CaseFacts, CaseState, Source},
        decision::Ruling,
        staff::Staff,
        wellness::Exposure,
    },
    store::{
        link::{Link, Row, values},
        row::limit,
    },
};

/// Pairs that one figure is made of at most: the newest.
const MOST: usize = 20_000;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A case whose answer is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Golden {
    /// Which.
    pub case: CaseId,
    /// The right answer.
    pub expected: Ruling,
    /// Why.
    pub note: String,
    /// Who said so.
    pub added_by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// How one person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReviewerQuality {
    /// Who.
    pub reviewer: String,
    /// Decisions on real cases.
    pub decisions: u64,
    /// Of them, overturned later.
    pub overturned: u64,
    /// Known answers that they were asked for.
    pub golden: u64,
    /// Of them, answered right.
    pub golden_right: u64,
    /// Decisions that somebody else judged again.
    pub second: u64,
    /// Of them, judged the same.
    pub second_same: u64,
    /// Mean seconds that they looked at a case.
    pub mean_seconds: f64,
}

/// How the team does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Pairs of a first and a second review.
    pub pairs: u64,
    /// Share of pairs that agree whether it was a violation.
    pub agreement: Option<f64>,
    /// Cohen's kappa of it: 1 full agreement, 0 what chance gives.
    pub kappa: Option<f64>,
    /// By person.
    pub reviewers: Vec<ReviewerQuality>,
}

/// The right answer, when the case is one whose answer is known.
pub(super) async fn expected(link: &mut Link<'_>, case: &Case) -> Result<Option<String>, PipelineError> {
    let (Source::Golden, Some(origin)) = (case.source, case.facts.origin) else { return Ok(None) };
    let sql = "SELECT expected FROM golden WHERE tenant = $1 AND case_id = $2";
    let row = link.row(sql, values![case.tenant.as_str(), origin.to_string()]).await?;
    row.map(|row| row.string(0)).transpose()
}

/// A case with a known answer that this person has not had, made for them; `None` when they had all.
pub(super) async fn golden_case(
    link: &mut Link<'_>,
    staff: &Staff,
    now: DateTime<Utc>,
) -> Result<Option<Case>, PipelineError> {
    let sql = "SELECT g.case_id FROM golden g WHERE g.tenant = $1
               AND NOT EXISTS (SELECT 1 FROM case_barred b WHERE b.tenant = g.tenant AND b.case_id = g.case_id AND b.staff = $2)
               ORDER BY g.case_id LIMIT 1";
    let Some(row) = link.row(sql, values![staff.tenant.as_str(), staff.name.as_str()]).await? else { return Ok(None) };
    let origin: CaseId = row.parse(0)?;
    let Some(first) = cases::load(link, &staff.tenant, origin).await? else { return Ok(None) };
    // They had it now.
    cases::bar(link, &staff.tenant, origin, &staff.name).await?;
    let mut draft = CaseDraft::new(staff.tenant.clone(), first.subject.clone(), Source::Golden, now);
    draft.language.clone_from(&first.language);
    draft.queue = Some(first.queue.clone());
    draft.facts = CaseFacts { origin: Some(origin), about: None, appeal: None, ..first.facts.clone() };
    let route = crate::review::routing::Route {
        queue: first.queue.clone(),
        priority: first.priority,
        due_at: now + (first.due_at - first.opened_at),
    };
    let (mut case, _) = cases::open(link, draft, route).await?;
    case.assignee = Some(staff.name.clone());
    Ok(Some(case))
}

/// Counts what somebody looked at.
pub(super) async fn expose(
    link: &mut Link<'_>,
    staff: &Staff,
    at: DateTime<Utc>,
    seconds: u32,
) -> Result<(), PipelineError> {
    let sql = "INSERT INTO exposure (tenant, staff, day, items, seconds) VALUES ($1, $2, $3, 1, $4)
               ON CONFLICT (tenant, staff, day) DO UPDATE SET items = exposure.items + 1, seconds = exposure.seconds + excluded.seconds";
    let row = values![staff.tenant.as_str(), staff.name.as_str(), at.timestamp().div_euclid(DAY), i64::from(seconds)];
    link.run(sql, row).await.map(drop)
}

impl Desk {
    /// What somebody looked at today.
    pub async fn exposure(&self, staff: &Staff) -> Result<Exposure, PipelineError> {
        let (staff, day) = (staff.clone(), self.now().timestamp().div_euclid(DAY));
        let row = self
            .read("exposure", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT items, seconds FROM exposure WHERE tenant = $1 AND staff = $2 AND day = $3";
                    link.row(sql, values![staff.tenant.as_str(), staff.name.as_str(), day]).await
                })
            })
            .await?;
        match row {
            Some(row) => Ok(Exposure { items: row.count(0)?, seconds: row.count(1)? }),
            None => Ok(Exposure::default()),
        }
    }

    /// Makes a decided case one whose answer is known.
    pub async fn put_golden(
        &self,
        staff: &Staff,
        case: CaseId,
        expected: Ruling,
        note: &str,
    ) -> Result<Golden, PipelineError> {
        let (now, staff, note) = (self.now(), staff.clone(), note.chars().take(1000).collect::<String>());
        self.write("put_golden", move |mut link| {
            Box::pin(async move {
                let found = cases::lock(&mut link, &staff.tenant, case).await?;
                if found.state != CaseState::Decided || !found.source.acts() {
                    let message = "only a real case that is decided can become a known answer".to_owned();
                    return Err(PipelineError::Conflict { code: "case_not_decided", message });
                }
                let sql =
                    "INSERT INTO golden (tenant, case_id, at, added_by, expected, note) VALUES ($1, $2, $3, $4, $5, $6)
                           ON CONFLICT (tenant, case_id) DO UPDATE SET at = excluded.at, added_by = excluded.added_by,
                               expected = excluded.expected, note = excluded.note";
                let row = values![
                    staff.tenant.as_str(),
                    case.to_string(),
                    now,
                    staff.name.as_str(),
                    expected.as_str(),
                    &note,
                ];
                link.run(sql, row).await?;
                // Whoever decided it knows it.
                let sql = "SELECT DISTINCT reviewer FROM decisions WHERE tenant = $1 AND case_id = $2";
                for row in link.rows(sql, values![staff.tenant.as_str(), case.to_string()]).await? {
                    cases::bar(&mut link, &staff.tenant, case, row.text(0)?).await?;
                }
                cases::bar(&mut link, &staff.tenant, case, &staff.name).await?;
                let detail = json!({ "expected": expected });
                audit::append(
                    &mut link,
                    &staff.tenant,
                    staff.entry(now, "golden.added", format!("case:{case}"), detail),
                )
                .await?;
                Ok(Golden { case, expected, note, added_by: staff.name, at: now })
            })
        })
        .await
    }

    /// Takes a case out of those whose answer is known.
    pub async fn remove_golden(&self, staff: &Staff, case: CaseId) -> Result<(), PipelineError> {
        let (now, staff) = (self.now(), staff.clone());
        self.write("remove_golden", move |mut link| {
            Box::pin(async move {
                let sql = "DELETE FROM golden WHERE tenant = $1 AND case_id = $2";
                if link.run(sql, values![staff.tenant.as_str(), case.to_string()]).await? == 0 {
                    return Err(not_found("known answer", case));
                }
                audit::append(
                    &mut link,
                    &staff.tenant,
                    staff.entry(now, "golden.removed", format!("case:{case}"), json!({})),
                )
                .await
            })
        })
        .await
    }

    /// Cases whose answer is known.
    pub async fn golden(&self, tenant: &TenantId) -> Result<Vec<Golden>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("golden", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT case_id, expected, note, added_by, at FROM golden WHERE tenant = $1 ORDER BY case_id LIMIT 1000";
                    link.rows(sql, values![tenant.as_str()]).await
                })
            })
            .await?;
        let one = |row: &Row| {
            Ok(Golden {
                case: row.parse(0)?,
                expected: ruling(row.text(1)?)?,
                note: row.string(2)?,
                added_by: row.string(3)?,
                at: row.time(4)?,
            })
        };
        rows.iter().map(one).collect()
    }

    /// Agreement and accuracy of decisions since `from`.
    pub async fn quality(&self, tenant: &TenantId, from: DateTime<Utc>) -> Result<Quality, PipelineError> {
        let tenant = tenant.clone();
        let (pairs, people) = self
            .read("quality", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT f.ruling, s.ruling, f.reviewer FROM decisions s JOIN decisions f ON f.tenant = s.tenant AND f.id = s.about
                               WHERE s.tenant = $1 AND s.source = 'second' AND s.at >= $2 ORDER BY s.at DESC LIMIT $3";
                    let pairs = link.rows(sql, values![tenant.as_str(), from, limit(MOST)]).await?;
                    let sql = "SELECT reviewer,
                                   sum(CASE WHEN source NOT IN ('golden', 'second') THEN 1 ELSE 0 END),
                                   sum(CASE WHEN overturned_at IS NOT NULL THEN 1 ELSE 0 END),
                                   sum(CASE WHEN source = 'golden' THEN 1 ELSE 0 END),
                                   sum(CASE WHEN source = 'golden' AND (expected = 'dismiss') = (ruling = 'dismiss') THEN 1 ELSE 0 END),
                                   CAST(sum(looked_s) AS bigint), count(*)
                               FROM decisions WHERE tenant = $1 AND at >= $2 GROUP BY reviewer ORDER BY reviewer LIMIT 500";
                    let people = link.rows(sql, values![tenant.as_str(), from]).await?;
                    Ok((pairs, people))
                })
            })
            .await?;
        let pairs = pairs
            .iter()
            .map(|row| Ok(((ruling(row.text(0)?)?, ruling(row.text(1)?)?), row.string(2)?)))
            .collect::<Result<Vec<_>, PipelineError>>()?;
        let reviewers = people
            .iter()
            .map(|row| {
                let reviewer = row.string(0)?;
                let own = || pairs.iter().filter(|(_, first)| *first == reviewer);
                let same = own().filter(|((one, other), _)| one.is_violation() == other.is_violation()).count();
                let (second, second_same, count) = (own().count() as u64, same as u64, row.count(6)?);
                Ok(ReviewerQuality {
                    decisions: row.count(1)?,
                    overturned: row.count(2)?,
                    golden: row.count(3)?,
                    golden_right: row.count(4)?,
                    second,
                    second_same,
                    mean_seconds: row.count(5)? as f64 / count.max(1) as f64,
                    reviewer,
                })
            })
            .collect::<Result<Vec<_>, PipelineError>>()?;
        let binary: Vec<(bool, bool)> =
            pairs.iter().map(|((one, other), _)| (one.is_violation(), other.is_violation())).collect();
        Ok(Quality { pairs: binary.len() as u64, agreement: agreement(&binary), kappa: kappa(&binary), reviewers })
    }
}

fn ruling(name: &str) -> Result<Ruling, PipelineError> {
    Ruling::named(name)
        .ok_or_else(|| PipelineError::Internal { part: "store", message: "a decision has an odd ruling".into() })
}
