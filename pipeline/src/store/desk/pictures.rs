//! Hashes of judged pictures, and the copies that are found by them: who takes one picture down wants all of them down.
//!
//! Looking compares with every hash of the window, a thousand at a time: hundreds of thousands are a matter of a second, and it happens when a person
//! looks at a case, not when a picture is judged.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Desk, banks::hash, cases, not_found};
use crate::{
    bank::SeenPicture,
    error::PipelineError,
    item::{CaseId, ItemId, TenantId},
    pdq::{Pdq, SAME},
    store::{
        link::{Link, Value, values},
        row::limit,
    },
};

/// Hashes that are compared at once.
const AT_ONCE: usize = 1000;
/// Hashes that one search compares with: the newest.
const SEARCHED: u64 = 200_000;
/// Copies that one search answers.
pub const MAX_COPIES: usize = 200;
/// Pictures of a case whose copies are looked for.
const MAX_PICTURES: usize = 200;
/// Rows that one turn of the retention takes.
const STEP: usize = 500;

/// A picture that shows the same as one of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    /// The item of the case.
    pub of: ItemId,
    /// The copy's item.
    pub item: ItemId,
    /// Who showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// `image` or `frame`.
    pub kind: String,
    /// When it was judged.
    pub at: DateTime<Utc>,
    /// Bits of 256 in which the two differ.
    pub distance: u32,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Newest first.
    pub copies: Vec<Copy>,
    /// Pictures of the case that were compared.
    pub pictures: usize,
    /// Judged pictures that they were compared with.
    pub searched: u64,
    /// Was everything compared that is kept?
    pub complete: bool,
}

/// Keeps the hash of a judged picture.
pub(in crate::store) async fn keep(link: &mut Link<'_>, seen: &SeenPicture) -> Result<(), PipelineError> {
    let envelope = &seen.envelope;
    let sql = "INSERT INTO picture_hashes (tenant, item, actor, kind, at, hash) VALUES ($1, $2, $3, $4, $5, $6)
               ON CONFLICT (tenant, item) DO NOTHING";
    let row = values![
        envelope.tenant.as_str(),
        envelope.id.to_string(),
        envelope.actor.as_ref().map(ToString::to_string),
        envelope.kind.as_str(),
        seen.at,
        seen.hash.to_bytes(),
    ];
    link.run(sql, row).await.map(drop)
}

/// Takes hashes of before `before` away. Answers how many, at most [`STEP`].
async fn expire(link: &mut Link<'_>, tenant: &TenantId, before: DateTime<Utc>) -> Result<u64, PipelineError> {
    let sql = "DELETE FROM picture_hashes WHERE tenant = $1 AND item IN (
                   SELECT p.item FROM picture_hashes p WHERE p.tenant = $1 AND p.at < $2
                       AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = p.tenant AND h.actor = p.actor)
                   LIMIT $3)";
    link.run(sql, values![tenant.as_str(), before, limit(STEP)]).await
}

impl Desk {
    /// Pictures that were judged lately and show the same as one of the case: of those that it shows, and of those that its reports name.
    pub async fn copies(&self, tenant: &TenantId, id: CaseId) -> Result<Copies, PipelineError> {
        let tenant = tenant.clone();
        self.read("copies", move |mut link| {
            Box::pin(async move {
                let case = cases::load(&mut link, &tenant, id).await?.ok_or_else(|| not_found("case", id))?;
                let mut evidence = cases::evidence_of(&mut link, &tenant, id).await?;
                if let Some(origin) = case.facts.origin {
                    evidence.extend(cases::evidence_of(&mut link, &tenant, origin).await?);
                }
                let items = evidence.iter().filter_map(|piece| piece.exhibit.as_ref()?.item());
                let items: BTreeSet<String> = items.take(MAX_PICTURES).collect();
                let known = hashes_of(&mut link, &tenant, &items).await?;
                search(&mut link, &tenant, &known, &items).await
            })
        })
        .await
    }

    /// Takes hashes away that their tenant keeps no longer. Answers how many.
    pub async fn expire_hashes(&self) -> Result<u64, PipelineError> {
        let tenants = self
            .read("hash_tenants", |mut link| {
                Box::pin(async move {
                    link.rows("SELECT DISTINCT tenant FROM picture_hashes ORDER BY tenant", vec![]).await
                })
            })
            .await?;
        let mut total = 0;
        for tenant in tenants {
            let tenant = TenantId(tenant.string(0)?);
            let before = self.now() - TimeDelta::days(i64::from(self.settings(&tenant).await?.copy_days));
            loop {
                let asked = tenant.clone();
                let gone = self
                    .write("expire_hashes", move |mut link| {
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

/// The hashes of these items that are kept.
async fn hashes_of(
    link: &mut Link<'_>,
    tenant: &TenantId,
    items: &BTreeSet<String>,
) -> Result<Vec<(ItemId, Pdq)>, PipelineError> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let mut values = values![tenant.as_str()];
    values.extend(items.iter().map(Value::from));
    let places: Vec<String> = (2..=values.len()).map(|place| format!("${place}")).collect();
    let sql = format!("SELECT item, hash FROM picture_hashes WHERE tenant = $1 AND item IN ({})", places.join(", "));
    let rows = link.rows(sql, values).await?;
    rows.iter().map(|row| Ok((row.parse(0)?, hash(row, 1)?))).collect()
}

async fn search(
    link: &mut Link<'_>,
    tenant: &TenantId,
    known: &[(ItemId, Pdq)],
    own: &BTreeSet<String>,
) -> Result<Copies, PipelineError> {
    let mut found = Copies { pictures: known.len(), complete: true, ..Copies::default() };
    let mut before = (i64::MAX, String::new());
    while !known.is_empty() {
        let sql = "SELECT item, actor, kind, at, hash FROM picture_hashes WHERE tenant = $1 AND (at, item) < ($2, $3)
                   ORDER BY at DESC, item DESC LIMIT $4";
        let rows = link.rows(sql, values![tenant.as_str(), before.0, &before.1, limit(AT_ONCE)]).await?;
        for row in &rows {
            let other = hash(row, 4)?;
            let near = known.iter().map(|(of, hash)| (hash.distance(&other), *of)).min();
            let Some((distance, of)) = near.filter(|(distance, _)| *distance <= SAME) else { continue };
            if own.contains(row.text(0)?) {
                continue;
            }
            if found.copies.len() == MAX_COPIES {
                found.complete = false;
                return Ok(found);
            }
            let (item, actor, kind, at) = (row.parse(0)?, row.maybe_string(1)?, row.string(2)?, row.time(3)?);
            found.copies.push(Copy { of, item, actor, kind, at, distance });
        }
        found.searched += rows.len() as u64;
        let Some(last) = rows.last().filter(|_| rows.len() == AT_ONCE) else { break };
        if found.searched >= SEARCHED {
            found.complete = false;
            break;
        }
        before = (last.int(3)?, last.string(0)?);
    }
    Ok(found)
}
