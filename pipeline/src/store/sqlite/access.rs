//! API keys, signatures that were seen, usage of limits.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::PipelineError,
    item::TenantId,
    store::{
        access::{AccessStore, ApiKey, KeyId},
        row::{decode, encode, stamp, time},
    },
};

const COLUMNS: &str = "id, tenant, name, digest, hint, scopes, require_signature, limits, created_at, expires_at, revoked_at, last_used_at";
const CHANGED: &str = "UPDATE key_revision SET revision = revision + 1";

fn key(row: &SqliteRow) -> Result<ApiKey, PipelineError> {
    let digest: Vec<u8> = row.try_get(3)?;
    let wrong = |_| PipelineError::Internal { part: "store", message: "a key's digest does not read back".into() };
    Ok(ApiKey {
        id: KeyId(row.try_get(0)?),
        tenant: TenantId(row.try_get(1)?),
        name: row.try_get(2)?,
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
impl AccessStore for SqliteStore {
    async fn put_key(&self, key: &ApiKey) -> Result<(), PipelineError> {
        let key = key.clone();
        self.writer
            .write("put_key", move |scope| {
                Box::pin(async move {
                    let sql = "INSERT INTO keys (id, tenant, name, digest, hint, scopes, require_signature, limits, created_at, expires_at,
                               revoked_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
                    sqlx::query(sql)
                        .bind(key.id.0)
                        .bind(&key.tenant.0)
                        .bind(&key.name)
                        .bind(key.digest.as_slice())
                        .bind(&key.hint)
                        .bind(encode(&key.scopes)?)
                        .bind(key.require_signature)
                        .bind(encode(&key.limits)?)
                        .bind(stamp(key.created_at))
                        .bind(key.expires_at.map(stamp))
                        .bind(key.revoked_at.map(stamp))
                        .bind(key.last_used_at.map(stamp))
                        .execute(&mut scope.connection)
                        .await?;
                    sqlx::query(CHANGED).execute(&mut scope.connection).await?;
                    Ok(())
                })
            })
            .await
    }

    async fn list_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, PipelineError> {
        let tenant = tenant.cloned();
        let rows = self
            .read("list_keys", move |connection| {
                Box::pin(async move {
                    let sql = format!("SELECT {COLUMNS} FROM keys WHERE ?1 IS NULL OR tenant = ?1 ORDER BY id");
                    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tenant.map(|tenant| tenant.0));
                    Ok(query.fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(key).collect()
    }

    async fn revoke_key(
        &self,
        tenant: Option<&TenantId>,
        id: KeyId,
        at: DateTime<Utc>,
    ) -> Result<Option<ApiKey>, PipelineError> {
        let tenant = tenant.cloned();
        let row = self
            .writer
            .write("revoke_key", move |scope| {
                Box::pin(async move {
                    let sql = format!(
                        "UPDATE keys SET revoked_at = coalesce(revoked_at, ?1) WHERE id = ?2 AND (?3 IS NULL OR tenant = ?3)
                         RETURNING {COLUMNS}"
                    );
                    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(stamp(at)).bind(id.0);
                    let query = query.bind(tenant.map(|tenant| tenant.0));
                    let row = query.fetch_optional(&mut scope.connection).await?;
                    if row.is_some() {
                        sqlx::query(CHANGED).execute(&mut scope.connection).await?;
                    }
                    Ok(row)
                })
            })
            .await?;
        row.as_ref().map(key).transpose()
    }

    async fn key_revision(&self) -> Result<i64, PipelineError> {
        self.read("key_revision", |connection| {
            Box::pin(
                async move { Ok(sqlx::query_scalar("SELECT revision FROM key_revision").fetch_one(connection).await?) },
            )
        })
        .await
    }

    async fn touch_keys(&self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), PipelineError> {
        let used = used.to_vec();
        self.writer
            .write("touch_keys", move |scope| {
                Box::pin(async move {
                    for (id, at) in used {
                        let sql = "UPDATE keys SET last_used_at = max(coalesce(last_used_at, ?1), ?1) WHERE id = ?2";
                        sqlx::query(sql).bind(stamp(at)).bind(id.0).execute(&mut scope.connection).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn remember_signature(&self, digest: [u8; 32], until: DateTime<Utc>) -> Result<bool, PipelineError> {
        self.writer
            .write("remember_signature", move |scope| {
                Box::pin(async move {
                    let sql = "INSERT INTO signatures (digest, until) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING";
                    let query = sqlx::query(sql).bind(digest.to_vec()).bind(stamp(until));
                    Ok(query.execute(&mut scope.connection).await?.rows_affected() == 1)
                })
            })
            .await
    }

    async fn forget_signatures(&self, now: DateTime<Utc>) -> Result<u64, PipelineError> {
        self.writer
            .write("forget_signatures", move |scope| {
                Box::pin(async move {
                    let query = sqlx::query("DELETE FROM signatures WHERE until <= ?").bind(stamp(now));
                    Ok(query.execute(&mut scope.connection).await?.rows_affected())
                })
            })
            .await
    }

    async fn share_usage(&self, used: &[(String, u64)]) -> Result<Vec<u64>, PipelineError> {
        let used = used.to_vec();
        self.writer
            .write("share_usage", move |scope| {
                Box::pin(async move {
                    let mut totals = Vec::with_capacity(used.len());
                    for (bucket, used) in used {
                        let sql = "INSERT INTO limit_usage (bucket, used) VALUES (?, ?)
                                   ON CONFLICT (bucket) DO UPDATE SET used = used + excluded.used RETURNING used";
                        let query = sqlx::query_scalar(sql).bind(bucket).bind(i64::try_from(used).unwrap_or(i64::MAX));
                        let total: i64 = query.fetch_one(&mut scope.connection).await?;
                        totals.push(u64::try_from(total).unwrap_or_default());
                    }
                    Ok(totals)
                })
            })
            .await
    }
}
