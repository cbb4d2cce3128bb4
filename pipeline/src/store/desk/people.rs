//! A person's rows: exported, erased with a receipt, or held for a court; and what is too old to keep.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Desk, audit, cases, not_found};
use crate::{
    error::PipelineError,
    item::TenantId,
    review::{
        audit::person,
        case::{Case, CaseFacts, CaseState, Exhibit},
        decision::Decision,
        staff::Staff,
    },
    store::{
        link::{Link, json as json_value, values},
        row::limit,
    },
};

/// Who is no longer known.
pub const ERASED: &str = "erased";
/// Rows that one turn of the retention changes.
const STEP: usize = 500;
/// Rows of one kind that an export holds at most.
const MOST: usize = 10_000;

/// Nothing of somebody is deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whom.
    pub actor: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Who asked for it.
    pub by: String,
    /// Why: a file number.
    pub reason: String,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Names it.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// The person, as a digest: the name itself is gone.
    pub person: String,
    /// Rows that were removed or made nameless, by kind.
    pub rows: std::collections::BTreeMap<String, u64>,
    /// What goes later by itself, and when.
    pub later: Vec<String>,
}

impl Desk {
    /// Puts or lifts a hold.
    pub async fn hold(&self, staff: &Staff, actor: &str, reason: Option<&str>) -> Result<(), PipelineError> {
        let (now, staff, actor) = (self.now(), staff.clone(), actor.to_owned());
        let reason = reason.map(|reason| reason.chars().take(1000).collect::<String>());
        self.write("hold_person", move |mut link| {
            Box::pin(async move {
                let kind = match &reason {
                    Some(reason) => {
                        let sql = "INSERT INTO holds (tenant, actor, at, by_staff, reason) VALUES ($1, $2, $3, $4, $5)
                                   ON CONFLICT (tenant, actor) DO UPDATE SET reason = excluded.reason, by_staff = excluded.by_staff";
                        link.run(sql, values![staff.tenant.as_str(), &actor, now, staff.name.as_str(), reason]).await?;
                        "person.held"
                    }
                    None => {
                        let sql = "DELETE FROM holds WHERE tenant = $1 AND actor = $2";
                        if link.run(sql, values![staff.tenant.as_str(), &actor]).await? == 0 {
                            return Err(not_found("hold", &actor));
                        }
                        "person.released"
                    }
                };
                let entry = staff.entry(now, kind, person(staff.tenant.as_str(), &actor), json!({ "reason": reason }));
                audit::append(&mut link, &staff.tenant, entry).await
            })
        })
        .await
    }

    /// The hold on somebody.
    pub async fn held(&self, tenant: &TenantId, actor: &str) -> Result<Option<Hold>, PipelineError> {
        let (tenant, actor) = (tenant.clone(), actor.to_owned());
        self.read("held_person", move |mut link| Box::pin(async move { held(&mut link, &tenant, &actor).await })).await
    }

    /// Everything that is kept about somebody, as one document.
    pub async fn export_person(&self, staff: &Staff, actor: &str) -> Result<Json, PipelineError> {
        let (now, staff, actor) = (self.now(), staff.clone(), actor.to_owned());
        self.write("export_person", move |mut link| {
            Box::pin(async move {
                let mut document = serde_json::Map::new();
                for (name, sql) in [
                    ("items", link.choose(
                        "SELECT outcome FROM items WHERE tenant = $1 AND actor = $2 LIMIT $3",
                        "SELECT outcome FROM outcomes WHERE tenant = $1 AND actor = $2 LIMIT $3",
                    )),
                    ("evidence", "SELECT body FROM evidence WHERE tenant = $1 AND subject = $2 AND body IS NOT NULL ORDER BY id LIMIT $3"),
                    ("message_versions", "SELECT body FROM message_versions WHERE tenant = $1 AND actor = $2 ORDER BY at LIMIT $3"),
                    ("decisions", "SELECT body FROM decisions WHERE tenant = $1 AND subject = $2 ORDER BY id LIMIT $3"),
                    ("reports_made", "SELECT body FROM reports WHERE tenant = $1 AND reporter = $2 ORDER BY at LIMIT $3"),
                    ("appeals", "SELECT body FROM appeals WHERE tenant = $1 AND actor = $2 ORDER BY id LIMIT $3"),
                    ("actions", "SELECT body FROM actions WHERE tenant = $1 AND actor = $2 ORDER BY at LIMIT $3"),
                    ("facts", "SELECT body FROM person_facts WHERE tenant = $1 AND actor = $2 LIMIT $3"),
                ] {
                    let rows = link.rows(sql, values![staff.tenant.as_str(), &actor, limit(MOST)]).await?;
                    let rows = rows.iter().map(|row| row.json::<Json>(0)).collect::<Result<Vec<_>, _>>()?;
                    document.insert(name.to_owned(), rows.into());
                }
                // Other people wrote these: what was said, not by whom.
                let sql = "SELECT body FROM reports WHERE tenant = $1 AND subject = $2 ORDER BY at LIMIT $3";
                let rows = link.rows(sql, values![staff.tenant.as_str(), &actor, limit(MOST)]).await?;
                let about = rows.iter().map(|row| {
                    let mut report: Json = row.json(0)?;
                    if let Some(report) = report.as_object_mut() {
                        report.remove("reporter");
                        report.remove("note");
                    }
                    Ok(report)
                });
                document.insert("reports_about".into(), about.collect::<Result<Vec<_>, PipelineError>>()?.into());
                let sql = "SELECT at, body_text FROM context WHERE tenant = $1 AND actor = $2 ORDER BY at LIMIT $3";
                let rows = link.rows(sql, values![staff.tenant.as_str(), &actor, limit(MOST)]).await?;
                let texts = rows.iter().map(|row| Ok(json!({ "at": row.time(0)?, "text": row.string(1)? })));
                document.insert("messages".into(), texts.collect::<Result<Vec<_>, PipelineError>>()?.into());
                document.extend(matching(&mut link, &staff.tenant, &actor).await?);
                document.insert("person".into(), actor.clone().into());
                document.insert("exported_at".into(), now.to_rfc3339().into());
                let entry = staff.entry(now, "person.exported", person(staff.tenant.as_str(), &actor), json!({}));
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(document.into())
            })
        })
        .await
    }

    /// Erases somebody's rows: content is removed, what has to stay for the record becomes nameless. A hold refuses it.
    pub async fn erase_person(&self, staff: &Staff, actor: &str) -> Result<Receipt, PipelineError> {
        let (now, staff, actor) = (self.now(), staff.clone(), actor.to_owned());
        self.write("erase_person", move |mut link| {
            Box::pin(async move {
                if let Some(hold) = held(&mut link, &staff.tenant, &actor).await? {
                    let message = format!("this person is held since {}: lift the hold first", hold.at.format("%F"));
                    return Err(PipelineError::Conflict { code: "preservation_hold", message });
                }
                let mut receipt = Receipt {
                    id: Uuid::now_v7(),
                    at: now,
                    person: person(staff.tenant.as_str(), &actor),
                    rows: Default::default(),
                    later: vec![
                        "events: when `store.retention_days` have passed".into(),
                        "calls that ended: when `store.retention_days` have passed".into(),
                        "places on other people's daily lists: on the next day".into(),
                    ],
                };
                forget(&mut link, &staff.tenant, &actor, now, &mut receipt).await?;
                let sql = "INSERT INTO receipts (tenant, id, at, person, body) VALUES ($1, $2, $3, $4, $5)";
                let row = values![
                    staff.tenant.as_str(),
                    receipt.id.to_string(),
                    now,
                    &receipt.person,
                    json_value(&receipt)?,
                ];
                link.run(sql, row).await?;
                let entry = staff.entry(
                    now,
                    "person.erased",
                    receipt.person.clone(),
                    json!({ "receipt": receipt.id, "rows": receipt.rows }),
                );
                audit::append(&mut link, &staff.tenant, entry).await?;
                Ok(receipt)
            })
        })
        .await
    }

    /// A receipt of an erasure.
    pub async fn receipt(&self, tenant: &TenantId, id: Uuid) -> Result<Receipt, PipelineError> {
        let tenant = tenant.clone();
        let row = self
            .read("receipt", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT body FROM receipts WHERE tenant = $1 AND id = $2";
                    link.row(sql, values![tenant.as_str(), id.to_string()]).await
                })
            })
            .await?;
        row.ok_or_else(|| not_found("receipt", id))?.json(0)
    }

    /// Takes the content out of evidence whose case was decided longer ago than its tenant keeps it, holds excepted. Answers how many pieces.
    pub async fn expire_evidence(&self) -> Result<u64, PipelineError> {
        let tenants = self
            .read("evidence_tenants", |mut link| {
                Box::pin(async move { link.rows("SELECT DISTINCT tenant FROM cases ORDER BY tenant", vec![]).await })
            })
            .await?;
        let mut total = 0;
        for tenant in tenants {
            let tenant = TenantId(tenant.string(0)?);
            let before = self.now() - TimeDelta::days(i64::from(self.settings(&tenant).await?.evidence_days));
            loop {
                let asked = tenant.clone();
                let gone = self
                    .write("expire_evidence", move |mut link| {
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

async fn held(link: &mut Link<'_>, tenant: &TenantId, actor: &str) -> Result<Option<Hold>, PipelineError> {
    let sql = "SELECT actor, at, by_staff, reason FROM holds WHERE tenant = $1 AND actor = $2";
    let row = link.row(sql, values![tenant.as_str(), actor]).await?;
    row.map(|row| Ok(Hold { actor: row.string(0)?, at: row.time(1)?, by: row.string(2)?, reason: row.string(3)? }))
        .transpose()
}

async fn expire(link: &mut Link<'_>, tenant: &TenantId, before: DateTime<Utc>) -> Result<u64, PipelineError> {
    let sql = "SELECT e.id, e.case_id FROM cases c JOIN evidence e ON e.tenant = c.tenant AND e.case_id = c.id
               WHERE c.tenant = $1 AND c.state = 'decided' AND c.decided_at < $2 AND e.body IS NOT NULL
                   AND NOT EXISTS (SELECT 1 FROM holds h WHERE h.tenant = c.tenant AND h.actor = c.subject)
                   AND NOT EXISTS (SELECT 1 FROM golden g WHERE g.tenant = c.tenant AND g.case_id = c.id)
               LIMIT $3";
    let rows = link.rows(sql, values![tenant.as_str(), before, limit(STEP)]).await?;
    for row in &rows {
        let (id, case) = (row.string(0)?, row.string(1)?);
        link.run("UPDATE evidence SET body = NULL WHERE tenant = $1 AND id = $2", values![tenant.as_str(), &id])
            .await?;
        link.run("DELETE FROM evidence_words WHERE tenant = $1 AND id = $2", values![tenant.as_str(), &id]).await?;
        let sql = "DELETE FROM evidence_media WHERE tenant = $1 AND case_id = $2";
        link.run(sql, values![tenant.as_str(), case]).await?;
    }
    link.run("DELETE FROM item_verdicts WHERE tenant = $1 AND at < $2", values![tenant.as_str(), before]).await?;
    Ok(rows.len() as u64)
}

async fn forget(
    link: &mut Link<'_>,
    tenant: &TenantId,
    actor: &str,
    now: DateTime<Utc>,
    receipt: &mut Receipt,
) -> Result<(), PipelineError> {
    let who = || values![tenant.as_str(), actor];
    let media = "DELETE FROM evidence_media WHERE tenant = $1 AND case_id IN (SELECT id FROM cases WHERE tenant = $1 AND subject = $2)";
    for (name, sql) in [
        ("evidence_media", media),
        ("evidence_words", "DELETE FROM evidence_words WHERE tenant = $1 AND subject = $2"),
        (
            "evidence",
            "UPDATE evidence SET body = NULL, item = NULL, subject = 'erased' WHERE tenant = $1 AND subject = $2",
        ),
        // What was sent is not ours any more; here go the words for the person.
        (
            "statements",
            "UPDATE statements SET body = NULL, due_at = NULL, state = CASE WHEN state = 'sent' THEN state ELSE 'withdrawn' END
             WHERE tenant = $1 AND decision IN (SELECT id FROM decisions WHERE tenant = $1 AND subject = $2)",
        ),
        ("picture_hashes", "DELETE FROM picture_hashes WHERE tenant = $1 AND actor = $2"),
        ("message_versions", "DELETE FROM message_versions WHERE tenant = $1 AND actor = $2"),
        ("context", "DELETE FROM context WHERE tenant = $1 AND actor = $2"),
        ("presence", "DELETE FROM presence WHERE tenant = $1 AND actor = $2"),
        ("call_members", "DELETE FROM call_members WHERE tenant = $1 AND actor = $2"),
        ("participants", "DELETE FROM participants WHERE tenant = $1 AND actor = $2"),
        ("appeals", "DELETE FROM appeals WHERE tenant = $1 AND actor = $2"),
        ("reporters", "DELETE FROM reporters WHERE tenant = $1 AND actor = $2"),
        ("persons", "DELETE FROM persons WHERE tenant = $1 AND actor = $2"),
        ("person_facts", "DELETE FROM person_facts WHERE tenant = $1 AND actor = $2"),
        ("traces", "DELETE FROM traces WHERE tenant = $1 AND actor = $2"),
        ("reports_about", "DELETE FROM reports WHERE tenant = $1 AND subject = $2"),
        // Matches go with the profile, after their ends were told (`Pipeline::erase_person`).
        ("next_vectors", "DELETE FROM next_vectors WHERE tenant = $1 AND id = $2"),
        ("profiles", "DELETE FROM profiles WHERE tenant = $1 AND id = $2"),
        ("match_people", "DELETE FROM match_people WHERE tenant = $1 AND person = $2"),
        ("ties", "DELETE FROM ties WHERE tenant = $1 AND (viewer = $2 OR other = $2)"),
        ("tickets", "DELETE FROM tickets WHERE tenant = $1 AND person = $2"),
        ("daily_lists", "DELETE FROM daily_lists WHERE tenant = $1 AND person = $2"),
        ("exposures", "DELETE FROM exposures WHERE tenant = $1 AND person = $2"),
        ("avatars", "DELETE FROM avatars WHERE tenant = $1 AND person = $2"),
        ("tastes", "DELETE FROM tastes WHERE tenant = $1 AND person = $2"),
    ] {
        let rows = link.run(sql, who()).await?;
        receipt.rows.insert(name.to_owned(), rows);
    }
    let sql = "SELECT count(*) FROM messages WHERE tenant = $1 AND author = $2";
    let messages = link.row(sql, who()).await?.map_or(Ok(0), |row| row.count(0))?;
    // They go with their vectors, at once (`Pipeline::erase_person`).
    receipt.rows.insert("messages".into(), messages);
    receipt.rows.insert("reports_made".into(), forget_reports(link, tenant, actor).await?);
    receipt.rows.insert("decisions".into(), forget_decisions(link, tenant, actor).await?);
    receipt.rows.insert("cases".into(), forget_cases(link, tenant, actor, now).await?);
    receipt.rows.insert("actions".into(), forget_actions(link, tenant, actor).await?);
    receipt.rows.insert("items".into(), forget_items(link, tenant, actor).await?);
    Ok(())
}

/// What matching keeps: the profile, what was learned of them, their answers, their matches with their own ratings.
async fn matching(
    link: &mut Link<'_>,
    tenant: &TenantId,
    actor: &str,
) -> Result<serde_json::Map<String, Json>, PipelineError> {
    let who = || values![tenant.as_str(), actor, limit(MOST)];
    let sql = "SELECT interests, bio, attributes, terms, version FROM profiles WHERE tenant = $1 AND id = $2 LIMIT $3";
    let profiles = link.rows(sql, who()).await?;
    let profiles = profiles.iter().map(|row| {
        let (interests, attributes, terms): (Json, Json, Json) = (row.json(0)?, row.json(2)?, row.json(3)?);
        let (bio, version) = (row.string(1)?, row.int(4)?);
        let texts = json!({ "interests": interests, "bio": bio, "attributes": attributes });
        Ok(json!({ "texts": texts, "terms": terms, "version": version }))
    });
    let profiles = profiles.collect::<Result<Vec<_>, PipelineError>>()?;
    let sql = "SELECT body FROM match_people WHERE tenant = $1 AND person = $2 LIMIT $3";
    let rows = link.rows(sql, who()).await?;
    let known = rows.iter().map(|row| row.json::<Json>(0)).collect::<Result<Vec<_>, _>>()?;
    let sql = "SELECT other, kind, at FROM ties WHERE tenant = $1 AND viewer = $2 ORDER BY at, other LIMIT $3";
    let rows = link.rows(sql, who()).await?;
    let answers = rows
        .iter()
        .map(|row| Ok(json!({ "to": row.string(0)?, "answer": row.string(1)?, "at": row.time(2)? })))
        .collect::<Result<Vec<_>, PipelineError>>()?;
    let sql = "SELECT body FROM matches WHERE tenant = $1 AND (one = $2 OR other = $2) ORDER BY created_at LIMIT $3";
    let rows = link.rows(sql, who()).await?;
    let matches = rows.iter().map(|row| {
        let mut found: Json = row.json(0)?;
        if let Some(ratings) = found["ratings"].as_object_mut() {
            ratings.retain(|by, _| by == actor);
        }
        Ok(found)
    });
    let matches = matches.collect::<Result<Vec<_>, PipelineError>>()?;
    let parts = [("profile", profiles), ("matching", known), ("answers", answers), ("matches", matches)];
    Ok(parts.into_iter().map(|(name, rows)| (name.to_owned(), rows.into())).collect())
}

/// Reports that they made stay, without them and their words: here and in the evidence of others' cases.
async fn forget_reports(link: &mut Link<'_>, tenant: &TenantId, actor: &str) -> Result<u64, PipelineError> {
    let id = link.choose("lower(hex(id))", "replace(CAST(id AS text), '-', '')");
    let sql = format!("SELECT {id}, body, case_id FROM reports WHERE tenant = $1 AND reporter = $2");
    let rows = link.rows(sql, values![tenant.as_str(), actor]).await?;
    for row in &rows {
        let mut body: Json = row.json(1)?;
        body["reporter"] = ERASED.into();
        if let Some(body) = body.as_object_mut() {
            body.remove("note");
        }
        let sql = link.choose(
            "UPDATE reports SET reporter = 'erased', body = $2 WHERE id = unhex($1)",
            "UPDATE reports SET reporter = 'erased', body = $2 WHERE id = ($1)::uuid",
        );
        link.run(sql, values![row.text(0)?, json_value(&body)?]).await?;
        let Some(case) = row.maybe_text(2)? else { continue };
        let sql =
            "SELECT id, body FROM evidence WHERE tenant = $1 AND case_id = $2 AND kind = 'report' AND body IS NOT NULL";
        for exhibit in link.rows(sql, values![tenant.as_str(), case]).await? {
            let Exhibit::Report { reporter, report, reason, credibility, call, conversation, item, .. } =
                exhibit.json(1)?
            else {
                continue;
            };
            if reporter != actor {
                continue;
            }
            let nameless = Exhibit::Report {
                reporter: ERASED.into(),
                note: None,
                report,
                reason,
                credibility,
                call,
                conversation,
                item,
            };
            let name = exhibit.string(0)?;
            let sql = "UPDATE evidence SET body = $3 WHERE tenant = $1 AND id = $2";
            link.run(sql, values![tenant.as_str(), &name, json_value(&nameless)?]).await?;
            link.run("DELETE FROM evidence_words WHERE tenant = $1 AND id = $2", values![tenant.as_str(), name])
                .await?;
        }
    }
    Ok(rows.len() as u64)
}

async fn forget_decisions(link: &mut Link<'_>, tenant: &TenantId, actor: &str) -> Result<u64, PipelineError> {
    let sql = "SELECT id, body FROM decisions WHERE tenant = $1 AND subject = $2";
    let rows = link.rows(sql, values![tenant.as_str(), actor]).await?;
    for row in &rows {
        let known: Decision = row.json(1)?;
        let nameless = Decision { subject: ERASED.into(), reason: None, note: None, ..known };
        let sql = "UPDATE decisions SET subject = 'erased', body = $3 WHERE tenant = $1 AND id = $2";
        link.run(sql, values![tenant.as_str(), row.text(0)?, json_value(&nameless)?]).await?;
    }
    Ok(rows.len() as u64)
}

async fn forget_cases(
    link: &mut Link<'_>,
    tenant: &TenantId,
    actor: &str,
    now: DateTime<Utc>,
) -> Result<u64, PipelineError> {
    let sql = format!("SELECT {} FROM cases WHERE tenant = $1 AND subject = $2{}", cases::COLUMNS, link.lock());
    let rows = link.rows(sql, values![tenant.as_str(), actor]).await?;
    for row in &rows {
        let case = cases::case(row)?;
        let facts = CaseFacts { summary: String::new(), ..case.facts.clone() };
        let decided_at = case.decided_at.or(Some(now));
        let closed = Case {
            state: CaseState::Decided,
            lease: None,
            held_until: None,
            decided_at,
            changed_at: now,
            facts,
            ..case
        };
        let closed = cases::save(link, closed).await?;
        let sql = "UPDATE cases SET subject = 'erased', merge_key = NULL WHERE tenant = $1 AND id = $2";
        link.run(sql, values![tenant.as_str(), closed.id.to_string()]).await?;
    }
    Ok(rows.len() as u64)
}

/// Outcomes stay, so that no item is judged twice: without the person, the platform's reference and where it was.
async fn forget_items(link: &mut Link<'_>, tenant: &TenantId, actor: &str) -> Result<u64, PipelineError> {
    let mut total = 0;
    loop {
        let sql = link.choose(
            "SELECT lower(hex(id)), outcome FROM items WHERE tenant = $1 AND actor = $2 LIMIT $3",
            "SELECT replace(CAST(id AS text), '-', ''), outcome FROM outcomes WHERE tenant = $1 AND actor = $2 LIMIT $3",
        );
        let rows = link.rows(sql, values![tenant.as_str(), actor, limit(STEP)]).await?;
        for row in &rows {
            let mut outcome: Json = row.json(1)?;
            nameless(&mut outcome["envelope"]);
            if let Some(actions) = outcome["actions"].as_array_mut() {
                actions.iter_mut().for_each(|action| nameless(&mut action["subject"]));
            }
            if let Some(verdict) = outcome["verdict"].as_object_mut() {
                verdict.remove("sanitized_text");
            }
            let sql = link.choose(
                "UPDATE items SET actor = NULL, outcome = $2 WHERE id = unhex($1)",
                "UPDATE outcomes SET actor = NULL, outcome = $2 WHERE id = ($1)::uuid AND tenant = $3 AND actor = $4",
            );
            let mut row = values![row.text(0)?, json_value(&outcome)?];
            if !link.lock().is_empty() {
                row.extend(values![tenant.as_str(), actor]);
            }
            link.run(sql, row).await?;
        }
        total += rows.len() as u64;
        if rows.len() < STEP {
            return Ok(total);
        }
    }
}

/// Actions stay for the counts: nameless, waited for by nobody, and never ended by themselves, since nobody could be told.
async fn forget_actions(link: &mut Link<'_>, tenant: &TenantId, actor: &str) -> Result<u64, PipelineError> {
    let id = link.choose("lower(hex(id))", "replace(CAST(id AS text), '-', '')");
    let sql = format!("SELECT {id}, body FROM actions WHERE tenant = $1 AND actor = $2");
    let rows = link.rows(sql, values![tenant.as_str(), actor]).await?;
    for row in &rows {
        let mut body: Json = row.json(1)?;
        nameless(&mut body);
        nameless(&mut body["told"]);
        let sql = link.choose(
            "UPDATE actions SET actor = NULL, until = NULL, due_at = NULL, receipt = CASE WHEN receipt = 1 THEN 0 ELSE receipt END,
                 body = $2 WHERE id = unhex($1)",
            "UPDATE actions SET actor = NULL, until = NULL, due_at = NULL, receipt = CASE WHEN receipt = 1 THEN 0 ELSE receipt END,
                 body = $2 WHERE id = ($1)::uuid",
        );
        link.run(sql, values![row.text(0)?, json_value(&body)?]).await?;
    }
    Ok(rows.len() as u64)
}

fn nameless(envelope: &mut Json) {
    if let Some(envelope) = envelope.as_object_mut() {
        for name in ["actor", "conversation", "call", "reference", "message"] {
            envelope.remove(name);
        }
    }
}
