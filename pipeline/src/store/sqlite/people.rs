//! Who is connected, and what people report of each other.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{SqliteStore, events};
use crate::store::row::{decode, encode, stamp, time};
use crate::{
    error::PipelineError,
    item::{ActorId, ReportId, TenantId},
    report::Report,
    store::{Event, Recorded},
};

pub(super) async fn put_presence(
    store: &SqliteStore,
    tenant: &TenantId,
    actor: &ActorId,
    connected: bool,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let (tenant, actor) = (tenant.clone(), actor.clone());
    store
        .writer
        .write("put_presence", move |scope| {
            Box::pin(async move {
                let sql = "INSERT INTO presence (tenant, actor, connected, at) VALUES (?, ?, ?, ?)
                           ON CONFLICT (tenant, actor) DO UPDATE SET connected = excluded.connected, at = excluded.at
                           WHERE excluded.at >= presence.at";
                let query = sqlx::query(sql).bind(tenant.0).bind(actor.0).bind(connected).bind(stamp(at));
                query.execute(&mut scope.connection).await?;
                Ok(())
            })
        })
        .await
}

pub(super) async fn load_presence(
    store: &SqliteStore,
    tenant: &TenantId,
    actor: &ActorId,
) -> Result<Option<(bool, DateTime<Utc>)>, PipelineError> {
    let (tenant, actor) = (tenant.clone(), actor.clone());
    let row = store
        .read("load_presence", move |connection| {
            Box::pin(async move {
                let sql = "SELECT connected, at FROM presence WHERE tenant = ? AND actor = ?";
                Ok(sqlx::query(sql).bind(tenant.0).bind(actor.0).fetch_optional(connection).await?)
            })
        })
        .await?;
    row.map(|row| Ok((row.try_get(0)?, time(row.try_get(1)?)))).transpose()
}

pub(super) async fn put_report(
    store: &SqliteStore,
    report: &Report,
    events: Vec<Event>,
    webhooks: Vec<(usize, String)>,
) -> Result<Recorded, PipelineError> {
    let report = report.clone();
    store
        .writer
        .write("put_report", move |scope| {
            Box::pin(async move {
                let sql = "INSERT INTO reports (id, tenant, reporter, subject, at, body) VALUES (?, ?, ?, ?, ?, ?)
                           ON CONFLICT (id) DO NOTHING";
                let inserted = sqlx::query(sql)
                    .bind(report.id.0)
                    .bind(report.tenant.as_str())
                    .bind(report.reporter.as_str())
                    .bind(report.subject.as_str())
                    .bind(stamp(report.at))
                    .bind(encode(&report)?)
                    .execute(&mut scope.connection)
                    .await?;
                if inserted.rows_affected() == 0 {
                    return Ok(Recorded::Already);
                }
                events::append(scope, &events, &webhooks).await?;
                Ok(Recorded::New)
            })
        })
        .await
}

pub(super) async fn load_report(
    store: &SqliteStore,
    tenant: &TenantId,
    id: ReportId,
) -> Result<Option<Report>, PipelineError> {
    let tenant = tenant.clone();
    let row = store
        .read("load_report", move |connection| {
            Box::pin(async move {
                let query =
                    sqlx::query("SELECT body FROM reports WHERE tenant = ? AND id = ?").bind(tenant.0).bind(id.0);
                Ok(query.fetch_optional(connection).await?)
            })
        })
        .await?;
    row.map(|row| decode(row.try_get(0)?)).transpose()
}
