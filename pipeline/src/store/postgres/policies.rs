//! Policies of tenants.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use super::{PostgresStore, events::Appended, text::escape};
use crate::{
    error::PipelineError,
    item::{ItemId, TenantId},
    policy::{
        backtest::Run,
        rollout::{PolicyVersion, Rollout, Side, Tally},
    },
    store::{
        Event, OutcomePlace, PolicyStore, Recorded,
        row::{carried, decode, encode, limit, stamp},
    },
    verdict::Outcome,
};

/// Names the lock under which versions get their numbers.
const NUMBERING: i64 = 4_843_205_740;

#[async_trait]
impl PolicyStore for PostgresStore {
    async fn put_policy(&self, version: PolicyVersion) -> Result<(PolicyVersion, bool), PipelineError> {
        let tenant = escape(version.tenant.as_str());
        // It may be done again: a text that was kept after all is there then.
        let write = || async {
            let mut transaction = self.database.pool.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(NUMBERING).execute(&mut *transaction).await?;
            let known: Option<String> =
                sqlx::query_scalar("SELECT body FROM policies WHERE tenant = $1 AND digest = $2")
                    .bind(&*tenant)
                    .bind(&version.digest)
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some(body) = known {
                return Ok((body, false));
            }
            let number: i64 = sqlx::query_scalar("SELECT coalesce(max(number), 0) + 1 FROM policies WHERE tenant = $1")
                .bind(&*tenant)
                .fetch_one(&mut *transaction)
                .await?;
            let version = PolicyVersion { number: number.try_into().unwrap_or(u32::MAX), ..version.clone() };
            let body = encode(&version).map_err(carried)?;
            sqlx::query("INSERT INTO policies (tenant, number, digest, body) VALUES ($1, $2, $3, $4)")
                .bind(&*tenant)
                .bind(number)
                .bind(&version.digest)
                .bind(&body)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await?;
            Ok((body, true))
        };
        let (body, fresh) = self.database.again("put_policy", || Box::pin(write())).await?;
        Ok((decode(&body)?, fresh))
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
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT body FROM policies WHERE tenant = $1 AND number < $2 ORDER BY number DESC LIMIT $3";
            let query = sqlx::query_scalar(sql).bind(&*tenant).bind(i64::from(before)).bind(limit(count));
            query.fetch_all(&self.database.pool)
        };
        let rows: Vec<String> = self.database.again("policies", read).await?;
        rows.iter().map(|body| decode(body)).collect()
    }

    async fn put_rollout(
        &self,
        rollout: &Rollout,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        let (tenant, body) = (escape(rollout.tenant.as_str()), encode(rollout)?);
        let events = Appended::new(&events, &webhooks)?;
        let write = Box::pin(async {
            let mut transaction = self.database.pool.begin().await?;
            let sql = "INSERT INTO rollouts (tenant, revision, body)
                       SELECT $1, $2, $3 WHERE $2 = 1 + (SELECT coalesce(max(revision), 0) FROM rollouts WHERE tenant = $1)
                       ON CONFLICT DO NOTHING";
            let query = sqlx::query(sql).bind(&*tenant).bind(number(rollout.revision)).bind(&body);
            if query.execute(&mut *transaction).await?.rows_affected() == 0 {
                return Ok(None);
            }
            let sequence = Appended::write(&[&events], &mut transaction).await?;
            transaction.commit().await?;
            Ok(Some(sequence))
        });
        match self.database.once("put_rollout", write).await? {
            None => Ok(Recorded::Stale),
            Some(sequence) => {
                if let Some(sequence) = sequence {
                    self.database.raise(sequence);
                }
                Ok(Recorded::New)
            }
        }
    }

    async fn rollouts(&self, tenant: &TenantId, count: usize) -> Result<Vec<Rollout>, PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT body FROM rollouts WHERE tenant = $1 ORDER BY revision DESC LIMIT $2";
            sqlx::query_scalar(sql).bind(&*tenant).bind(limit(count)).fetch_all(&self.database.pool)
        };
        let rows: Vec<String> = self.database.again("rollouts", read).await?;
        rows.iter().map(|body| decode(body)).collect()
    }

    async fn rollouts_in_force(&self) -> Result<Vec<Rollout>, PipelineError> {
        let read = || {
            let sql = "SELECT DISTINCT ON (tenant) body FROM rollouts ORDER BY tenant, revision DESC";
            sqlx::query_scalar(sql).fetch_all(&self.database.pool)
        };
        let rows: Vec<String> = self.database.again("rollouts_in_force", read).await?;
        rows.iter().map(|body| decode(body)).collect()
    }

    async fn add_tallies(&self, mut counted: Vec<(TenantId, u64, Side, Tally)>) -> Result<(), PipelineError> {
        // Always in the same order, so that two processes do not lock each other up.
        counted.sort_by(|a, b| (a.0.as_str(), a.1, a.2).cmp(&(b.0.as_str(), b.1, b.2)));
        let sql = "INSERT INTO rollout_tallies AS t (tenant, revision, side, judged, passed)
                   SELECT * FROM unnest($1::text[], $2::bigint[], $3::smallint[], $4::bigint[], $5::bigint[])
                   ON CONFLICT (tenant, revision, side)
                   DO UPDATE SET judged = t.judged + excluded.judged, passed = t.passed + excluded.passed";
        let query = sqlx::query(sql)
            .bind(counted.iter().map(|(tenant, ..)| escape(tenant.as_str()).into_owned()).collect::<Vec<String>>())
            .bind(counted.iter().map(|(_, revision, ..)| number(*revision)).collect::<Vec<i64>>())
            .bind(counted.iter().map(|(_, _, side, _)| *side as i16).collect::<Vec<i16>>())
            .bind(counted.iter().map(|(.., tally)| number(tally.judged)).collect::<Vec<i64>>())
            .bind(counted.iter().map(|(.., tally)| number(tally.passed)).collect::<Vec<i64>>());
        self.database.once("add_tallies", query.execute(&self.database.pool)).await.map(drop)
    }

    async fn outcomes_between(
        &self,
        tenant: &TenantId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        after: OutcomePlace,
        count: usize,
    ) -> Result<(Vec<Outcome>, OutcomePlace), PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT decided_at, id, outcome FROM outcomes
                       WHERE tenant = $1 AND decided_at >= $2 AND decided_at < $3 AND (decided_at, id) > ($4, $5)
                       ORDER BY decided_at, id LIMIT $6";
            sqlx::query(sql)
                .bind(&*tenant)
                .bind(stamp(from).max(after.position))
                .bind(stamp(to))
                .bind(after.position)
                .bind(after.id)
                .bind(limit(count))
                .fetch_all(&self.database.pool)
        };
        let rows = self.database.again("outcomes_between", read).await?;
        let mut place = after;
        let mut outcomes = Vec::with_capacity(rows.len());
        for row in &rows {
            place = OutcomePlace { position: row.try_get(0)?, id: row.try_get(1)? };
            outcomes.push(decode(row.try_get(2)?)?);
        }
        Ok((outcomes, place))
    }

    async fn overturned_items(&self, tenant: &TenantId, ids: Vec<ItemId>) -> Result<Vec<ItemId>, PipelineError> {
        let (tenant, ids) = (escape(tenant.as_str()), ids.iter().map(|id| id.0).collect::<Vec<Uuid>>());
        let read = || {
            let sql = "SELECT DISTINCT item FROM actions
                       WHERE tenant = $1 AND reversed_by IS NOT NULL AND expired = 0 AND item = ANY($2)";
            sqlx::query_scalar(sql).bind(&*tenant).bind(&ids).fetch_all(&self.database.pool)
        };
        let found: Vec<Uuid> = self.database.again("overturned_items", read).await?;
        Ok(found.into_iter().map(ItemId).collect())
    }

    async fn put_backtest(&self, run: &Run) -> Result<(), PipelineError> {
        let (tenant, body) = (escape(run.tenant.as_str()), encode(run)?);
        let write = || {
            let sql =
                "INSERT INTO backtests (id, tenant, digest, started_at, done, body) VALUES ($1, $2, $3, $4, $5, $6)
                       ON CONFLICT (id) DO UPDATE SET done = excluded.done, body = excluded.body";
            sqlx::query(sql)
                .bind(run.id)
                .bind(&*tenant)
                .bind(&run.digest)
                .bind(stamp(run.started_at))
                .bind(i64::from(run.report.is_some()))
                .bind(&body)
                .execute(&self.database.pool)
        };
        self.database.again("put_backtest", write).await.map(drop)
    }

    async fn load_backtest(&self, tenant: &TenantId, id: Uuid) -> Result<Option<Run>, PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT body FROM backtests WHERE tenant = $1 AND id = $2";
            sqlx::query_scalar(sql).bind(&*tenant).bind(id).fetch_optional(&self.database.pool)
        };
        let body: Option<String> = self.database.again("load_backtest", read).await?;
        body.map(|body| decode(&body)).transpose()
    }

    async fn backtests(&self, tenant: &TenantId, count: usize) -> Result<Vec<Run>, PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT body FROM backtests WHERE tenant = $1 ORDER BY started_at DESC, id DESC LIMIT $2";
            sqlx::query_scalar(sql).bind(&*tenant).bind(limit(count)).fetch_all(&self.database.pool)
        };
        let rows: Vec<String> = self.database.again("backtests", read).await?;
        rows.iter().map(|body| decode(body)).collect()
    }

    async fn is_backtested(&self, tenant: &TenantId, digest: &str) -> Result<bool, PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT EXISTS (SELECT 1 FROM backtests WHERE tenant = $1 AND digest = $2 AND done = 1)";
            sqlx::query_scalar(sql).bind(&*tenant).bind(digest).fetch_one(&self.database.pool)
        };
        self.database.again("is_backtested", read).await
    }

    async fn tallies(&self, tenant: &TenantId, revision: u64) -> Result<(Tally, Tally), PipelineError> {
        let tenant = escape(tenant.as_str());
        let read = || {
            let sql = "SELECT side, judged, passed FROM rollout_tallies WHERE tenant = $1 AND revision = $2";
            sqlx::query(sql).bind(&*tenant).bind(number(revision)).fetch_all(&self.database.pool)
        };
        let mut found = (Tally::default(), Tally::default());
        for row in self.database.again("tallies", read).await? {
            let (side, judged, passed): (i16, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            let tally = Tally { judged: judged.try_into().unwrap_or(0), passed: passed.try_into().unwrap_or(0) };
            if side == 0 { found.0 = tally } else { found.1 = tally }
        }
        Ok(found)
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
