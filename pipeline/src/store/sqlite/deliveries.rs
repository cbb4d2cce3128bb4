//! The log of webhook deliveries.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Row, sqlite::SqliteRow};

use super::SqliteStore;
use crate::{
    error::PipelineError,
    item::TenantId,
    store::{
        delivery::{Delivery, DeliveryFilter, DeliveryLog, DeliveryState},
        row::{encode, limit, stamp, time},
    },
};

const SELECT: &str = "SELECT d.id, d.webhook, d.tenant, d.event, e.kind, e.key, d.state, d.attempts, d.created_at, d.due_at, d.done_at, d.error
                      FROM deliveries d JOIN events e ON e.sequence = d.event";

fn delivery(row: &SqliteRow) -> Result<Delivery, PipelineError> {
    let state = DeliveryState::from_number(row.try_get(6)?);
    let next_at = time(row.try_get(9)?);
    Ok(Delivery {
        id: row.try_get(0)?,
        webhook: row.try_get(1)?,
        tenant: TenantId(row.try_get(2)?),
        sequence: row.try_get(3)?,
        kind: row.try_get(4)?,
        key: row.try_get(5)?,
        state,
        attempts: row.try_get(7)?,
        created_at: time(row.try_get(8)?),
        next_at: (state == DeliveryState::Due).then_some(next_at),
        delivered_at: row.try_get::<Option<i64>, _>(10)?.map(time),
        error: row.try_get(11)?,
    })
}

#[async_trait]
impl DeliveryLog for SqliteStore {
    async fn deliveries(&self, filter: &DeliveryFilter, count: usize) -> Result<Vec<Delivery>, PipelineError> {
        let DeliveryFilter { tenant, webhook, state, before } = filter.clone();
        let rows = self
            .read("deliveries", move |connection| {
                Box::pin(async move {
                    // Not `? IS NULL OR …`: with a tenant the index is used.
                    let whose = if tenant.is_some() { "d.tenant = ?1" } else { "?1 IS NULL" };
                    let sql = format!(
                        "{SELECT} WHERE {whose} AND d.id < ?2 AND (?3 IS NULL OR d.webhook = ?3) AND (?4 IS NULL OR d.state = ?4)
                         ORDER BY d.id DESC LIMIT ?5"
                    );
                    let query = sqlx::query(AssertSqlSafe(sql))
                        .bind(tenant.map(|tenant| tenant.0))
                        .bind(before.unwrap_or(i64::MAX))
                        .bind(webhook)
                        .bind(state.map(DeliveryState::number))
                        .bind(limit(count));
                    Ok(query.fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(delivery).collect()
    }

    async fn load_delivery(&self, tenant: Option<&TenantId>, id: i64) -> Result<Option<Delivery>, PipelineError> {
        let tenant = tenant.cloned();
        let row = self
            .read("load_delivery", move |connection| {
                Box::pin(async move {
                    let sql = format!("{SELECT} WHERE d.id = ?1 AND (?2 IS NULL OR d.tenant = ?2)");
                    let query = sqlx::query(AssertSqlSafe(sql)).bind(id).bind(tenant.map(|tenant| tenant.0));
                    Ok(query.fetch_optional(connection).await?)
                })
            })
            .await?;
        row.as_ref().map(delivery).transpose()
    }

    async fn replay_deliveries(
        &self,
        tenant: Option<&TenantId>,
        ids: &[i64],
        at: DateTime<Utc>,
    ) -> Result<usize, PipelineError> {
        let (tenant, ids) = (tenant.cloned(), encode(&ids)?);
        self.writer
            .write("replay_deliveries", move |scope| {
                Box::pin(async move {
                    let sql = "UPDATE deliveries SET state = 0, attempts = 0, due_at = ?1, done_at = NULL, error = NULL, claimed_from = NULL
                               WHERE id IN (SELECT value FROM json_each(?2)) AND state <> 0 AND (?3 IS NULL OR tenant = ?3)";
                    let query = sqlx::query(sql).bind(stamp(at)).bind(ids).bind(tenant.map(|tenant| tenant.0));
                    Ok(query.execute(&mut scope.connection).await?.rows_affected() as usize)
                })
            })
            .await
    }
}
