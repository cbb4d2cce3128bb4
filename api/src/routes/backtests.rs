//! `/v1/policies/backtest` and `/v1/policies/tune`: a policy, or a cut, against what is recorded.

use std::collections::HashMap;

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    item::ItemId,
    policy::{
        backtest::{Report, Run},
        tuner::Tuning,
    },
    process::backtests::{SILENCE, Trial},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    config::Config,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload},
    seat::{Seat, ToEditPolicy},
};

/// Largest request body, in bytes: a policy, and what humans said.
const BODY: usize = 4 << 20;
/// Days that a backtest goes back when the caller does not say.
const DAYS: i64 = 7;
/// Days of reviewers' decisions that a cut is tuned on.
const TUNED_DAYS: i64 = 90;
/// Backtests that a list shows.
const LISTED: usize = 50;

/// What a human said about an item.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HumanVerdict {
    /// Which item.
    item: Uuid,
    /// It breaks the rules.
    violates: bool,
}

/// What to try, on what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "number": 3, "from": "2026-01-02T00:00:00Z", "to": "2026-01-09T00:00:00Z" }))]
pub struct NewBacktest {
    /// The version; or send `text`.
    number: Option<u32>,
    /// A policy that is no version.
    text: Option<String>,
    /// Outcomes decided from then on; seven days before `to` when absent.
    from: Option<DateTime<Utc>>,
    /// Up to then; now when absent.
    to: Option<DateTime<Utc>>,
    /// What humans have said, up to 10000: in place of what reviewers decided about these items, which is known here, as is what was undone. The
    /// report says how each side agrees with them.
    #[serde(default)]
    verdicts: Vec<HumanVerdict>,
}

impl Payload for NewBacktest {
    fn limit(_: &Config) -> usize {
        BODY
    }
}

/// A backtest.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Backtest)]
pub struct BacktestView {
    /// Its id.
    id: Uuid,
    /// `running`, `done`, `failed`; `lost` when its process died: start it again.
    state: &'static str,
    /// The version that is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u32>,
    /// SHA-256 of its text.
    digest: String,
    /// Outcomes decided from then on.
    from: DateTime<Utc>,
    /// Up to then.
    to: DateTime<Utc>,
    /// Who asked.
    by: String,
    /// When it began.
    started_at: DateTime<Utc>,
    /// Items so far.
    items: u64,
    /// What came of it: per action how often it was taken and would be, and how many people it met, would meet, and which of the two only;
    /// what humans took back, and would be done again; samples (ids) where the two differ. See `docs/policy.md`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    report: Option<Report>,
    /// Why nothing came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl BacktestView {
    fn new(run: Run, now: DateTime<Utc>) -> Self {
        let state = match (&run.report, &run.error) {
            (Some(_), _) => "done",
            (None, Some(_)) => "failed",
            (None, None) if now - run.heard_at > SILENCE => "lost",
            (None, None) => "running",
        };
        let Run { id, number, digest, from, to, by, started_at, items, report, error, .. } = run;
        Self { id, state, number, digest, from, to, by, started_at, items, report, error }
    }
}

/// Several, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Backtests {
    backtests: Vec<BacktestView>,
}

/// Which cut to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "label": "toxic", "precision": 0.95, "verdicts": [{ "item": "01890a5d-ac96-774b-bcce-b302099a8057", "violates": true }] }))]
pub struct Tune {
    /// The label whose scores are cut.
    #[schema(example = "toxic")]
    label: String,
    /// The precision that is wanted, between 0 and 1.
    #[schema(example = 0.95)]
    precision: f64,
    /// What humans have said, up to 10000: beside what reviewers decided in the last 90 days, which is known here.
    #[serde(default)]
    verdicts: Vec<HumanVerdict>,
}

impl Payload for Tune {
    fn limit(_: &Config) -> usize {
        BODY
    }
}

fn given(verdicts: &[HumanVerdict]) -> HashMap<ItemId, bool> {
    verdicts.iter().map(|verdict| (ItemId(verdict.item), verdict.violates)).collect()
}

/// Begin a backtest
///
/// The version is run over the recorded scores of a period; nothing is acted on. It goes on after the answer: ask for it by its id.
#[utoipa::path(
    post, path = "/v1/policies/backtest", tag = "policy", operation_id = "start_backtest", request_body = NewBacktest,
    responses(
        (status = 202, description = "It has begun", body = BacktestView),
        (status = 404, description = "No such version", body = ErrorBody),
        (status = 429, description = "Others are at work: try again later", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn start(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Body(new): Body<NewBacktest>,
) -> Result<(StatusCode, Json<BacktestView>), ApiError> {
    let (pipeline, now) = (&app.services.pipeline, app.services.clock.now());
    let text = match (new.number, new.text) {
        (Some(number), None) => pipeline.policy_version(&caller.tenant, number).await?.text,
        (None, Some(text)) => text,
        _ => {
            return Err(ApiError::invalid(
                "backtest_what",
                "Send `number`, a version, or `text`, a policy: one of the two.",
            ));
        }
    };
    let to = new.to.unwrap_or(now);
    let from = new.from.unwrap_or(to - TimeDelta::days(DAYS));
    let verdicts = given(&new.verdicts);
    let (tenant, by) = (caller.tenant.clone(), caller.name.clone());
    let run = pipeline.start_backtest(Trial { tenant, number: new.number, text, from, to, verdicts, by }).await?;
    Ok((StatusCode::ACCEPTED, Json(BacktestView::new(run, now))))
}

/// Show a backtest
///
/// How far it is, or what came of it.
#[utoipa::path(
    get, path = "/v1/policies/backtests/{id}", tag = "policy", operation_id = "show_backtest",
    params(("id" = Uuid, Path, description = "The backtest's id")),
    responses(
        (status = 200, description = "The backtest", body = BacktestView),
        (status = 404, description = "No such backtest", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Path(id): Path<Uuid>,
) -> Result<Json<BacktestView>, ApiError> {
    let run = app.services.pipeline.backtest(&caller.tenant, id).await?;
    Ok(Json(BacktestView::new(run, app.services.clock.now())))
}

/// List the backtests
///
/// The newest 50.
#[utoipa::path(
    get, path = "/v1/policies/backtests", tag = "policy", operation_id = "list_backtests",
    responses(
        (status = 200, description = "Backtests of the key's tenant", body = Backtests),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(State(app): State<Shared>, caller: Seat<ToEditPolicy>) -> Result<Json<Backtests>, ApiError> {
    let now = app.services.clock.now();
    let runs = app.services.store.backtests(&caller.tenant, LISTED).await?;
    Ok(Json(Backtests { backtests: runs.into_iter().map(|run| BacktestView::new(run, now)).collect() }))
}

/// Tune a cut
///
/// From what humans have said about items: precision and recall of every cut of the label's score, and the lowest cut with the wanted precision:
/// `likely` by its figure, `sure` by the lower end of its 95 % interval. Recall is that among the items that somebody looked at. A reviewer's
/// violation counts for the labels that the rule reads which they named.
#[utoipa::path(
    post, path = "/v1/policies/tune", tag = "policy", operation_id = "tune_cut", request_body = Tune,
    responses(
        (status = 200, description = "`items`, `violating`, `curve`, `sure`, `likely`", body = Object),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn tune(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Body(asked): Body<Tune>,
) -> Result<Json<Value>, ApiError> {
    let from = app.services.clock.now() - TimeDelta::days(TUNED_DAYS);
    let verdicts = given(&asked.verdicts);
    let tuning: Tuning =
        app.services.pipeline.tune(&caller.tenant, &asked.label, asked.precision, verdicts, from).await?;
    Ok(Json(serde_json::to_value(tuning).map_err(|error| ApiError::internal(error.to_string()))?))
}
