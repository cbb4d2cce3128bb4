//! Every version of messages that people edit, as each was judged: a report is about the words that were seen, not about those of today.
//!
//! A version is kept in the transaction of its outcome, for `version_days`; what a case has looked at is evidence besides, with a retention of its
//! own. A message is known by its author and the platform's id, so that nobody gets into somebody else's history.

use chrono::{DateTime, TimeDelta, Utc};

use super::Desk;
use crate::{
    error::PipelineError,
    item::{ItemId, TenantId},
    report::Report,
    review::{
        case::{Exhibit, ItemExhibit},
        version::{MessageHistory, MessageName, standing_at},
    },
    store::{
        link::{Link, Row, json as json_value, values},
        row::limit,
    },
};

/// Versions of one message that are shown: the newest.
pub const MAX_VERSIONS: usize = 100;
/// Rows that one turn of the retention takes.
const STEP: usize = 500;

/// Keeps one version. What names no message, or nobody, is none.
pub(in crate::store) async fn keep(
    link: &mut Link<'_>,
    version: &ItemExhibit,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let envelope = &version.envelope;
    let (Some(message), Some(actor)) = (&envelope.message, &envelope.actor) else { return Ok(()) };
    let sql = "INSERT INTO message_versions (tenant, actor, message, item, at, kept_at, body) VALUES ($1, $2, $3, $4, $5, $6, $7)
               ON CONFLICT (tenant, actor, message, item) DO NOTHING";
    let row = values![
        envelope.tenant.as_str(),
        actor.as_str(),
        message,
        envelope.id.to_string(),
        envelope.occurred_at,
        at,
        json_value(version)?,
    ];
    link.run(sql, row).await.map(drop)
}

async fn of_message(
    link: &mut Link<'_>,
    tenant: &TenantId,
    name: &MessageName,
) -> Result<Vec<ItemExhibit>, PipelineError> {
    let sql = "SELECT body FROM message_versions WHERE tenant = $1 AND actor = $2 AND message = $3
               ORDER BY at DESC, item DESC LIMIT $4";
    let rows = link.rows(sql, values![tenant.as_str(), &name.actor, &name.message, limit(MAX_VERSIONS)]).await?;
    rows.iter().rev().map(|row: &Row| row.json(0)).collect()
}

/// The version that a report is about: the item that it names, or what the message said when it was made. Only the words of whom it is about.
pub(super) async fn reported(link: &mut Link<'_>, report: &Report) -> Result<Option<ItemExhibit>, PipelineError> {
    let (tenant, subject) = (&report.tenant, report.subject.as_str());
    if let Some(item) = report.item {
        let sql = "SELECT body FROM message_versions WHERE tenant = $1 AND item = $2 AND actor = $3";
        let row = link.row(sql, values![tenant.as_str(), item.to_string(), subject]).await?;
        return row.map(|row| row.json(0)).transpose();
    }
    let Some(message) = &report.message else { return Ok(None) };
    let name = MessageName { actor: subject.to_owned(), message: message.clone() };
    let versions = of_message(link, tenant, &name).await?;
    Ok(standing_at(&versions, report.at).cloned())
}

/// Has the open case about somebody this item already?
pub(super) async fn is_evidence(
    link: &mut Link<'_>,
    tenant: &TenantId,
    subject: &str,
    item: ItemId,
) -> Result<bool, PipelineError> {
    let sql = "SELECT 1 FROM cases c JOIN evidence e ON e.tenant = c.tenant AND e.case_id = c.id
               WHERE c.tenant = $1 AND c.merge_key = $2 AND e.kind = 'item' AND e.item = $3 LIMIT 1";
    Ok(link.row(sql, values![tenant.as_str(), subject, item.to_string()]).await?.is_some())
}

/// Takes versions of before `before` away, but not while a case about their author waits, nor from under a hold. Answers how many, at most [`STEP`].
pub(super) async fn expire(
    link: &mut Link<'_>,
    tenant: &TenantId,
    before: DateTime<Utc>,
) -> Result<u64, PipelineError> {
    let sql = "DELETE FROM message_versions WHERE tenant = $1 AND item IN (
                   SELECT v.item FROM message_versions v WHERE v.tenant = $1 AND v.kept_at < $2
                       AND NOT EXISTS (SELECT 1 FROM cases c WHERE c.tenant = v.tenant AND c.subject = v.actor AND c.state <> 'decided')
                       AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = v.tenant AND h.actor = v.actor)
                   LIMIT $3)";
    link.run(sql, values![tenant.as_str(), before, limit(STEP)]).await
}

impl Desk {
    /// The versions of these messages, oldest first; a message of which nothing is kept is left out.
    pub async fn versions(
        &self,
        tenant: &TenantId,
        names: Vec<MessageName>,
    ) -> Result<Vec<MessageHistory>, PipelineError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = tenant.clone();
        self.read("message_versions", move |mut link| {
            Box::pin(async move {
                let mut found = Vec::with_capacity(names.len());
                for name in names {
                    let versions = of_message(&mut link, &tenant, &name).await?;
                    if !versions.is_empty() {
                        let versions = versions.into_iter().map(|version| Exhibit::Item(Box::new(version))).collect();
                        found.push(MessageHistory { name, versions });
                    }
                }
                Ok(found)
            })
        })
        .await
    }

    /// Takes versions away that their tenant keeps no longer. Answers how many.
    pub async fn expire_versions(&self) -> Result<u64, PipelineError> {
        let tenants = self
            .read("version_tenants", |mut link| {
                Box::pin(async move {
                    link.rows("SELECT DISTINCT tenant FROM message_versions ORDER BY tenant", vec![]).await
                })
            })
            .await?;
        let mut total = 0;
        for tenant in tenants {
            let tenant = TenantId(tenant.string(0)?);
            let days = self.settings(&tenant).await?.version_days;
            let before = self.now() - TimeDelta::days(i64::from(days));
            loop {
                let asked = tenant.clone();
                let gone = self
                    .write("expire_versions", move |mut link| {
                        Box::pin(async move { expire(&mut link, &asked, before).await })
                    })
                    .await?;
                total += gone;
                if gone < STEP as u64 {
                    break;
                }
            }
        }
        Ok(total)
    }
}
