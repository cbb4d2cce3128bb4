//! `POST /v1/check`: the verdict in the answer.

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use pipeline::{process::Mode, store::ItemRecord, verdict::Outcome};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    draft::NewItem,
    items::{self, Read, Status},
    judgement::{ItemView, Judgement},
};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToCheck},
    error::{ApiError, ErrorBody},
    extract::Query,
};

/// How to judge.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CheckOptions {
    /// Judge only: nothing is written, no state changes, no action goes out.
    dry_run: bool,
}

/// A judged item.
#[derive(Debug, Serialize, ToSchema)]
pub struct CheckedItem {
    #[serde(flatten)]
    item: ItemView,
    #[serde(flatten)]
    judgement: Judgement,
    /// `true`: nothing was written.
    dry_run: bool,
}

/// Judge one item now
///
/// Runs the stages that queued items run, inside the request. An id that was judged before gets the same answer again.
#[utoipa::path(
    post, path = "/v1/check", tag = "judge",
    params(CheckOptions),
    request_body(content((NewItem = "application/json"), (NewItem = "multipart/form-data"))),
    responses(
        (status = 200, description = "The verdict", body = CheckedItem),
        (status = 429, description = "The models are full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn check(
    State(app): State<Shared>,
    caller: Allowed<ToCheck>,
    Query(options): Query<CheckOptions>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<CheckedItem>, ApiError> {
    let Read::One(draft) = items::read(&app, &headers, body).await? else {
        return Err(ApiError::invalid(
            "batch_unsupported",
            "`/v1/check` judges one item: send several to `/v1/items`.",
        )
        .at("items"));
    };
    let outcome = judge(&app, &caller, *draft, options.dry_run).await?;
    let (item, judgement) = Judgement::of(outcome);
    Ok(Json(CheckedItem { item, judgement, dry_run: options.dry_run }))
}

async fn judge(app: &App, caller: &Allowed<ToCheck>, draft: NewItem, dry_run: bool) -> Result<Outcome, ApiError> {
    let chosen = draft.id.is_some();
    let item = draft.into_item(caller.tenant.clone(), app.services.clock.now())?;
    app.services.pipeline.validate(&item)?;
    let id = item.envelope.id;
    // Only an id that the platform chose can have been here before.
    if chosen && !dry_run && items::known(app, &item).await? == Some(Status::Judged) {
        let recorded = app.services.store.load_item(&caller.tenant, id).await?;
        if let Some(ItemRecord::Judged(outcome)) = recorded {
            return Ok(*outcome);
        }
    }
    let mode = if dry_run { Mode::DryRun } else { Mode::Record };
    let processed = app.services.pipeline.process_now(&item, mode).await?;
    Ok(processed.outcome)
}
