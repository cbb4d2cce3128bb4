//! Banks of known pictures. Every change raises the tenant's version, by which other processes see that there was one.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Desk, Page, audit, not_found};
use crate::{
    bank::{Bank, BankEntry, BankSet, MAX_BANKS, MAX_ENTRIES, check_bank_name},
    error::PipelineError,
    item::{CaseId, TenantId},
    pdq::Pdq,
    review::staff::Staff,
    store::{
        link::{Link, Row, json as json_value, values},
        row::{limit, stamp},
    },
};

/// Entries of one statement.
const AT_ONCE: usize = 500;

/// A bank as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptBank {
    /// What it is.
    #[serde(flatten)]
    pub bank: Bank,
    /// How many pictures it knows.
    pub entries: u64,
    /// When it was changed last.
    pub at: DateTime<Utc>,
    /// Who changed it.
    pub by: String,
}

/// What came of adding pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// Now in the bank.
    pub added: u64,
    /// There before.
    pub known: u64,
}

/// Notes a change; answers how many entries the tenant has. From here to the commit nobody else changes its banks.
async fn raise(link: &mut Link<'_>, tenant: &TenantId) -> Result<u64, PipelineError> {
    let sql = "INSERT INTO bank_heads (tenant, version, entries) VALUES ($1, 1, 0)
               ON CONFLICT (tenant) DO UPDATE SET version = bank_heads.version + 1 RETURNING entries";
    link.row(sql, values![tenant.as_str()]).await?.map_or(Ok(0), |row| row.count(0))
}

async fn count_entries(link: &mut Link<'_>, tenant: &TenantId, change: i64) -> Result<(), PipelineError> {
    let sql = "UPDATE bank_heads SET entries = entries + $2 WHERE tenant = $1";
    link.run(sql, values![tenant.as_str(), change]).await.map(drop)
}

async fn exists(link: &mut Link<'_>, tenant: &TenantId, name: &str) -> Result<(), PipelineError> {
    let found = link.row("SELECT 1 FROM banks WHERE tenant = $1 AND name = $2", values![tenant.as_str(), name]).await?;
    found.map(drop).ok_or_else(|| not_found("bank", name))
}

fn entry(row: &Row) -> Result<BankEntry, PipelineError> {
    Ok(BankEntry {
        hash: hash(row, 0)?,
        at: row.time(1)?,
        by: row.string(2)?,
        note: row.string(3)?,
        case: row.maybe_text(4)?.is_some().then(|| row.parse(4)).transpose()?,
    })
}

pub(super) fn hash(row: &Row, column: usize) -> Result<Pdq, PipelineError> {
    let odd = || PipelineError::Internal { part: "store", message: "a hash has an odd length".into() };
    Pdq::from_bytes(row.bytes(column)?).ok_or_else(odd)
}

impl Desk {
    /// Makes or changes a bank. `true`: it is new.
    pub async fn put_bank(&self, staff: &Staff, bank: Bank) -> Result<bool, PipelineError> {
        bank.check()?;
        let (now, staff) = (self.now(), staff.clone());
        self.write("put_bank", move |mut link| {
            Box::pin(async move {
                raise(&mut link, &staff.tenant).await?;
                let row = values![staff.tenant.as_str(), &bank.name, now, staff.name.as_str(), json_value(&bank)?];
                let sql = "UPDATE banks SET at = $3, by_staff = $4, body = $5 WHERE tenant = $1 AND name = $2";
                let fresh = link.run(sql, row.clone()).await? == 0;
                if fresh {
                    let sql = "SELECT count(*) FROM banks WHERE tenant = $1";
                    let count =
                        link.row(sql, values![staff.tenant.as_str()]).await?.map_or(Ok(0), |row| row.count(0))?;
                    if count >= MAX_BANKS as u64 {
                        let message = format!("a tenant has at most {MAX_BANKS} banks: remove one first");
                        return Err(PipelineError::Conflict { code: "banks_full", message });
                    }
                    let sql = "INSERT INTO banks (tenant, name, at, by_staff, body) VALUES ($1, $2, $3, $4, $5)";
                    link.run(sql, row).await?;
                }
                let entry = staff.entry(now, "bank.changed", format!("bank:{}", bank.name), json!({ "bank": bank }));
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(fresh)
            })
        })
        .await
    }

    /// Removes a bank with its entries.
    pub async fn remove_bank(&self, staff: &Staff, name: &str) -> Result<(), PipelineError> {
        let (now, staff, name) = (self.now(), staff.clone(), name.to_owned());
        self.write("remove_bank", move |mut link| {
            Box::pin(async move {
                raise(&mut link, &staff.tenant).await?;
                let which = || values![staff.tenant.as_str(), &name];
                if link.run("DELETE FROM banks WHERE tenant = $1 AND name = $2", which()).await? == 0 {
                    return Err(not_found("bank", &name));
                }
                let gone = link.run("DELETE FROM bank_entries WHERE tenant = $1 AND bank = $2", which()).await?;
                count_entries(&mut link, &staff.tenant, -i64::try_from(gone).unwrap_or(i64::MAX)).await?;
                let entry = staff.entry(now, "bank.removed", format!("bank:{name}"), json!({ "entries": gone }));
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }

    /// A tenant's banks, by name.
    pub async fn banks(&self, tenant: &TenantId) -> Result<Vec<KeptBank>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("banks", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT b.body, b.at, b.by_staff,
                                   (SELECT count(*) FROM bank_entries e WHERE e.tenant = b.tenant AND e.bank = b.name)
                               FROM banks b WHERE b.tenant = $1 ORDER BY b.name";
                    link.rows(sql, values![tenant.as_str()]).await
                })
            })
            .await?;
        let one = |row: &Row| {
            Ok(KeptBank { bank: row.json(0)?, at: row.time(1)?, by: row.string(2)?, entries: row.count(3)? })
        };
        rows.iter().map(one).collect()
    }

    /// Adds pictures to a bank; those that it knows stay as they are.
    pub async fn add_to_bank(
        &self,
        staff: &Staff,
        name: &str,
        entries: Vec<(Pdq, String)>,
        case: Option<CaseId>,
    ) -> Result<Added, PipelineError> {
        let (now, staff, name) = (self.now(), staff.clone(), name.to_owned());
        check_bank_name(&name)?;
        self.write("add_to_bank", move |mut link| {
            Box::pin(async move {
                let kept = raise(&mut link, &staff.tenant).await?;
                exists(&mut link, &staff.tenant, &name).await?;
                let mut entries = entries;
                entries.sort_by_key(|(hash, _)| *hash);
                entries.dedup_by_key(|(hash, _)| *hash);
                let count = entries.len() as u64;
                let mut added = 0;
                for part in entries.chunks(AT_ONCE) {
                    let mut values = Vec::with_capacity(part.len() * 7);
                    for (hash, note) in part {
                        let case = case.map(|case| case.to_string());
                        values.extend(values![
                            staff.tenant.as_str(),
                            &name,
                            hash.to_bytes(),
                            now,
                            staff.name.as_str(),
                            note,
                            case
                        ]);
                    }
                    let places: Vec<String> = (0..part.len()).map(|row| places(row * 7 + 1, 7)).collect();
                    let sql = format!(
                        "INSERT INTO bank_entries (tenant, bank, hash, at, by_staff, note, case_id) VALUES {}
                         ON CONFLICT (tenant, bank, hash) DO NOTHING",
                        places.join(", ")
                    );
                    added += link.run(sql, values).await?;
                }
                if kept + added > MAX_ENTRIES as u64 {
                    let message = format!("all banks together hold at most {MAX_ENTRIES} pictures: remove some first");
                    return Err(PipelineError::Conflict { code: "banks_full", message });
                }
                count_entries(&mut link, &staff.tenant, i64::try_from(added).unwrap_or(i64::MAX)).await?;
                let detail = json!({ "added": added, "case": case });
                let entry = staff.entry(now, "bank.added", format!("bank:{name}"), detail);
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(Added { added, known: count - added })
            })
        })
        .await
    }

    /// Takes a picture out of a bank.
    pub async fn remove_from_bank(&self, staff: &Staff, name: &str, hash: Pdq) -> Result<(), PipelineError> {
        let (now, staff, name) = (self.now(), staff.clone(), name.to_owned());
        self.write("remove_from_bank", move |mut link| {
            Box::pin(async move {
                raise(&mut link, &staff.tenant).await?;
                let sql = "DELETE FROM bank_entries WHERE tenant = $1 AND bank = $2 AND hash = $3";
                if link.run(sql, values![staff.tenant.as_str(), &name, hash.to_bytes()]).await? == 0 {
                    return Err(not_found("picture of this bank", hash));
                }
                count_entries(&mut link, &staff.tenant, -1).await?;
                let entry = staff.entry(now, "bank.taken_out", format!("bank:{name}"), json!({ "hash": hash }));
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }

    /// The pictures of a bank, newest first; `cursor` is the `next` of the page before.
    pub async fn bank_entries(
        &self,
        tenant: &TenantId,
        name: &str,
        cursor: Option<String>,
        count: usize,
    ) -> Result<Page<BankEntry>, PipelineError> {
        let (tenant, name) = (tenant.clone(), name.to_owned());
        let wrong = || {
            PipelineError::invalid("cursor_invalid", "`cursor` is not one of ours: send the `next` of the page before")
        };
        let after = cursor
            .map(|cursor| {
                let (at, hash) = cursor.split_once('.').ok_or_else(wrong)?;
                let hash: Pdq = hash.parse().map_err(|_| wrong())?;
                Ok::<_, PipelineError>((at.parse::<i64>().map_err(|_| wrong())?, hash))
            })
            .transpose()?;
        let rows = self
            .read("bank_entries", move |mut link| {
                Box::pin(async move {
                    exists(&mut link, &tenant, &name).await?;
                    let mut sql =
                        "SELECT hash, at, by_staff, note, case_id FROM bank_entries WHERE tenant = $1 AND bank = $2"
                            .to_owned();
                    let mut values = values![tenant.as_str(), &name, limit(count + 1)];
                    if let Some((at, hash)) = after {
                        values.extend(values![at, hash.to_bytes()]);
                        sql.push_str(" AND (at, hash) < ($4, $5)");
                    }
                    sql.push_str(" ORDER BY at DESC, hash DESC LIMIT $3");
                    link.rows(sql, values).await
                })
            })
            .await?;
        let entries = rows.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::of(entries, count, |entry| format!("{}.{}", stamp(entry.at), entry.hash)))
    }

    /// Counts the changes of a tenant's banks; 0: it never had any.
    pub async fn bank_version(&self, tenant: &TenantId) -> Result<i64, PipelineError> {
        let tenant = tenant.clone();
        let row = self
            .read("bank_version", move |mut link| {
                Box::pin(async move {
                    link.row("SELECT version FROM bank_heads WHERE tenant = $1", values![tenant.as_str()]).await
                })
            })
            .await?;
        row.map_or(Ok(0), |row| row.int(0))
    }

    /// All banks of a tenant, ready to be asked.
    pub async fn bank_set(&self, tenant: &TenantId) -> Result<BankSet, PipelineError> {
        let tenant = tenant.clone();
        self.read("bank_set", move |mut link| {
            Box::pin(async move {
                let whose = || values![tenant.as_str()];
                // Read first: what is changed meanwhile is seen the next time.
                let version = link.row("SELECT version FROM bank_heads WHERE tenant = $1", whose()).await?;
                let version = version.map_or(Ok(0), |row| row.int(0))?;
                let rows = link.rows("SELECT body FROM banks WHERE tenant = $1 ORDER BY name", whose()).await?;
                let banks = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Bank>, _>>()?;
                let mut entries = Vec::new();
                for (index, bank) in (0_u32..).zip(&banks) {
                    let sql = "SELECT hash FROM bank_entries WHERE tenant = $1 AND bank = $2 ORDER BY hash";
                    let rows = link.rows(sql, values![tenant.as_str(), &bank.name]).await?;
                    for row in &rows {
                        entries.push((index, hash(row, 0)?));
                    }
                }
                Ok(BankSet::new(version, banks, entries))
            })
        })
        .await
    }
}

/// `($7, $8, $9)`
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    format!("({})", places.join(", "))
}
