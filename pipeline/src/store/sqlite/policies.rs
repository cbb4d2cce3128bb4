//! Policies of tenants.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, sqlite::SqliteRow};
use uuid::Uuid;

use super::{SqliteStore, events, writer::Scope};
use crate::{
    error::PipelineError,
    item::{ItemId, TenantId},
    policy::{
        backtest::Run,
        rollout::{PolicyVersion, Rollout, Side, Tally},
    },
    store::{
        Event, OutcomePlace, PolicyStore, Recorded,
        row::{decode, encode, id_list, limit, stamp},
        text::escape,
    },
    verdict::Outcome,
};

#[async_trait]
impl PolicyStore for SqliteStore {
    async fn put_policy(&self, version: PolicyVersion) -> Result<(PolicyVersion, bool), PipelineError> {
        self.writer.write("put_policy", move |scope| Box::pin(put_in(scope, version))).await
    }

    async fn load_policy(&self, tenant: &TenantId, number: u32) -> Result<Option<PolicyVersion>, PipelineError> {
        Ok(self
            .policies_before(tenant, number.saturating_add(1), 1)
            .await?
            .pop()
            .filter(|found| found.number == number))
    }

    async fn policies_before(
        &self,
        tenant: &TenantId,
        before: u32,
        count: usize,
    ) -> Result<Vec<PolicyVersion>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("policies", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM policies WHERE tenant = ? AND number < ? ORDER BY number DESC LIMIT ?";
                    let query = sqlx::query(sql).bind(tenant.0).bind(i64::from(before)).bind(limit(count));
                    Ok(query.fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn put_rollout(
        &self,
        rollout: &Rollout,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        let rollout = rollout.clone();
        self.writer.write("put_rollout", move |scope| Box::pin(roll_out(scope, rollout, events, webhooks))).await
    }

    async fn rollouts(&self, tenant: &TenantId, count: usize) -> Result<Vec<Rollout>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("rollouts", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM rollouts WHERE tenant = ? ORDER BY revision DESC LIMIT ?";
                    Ok(sqlx::query(sql).bind(tenant.0).bind(limit(count)).fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn rollouts_in_force(&self) -> Result<Vec<Rollout>, PipelineError> {
        let rows = self
            .read("rollouts_in_force", |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM rollouts r
                               WHERE revision = (SELECT max(revision) FROM rollouts WHERE tenant = r.tenant)";
                    Ok(sqlx::query(sql).fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn add_tallies(&self, counted: Vec<(TenantId, u64, Side, Tally)>) -> Result<(), PipelineError> {
        self.writer.write("add_tallies", move |scope| Box::pin(add(scope, counted))).await
    }

    async fn outcomes_between(
        &self,
        tenant: &TenantId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: OutcomePlace,
        count: usize,
    ) -> Result<(Vec<Outcome>, OutcomePlace), PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("outcomes_between", move |connection| {
                Box::pin(async move {
                    // In the order of their rows, which is that of their decisions: no index has to be kept for it.
                    let sql = "SELECT rowid, outcome FROM items
                               WHERE rowid > ? AND tenant = ? AND decided_at >= ? AND decided_at < ? ORDER BY rowid LIMIT ?";
                    let query = sqlx::query(sql).bind(after.position).bind(tenant.0).bind(stamp(from)).bind(stamp(to));
                    Ok(query.bind(limit(count)).fetch_all(connection).await?)
                })
            })
            .await?;
        let mut place = after;
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in &rows {
            place.position = row.try_get(0)?;
            outcomes.push(decode(row.try_get(1)?)?);
        }
        Ok((outcomes, place))
    }

    async fn overturned_items(&self, tenant: &TenantId, ids: Vec<ItemId>) -> Result<Vec<ItemId>, PipelineError> {
        let (tenant, list) = (escape(tenant.as_str()).into_owned(), id_list(&ids));
        let rows = self
            .read("overturned_items", move |connection| {
                Box::pin(async move {
                    let sql =
                        "SELECT DISTINCT item FROM actions WHERE tenant = ? AND reversed_by IS NOT NULL AND expired = 0
                               AND item IN (SELECT unhex(value) FROM json_each(?))";
                    Ok(sqlx::query(sql).bind(tenant).bind(list).fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| Ok(ItemId(row.try_get(0)?))).collect()
    }

    async fn put_backtest(&self, run: &Run) -> Result<(), PipelineError> {
        let run = run.clone();
        self.writer
            .write("put_backtest", move |scope| {
                Box::pin(async move {
                    let sql =
                        "INSERT INTO backtests (id, tenant, digest, started_at, done, body) VALUES (?, ?, ?, ?, ?, ?)
                               ON CONFLICT (id) DO UPDATE SET done = excluded.done, body = excluded.body";
                    sqlx::query(sql)
                        .bind(run.id)
                        .bind(run.tenant.as_str())
                        .bind(run.digest.as_str())
                        .bind(stamp(run.started_at))
                        .bind(i64::from(run.report.is_some()))
                        .bind(encode(&run)?)
                        .execute(&mut scope.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    async fn load_backtest(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Run>, PipelineError> {
        let tenant = tenant.clone();
        let row = self
            .read("load_backtest", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM backtests WHERE tenant = ? AND id = ?";
                    Ok(sqlx::query(sql).bind(tenant.0).bind(id).fetch_optional(connection).await?)
                })
            })
            .await?;
        row.map(|row| decode(row.try_get(0)?)).transpose()
    }

    async fn backtests(&self, tenant: &TenantId, count: usize) -> Result<Vec<Run>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("backtests", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT body FROM backtests WHERE tenant = ? ORDER BY started_at DESC, id DESC LIMIT ?";
                    Ok(sqlx::query(sql).bind(tenant.0).bind(limit(count)).fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(|row| decode(row.try_get(0)?)).collect()
    }

    async fn is_backtested(&self, tenant: &TenantId, digest: &str) -> Result<bool, PipelineError> {
        let (tenant, digest) = (tenant.clone(), digest.to_owned());
        self.read("is_backtested", move |connection| {
            Box::pin(async move {
                let sql = "SELECT 1 FROM backtests WHERE tenant = ? AND digest = ? AND done = 1 LIMIT 1";
                Ok(sqlx::query(sql).bind(tenant.0).bind(digest).fetch_optional(connection).await?.is_some())
            })
        })
        .await
    }

    async fn tallies(&self, tenant: &TenantId, revision: u64) -> Result<(Tally, Tally), PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("tallies", move |connection| {
                Box::pin(async move {
                    let sql = "SELECT side, judged, passed FROM rollout_tallies WHERE tenant = ? AND revision = ?";
                    Ok(sqlx::query(sql).bind(tenant.0).bind(number(revision)).fetch_all(connection).await?)
                })
            })
            .await?;
        let mut found = (Tally::default(), Tally::default());
        for row in &rows {
            let (side, tally) = tally(row)?;
            if side == 0 { found.0 = tally } else { found.1 = tally }
        }
        Ok(found)
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn tally(row: &SqliteRow) -> Result<(i64, Tally), PipelineError> {
    let (side, judged, passed): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    Ok((side, Tally { judged: judged.try_into().unwrap_or(0), passed: passed.try_into().unwrap_or(0) }))
}

async fn put_in(scope: &mut Scope, mut version: PolicyVersion) -> Result<(PolicyVersion, bool), PipelineError> {
    let known = sqlx::query("SELECT body FROM policies WHERE tenant = ? AND digest = ?")
        .bind(version.tenant.as_str())
        .bind(version.digest.as_str())
        .fetch_optional(&mut scope.connection)
        .await?;
    if let Some(row) = known {
        return Ok((decode(row.try_get(0)?)?, false));
    }
    let row = sqlx::query("SELECT coalesce(max(number), 0) + 1 FROM policies WHERE tenant = ?")
        .bind(version.tenant.as_str())
        .fetch_one(&mut scope.connection)
        .await?;
    version.number = row.try_get(0)?;
    sqlx::query("INSERT INTO policies (tenant, number, digest, body) VALUES (?, ?, ?, ?)")
        .bind(version.tenant.as_str())
        .bind(i64::from(version.number))
        .bind(version.digest.as_str())
        .bind(encode(&version)?)
        .execute(&mut scope.connection)
        .await?;
    Ok((version, true))
}

async fn roll_out(
    scope: &mut Scope,
    rollout: Rollout,
    events: Vec<Event>,
    webhooks: Vec<(usize, String)>,
) -> Result<Recorded, PipelineError> {
    let sql = "INSERT INTO rollouts (tenant, revision, body)
               SELECT ?1, ?2, ?3 WHERE ?2 = 1 + (SELECT coalesce(max(revision), 0) FROM rollouts WHERE tenant = ?1)";
    let inserted = sqlx::query(sql)
        .bind(rollout.tenant.as_str())
        .bind(number(rollout.revision))
        .bind(encode(&rollout)?)
        .execute(&mut scope.connection)
        .await?;
    if inserted.rows_affected() == 0 {
        return Ok(Recorded::Stale);
    }
    events::append(scope, &events, &webhooks).await?;
    Ok(Recorded::New)
}

async fn add(scope: &mut Scope, counted: Vec<(TenantId, u64, Side, Tally)>) -> Result<(), PipelineError> {
    for (tenant, revision, side, tally) in counted {
        let sql = "INSERT INTO rollout_tallies (tenant, revision, side, judged, passed) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (tenant, revision, side)
                   DO UPDATE SET judged = judged + excluded.judged, passed = passed + excluded.passed";
        sqlx::query(sql)
            .bind(tenant.as_str())
            .bind(number(revision))
            .bind(side as i64)
            .bind(number(tally.judged))
            .bind(number(tally.passed))
            .execute(&mut scope.connection)
            .await?;
    }
    Ok(())
}
