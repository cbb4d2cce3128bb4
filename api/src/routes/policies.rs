//! `/v1/policies`: a tenant's policy as versions: handed in, checked, put into force for some or for all, taken back.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::{
    PipelineError,
    policy::{
        Policy, PolicyError, RuleMode,
        rollout::{Alarm, PolicyVersion, Rollout, Tally},
    },
    process::policies::Terms,
    review::staff::Staff,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::{App, Shared},
    config::Config,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    seat::{Seat, ToEditPolicy},
};

/// Versions or changes that a list shows when the caller does not say.
const DEFAULT_LIMIT: usize = 50;
/// Most that it shows.
const MAX_LIMIT: usize = 200;
/// Largest request body, in bytes: a policy of its largest size, with room for JSON's escapes.
const BODY: usize = 2 << 20;
/// Items that a new version judges before its alarm may sound, when the caller does not say.
const LEAST: u64 = 500;

/// A policy as text.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "name = \"mine\"\n", "note": "insults from 0.75 on" }))]
pub struct PolicyText {
    /// The policy: TOML; see `docs/policy.md`.
    #[schema(example = "name = \"mine\"\n")]
    text: String,
    /// Why, for whoever reads the history; up to 1000 bytes.
    #[serde(default)]
    note: String,
}

impl Payload for PolicyText {
    fn limit(_: &Config) -> usize {
        BODY
    }
}

/// How a version is to come into force.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "percent": 10, "alarm": { "limit": 0.05 }, "note": "every tenth person first" }))]
pub struct GoLive {
    /// Of how many people in a hundred it judges the items, always the same ones; 100, everybody, when absent.
    #[schema(minimum = 1, maximum = 100)]
    percent: Option<u8>,
    /// Take the version back by itself when its pass-rate moves too far.
    alarm: Option<AlarmTerms>,
    /// Why; up to 1000 bytes.
    #[serde(default)]
    note: String,
}

impl Payload for GoLive {}

/// When a version is taken back by itself.
#[derive(Debug, Clone, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlarmTerms {
    /// How far the share of items that pass may be from the version before, above 0 and at most 1.
    #[schema(example = 0.05)]
    limit: f64,
    /// Items that the new version must have judged first; 500 when absent.
    least: Option<u64>,
}

/// Where to go back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "note": "too strict" }))]
pub struct RollBack {
    /// The version; when absent, a trial is ended, or what was in force before comes back. 0 is the installation's own policy.
    to: Option<u32>,
    /// Why; up to 1000 bytes.
    #[serde(default)]
    note: String,
}

impl Payload for RollBack {}

/// What to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ListOptions {
    /// Most entries, 1 to 200; 50 when absent.
    limit: Option<usize>,
    /// Only versions with a lower number: the last number of the page before.
    before: Option<u32>,
}

/// A version of a policy.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyVersion)]
pub struct VersionView {
    /// Its number; 0 is the installation's own policy.
    number: u32,
    /// Name and short digest, as verdicts carry it.
    #[schema(example = "mine@1f2e3d4c5b6a")]
    version: String,
    /// SHA-256 of the text.
    digest: String,
    /// `draft` (never in force so far, or not now), `canary` or `live`.
    state: &'static str,
    /// Who handed it in.
    author: String,
    /// Why.
    note: String,
    /// When.
    created_at: DateTime<Utc>,
    /// The policy; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

impl VersionView {
    fn new(version: PolicyVersion, rollout: &Rollout, text: bool) -> Self {
        let state = match version.number {
            number if number == rollout.live => "live",
            number if rollout.canary.is_some_and(|canary| canary.number == number) => "canary",
            _ => "draft",
        };
        let PolicyVersion { number, version, digest, author, note, created_at, text: words, .. } = version;
        Self { number, version, digest, state, author, note, created_at, text: text.then_some(words) }
    }
}

/// Several versions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersions {
    versions: Vec<VersionView>,
}

/// Whether a text is a policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct Validation {
    /// It is.
    valid: bool,
    /// What its version would be called.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Its rules, in order.
    rules: Vec<RuleView>,
    /// The first thing that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<PolicyFlaw>,
}

/// A rule, in short.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PolicyRule)]
pub struct RuleView {
    /// Its name.
    name: String,
    /// Kinds of items that it looks at.
    kinds: Vec<&'static str>,
    /// `live`, `shadow` or `canary`.
    mode: ModeView,
    /// For how many people in a hundred it acts.
    percent: u8,
    /// One sentence for the person concerned.
    reason: String,
}

/// Whether a rule acts.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RuleMode)]
pub enum ModeView {
    /// It acts.
    Live,
    /// It is recorded and never acts.
    Shadow,
    /// It acts for a share of the people.
    Canary,
}

/// What is wrong with a policy, and where.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyFlaw {
    /// From 1.
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// What is wrong and what would be right.
    message: String,
}

/// What is in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Rollout)]
pub struct RolloutView {
    /// Rises by one with every change; 0 before the first.
    revision: u64,
    /// The version in force; 0 is the installation's own policy.
    live: u32,
    /// The version on trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<CanaryView>,
    /// When the new version is taken back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    alarm: Option<AlarmTerms>,
    /// What was in force before `live`.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<u32>,
    /// What this change was: `live`, `canary`, `rolled_back`, `alarm`.
    change: &'static str,
    /// When.
    at: DateTime<Utc>,
    /// Who.
    by: String,
    /// Why.
    note: String,
}

/// A version on trial.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Canary)]
pub struct CanaryView {
    /// Which.
    version: u32,
    /// Of how many people in a hundred it judges the items.
    percent: u8,
}

impl From<Rollout> for RolloutView {
    fn from(rollout: Rollout) -> Self {
        Self {
            revision: rollout.revision,
            live: rollout.live,
            canary: rollout.canary.map(|canary| CanaryView { version: canary.number, percent: canary.percent }),
            alarm: rollout.alarm.map(|alarm| AlarmTerms { limit: alarm.limit, least: Some(alarm.least) }),
            before: rollout.before,
            change: rollout.change.as_str(),
            at: rollout.at,
            by: rollout.by,
            note: rollout.note,
        }
    }
}

/// What one side has judged.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Tally)]
pub struct TallyView {
    /// Items, since this change.
    judged: u64,
    /// Those with the action `allow`.
    passed: u64,
    /// Their share; 1 when nothing was judged.
    pass_rate: f64,
}

impl From<Tally> for TallyView {
    fn from(tally: Tally) -> Self {
        Self { judged: tally.judged, passed: tally.passed, pass_rate: tally.pass_rate() }
    }
}

/// What is in force, with its text and how it does.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrentPolicy {
    #[serde(flatten)]
    rollout: RolloutView,
    /// The version in force, with its text.
    policy: VersionView,
    /// What it has judged since the last change.
    tally: TallyView,
    /// What the version on trial has judged.
    canary_tally: TallyView,
}

/// Changes of what is in force, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rollouts {
    rollouts: Vec<RolloutView>,
}

/// Hand in a policy
///
/// It is checked, kept as the next version, and not in force. The same text again is the version that it was.
#[utoipa::path(
    post, path = "/v1/policies", tag = "policy", operation_id = "draft_policy", request_body = PolicyText,
    responses(
        (status = 201, description = "A new version", body = VersionView),
        (status = 200, description = "This text was a version already", body = VersionView),
        (status = 400, description = "The text is no policy: the message has line and column", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn draft(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Body(new): Body<PolicyText>,
) -> Result<(StatusCode, Json<VersionView>), ApiError> {
    let pipeline = &app.services.pipeline;
    let (version, fresh) =
        pipeline.draft_policy(&caller.tenant, &new.text, &caller.name, &new.note).await.map_err(at)?;
    if fresh {
        note(&app, &caller, "policy.drafted", json!({ "version": version.number })).await?;
    }
    let rollout = pipeline.rollout(&caller.tenant).await?;
    let status = if fresh { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(VersionView::new(version, &rollout, true))))
}

/// Into the audit.
async fn note(app: &App, caller: &Staff, kind: &str, detail: Value) -> Result<(), ApiError> {
    Ok(app.services.pipeline.desk().note(caller, kind, "policy".to_owned(), detail).await?)
}

/// Says which member is wrong.
fn at(error: PipelineError) -> ApiError {
    let field = match &error {
        PipelineError::Invalid { code: "policy_invalid", .. } => Some("text"),
        PipelineError::Invalid { code: "note_too_long", .. } => Some("note"),
        PipelineError::Invalid { code: "percent_out_of_range", .. } => Some("percent"),
        PipelineError::Invalid { code: "alarm_out_of_range", .. } => Some("alarm.limit"),
        _ => None,
    };
    let error = ApiError::from(error);
    match field {
        Some(field) => error.at(field),
        None => error,
    }
}

/// Check a policy
///
/// Nothing is kept. What is wrong comes with line and column.
#[utoipa::path(
    post, path = "/v1/policies/validate", tag = "policy", operation_id = "validate_policy", request_body = PolicyText,
    responses(
        (status = 200, description = "Whether it is one", body = Validation),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn validate(
    _app: State<Shared>,
    _caller: Seat<ToEditPolicy>,
    Body(new): Body<PolicyText>,
) -> Json<Validation> {
    Json(match Policy::parse("policy.toml", &new.text) {
        Ok(policy) => Validation {
            valid: true,
            version: Some(policy.version().to_owned()),
            rules: policy.rules().iter().map(rule).collect(),
            error: None,
        },
        Err(PolicyError { line, column, message, .. }) => Validation {
            valid: false,
            version: None,
            rules: Vec::new(),
            error: Some(PolicyFlaw { line, column, message }),
        },
    })
}

fn rule(rule: &pipeline::policy::Rule) -> RuleView {
    RuleView {
        name: rule.name.clone(),
        kinds: rule.kinds.iter().map(|kind| kind.as_str()).collect(),
        mode: match rule.mode {
            RuleMode::Live => ModeView::Live,
            RuleMode::Shadow => ModeView::Shadow,
            RuleMode::Canary => ModeView::Canary,
        },
        percent: rule.percent,
        reason: rule.reason.clone(),
    }
}

/// List the versions
///
/// Newest first, without their texts.
#[utoipa::path(
    get, path = "/v1/policies", tag = "policy", operation_id = "list_policies", params(ListOptions),
    responses(
        (status = 200, description = "Versions of the key's tenant", body = PolicyVersions),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Query(options): Query<ListOptions>,
) -> Result<Json<PolicyVersions>, ApiError> {
    let (limit, before) = (limit(&options)?, options.before.unwrap_or(u32::MAX));
    let rollout = app.services.pipeline.rollout(&caller.tenant).await?;
    let versions = app.services.store.policies_before(&caller.tenant, before, limit).await?;
    let versions = versions.into_iter().map(|version| VersionView::new(version, &rollout, false)).collect();
    Ok(Json(PolicyVersions { versions }))
}

fn limit(options: &ListOptions) -> Result<usize, ApiError> {
    let limit = options.limit.unwrap_or(DEFAULT_LIMIT);
    if (1..=MAX_LIMIT).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("`limit` is {limit}: ask for 1 to {MAX_LIMIT}.");
    Err(ApiError::invalid("limit_out_of_range", message).at("limit"))
}

/// Show one version
#[utoipa::path(
    get, path = "/v1/policies/{number}", tag = "policy", operation_id = "show_policy",
    params(("number" = u32, Path, description = "Its number; 0 is the installation's own policy")),
    responses(
        (status = 200, description = "The version with its text", body = VersionView),
        (status = 404, description = "No such version", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Path(number): Path<u32>,
) -> Result<Json<VersionView>, ApiError> {
    let pipeline = &app.services.pipeline;
    let version = pipeline.policy_version(&caller.tenant, number).await?;
    Ok(Json(VersionView::new(version, &pipeline.rollout(&caller.tenant).await?, true)))
}

/// Show what is in force
///
/// With its text, and how many items passed on each side since the last change. (Counts come in every two seconds.)
#[utoipa::path(
    get, path = "/v1/policies/current", tag = "policy", operation_id = "current_policy",
    responses(
        (status = 200, description = "What is in force", body = CurrentPolicy),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn current(State(app): State<Shared>, caller: Seat<ToEditPolicy>) -> Result<Json<CurrentPolicy>, ApiError> {
    let pipeline = &app.services.pipeline;
    let rollout = pipeline.rollout(&caller.tenant).await?;
    let (tally, canary_tally) = pipeline.tallies(&rollout).await?;
    let version = pipeline.policy_version(&caller.tenant, rollout.live).await?;
    let policy = VersionView::new(version, &rollout, true);
    Ok(Json(CurrentPolicy { policy, tally: tally.into(), canary_tally: canary_tally.into(), rollout: rollout.into() }))
}

/// List the changes of what was in force
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/policies/rollouts", tag = "policy", operation_id = "list_rollouts", params(ListOptions),
    responses(
        (status = 200, description = "Changes of the key's tenant", body = Rollouts),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn rollouts(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Query(options): Query<ListOptions>,
) -> Result<Json<Rollouts>, ApiError> {
    let rollouts = app.services.store.rollouts(&caller.tenant, limit(&options)?).await?;
    Ok(Json(Rollouts { rollouts: rollouts.into_iter().map(RolloutView::from).collect() }))
}

/// Put a version into force
///
/// For everybody, or for a share of the people first. Every process has it within seconds; no restart.
#[utoipa::path(
    post, path = "/v1/policies/{number}/live", tag = "policy", operation_id = "go_live", request_body = GoLive,
    params(("number" = u32, Path, description = "Its number; 0 is the installation's own policy")),
    responses(
        (status = 200, description = "What is in force now", body = RolloutView),
        (status = 404, description = "No such version", body = ErrorBody),
        (status = 409, description = "It is in force already, or somebody else changed it at the same moment", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn go_live(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Path(number): Path<u32>,
    Body(terms): Body<GoLive>,
) -> Result<Json<RolloutView>, ApiError> {
    let alarm =
        terms.alarm.map(|alarm| Alarm { limit: alarm.limit, least: alarm.least.unwrap_or(LEAST), baseline: None });
    let (percent, pipeline) = (terms.percent.unwrap_or(100), &app.services.pipeline);
    let terms_of = Terms { percent, alarm };
    let rollout = pipeline.go_live(&caller.tenant, number, terms_of, &caller.name, &terms.note).await.map_err(at)?;
    let detail = json!({ "version": number, "percent": percent, "revision": rollout.revision, "note": terms.note });
    note(&app, &caller, "policy.live", detail).await?;
    Ok(Json(rollout.into()))
}

/// Go back
///
/// Ends a trial; else what was in force before comes back, or the version that is named.
#[utoipa::path(
    post, path = "/v1/policies/rollback", tag = "policy", operation_id = "roll_back_policy", request_body = RollBack,
    responses(
        (status = 200, description = "What is in force now", body = RolloutView),
        (status = 404, description = "No such version", body = ErrorBody),
        (status = 409, description = "There is nothing to go back to, or somebody else changed it at the same moment", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn roll_back(
    State(app): State<Shared>,
    caller: Seat<ToEditPolicy>,
    Body(back): Body<RollBack>,
) -> Result<Json<RolloutView>, ApiError> {
    let pipeline = &app.services.pipeline;
    let rollout = pipeline.roll_back(&caller.tenant, back.to, &caller.name, &back.note).await.map_err(at)?;
    let detail = json!({ "version": rollout.live, "revision": rollout.revision, "note": back.note });
    note(&app, &caller, "policy.rolled_back", detail).await?;
    Ok(Json(rollout.into()))
}
