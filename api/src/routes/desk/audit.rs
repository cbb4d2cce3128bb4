//! `/v1/audit`: who did what, whether the chain holds, and all of it as lines of JSON.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::{
    item::TenantId,
    review::audit::AuditEntry,
    store::desk::{
        Page,
        audit::{AuditFilter, Verified},
    },
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::{
    id_cursor, length,
    views::{AuditList, VerifiedView},
};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::Query,
    seat::{Seat, ToViewAudit},
};

/// Entries that an export reads at once.
const STEP: usize = 500;

/// Which entries.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct AuditOptions {
    /// By this member of staff, `key:<name>`, or `policy`.
    actor: Option<String>,
    /// About this: `case:<id>`, `item:<id>`, `user:<login>`, …
    subject: Option<String>,
    /// Of this kind: `case.decided`, …
    kind: Option<String>,
    /// Not before.
    from: Option<DateTime<Utc>>,
    /// Before.
    to: Option<DateTime<Utc>>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// Read the audit, newest first
#[utoipa::path(
    get, path = "/v1/audit", tag = "review", params(AuditOptions),
    responses(
        (status = 200, description = "One page", body = AuditList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToViewAudit>,
    Query(options): Query<AuditOptions>,
) -> Result<Json<Page<AuditEntry>>, ApiError> {
    let AuditOptions { actor, subject, kind, from, to, cursor, limit } = options;
    let (limit, before) = (length(limit)?, id_cursor(cursor.as_deref())?);
    let filter = AuditFilter { actor, subject, kind, from, to };
    Ok(Json(app.services.pipeline.desk().audit_page(&staff.tenant, filter, before, limit).await?))
}

/// Check the audit's chain
///
/// Follows it from the first entry. Note `head` elsewhere: it shows later whether the newest entries were cut off.
#[utoipa::path(
    get, path = "/v1/audit/verify", tag = "review",
    responses(
        (status = 200, description = "What was found", body = VerifiedView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn verify(State(app): State<Shared>, staff: Seat<ToViewAudit>) -> Result<Json<Verified>, ApiError> {
    Ok(Json(app.services.pipeline.desk().verify_audit(&staff.tenant).await?))
}

/// Export the audit
///
/// One JSON object per line, oldest first; with the hashes, so that the chain can be checked elsewhere.
#[utoipa::path(
    get, path = "/v1/audit/export", tag = "review",
    responses(
        (status = 200, description = "The entries", content_type = "application/x-ndjson", body = String),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn export(State(app): State<Shared>, staff: Seat<ToViewAudit>) -> Result<Response, ApiError> {
    app.services.pipeline.desk().note(&staff, "audit.exported", "audit".into(), json!({})).await?;
    let start = (app, staff.tenant.clone(), 0);
    let lines = futures::stream::try_unfold(start, async |(app, tenant, after): (Shared, TenantId, i64)| {
        let entries = app.services.pipeline.desk().audit_after(&tenant, after, STEP).await?;
        let Some(last) = entries.last().map(|entry| entry.number) else { return Ok(None) };
        Ok::<_, ApiFailure>(Some((lines(&entries)?, (app, tenant, last))))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// A stream that broke off: the connection is closed early, so that nobody takes a part for the whole.
type ApiFailure = Box<dyn std::error::Error + Send + Sync>;

fn lines(entries: &[AuditEntry]) -> Result<Bytes, serde_json::Error> {
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, entry)?;
        text.push(b'\n');
    }
    Ok(text.into())
}
