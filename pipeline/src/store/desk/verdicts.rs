//! What people have said about items: the last word on each, written with the decision. Backtests and tuning read it.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::Desk;
use crate::{
    error::PipelineError,
    item::{DecisionId, ItemId, TenantId},
    review::{
        case::{Evidence, Exhibit, ItemExhibit},
        decision::{Decision, Ruling},
    },
    store::{
        link::{Link, Row, values},
        row::limit,
    },
};

/// The last word on an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemVerdict {
    /// Which.
    pub item: ItemId,
    /// It breaks the rules.
    pub violates: bool,
    /// The rule that it breaks, when they named one.
    pub rule: Option<String>,
}

/// Items that a decision says something about. Nothing wrong is said of all; something wrong of the only one, or of those by which a rule fired: of the
/// others in the case nobody knows.
fn said_of(ruling: Ruling, items: &[&ItemExhibit]) -> BTreeSet<ItemId> {
    let all: BTreeSet<ItemId> = items.iter().map(|item| item.envelope.id).collect();
    if !ruling.is_violation() || all.len() == 1 {
        return all;
    }
    items.iter().filter(|item| !item.reasons.is_empty()).map(|item| item.envelope.id).collect()
}

/// Keeps what a decision says about the items of its case, in place of what was said before.
pub(super) async fn keep(
    link: &mut Link<'_>,
    tenant: &TenantId,
    decision: &Decision,
    evidence: &[Evidence],
) -> Result<(), PipelineError> {
    let items: Vec<&ItemExhibit> = evidence
        .iter()
        .filter_map(|evidence| match &evidence.exhibit {
            Some(Exhibit::Item(item)) => Some(&**item),
            _ => None,
        })
        .collect();
    for item in said_of(decision.ruling, &items) {
        let sql = "INSERT INTO item_verdicts (tenant, item, at, violates, rule, decision) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (tenant, item) DO UPDATE SET at = excluded.at, violates = excluded.violates, rule = excluded.rule,
                       decision = excluded.decision";
        let row = values![
            tenant.as_str(),
            item.to_string(),
            decision.at,
            decision.ruling.is_violation(),
            decision.rule.clone().filter(|_| decision.ruling.is_violation()),
            decision.id.to_string(),
        ];
        link.run(sql, row).await?;
    }
    Ok(())
}

/// A decision was taken back: what it said counts no longer.
pub(super) async fn forget(link: &mut Link<'_>, tenant: &TenantId, decision: DecisionId) -> Result<(), PipelineError> {
    let sql = "DELETE FROM item_verdicts WHERE tenant = $1 AND decision = $2";
    link.run(sql, values![tenant.as_str(), decision.to_string()]).await.map(drop)
}

fn verdict(row: &Row) -> Result<ItemVerdict, PipelineError> {
    Ok(ItemVerdict { item: ItemId(row.parse(0)?), violates: row.flag(1)?, rule: row.maybe_string(2)? })
}

impl Desk {
    /// What people have said about these items: those that nobody has looked at are not there.
    pub async fn verdicts_on(
        &self,
        tenant: &TenantId,
        items: &[ItemId],
    ) -> Result<HashMap<ItemId, bool>, PipelineError> {
        if items.is_empty() {
            return Ok(HashMap::new());
        }
        let mut values = values![tenant.as_str()];
        values.extend(items.iter().map(|item| item.to_string().into()));
        let places: Vec<String> = (2..=values.len()).map(|place| format!("${place}")).collect();
        let sql = format!(
            "SELECT item, violates, rule FROM item_verdicts WHERE tenant = $1 AND item IN ({})",
            places.join(", ")
        );
        let rows =
            self.read("item_verdicts", move |mut link| Box::pin(async move { link.rows(sql, values).await })).await?;
        let verdicts = rows.iter().map(|row| verdict(row).map(|verdict| (verdict.item, verdict.violates)));
        verdicts.collect()
    }

    /// What people have said since `from`, newest first.
    pub async fn verdicts_since(
        &self,
        tenant: &TenantId,
        from: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<ItemVerdict>, PipelineError> {
        let values = values![tenant.as_str(), from, limit(count)];
        let sql = "SELECT item, violates, rule FROM item_verdicts WHERE tenant = $1 AND at >= $2 ORDER BY at DESC, item LIMIT $3";
        let rows = self
            .read("item_verdicts_of", move |mut link| Box::pin(async move { link.rows(sql, values).await }))
            .await?;
        rows.iter().map(verdict).collect()
    }
}
