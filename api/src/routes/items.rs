//! `POST /v1/items`: have things judged through the queue. `GET /v1/items/{id}`: what became of one.

use std::collections::HashMap;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use pipeline::{
    Lane,
    hash::content_sha256,
    item::{Item, ItemId, TenantId},
    store::ItemRecord,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    draft::NewItem,
    judgement::{ItemView, Judgement},
    multipart,
};
use crate::{
    app::{App, Shared},
    auth::{Allowed, ToItems},
    error::{ApiError, ErrorBody},
    extract::{self, Path},
};

/// Most items of one batch.
pub const MAX_BATCH: usize = 256;

/// Several items: all are accepted, or none is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewItems {
    /// 1 to 256 items.
    #[schema(min_items = 1, max_items = 256)]
    pub items: Vec<NewItem>,
}

/// One item, or several.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(example = json!({ "items": [{ "text": "hello there", "actor": "ann", "conversation": "room-7" }, { "text": "good evening" }] }))]
pub enum ItemsBody {
    /// One.
    One(NewItem),
    /// Several.
    Several(NewItems),
}

/// An accepted item.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Accepted {
    /// Names the item.
    pub id: Uuid,
    /// Where it stands.
    pub status: Status,
}

/// Several accepted items, in the order of the request.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedItems {
    /// One entry for each item sent.
    pub items: Vec<Accepted>,
}

/// The answer has the shape of the request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AcceptedBody {
    /// One.
    One(Accepted),
    /// Several.
    Several(AcceptedItems),
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Accepted; it will be judged, whatever happens to this process.
    Queued,
    /// Judged.
    Judged,
    /// Given up after several tries; `reason` says why.
    Dead,
}

/// An item with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownItem {
    #[serde(flatten)]
    item: ItemView,
    /// Where it stands.
    status: Status,
    /// Why it was given up.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Once judged.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    judgement: Option<Judgement>,
}

/// Accept one item or a batch
///
/// An answer of 202 means that the item is on disk and gets exactly one outcome (call frames: at most one). The same id again changes nothing; the same id with other
/// content is a conflict. Of a batch, all items are accepted or none is.
#[utoipa::path(
    post, path = "/v1/items", tag = "judge",
    params(("x-request-id" = Option<String>, Header, description = "A name of yours for this call: it comes back in the answer and stands in our log")),
    request_body(content((ItemsBody = "application/json"), (NewItem = "multipart/form-data"))),
    responses(
        (status = 202, description = "On disk, in the queue", body = AcceptedBody),
        (status = 409, description = "The id belongs to other content", body = ErrorBody),
        (status = 429, description = "The queue is full; nothing was accepted", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn accept(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<AcceptedBody>), ApiError> {
    let (drafts, single) = match read(&app, &headers, body).await? {
        Read::One(item) => (vec![*item], true),
        Read::Several(items) => (items, false),
    };
    let now = app.services.clock.now();
    let mut items = Vec::with_capacity(drafts.len());
    let mut wrong = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        match complete(&app, draft, &caller.tenant, now) {
            Ok(item) => items.push(item),
            Err(error) if single => return Err(error),
            Err(error) => wrong.push(error.into_item(index)),
        }
    }
    if !wrong.is_empty() {
        let message = format!(
            "{} of {} items are wrong, so none was accepted: correct those in `items`.",
            wrong.len(),
            wrong.len() + items.len()
        );
        return Err(ApiError::invalid("batch_invalid", message).with_items(wrong));
    }
    let mut accepted = enqueue(&app, items).await?;
    let body = if single {
        AcceptedBody::One(accepted.remove(0))
    } else {
        AcceptedBody::Several(AcceptedItems { items: accepted })
    };
    Ok((StatusCode::ACCEPTED, Json(body)))
}

/// An item on its way to the queue.
pub(super) struct Incoming {
    /// Complete.
    pub(super) item: Item,
    /// The platform chose the id: it may have been here before.
    pub(super) chosen: bool,
}

fn complete(app: &App, draft: NewItem, tenant: &TenantId, now: DateTime<Utc>) -> Result<Incoming, ApiError> {
    let chosen = draft.id.is_some();
    let item = draft.into_item(tenant.clone(), now)?;
    app.services.pipeline.validate(&item)?;
    Ok(Incoming { item, chosen })
}

/// Show one item
///
/// Queued, judged with everything that the verdict rests on, or given up with the reason. A call frame that was shed (a newer one of the same
/// participant displaced it while it waited, or it became too old to be judged) leaves nothing behind: 404.
#[utoipa::path(
    get, path = "/v1/items/{id}", tag = "judge",
    params(("id" = Uuid, Path, description = "The item's id")),
    responses(
        (status = 200, description = "The item", body = ShownItem),
        (status = 404, description = "No such item, or a call frame that was shed", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn show(
    State(app): State<Shared>,
    caller: Allowed<ToItems>,
    Path(id): Path<Uuid>,
) -> Result<Json<ShownItem>, ApiError> {
    let record = app.services.store.load_item(&caller.tenant, ItemId(id)).await?;
    let shown = match record.ok_or_else(|| ApiError::item_not_found(id))? {
        ItemRecord::Queued(envelope) => {
            ShownItem { item: envelope.into(), status: Status::Queued, reason: None, judgement: None }
        }
        ItemRecord::Dead(envelope, reason) => {
            ShownItem { item: envelope.into(), status: Status::Dead, reason: Some(reason), judgement: None }
        }
        ItemRecord::Judged(outcome) => {
            let (item, judgement) = Judgement::of(*outcome);
            ShownItem { item, status: Status::Judged, reason: None, judgement: Some(judgement) }
        }
    };
    Ok(Json(shown))
}

pub(super) enum Read {
    One(Box<NewItem>),
    Several(Vec<NewItem>),
}

/// Reads the body in the form that its media type says.
pub(super) async fn read(app: &App, headers: &HeaderMap, body: Body) -> Result<Read, ApiError> {
    let limit = app.services.config.server.max_body_bytes;
    match extract::media_type(headers).as_str() {
        "multipart/form-data" => {
            let body = extract::read_body(body, limit).await?;
            Ok(Read::One(Box::new(multipart::read(headers, body).await?)))
        }
        json if extract::is_json(json) => {
            let body = extract::read_body(body, limit).await?;
            if !is_batch(&body)? {
                return Ok(Read::One(Box::new(extract::parse_owned(body).await?)));
            }
            let NewItems { items } = extract::parse_owned(body).await?;
            match items.len() {
                1..=MAX_BATCH => Ok(Read::Several(items)),
                count => {
                    Err(ApiError::invalid("batch_size", format!("`items` holds {count} items: send 1 to {MAX_BATCH}."))
                        .at("items"))
                }
            }
        }
        other => Err(extract::unsupported(other, "application/json` or `multipart/form-data")),
    }
}

/// Has the object a member `items`? Values are skipped, not built. What is no JSON is refused here: read as the wrong one of the two, it would
/// get a misleading sentence.
fn is_batch(body: &Bytes) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        items: Option<&'a RawValue>,
    }
    match serde_json::from_slice::<Probe<'_>>(body) {
        Ok(probe) => Ok(probe.items.is_some()),
        Err(_) => extract::parse::<IgnoredAny>(body).map(|_| false),
    }
}

/// Accepts items that were found well-formed, all or none. What was sent before is not queued again.
pub(super) async fn enqueue(app: &App, items: Vec<Incoming>) -> Result<Vec<Accepted>, ApiError> {
    let mut accepted = Vec::with_capacity(items.len());
    let mut fresh: Vec<Item> = Vec::with_capacity(items.len());
    let mut positions: HashMap<ItemId, usize> = HashMap::with_capacity(items.len());
    let mut wrong = Vec::new();
    let batch = items.len() > 1;
    for (index, Incoming { item, chosen }) in items.into_iter().enumerate() {
        let id = item.envelope.id;
        let twin = positions.get(&id).map(|position| &fresh[*position]);
        let known = match twin {
            Some(twin) if twin.content == item.content => Ok(Some(Status::Queued)),
            Some(_) => Err(conflict(id)),
            None if chosen => known(app, &item).await,
            None => Ok(None),
        };
        match known {
            Ok(status) => {
                accepted.push(Accepted { id: id.0, status: status.unwrap_or(Status::Queued) });
                if status.is_none() {
                    positions.insert(id, fresh.len());
                    fresh.push(item);
                }
            }
            Err(error) if batch && error.kind() == models::error::Kind::Conflict => wrong.push(error.into_item(index)),
            Err(error) => return Err(error),
        }
    }
    if !wrong.is_empty() {
        let message = "Ids of this batch belong to other content, so none was accepted: correct those in `items`.";
        return Err(ApiError::conflict("item_id_taken", message).with_items(wrong));
    }
    // One lane, because two calls could not be taken back together: the least urgent one that an item of the batch asks for.
    if let Some(lane) = fresh.iter().map(|item| item.envelope.kind.lane()).max() {
        publish(app, fresh, lane).await?;
    }
    Ok(accepted)
}

async fn publish(app: &App, items: Vec<Item>, lane: Lane) -> Result<(), ApiError> {
    let count = items.len() as u64;
    app.services.queue.publish(items, lane).await?;
    metrics::counter!("chaperone_items_accepted_total", "lane" => lane.as_str()).increment(count);
    Ok(())
}

/// Where an item stands that was sent before; `None` when it is new. The same id with other content is a conflict.
pub(super) async fn known(app: &App, item: &Item) -> Result<Option<Status>, ApiError> {
    let (store, id) = (&app.services.store, item.envelope.id);
    let (status, same) = match store.load_item(&item.envelope.tenant, id).await? {
        Some(ItemRecord::Judged(outcome)) => (Status::Judged, outcome.content_sha256 == content_sha256(&item.content)),
        Some(ItemRecord::Queued(_)) => (Status::Queued, same_as_journaled(app, item).await?),
        Some(ItemRecord::Dead(..)) => (Status::Dead, same_as_journaled(app, item).await?),
        // Ids are unique over all tenants.
        None if store.is_judged(id).await? || store.journal_load(id).await?.is_some() => return Err(conflict(id)),
        None => return Ok(None),
    };
    if same { Ok(Some(status)) } else { Err(conflict(id)) }
}

/// `true` as well when the journal has forgotten the item meanwhile: it was judged between two reads.
async fn same_as_journaled(app: &App, item: &Item) -> Result<bool, ApiError> {
    let journaled = app.services.store.journal_load(item.envelope.id).await?;
    Ok(journaled.is_none_or(|journaled| journaled.content == item.content))
}

fn conflict(id: ItemId) -> ApiError {
    ApiError::conflict("item_id_taken", format!("The id `{id}` belongs to other content: give every item its own id."))
        .at("id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_items_makes_a_batch() {
        for (body, batch) in [
            (r#"{"items":[]}"#, Ok(true)),
            (r#"{"text":"a","items":[{}]}"#, Ok(true)),
            (r#"{"items":null}"#, Ok(false)),
            (r#"{"text":"items"}"#, Ok(false)),
            (r#"{"items":[{"text":"a"},]}"#, Err("invalid_json")),
            ("[]", Err("invalid_field")),
            ("", Err("body_empty")),
        ] {
            assert_eq!(is_batch(&Bytes::from(body)).map_err(|error| error.code()), batch, "{body}");
        }
    }
}
