//! The chain of who did what.

use chrono::{DateTime, Utc};

use super::{Desk, Page};
use crate::{
    error::PipelineError,
    item::TenantId,
    review::{
        audit::{AuditDraft, AuditEntry, Break, GENESIS, Verifier},
        staff::Staff,
    },
    store::{
        link::{Link, Row, json as json_value, values},
        row::limit,
    },
};

/// Entries read at once while a chain is verified.
const STEP: usize = 1000;
const COLUMNS: &str = "number, at, actor, kind, subject, detail, previous, hash";

/// Which entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFilter {
    /// Only of this member of staff, key, or `policy`.
    pub actor: Option<String>,
    /// Only about this.
    pub subject: Option<String>,
    /// Only of this kind.
    pub kind: Option<String>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
}

/// What verifying a chain found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Verified {
    /// Entries that hold together, from the first.
    pub entries: i64,
    /// The hash of the last of them: note it elsewhere.
    pub head: String,
    /// Where it breaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Break>,
}

/// Adds one entry to the end of the tenant's chain. The last thing that a transaction does.
pub(in crate::store) async fn append(
    link: &mut Link<'_>,
    tenant: &TenantId,
    draft: AuditDraft,
) -> Result<(), PipelineError> {
    append_all(link, tenant, vec![draft]).await
}

/// As [`append`], several in their order.
pub(in crate::store) async fn append_all(
    link: &mut Link<'_>,
    tenant: &TenantId,
    drafts: Vec<AuditDraft>,
) -> Result<(), PipelineError> {
    if drafts.is_empty() {
        return Ok(());
    }
    let (mut number, mut hash) = head(link, tenant).await?;
    for draft in drafts {
        number += 1;
        let entry = draft.chain(tenant.as_str(), number, &hash);
        let sql = "INSERT INTO audit_entries (tenant, number, at, actor, kind, subject, detail, previous, hash)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let draft = &entry.draft;
        let row = values![
            tenant.as_str(),
            number,
            draft.at,
            &draft.actor,
            &draft.kind,
            &draft.subject,
            json_value(&draft.detail)?,
            &entry.previous,
            &entry.hash,
        ];
        link.run(sql, row).await?;
        hash = entry.hash;
    }
    let sql = "UPDATE audit_heads SET number = $2, hash = $3 WHERE tenant = $1";
    link.run(sql, values![tenant.as_str(), number, hash]).await.map(drop)
}

/// The end of the chain, locked until the commit.
async fn head(link: &mut Link<'_>, tenant: &TenantId) -> Result<(i64, String), PipelineError> {
    let sql = format!("SELECT number, hash FROM audit_heads WHERE tenant = $1{}", link.lock());
    if let Some(row) = link.row(sql.clone(), values![tenant.as_str()]).await? {
        return Ok((row.int(0)?, row.string(1)?));
    }
    let first = "INSERT INTO audit_heads (tenant, number, hash) VALUES ($1, 0, $2) ON CONFLICT (tenant) DO NOTHING";
    link.run(first, values![tenant.as_str(), GENESIS]).await?;
    let row = link.row(sql, values![tenant.as_str()]).await?;
    let row = row.ok_or_else(|| PipelineError::Internal { part: "store", message: "the audit has no end".into() })?;
    Ok((row.int(0)?, row.string(1)?))
}

fn entry(row: &Row) -> Result<AuditEntry, PipelineError> {
    Ok(AuditEntry {
        number: row.int(0)?,
        draft: AuditDraft {
            at: row.time(1)?,
            actor: row.string(2)?,
            kind: row.string(3)?,
            subject: row.string(4)?,
            detail: row.json(5)?,
        },
        previous: row.string(6)?,
        hash: row.string(7)?,
    })
}

impl Desk {
    /// Writes one entry that belongs to no other write: that somebody looked at something.
    pub async fn note(
        &self,
        staff: &Staff,
        kind: &str,
        subject: String,
        detail: serde_json::Value,
    ) -> Result<(), PipelineError> {
        let (tenant, draft) = (staff.tenant.clone(), staff.entry(self.now(), kind, subject, detail));
        self.write("audit", move |mut link| Box::pin(async move { append(&mut link, &tenant, draft).await })).await
    }

    /// Entries, newest first; `before` is a number.
    pub async fn audit_page(
        &self,
        tenant: &TenantId,
        filter: AuditFilter,
        before: Option<i64>,
        count: usize,
    ) -> Result<Page<AuditEntry>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("audit_page", move |mut link| {
                Box::pin(async move {
                    let mut sql = format!("SELECT {COLUMNS} FROM audit_entries WHERE tenant = $1 AND number < $2");
                    let mut values = values![tenant.as_str(), before.unwrap_or(i64::MAX)];
                    let mut and = |condition: &str, value: crate::store::link::Value| {
                        values.push(value);
                        sql.push_str(&format!(" AND {condition} ${}", values.len()));
                    };
                    if let Some(actor) = filter.actor {
                        and("actor =", actor.into());
                    }
                    if let Some(subject) = filter.subject {
                        and("subject =", subject.into());
                    }
                    if let Some(kind) = filter.kind {
                        and("kind =", kind.into());
                    }
                    if let Some(from) = filter.from {
                        and("at >=", from.into());
                    }
                    if let Some(to) = filter.to {
                        and("at <", to.into());
                    }
                    values.push(limit(count + 1).into());
                    sql.push_str(&format!(" ORDER BY number DESC LIMIT ${}", values.len()));
                    link.rows(sql, values).await
                })
            })
            .await?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(entries, count, |entry| entry.number.to_string()))
    }

    /// Entries after a number, oldest first: for exports and for verifying.
    pub async fn audit_after(
        &self,
        tenant: &TenantId,
        after: i64,
        count: usize,
    ) -> Result<Vec<AuditEntry>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("audit_after", move |mut link| {
                Box::pin(async move {
                    let sql = format!(
                        "SELECT {COLUMNS} FROM audit_entries WHERE tenant = $1 AND number > $2 ORDER BY number LIMIT $3"
                    );
                    link.rows(sql, values![tenant.as_str(), after, limit(count)]).await
                })
            })
            .await?;
        rows.iter().map(entry).collect()
    }

    /// Follows a tenant's chain from its first entry to its last, in portions.
    pub async fn verify_audit(&self, tenant: &TenantId) -> Result<Verified, PipelineError> {
        let mut verifier = Verifier::new(tenant.as_str());
        loop {
            let entries = self.audit_after(tenant, verifier.head().0, STEP).await?;
            let broken = entries.iter().find_map(|entry| verifier.follow(entry).err());
            let done = entries.len() < STEP;
            if done || broken.is_some() {
                let broken = match broken {
                    Some(broken) => Some(broken),
                    None => self.cut_off(tenant, &verifier).await?,
                };
                let (entries, head) = verifier.head();
                return Ok(Verified { entries, head: head.to_owned(), broken });
            }
        }
    }

    /// Do the newest entries lack that the chain once had?
    async fn cut_off(&self, tenant: &TenantId, verifier: &Verifier) -> Result<Option<Break>, PipelineError> {
        let asked = tenant.clone();
        let row = self
            .read("audit_head", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT number, hash FROM audit_heads WHERE tenant = $1";
                    link.row(sql, values![asked.as_str()]).await
                })
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let (number, hash) = (row.int(0)?, row.text(1)?);
        // Entries may have been added since the last portion was read: those are not missing.
        let (followed, last) = verifier.head();
        let same = number == followed && hash == last;
        let newer = number > followed && !self.audit_after(tenant, followed, 1).await?.is_empty();
        let what = format!(
            "the chain ends at entry {followed}, but it had {number}: the newest entries were removed or changed"
        );
        Ok((!same && !newer).then_some(Break { number: followed + 1, what }))
    }

    /// Tenants that have an audit.
    pub async fn audited_tenants(&self) -> Result<Vec<TenantId>, PipelineError> {
        let rows = self
            .read("audited_tenants", |mut link| {
                Box::pin(async move { link.rows("SELECT tenant FROM audit_heads ORDER BY tenant", vec![]).await })
            })
            .await?;
        rows.iter().map(|row| Ok(TenantId(row.string(0)?))).collect()
    }
}
