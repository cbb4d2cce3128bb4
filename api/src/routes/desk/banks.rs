//! `/v1/banks`: known pictures by their hash; and `GET /v1/cases/{id}/copies`: where else a case's pictures were shown.

use axum::{
    Json,
    body::Body as Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use pipeline::{
    bank::{Bank, BankEntry, Holds, MAX_ENTRIES, MAX_NOTE_BYTES, check_bank_name, read_list, write_list},
    item::CaseId,
    pdq::{Pdq, SAME},
    review::staff::Permission,
    store::desk::{
        MAX_PAGE, Page,
        banks::{Added, KeptBank},
        pictures::Copies,
    },
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    length,
    views::{BankEntryList, BankView, CopiesView},
};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{self, Json as Body, Path, Payload, Query},
    routes::draft::Base64,
    seat::{Seat, ToDecide, ToEditPolicy, ToView},
};

/// Wrong lines that an answer names.
const WRONG_TOLD: usize = 20;

/// List banks
#[utoipa::path(
    get, path = "/v1/banks", tag = "review",
    responses((status = 200, description = "The banks, by name", body = Vec<BankView>), (status = "4XX", description = "The request is wrong", body = ErrorBody)),
)]
pub async fn list(State(app): State<Shared>, staff: Seat<ToView>) -> Result<Json<Vec<KeptBank>>, ApiError> {
    Ok(Json(app.services.pipeline.desk().banks(&staff.tenant).await?))
}

/// What a bank is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "holds": "bad", "note": "Removed by reviewers" }))]
pub struct NewBank {
    /// `bad`: pictures that violate; `good`: pictures that were taken for such ones and are none.
    #[schema(value_type = String, example = "bad")]
    holds: Holds,
    /// For people.
    #[serde(default)]
    note: String,
    /// Bits of 256 in which a picture may differ from an entry: 0 to 64; 31, when absent.
    #[serde(default)]
    distance: Option<u32>,
    /// The share of the pictures that it looks at, 0 to 1: for trying it out; 1, when absent.
    #[serde(default)]
    share: Option<f64>,
    /// It finds nothing until then.
    #[serde(default)]
    disabled_until: Option<DateTime<Utc>>,
}

impl Payload for NewBank {}

/// Make or change a bank
///
/// Rules read its hits as `score["bank.NAME"]`, 1 for the same hash, and the nearest hit in any bank of bad pictures as `score.known`. In force at once in
/// this process, within five seconds in others.
#[utoipa::path(
    put, path = "/v1/banks/{bank}", tag = "review", request_body = NewBank, params(("bank" = String, Path, description = "Its name: `a-z`, `0-9`, `_`")),
    responses(
        (status = 201, description = "Made"),
        (status = 204, description = "Changed"),
        (status = 409, description = "There are as many as there may be", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn put(
    State(app): State<Shared>,
    staff: Seat<ToEditPolicy>,
    Path(name): Path<String>,
    Body(new): Body<NewBank>,
) -> Result<StatusCode, ApiError> {
    let NewBank { holds, note, distance, share, disabled_until } = new;
    let (distance, share) = (distance.unwrap_or(SAME), share.unwrap_or(1.0));
    let bank = Bank { name, note, holds, distance, share, disabled_until };
    let fresh = app.services.pipeline.desk().put_bank(&staff, bank).await?;
    app.services.pipeline.banks_changed(&staff.tenant);
    Ok(if fresh { StatusCode::CREATED } else { StatusCode::NO_CONTENT })
}

/// Remove a bank with its pictures
#[utoipa::path(
    delete, path = "/v1/banks/{bank}", tag = "review", operation_id = "remove_bank", params(("bank" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "No such bank", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn remove(
    State(app): State<Shared>,
    staff: Seat<ToEditPolicy>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    check_bank_name(&name)?;
    app.services.pipeline.desk().remove_bank(&staff, &name).await?;
    app.services.pipeline.banks_changed(&staff.tenant);
    Ok(StatusCode::NO_CONTENT)
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct EntryOptions {
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows: 1 to 200; 50, when absent.
    limit: Option<usize>,
}

/// List the pictures of a bank, newest first
#[utoipa::path(
    get, path = "/v1/banks/{bank}/entries", tag = "review", operation_id = "list_bank_entries", params(("bank" = String, Path, description = "Its name"), EntryOptions),
    responses(
        (status = 200, description = "One page", body = BankEntryList),
        (status = 404, description = "No such bank", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn entries(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(name): Path<String>,
    Query(options): Query<EntryOptions>,
) -> Result<Json<Page<BankEntry>>, ApiError> {
    let limit = length(options.limit)?;
    Ok(Json(app.services.pipeline.desk().bank_entries(&staff.tenant, &name, options.cursor, limit).await?))
}

/// A picture for a bank: exactly one of `hash`, `image`, or `case` with `media`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "hash": "78e6f1c7e1c7c3df0f801e061e1ebc1ef01e9c3e30f863c00ff877c0ffd06100", "note": "reported twice" }))]
pub struct NewEntry {
    /// Its PDQ hash, 64 hexadecimal digits.
    #[serde(default)]
    hash: Option<String>,
    /// The picture, base64; it is hashed and not kept.
    #[serde(default)]
    #[schema(value_type = Option<String>, content_encoding = "base64")]
    image: Option<Base64>,
    /// A case that shows it.
    #[serde(default)]
    case: Option<Uuid>,
    /// The picture's name in the case.
    #[serde(default)]
    media: Option<String>,
    /// For people.
    #[serde(default)]
    note: String,
}

impl Payload for NewEntry {}

/// What was added.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedEntry {
    /// The picture's hash.
    #[schema(value_type = String)]
    hash: Pdq,
    /// The bank knew it already.
    known: bool,
}

/// Add a picture to a bank
///
/// Reviewers add pictures of cases; leads add hashes and uploads, too.
#[utoipa::path(
    post, path = "/v1/banks/{bank}/entries", tag = "review", operation_id = "add_bank_entry", request_body = NewEntry, params(("bank" = String, Path, description = "Its name")),
    responses(
        (status = 201, description = "Added", body = AddedEntry),
        (status = 200, description = "It was there already", body = AddedEntry),
        (status = 404, description = "No such bank, or no such picture", body = ErrorBody),
        (status = 409, description = "The banks are full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn add(
    State(app): State<Shared>,
    staff: Seat<ToDecide>,
    Path(name): Path<String>,
    Body(new): Body<NewEntry>,
) -> Result<(StatusCode, Json<AddedEntry>), ApiError> {
    let pipeline = &app.services.pipeline;
    if new.note.len() > MAX_NOTE_BYTES {
        return Err(ApiError::invalid("bank_invalid", format!("`note` has at most {MAX_NOTE_BYTES} bytes.")).at("note"));
    }
    let case = new.case.map(CaseId);
    let may_bring = staff.role.may(Permission::EditPolicy);
    let hash = match (new.hash, new.image, case, new.media) {
        (None, None, Some(case), Some(media)) => pipeline.hash_evidence(&staff.tenant, case, &media).await?,
        (Some(_), None, None, None) | (None, Some(_), None, None) if !may_bring => {
            let message = "Hashes and uploads are for leads: add a picture of a case by `case` and `media`.";
            return Err(ApiError::forbidden("permission_missing", message));
        }
        (Some(hash), None, None, None) => hash.parse()?,
        (None, Some(image), None, None) => pipeline.hash_picture(image.0).await?,
        _ => {
            let message = "A picture is named once: send `hash`, or `image`, or `case` and `media`.";
            return Err(ApiError::invalid("entry_invalid", message));
        }
    };
    let Added { added, .. } = pipeline.desk().add_to_bank(&staff, &name, vec![(hash, new.note)], case).await?;
    pipeline.banks_changed(&staff.tenant);
    let status = if added > 0 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(AddedEntry { hash, known: added == 0 })))
}

/// Take a picture out of a bank
#[utoipa::path(
    delete, path = "/v1/banks/{bank}/entries/{hash}", tag = "review", operation_id = "remove_bank_entry",
    params(("bank" = String, Path, description = "Its name"), ("hash" = String, Path, description = "The picture's hash")),
    responses(
        (status = 204, description = "Taken out"),
        (status = 404, description = "No such bank, or it does not know the picture", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn take_out(
    State(app): State<Shared>,
    staff: Seat<ToEditPolicy>,
    Path((name, hash)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.services.pipeline.desk().remove_from_bank(&staff, &name, hash.parse()?).await?;
    app.services.pipeline.banks_changed(&staff.tenant);
    Ok(StatusCode::NO_CONTENT)
}

/// Export a bank
///
/// As CSV: `hash,note,by,at`; what import reads again.
#[utoipa::path(
    get, path = "/v1/banks/{bank}/export", tag = "review", operation_id = "export_bank", params(("bank" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The list", content_type = "text/csv", body = String),
        (status = 404, description = "No such bank", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn export(
    State(app): State<Shared>,
    staff: Seat<ToEditPolicy>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let desk = app.services.pipeline.desk();
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = desk.bank_entries(&staff.tenant, &name, cursor, MAX_PAGE).await?;
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() || all.len() > MAX_ENTRIES {
            break;
        }
    }
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"bank-{name}.csv\"")),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, write_list(&all)).into_response())
}

/// What came of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// Now in the bank.
    added: u64,
    /// There before, or twice in the list.
    known: u64,
}

/// Import a list into a bank
///
/// CSV with the hash first and a note second, or one hash a line; all of it is added, or nothing is.
#[utoipa::path(
    post, path = "/v1/banks/{bank}/import", tag = "review", operation_id = "import_bank", params(("bank" = String, Path, description = "Its name")),
    request_body(content = String, content_type = "text/csv"),
    responses(
        (status = 200, description = "Added", body = Imported),
        (status = 404, description = "No such bank", body = ErrorBody),
        (status = 409, description = "The banks are full", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn import(
    State(app): State<Shared>,
    staff: Seat<ToEditPolicy>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Imported>, ApiError> {
    match extract::media_type(&headers).as_str() {
        "text/csv" | "text/plain" => {}
        other => return Err(extract::unsupported(other, "text/csv")),
    }
    let body = extract::read_body(body, app.services.config.server.max_body_bytes).await?;
    let (read, wrong) = extract::apart(move || Ok(read_list(&String::from_utf8_lossy(&body)))).await?;
    if !wrong.is_empty() {
        let lines: Vec<String> = wrong.iter().take(WRONG_TOLD).map(ToString::to_string).collect();
        let more = if wrong.len() > WRONG_TOLD { ", …" } else { "" };
        let message = format!(
            "{} lines begin with no PDQ hash (64 hexadecimal digits), so nothing was added: correct lines {}{more}.",
            wrong.len(),
            lines.join(", ")
        );
        return Err(ApiError::invalid("list_invalid", message));
    }
    let count = read.len() as u64;
    let Added { added, .. } = app.services.pipeline.desk().add_to_bank(&staff, &name, read, None).await?;
    app.services.pipeline.banks_changed(&staff.tenant);
    Ok(Json(Imported { added, known: count - added }))
}

/// Find copies of a case's pictures
///
/// Pictures of the last `copy_days` that show the same as one that the case shows or that one of its reports names: uploads, and flagged frames. A
/// decision with the action `remove` and `copies: true` removes them, too.
#[utoipa::path(
    get, path = "/v1/cases/{id}/copies", tag = "review", operation_id = "find_copies", params(("id" = Uuid, Path, description = "The case")),
    responses(
        (status = 200, description = "The copies, newest first", body = CopiesView),
        (status = 404, description = "No such case", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn copies(
    State(app): State<Shared>,
    staff: Seat<ToView>,
    Path(id): Path<Uuid>,
) -> Result<Json<Copies>, ApiError> {
    Ok(Json(app.services.pipeline.desk().copies(&staff.tenant, CaseId(id)).await?))
}
