//! `/v1/cases`: lists, the case page, claiming, and everything that is done with a case short of deciding it.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use pipeline::{
    item::{CaseId, check_name},
    review::{
        case::{Case, CaseDraft, CaseFacts, CaseState, Evidence, Exhibit, Priority, Source},
        decision::Decision,
        staff::{Permission, Role, Staff},
        version::{MessageHistory, named_in},
    },
    store::desk::{
        Page,
        cases::CaseFilter,
        claims::{Claim, Step},
        decide::DecisionFilter,
        reports::Reporter,
    },
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    length,
    views::{CaseList, CaseView, DecisionView, EvidenceView, HoldView, MessageHistoryView, ReporterView},
    word,
};
use crate::{
    app::{App, Shared},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload, Query},
    password,
    seat::{Seat, ToDecide, ToView},
};

/// Other cases and decisions about the same person on a case page.
const HISTORY: usize = 20;
/// Longest note, in bytes.
const MAX_NOTE: usize = 4000;

/// Which cases.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct CaseOptions {
    /// `open` (in the order of work), `held`, `decided`; all, newest first, when absent.
    state: Option<String>,
    /// In this queue.
    queue: Option<String>,
    /// About this person.
    subject: Option<String>,
    /// `rule`, `report`, `sample`, `appeal`, `manual`.
    source: Option<String>,
    /// `urgent`, `high`, `normal`, `low`.
    priority: Option<String>,
    /// Handed to, or held by: a login; `me` is yourself.
    staff: Option<String>,
    /// Handed up, or not.
    escalated: Option<bool>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// What a reviewer may see: leads see what is measured.
fn seen(staff: &Staff, case: Case) -> Case {
    if staff.role.may(Permission::ViewQuality) { case } else { case.disguised() }
}

fn seen_page(staff: &Staff, page: Page<Case>) -> Page<Case> {
    Page { items: page.items.into_iter().map(|case| seen(staff, case)).collect(), next: page.next }
}

/// List cases
#[utoipa::path(
    get, path = "/v1/cases", tag = "review", params(CaseOptions),
    responses(
        (status = 200, description = "One page", body = CaseList),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Query(options): Query<CaseOptions>,
) -> Result<Json<Page<Case>>, ApiError> {
    let by_rank = |name: &str| Priority::ALL.into_iter().find(|priority| priority.as_str() == name);
    let filter = CaseFilter {
        queue: options.queue,
        state: word("state", options.state.as_deref(), CaseState::named)?,
        subject: options.subject,
        source: word("source", options.source.as_deref(), Source::named)?,
        priority: word("priority", options.priority.as_deref(), by_rank)?,
        staff: options.staff.map(|name| if name == "me" { staff.name.clone() } else { name }),
        escalated: options.escalated,
    };
    let limit = length(options.limit)?;
    let page = app.services.pipeline.desk().cases(&staff, filter, options.cursor, limit).await?;
    Ok(Json(seen_page(&staff, page)))
}

/// A case that a member of staff opens.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "subject": "ann", "note": "Seen in the lobby, again" }))]
pub struct NewCase {
    /// About whom.
    #[schema(example = "ann")]
    subject: String,
    /// Why: for colleagues.
    #[schema(example = "Seen in the lobby, again")]
    note: String,
}

impl Payload for NewCase {}

/// Open a case by hand
///
/// It joins the open case about this person when there is one.
#[utoipa::path(
    post, path = "/v1/cases", tag = "review", request_body = NewCase,
    responses(
        (status = 201, description = "Opened", body = CaseView),
        (status = 200, description = "Joined the open one", body = CaseView),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn open(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Body(new): Body<NewCase>,
) -> Result<(StatusCode, Json<Case>), ApiError> {
    check_name("subject", &new.subject)?;
    refuse_long("note", &new.note)?;
    let desk = app.services.pipeline.desk();
    let mut draft = CaseDraft::new(staff.tenant.clone(), new.subject, Source::Manual, desk.now());
    draft.facts = CaseFacts { summary: format!("Opened by {}", staff.name), ..CaseFacts::default() };
    draft.exhibits = vec![Exhibit::Note { by: staff.name.clone(), text: new.note }];
    let (case, fresh) = desk.open_case(draft).await?;
    desk.note(&staff, "case.opened", format!("case:{}", case.id), json!({})).await?;
    Ok((if fresh { StatusCode::CREATED } else { StatusCode::OK }, Json(seen(&staff, case))))
}

fn refuse_long(field: &'static str, text: &str) -> Result<(), ApiError> {
    if text.trim().is_empty() || text.len() > MAX_NOTE {
        return Err(ApiError::invalid("note_invalid", format!("`{field}` has 1 to {MAX_NOTE} bytes.")).at(field));
    }
    Ok(())
}

/// What to claim.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "queue": "threats" }))]
pub struct NextOptions {
    /// Only from this queue; any that you may have, when absent.
    queue: Option<String>,
    /// Cases to pass over this time.
    skipped: Vec<Uuid>,
}

impl Payload for NextOptions {}

/// Claim the next case
///
/// The most urgent case that you may have becomes yours: nobody else gets it while you send heartbeats (`POST /v1/cases/{id}/steps`). 204 when
/// none waits.
#[utoipa::path(
    post, path = "/v1/review/next", tag = "review", operation_id = "claim_next_case", request_body = NextOptions,
    responses(
        (status = 200, description = "Yours", body = CaseView),
        (status = 204, description = "Nothing waits for you"),
        (status = 409, description = "You have as many as you may", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn next(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Body(options): Body<NextOptions>,
) -> Result<Response, ApiError> {
    let draw = password::random::<4>().map_err(|error| ApiError::internal(error.to_string()))?;
    let claim = Claim {
        case: None,
        queue: options.queue,
        draw: f64::from(u32::from_le_bytes(draw)) / f64::from(u32::MAX),
        skipped: options.skipped.into_iter().map(CaseId).collect(),
    };
    match app.services.pipeline.desk().claim(&staff, claim).await? {
        Some(case) => Ok(Json(seen(&staff, case)).into_response()),
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// Claim this case
#[utoipa::path(
    post, path = "/v1/cases/{id}/claim", tag = "review", params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "Yours", body = CaseView),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = 409, description = "Somebody else has it, you may not have it, or it is decided", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn claim(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(id): Path<Uuid>,
) -> Result<Json<Case>, ApiError> {
    let claim = Claim { case: Some(CaseId(id)), ..Claim::default() };
    let case = app.services.pipeline.desk().claim(&staff, claim).await?;
    Ok(Json(seen(&staff, case.ok_or_else(|| ApiError::not_found("case", id))?)))
}

/// What is done with a case without deciding it.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
#[schema(example = json!({ "step": "hold", "until": "2027-01-01T00:00:00Z" }))]
pub enum StepBody {
    /// It is still yours: prolongs the claim.
    Heartbeat {},
    /// Give it back.
    Release {},
    /// Give it back and do not get it again.
    Skip {},
    /// Put it aside; it comes back to you.
    Hold {
        /// Until then, at most 30 days.
        until: DateTime<Utc>,
    },
    /// Hand it up to the leads.
    Escalate {
        /// Why.
        why: String,
    },
    /// Hand it to somebody (leads); `null` takes it away from whoever had it.
    Assign {
        /// A login.
        to: Option<String>,
    },
    /// Move it to another queue.
    Move {
        /// The queue.
        queue: String,
    },
}

impl Payload for StepBody {}

/// Do something with a case
#[utoipa::path(
    post, path = "/v1/cases/{id}/steps", tag = "review", operation_id = "step_case", request_body = StepBody, params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "The case after it", body = CaseView),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = 409, description = "You do not have it", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn step(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(id): Path<Uuid>,
    Body(body): Body<StepBody>,
) -> Result<Json<Case>, ApiError> {
    let step = match body {
        StepBody::Heartbeat {} => Step::Heartbeat,
        StepBody::Release {} => Step::Release,
        StepBody::Skip {} => Step::Skip,
        StepBody::Hold { until } => Step::Hold(until),
        StepBody::Escalate { why } => Step::Escalate(why),
        StepBody::Assign { to } if staff.role.may(Permission::Assign) => Step::Assign(to),
        StepBody::Assign { .. } => {
            return Err(ApiError::forbidden(
                "permission_missing",
                "Handing cases to others is for leads: escalate it instead.",
            ));
        }
        StepBody::Move { queue } => Step::Move(queue),
    };
    let case = app.services.pipeline.desk().step(&staff, CaseId(id), step).await?;
    Ok(Json(seen(&staff, case)))
}

/// A note for colleagues.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "text": "The same as last week." }))]
pub struct NewNote {
    /// The words.
    text: String,
}

impl Payload for NewNote {}

/// Write a note into a case
#[utoipa::path(
    post, path = "/v1/cases/{id}/notes", tag = "review", operation_id = "write_note", request_body = NewNote, params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 204, description = "Written"),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn note(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(id): Path<Uuid>,
    Body(new): Body<NewNote>,
) -> Result<StatusCode, ApiError> {
    refuse_long("text", &new.text)?;
    app.services.pipeline.desk().write_note(&staff, CaseId(id), &new.text).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture of the evidence, with the address that opens it for five minutes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MediaView {
    /// As the exhibit names it.
    pub id: String,
    /// Open it within five minutes; it is never cached.
    pub url: String,
}

/// Everything that a reviewer needs to judge one case.
#[derive(Serialize, ToSchema)]
pub struct CasePage {
    /// The case.
    #[schema(value_type = CaseView)]
    case: Case,
    /// What it is judged by, oldest first; of appeals and second reviews that of the first case, too.
    #[schema(value_type = Vec<EvidenceView>)]
    evidence: Vec<Evidence>,
    /// The pictures of it.
    media: Vec<MediaView>,
    /// What the messages in it said over time, when their platform names them (`message` of an item).
    #[schema(value_type = Vec<MessageHistoryView>)]
    versions: Vec<MessageHistory>,
    /// Other cases about the same person, newest first.
    #[schema(value_type = Vec<CaseView>)]
    history: Vec<Case>,
    /// Decisions about the same person, newest first.
    #[schema(value_type = Vec<DecisionView>)]
    decisions: Vec<Decision>,
    /// What is known of this person as a reporter.
    #[schema(value_type = ReporterView)]
    reporter: Reporter,
    /// Nothing of this person is deleted.
    #[schema(value_type = Option<HoldView>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<pipeline::store::desk::people::Hold>,
    /// Who else looks at it now, as far as this process knows.
    viewers: Vec<String>,
    /// The time here, to count down by.
    now: DateTime<Utc>,
}

/// Show a case
///
/// Looking is written into the audit.
#[utoipa::path(
    get, path = "/v1/cases/{id}", tag = "review", params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "The case page", body = CasePage),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(State(app): State<Shared>, staff: Seat<ToView>, Path(id): Path<Uuid>) -> Result<Response, ApiError> {
    let page = case_page(&app, &staff, CaseId(id)).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(page)).into_response())
}

async fn case_page(app: &App, staff: &Staff, id: CaseId) -> Result<CasePage, ApiError> {
    let desk = app.services.pipeline.desk();
    let case = desk.case(&staff.tenant, id).await?;
    if case.escalated && staff.role == Role::Reviewer && case.assignee.as_deref() != Some(&staff.name) {
        return Err(ApiError::forbidden("permission_missing", "This case was handed up: leads see it."));
    }
    let subject = case.subject.clone();
    let of_person = DecisionFilter { subject: Some(subject.clone()), ..DecisionFilter::default() };
    let (evidence, history, decisions, reporter, hold) = tokio::try_join!(
        desk.evidence(&staff.tenant, id),
        desk.cases_of(&staff.tenant, &subject, HISTORY),
        desk.decisions(&staff.tenant, of_person, false, None, HISTORY),
        desk.reporter(&staff.tenant, &subject),
        desk.held(&staff.tenant, &subject),
    )?;
    // Who measures must not learn what the first one said.
    let measured = !case.source.acts() && !staff.role.may(Permission::ViewQuality);
    let about = case.facts.origin.unwrap_or(id);
    let decisions = decisions.items.into_iter().filter(|decision| !(measured && decision.case == about)).collect();
    let history = history
        .into_iter()
        .filter(|other| other.id != id && other.source.acts() && !(measured && other.id == about))
        .map(|other| seen(staff, other))
        .collect();
    let versions = desk.versions(&staff.tenant, named_in(&evidence)).await?;
    let signer = app.desk.signer(desk).await?;
    let now = desk.now();
    let names = evidence.iter().filter_map(|evidence| match &evidence.exhibit {
        Some(Exhibit::Item(item)) => Some(&item.media),
        _ => None,
    });
    let media = names
        .flatten()
        .map(|name| MediaView {
            id: name.clone(),
            url: signer.sign(&format!("/v1/cases/{id}/media/{name}"), staff.tenant.as_str(), now),
        })
        .collect();
    desk.note(staff, "case.viewed", format!("case:{id}"), json!({ "version": case.version })).await?;
    let viewers = app.desk.look(&staff.tenant, id, &staff.name, now);
    Ok(CasePage {
        case: seen(staff, case),
        evidence,
        media,
        versions,
        history,
        decisions,
        reporter,
        hold,
        viewers,
        now,
    })
}

/// What opens a picture.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MediaOptions {
    /// From the signed address.
    tenant: String,
    /// From the signed address.
    expires: i64,
    /// From the signed address.
    signature: String,
}

/// Show a picture of the evidence
///
/// By the signed address of the case page, which holds for five minutes; needs no key.
#[utoipa::path(
    get, path = "/v1/cases/{id}/media/{media}", tag = "review", operation_id = "show_media", security(()),
    params(("id" = Uuid, Path, description = "The case"), ("media" = String, Path, description = "The picture"), MediaOptions),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg", body = Vec<u8>),
        (status = 403, description = "The address is wrong or over", body = ErrorBody),
        (status = 404, description = "No such picture", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn media(
    State(app): State<Shared>,
    Path((id, media)): Path<(Uuid, String)>,
    Query(options): Query<MediaOptions>,
) -> Result<Response, ApiError> {
    let desk = app.services.pipeline.desk();
    let path = format!("/v1/cases/{id}/media/{media}");
    let signer = app.desk.signer(desk).await?;
    if !signer.opens(&path, &options.tenant, options.expires, &options.signature, desk.now()) {
        return Err(ApiError::forbidden("address_ended", "This address is over: open the case again."));
    }
    let picture = desk.media(&options.tenant.as_str().into(), CaseId(id), &media).await?;
    let headers = [
        (header::CONTENT_TYPE, picture.media_type),
        (header::CACHE_CONTROL, "no-store, private".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_DISPOSITION, "inline".to_owned()),
    ];
    Ok((headers, picture.bytes).into_response())
}
