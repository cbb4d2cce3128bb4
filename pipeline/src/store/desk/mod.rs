//! The reviewers' desk: cases, decisions, reports, appeals, accounts and the audit, on either database.
//!
//! | part | module |
//! |---|---|
//! | finds become cases; reading them | [`cases`] |
//! | who has which case | [`claims`] |
//! | deciding, with all that follows from it, in one transaction | [`decide`], [`effects`] |
//! | notes, taking back, statements of reasons | [`after`] |
//! | what people report, and who is believed | [`reports`] |
//! | objections | [`appeals`] |
//! | accounts, sessions, failed sign-ins; where admins may be | [`accounts`], [`tenants`] |
//! | the chain of who did what | [`audit`] |
//! | agreement, golden items, exposure | [`quality`] |
//! | the last word on each item, for backtests and tuning | [`verdicts`] |
//! | export, erasure, holds, retention | [`people`] |
//! | counts | [`stats`] |
//! | statements of reasons on their way | [`statements`] |
//! | words of the evidence | [`search`] |
//! | banks of known pictures; copies of a picture | [`banks`], [`pictures`] |
//! | what edited messages said | [`versions`] |
//! | what holds for people in a call | [`wall`] |
//!
//! Invariants: a case is never given to two people; who decided a case never gets its appeal or its second review; a decision, what it does, its
//! events and its audit entry are written together or not at all. Locks are taken in the order case, report, appeal, audit, events.

pub mod accounts;
pub mod after;
pub mod appeals;
pub mod audit;
pub mod banks;
pub mod cases;
pub mod claims;
#[cfg(test)]
pub(crate) mod contract;
pub mod decide;
pub(crate) mod effects;
#[cfg(feature = "servers")]
pub mod measure;
pub mod people;
pub mod pictures;
pub mod quality;
pub mod reports;
pub mod search;
pub mod statements;
pub mod stats;
pub mod tenants;
pub mod verdicts;
pub mod versions;
pub mod wall;

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Event, Tables,
    link::{Link, json as json_value, values},
};
use crate::{
    clock::Clock,
    error::PipelineError,
    item::TenantId,
    record::WebhookInterest,
    review::{audit::AuditDraft, routing::ReviewSettings, staff::Staff},
};

/// Time after which another process's change of the settings is seen.
const SETTINGS_AGE: Duration = Duration::from_secs(5);
/// Tenants whose settings are remembered.
const SETTINGS_KEPT: u64 = 10_000;
/// Rows on one page, at most.
pub const MAX_PAGE: usize = 200;

/// The desk. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Desk {
    tables: Tables,
    clock: Clock,
    hooks: Arc<[WebhookInterest]>,
    settings: Cache<TenantId, Arc<ReviewSettings>>,
}

/// One page of a list, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Pass it as `cursor` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// `rows` were asked for with a limit one above `limit`.
    fn of(mut rows: Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(cursor);
        Self { items: rows, next }
    }
}

/// The settings as they are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptSettings {
    /// 0: nobody has written any.
    pub version: i64,
    /// Who wrote them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<DateTime<Utc>>,
    /// What they say.
    pub settings: ReviewSettings,
}

impl Desk {
    /// `hooks`: which webhooks are told of which events.
    pub fn new(tables: Tables, clock: Clock, hooks: Arc<[WebhookInterest]>) -> Self {
        let settings = Cache::builder().max_capacity(SETTINGS_KEPT).time_to_live(SETTINGS_AGE).build();
        Self { tables, clock, hooks, settings }
    }

    /// Now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Which webhooks are told of which events.
    pub(crate) fn hooks(&self) -> Arc<[WebhookInterest]> {
        self.hooks.clone()
    }

    /// The settings in force for `tenant`; those of another process are seen after seconds.
    pub async fn settings(&self, tenant: &TenantId) -> Result<Arc<ReviewSettings>, PipelineError> {
        if let Some(known) = self.settings.get(tenant) {
            return Ok(known);
        }
        let settings = Arc::new(self.kept_settings(tenant).await?.settings);
        self.settings.insert(tenant.clone(), settings.clone());
        Ok(settings)
    }

    /// The settings with their history's end.
    pub async fn kept_settings(&self, tenant: &TenantId) -> Result<KeptSettings, PipelineError> {
        let tenant = tenant.clone();
        let row = self
            .tables
            .read("review_settings", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT version, by_staff, at, body FROM review_settings WHERE tenant = $1";
                    link.row(sql, values![tenant.as_str()]).await
                })
            })
            .await?;
        match row {
            Some(row) => Ok(KeptSettings {
                version: row.int(0)?,
                by: Some(row.string(1)?),
                at: Some(row.time(2)?),
                settings: row.json(3)?,
            }),
            None => Ok(KeptSettings { version: 0, by: None, at: None, settings: ReviewSettings::builtin() }),
        }
    }

    /// Writes the settings over version `seen`; another one is a `Conflict`.
    pub async fn put_settings(
        &self,
        staff: &Staff,
        settings: ReviewSettings,
        seen: i64,
    ) -> Result<KeptSettings, PipelineError> {
        settings.check()?;
        let (at, body, staff) = (self.now(), json_value(&settings)?, staff.clone());
        let tenant = staff.tenant.clone();
        let by = staff.name.clone();
        self.write("put_review_settings", move |mut link| {
            Box::pin(async move {
                let row = values![staff.tenant.as_str(), at, staff.name.as_str(), body, seen];
                let written = match seen {
                    0 => {
                        let sql = "INSERT INTO review_settings (tenant, version, at, by_staff, body)
                                   VALUES ($1, $5 + 1, $2, $3, $4) ON CONFLICT (tenant) DO NOTHING";
                        link.run(sql, row).await?
                    }
                    _ => {
                        let sql = "UPDATE review_settings SET version = version + 1, at = $2, by_staff = $3, body = $4
                                   WHERE tenant = $1 AND version = $5";
                        link.run(sql, row).await?
                    }
                };
                if written == 0 {
                    let message = "somebody changed the settings meanwhile: load them again, then change them".into();
                    return Err(PipelineError::Conflict { code: "settings_changed", message });
                }
                audit::append(
                    &mut link,
                    &staff.tenant,
                    staff.entry(at, "settings.changed", "review", json!({ "version": seen + 1 })),
                )
                .await
            })
        })
        .await?;
        self.settings.invalidate(&tenant);
        Ok(KeptSettings { version: seen + 1, by: Some(by), at: Some(at), settings })
    }

    async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Link<'c>) -> futures::future::BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        self.tables.read(operation, work).await
    }

    async fn write<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(Link<'c>) -> futures::future::BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        self.tables.write(operation, &self.hooks, work).await
    }
}

impl Staff {
    /// An audit entry of something that this person did.
    pub(crate) fn entry(
        &self,
        at: DateTime<Utc>,
        kind: &str,
        subject: impl Into<String>,
        detail: serde_json::Value,
    ) -> AuditDraft {
        AuditDraft { at, actor: self.name.clone(), kind: kind.to_owned(), subject: subject.into(), detail }
    }
}

/// An event of the desk.
fn event(tenant: &TenantId, kind: &str, key: String, at: DateTime<Utc>, data: serde_json::Value) -> Event {
    Event { sequence: 0, kind: kind.to_owned(), tenant: tenant.clone(), key, at, data }
}

fn not_found(what: &'static str, id: impl std::fmt::Display) -> PipelineError {
    PipelineError::NotFound { what, id: id.to_string() }
}
