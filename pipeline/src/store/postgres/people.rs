//! Who is connected, and what people report of each other.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::{Database, events::Appended, text::escape};
use crate::{
    error::PipelineError,
    item::{ActorId, ReportId, TenantId},
    report::Report,
    store::{
        Event, Recorded,
        row::{decode, encode, stamp, time},
    },
};

pub(super) async fn put_presence(
    database: &Database,
    tenant: &TenantId,
    actor: &ActorId,
    connected: bool,
    at: DateTime<Utc>,
) -> Result<(), PipelineError> {
    let (tenant, actor) = (escape(tenant.as_str()), escape(actor.as_str()));
    let write = || {
        let sql = "INSERT INTO presence (tenant, actor, connected, at) VALUES ($1, $2, $3, $4)
                   ON CONFLICT (tenant, actor) DO UPDATE SET connected = excluded.connected, at = excluded.at
                   WHERE excluded.at >= presence.at";
        sqlx::query(sql).bind(&*tenant).bind(&*actor).bind(connected).bind(stamp(at)).execute(&database.pool)
    };
    database.again("put_presence", write).await.map(drop)
}

pub(super) async fn load_presence(
    database: &Database,
    tenant: &TenantId,
    actor: &ActorId,
) -> Result<Option<(bool, DateTime<Utc>)>, PipelineError> {
    let (tenant, actor) = (escape(tenant.as_str()), escape(actor.as_str()));
    let read = || {
        let sql = "SELECT connected, at FROM presence WHERE tenant = $1 AND actor = $2";
        sqlx::query(sql).bind(&*tenant).bind(&*actor).fetch_optional(&database.pool)
    };
    let row = database.again("load_presence", read).await?;
    row.map(|row| Ok((row.try_get(0)?, time(row.try_get(1)?)))).transpose()
}

pub(super) async fn put_report(
    database: &Database,
    report: &Report,
    events: &[Event],
    webhooks: &[(usize, String)],
) -> Result<Recorded, PipelineError> {
    let (body, events) = (encode(report)?, Appended::new(events, webhooks)?);
    // It may be done again: a report that was written after all is there then.
    let write = || async {
        let mut transaction = database.pool.begin().await?;
        let sql = "INSERT INTO reports (id, tenant, reporter, subject, at, body) VALUES ($1, $2, $3, $4, $5, $6)
                   ON CONFLICT (id) DO NOTHING";
        let inserted = sqlx::query(sql)
            .bind(report.id.0)
            .bind(escape(report.tenant.as_str()))
            .bind(escape(report.reporter.as_str()))
            .bind(escape(report.subject.as_str()))
            .bind(stamp(report.at))
            .bind(&body)
            .execute(&mut *transaction)
            .await?;
        if inserted.rows_affected() == 0 {
            return Ok(None);
        }
        let sequence = Appended::write(&[&events], &mut transaction).await?;
        transaction.commit().await?;
        Ok(Some(sequence))
    };
    let written = database.again("put_report", || Box::pin(write())).await?;
    match written {
        None => Ok(Recorded::Already),
        Some(sequence) => {
            if let Some(sequence) = sequence {
                database.raise(sequence);
            }
            Ok(Recorded::New)
        }
    }
}

pub(super) async fn load_report(
    database: &Database,
    tenant: &TenantId,
    id: ReportId,
) -> Result<Option<Report>, PipelineError> {
    let tenant = escape(tenant.as_str());
    let read = || {
        let sql = "SELECT body FROM reports WHERE tenant = $1 AND id = $2";
        sqlx::query(sql).bind(&*tenant).bind(id.0).fetch_optional(&database.pool)
    };
    let row = database.again("load_report", read).await?;
    row.map(|row| decode(row.try_get(0)?)).transpose()
}
