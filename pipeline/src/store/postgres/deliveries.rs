//! The log of webhook deliveries.

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
        delivery::{Delivery, DeliveryFilter, DeliveryLog, DeliveryState},
        row::{limit, stamp, time},
    },
};

const SELECT: &str = "SELECT d.id, d.webhook, d.tenant, d.event, e.kind, e.key, d.state, d.attempts, d.created_at, d.due_at, d.done_at, d.error
                      FROM deliveries d JOIN events e ON e.sequence = d.event";

fn delivery(row: &PgRow) -> Result<Delivery, PipelineError> {
    let state = DeliveryState::from_number(row.try_get::<i16, _>(6)?.into());
    let next_at = time(row.try_get(9)?);
    Ok(Delivery {
        id: row.try_get(0)?,
        webhook: unescape(row.try_get(1)?)?,
        tenant: TenantId(unescape(row.try_get(2)?)?),
        sequence: row.try_get(3)?,
        kind: unescape(row.try_get(4)?)?,
        key: unescape(row.try_get(5)?)?,
        state,
        attempts: super::count(row.try_get(7)?),
        created_at: time(row.try_get(8)?),
        next_at: (state == DeliveryState::Due).then_some(next_at),
        delivered_at: row.try_get::<Option<i64>, _>(10)?.map(time),
        error: row.try_get::<Option<String>, _>(11)?.map(unescape).transpose()?,
    })
}

#[async_trait]
impl DeliveryLog for PostgresStore {
    async fn deliveries(&self, filter: &DeliveryFilter, count: usize) -> Result<Vec<Delivery>, PipelineError> {
        let database = &self.database;
        let tenant = filter.tenant.as_ref().map(|tenant| escape(tenant.as_str()));
        let webhook = filter.webhook.as_deref().map(escape);
        // Not `$1 IS NULL OR …`: with a tenant the index is used.
        let whose = if tenant.is_some() { "d.tenant = $1" } else { "$1::text IS NULL" };
        let sql = format!(
            "{SELECT} WHERE {whose} AND d.id < $2 AND ($3::text IS NULL OR d.webhook = $3) AND ($4::smallint IS NULL OR d.state = $4)
             ORDER BY d.id DESC LIMIT $5"
        );
        let read = || {
            sqlx::query(AssertSqlSafe(sql.clone()))
                .bind(tenant.as_deref())
                .bind(filter.before.unwrap_or(i64::MAX))
                .bind(webhook.as_deref())
                .bind(filter.state.map(DeliveryState::number))
                .bind(limit(count))
                .fetch_all(&database.pool)
        };
        database.again("deliveries", read).await?.iter().map(delivery).collect()
    }

    async fn load_delivery(&self, tenant: Option<&TenantId>, id: i64) -> Result<Option<Delivery>, PipelineError> {
        let database = &self.database;
        let tenant = tenant.map(|tenant| escape(tenant.as_str()));
        let sql = format!("{SELECT} WHERE d.id = $1 AND ($2::text IS NULL OR d.tenant = $2)");
        let read = || {
            let query = sqlx::query(AssertSqlSafe(sql.clone())).bind(id).bind(tenant.as_deref());
            query.fetch_optional(&database.pool)
        };
        database.again("load_delivery", read).await?.as_ref().map(delivery).transpose()
    }

    async fn replay_deliveries(
        &self,
        tenant: Option<&TenantId>,
        ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<usize, PipelineError> {
        let database = &self.database;
        let tenant = tenant.map(|tenant| escape(tenant.as_str()));
        let sql = "UPDATE deliveries SET state = 0, attempts = 0, due_at = $1, done_at = NULL, error = NULL
                   WHERE id = ANY ($2) AND state <> 0 AND ($3::text IS NULL OR tenant = $3)";
        let query = sqlx::query(sql).bind(stamp(at)).bind(ids).bind(tenant.as_deref());
        // Once: done again, it would count none.
        Ok(database.once("replay_deliveries", query.execute(&database.pool)).await?.rows_affected() as usize)
    }
}
