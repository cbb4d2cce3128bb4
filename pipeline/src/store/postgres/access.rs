//! API keys, signatures that were seen, usage of limits.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row, postgres::PgRow};

use super::{
    PostgresStore,
    text::{escape, unescape},
};
use crate::{
    error::PipelineError,
    item::TenantId,
    store::{
        access::{AccessStore, ApiKey, KeyId},
        row::{decode, encode, stamp, time},
    },
};

const COLUMNS: &str = "id, tenant, name, digest, hint, scopes, require_signature, limits, created_at, expires_at, revoked_at, last_used_at";

fn key(row: &PgRow) -> Result<ApiKey, PipelineError> {
    let digest: Vec<u8> = row.try_get(3)?;
    let wrong = |_| PipelineError::Internal { part: "store", message: "a key's digest does not read back".into() };
    Ok(ApiKey {
        id: KeyId(row.try_get(0)?),
        tenant: TenantId(unescape(row.try_get(1)?)?),
        name: unescape(row.try_get(2)?)?,
        digest: digest.try_into().map_err(wrong)?,
        hint: row.try_get(4)?,
        scopes: decode(row.try_get(5)?)?,
        require_signature: row.try_get(6)?,
        limits: decode(row.try_get(7)?)?,
        created_at: time(row.try_get(8)?),
        expires_at: row.try_get::<Option<i64>, _>(9)?.map(time),
        revoked_at: row.try_get::<Option<i64>, _>(10)?.map(time),
        last_used_at: row.try_get::<Option<i64>, _>(11)?.map(time),
    })
}

#[async_trait]
impl AccessStore for PostgresStore {
    async fn put_key(&self, key: &ApiKey) -> Result<(), PipelineError> {
        let database = &self.database;
        let (tenant, name) = (escape(key.tenant.as_str()), escape(&key.name));
        let (scopes, limits) = (encode(&key.scopes)?, encode(&key.limits)?);
        let sql = "WITH changed AS (UPDATE key_revision SET revision = revision + 1)
                   INSERT INTO keys (id, tenant, name, digest, hint, scopes, require_signature, limits, created_at, expires_at, revoked_at,
                   last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
        let query = sqlx::query(sql)
            .bind(key.id.0)
            .bind(&*tenant)
            .bind(&*name)
            .bind(key.digest.as_slice())
            .bind(&key.hint)
            .bind(&scopes)
            .bind(key.require_signature)
            .bind(&limits)
            .bind(stamp(key.created_at))
            .bind(key.expires_at.map(stamp))
            .bind(key.revoked_at.map(stamp))
            .bind(key.last_used_at.map(stamp));
        database.once("put_key", query.execute(&database.pool)).await.map(drop)
    }

    async fn list_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, PipelineError> {
        let database = &self.database;
        let tenant = tenant.map(|tenant| escape(tenant.as_str()));
        let whose = if tenant.is_some() { "tenant = $1" } else { "$1::text IS NULL" };
        let sql = format!("SELECT {COLUMNS} FROM keys WHERE {whose} ORDER BY id");
        let read = || sqlx::query(AssertSqlSafe(sql.clone())).bind(tenant.as_deref()).fetch_all(&database.pool);
        database.again("list_keys", read).await?.iter().map(key).collect()
    }

    async fn revoke_key(
        &self,
        tenant: Option<&TenantId>,
        id: KeyId,
        at: DateTime<Utc>,
    ) -> Result<Option<ApiKey>, PipelineError> {
        let database = &self.database;
        let tenant = tenant.map(|tenant| escape(tenant.as_str()));
        let sql = format!(
            "WITH changed AS (UPDATE key_revision SET revision = revision + 1)
             UPDATE keys SET revoked_at = coalesce(revoked_at, $1) WHERE id = $2 AND ($3::text IS NULL OR tenant = $3)
             RETURNING {COLUMNS}"
        );
        let write = || {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(stamp(at)).bind(id.0).bind(tenant.as_deref());
            query.fetch_optional(&database.pool)
        };
        database.again("revoke_key", write).await?.as_ref().map(key).transpose()
    }

    async fn key_revision(&self) -> Result<i64, PipelineError> {
        let database = &self.database;
        let read = || sqlx::query_scalar("SELECT revision FROM key_revision").fetch_one(&database.pool);
        database.again("key_revision", read).await
    }

    async fn touch_keys(&self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), PipelineError> {
        let database = &self.database;
        // In one order, so that two processes never wait for each other.
        let mut used = used.to_vec();
        used.sort_unstable();
        let ids: Vec<uuid::Uuid> = used.iter().map(|(id, _)| id.0).collect();
        let times: Vec<i64> = used.iter().map(|(_, at)| stamp(*at)).collect();
        let write = || {
            let sql = "UPDATE keys k SET last_used_at = greatest(k.last_used_at, g.at)
                       FROM unnest($1::uuid[], $2::bigint[]) AS g (id, at) WHERE k.id = g.id";
            sqlx::query(sql).bind(&ids).bind(&times).execute(&database.pool)
        };
        database.again("touch_keys", write).await.map(drop)
    }

    async fn remember_signature(&self, digest: [u8; 32], until: DateTime<Utc>) -> Result<bool, PipelineError> {
        let database = &self.database;
        let sql = "INSERT INTO signatures (digest, until) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";
        let query = sqlx::query(sql).bind(digest.as_slice()).bind(stamp(until));
        // Once: after a lost connection nobody knows whether the row that is there is ours.
        let written = database.once("remember_signature", query.execute(&database.pool)).await?;
        Ok(written.rows_affected() == 1)
    }

    async fn forget_signatures(&self, now: DateTime<Utc>) -> Result<u64, PipelineError> {
        let database = &self.database;
        let write = || sqlx::query("DELETE FROM signatures WHERE until <= $1").bind(stamp(now)).execute(&database.pool);
        Ok(database.again("forget_signatures", write).await?.rows_affected())
    }

    async fn share_usage(&self, used: &[(String, u64)]) -> Result<Vec<u64>, PipelineError> {
        let database = &self.database;
        let buckets: Vec<&str> = used.iter().map(|(bucket, _)| bucket.as_str()).collect();
        let counts: Vec<i64> = used.iter().map(|(_, used)| i64::try_from(*used).unwrap_or(i64::MAX)).collect();
        // In one order, so that two processes never wait for each other.
        let sql = "INSERT INTO limit_usage (bucket, used)
                   SELECT bucket, used FROM unnest($1::text[], $2::bigint[]) AS g (bucket, used) ORDER BY bucket
                   ON CONFLICT (bucket) DO UPDATE SET used = limit_usage.used + excluded.used RETURNING bucket, used";
        let query = sqlx::query(sql).bind(&buckets).bind(&counts);
        let rows = database.once("share_usage", query.fetch_all(&database.pool)).await?;
        let mut totals = HashMap::with_capacity(rows.len());
        for row in &rows {
            totals.insert(row.try_get::<&str, _>(0)?, row.try_get::<i64, _>(1)?);
        }
        let total = |bucket: &&str| totals.get(bucket).and_then(|total| u64::try_from(*total).ok()).unwrap_or_default();
        Ok(buckets.iter().map(total).collect())
    }
}
