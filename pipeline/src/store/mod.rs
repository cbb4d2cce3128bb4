//! The store seam: rows that must survive.
//!
//! Semantics that every implementation keeps (`contract.rs` checks them):
//!
//! - A call that returned `Ok` survives `kill -9`.
//! - `record_outcome` writes outcome, participant state, events and audit in one transaction, or nothing; a second call for
//!   the same item changes nothing and answers [`Recorded::Already`]. A participant's state is only written over the version
//!   that it was made from; otherwise nothing is written at all and the answer is [`Recorded::Stale`].
//! - Every read names a tenant and sees no other's rows, duties of the service itself (journal, outbox) excepted.
//! - Event sequence numbers rise strictly in commit order; a reader that asks for `after` misses none.

pub mod access;
#[cfg(test)]
pub(crate) mod contract;
pub mod delivery;
pub mod desk;
pub(in crate::store) mod enforcement;
mod feedback;
pub(crate) mod link;
mod matching;
pub mod messages;
mod policies;
pub mod postgres;
mod row;
pub mod sqlite;
mod text;
pub mod vectors;

pub use enforcement::{EnforcementStore, Told};
pub use policies::{OutcomePlace, PolicyStore};

use std::sync::Arc;

pub use feedback::FeedbackStore;
pub use matching::{MatchStore, News};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use models::Lane;
use serde::{Deserialize, Serialize};

use crate::{
    action::ActionKind,
    bank::SeenPicture,
    enforcement::{entry::ActionEntry, person::PersonChange},
    error::PipelineError,
    item::{ActorId, CallId, ConversationId, Item, ItemId, ProfileId, ReportId, TenantId},
    profile::Profile,
    queue::DeadLetter,
    report::Report,
    review::{audit::AuditDraft, case::ItemExhibit},
    stream::call::{Call, ParticipantState},
    verdict::Outcome,
};
pub use access::{AccessStore, ApiKey, KeyId};
pub use delivery::{Delivery, DeliveryFilter, DeliveryLog, DeliveryState};

pub use desk::cases::CaseOpening;
pub use link::Tables;

/// What a write did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// Written now.
    New,
    /// This item's outcome, or this report, was there before: nothing was written.
    Already,
    /// The participant's or the person's state, or the call, changed since it was read: nothing was written. Read it again, decide again.
    Stale,
}

/// An item as `GET /v1/items/{id}` shows it.
#[derive(Debug, Clone, PartialEq)]
pub enum ItemRecord {
    /// Accepted, not judged yet.
    Queued(crate::item::Envelope),
    /// Given up, with the reason.
    Dead(crate::item::Envelope, String),
    /// Judged.
    Judged(Box<Outcome>),
}

/// Something that happened, as it goes out: server-sent events and webhooks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Rises strictly; 0 until stored.
    #[serde(default)]
    pub sequence: i64,
    /// `moderation.action`, `item.judged`, `call.started`, `call.ended`, …
    pub kind: String,
    /// Whose.
    pub tenant: TenantId,
    /// Idempotency key: the action's id, or the item's.
    pub key: String,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The body: see docs.
    pub data: serde_json::Value,
}

/// An event that a webhook has to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct DueDelivery {
    /// Row id.
    pub id: i64,
    /// Webhook name, from the configuration.
    pub webhook: String,
    /// How often it was tried.
    pub attempts: u32,
    /// What to tell.
    pub event: Event,
}

/// A journaled item that waits in the embedded queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEntry {
    /// Which item.
    pub id: ItemId,
    /// Its lane.
    pub lane: Lane,
    /// How often it was tried.
    pub attempts: u32,
    /// Processes that were lost and may have had it in hand.
    pub lost: u32,
    /// Size of its content.
    pub bytes: u32,
}

/// The new state of a frame's participant.
#[derive(Debug, Clone, PartialEq)]
pub struct ParticipantChange {
    /// In which call.
    pub call: CallId,
    /// Who.
    pub actor: ActorId,
    /// The state after this frame.
    pub state: ParticipantState,
    /// The version of the state that was read before; 0 when there was none. It becomes `seen + 1`.
    pub seen: u64,
}

/// All that one judged item changes, committed together.
#[derive(Debug, Clone)]
pub struct OutcomeRecord {
    /// The outcome; its `actions` become `moderation.action` events.
    pub outcome: Outcome,
    /// New state of the frame's participant.
    pub participant: Option<ParticipantChange>,
    /// New state of the person.
    pub person: Option<PersonChange>,
    /// What is done, to be followed: one for each of the outcome's actions.
    pub entries: Vec<ActionEntry>,
    /// The text, kept for the context window when there is a conversation and an author.
    pub context_text: Option<String>,
    /// Events to append, `item.judged` included.
    pub events: Vec<Event>,
    /// Names of the webhooks that are to be told of each event (index into `events`, webhook name).
    pub webhooks: Vec<(usize, String)>,
    /// It asks for a human.
    pub case: Option<Box<CaseOpening>>,
    /// It is a version of a message, kept as it was judged.
    pub version: Option<Box<ItemExhibit>>,
    /// It is a picture whose copies are to be found.
    pub picture: Option<Box<SeenPicture>>,
}

impl OutcomeRecord {
    /// What the audit says of it; nothing, when nothing is done.
    fn audited(&self) -> Option<AuditDraft> {
        let Outcome { envelope, verdict, decided_at, signals, .. } = &self.outcome;
        if verdict.action == ActionKind::Allow {
            return None;
        }
        let mut models: Vec<String> =
            signals.iter().map(|signal| format!("{}@{}", signal.model, signal.version)).collect();
        models.sort();
        models.dedup();
        let rules: Vec<&str> = verdict.reasons.iter().map(|reason| reason.rule.as_str()).collect();
        let labels: Vec<&str> = verdict.reasons.iter().map(|reason| reason.label.as_str()).collect();
        Some(AuditDraft {
            at: *decided_at,
            actor: "policy".into(),
            kind: format!("item.{}", verdict.action.as_str()),
            subject: format!("item:{}", envelope.id),
            detail: serde_json::json!({
                "action": verdict.action, "policy": verdict.policy, "models": models, "rules": rules, "labels": labels,
                "degraded": verdict.degraded,
            }),
        })
    }
}

/// Which journaled items may have ended the process that had them in hand.
#[async_trait]
pub trait Losses: Send + Sync {
    /// A queue begins to work with this journal. If the last one did not get to [`Losses::journal_closed`], what it may have had in hand
    /// counts a lost process: the oldest [`REACH`] of each lane, and whatever was tried before.
    async fn journal_opened(&self) -> Result<(), PipelineError>;
    /// The queue ends in good order.
    async fn journal_closed(&self) -> Result<(), PipelineError>;
    /// The try of a suspect begins: durable when it returns. It is forgotten when the try ends, whichever way ([`Store::journal_retry`],
    /// [`Store::journal_settle`]). `false`: `most` have begun and not ended, so this one may not.
    async fn journal_try(&self, id: ItemId, most: u32) -> Result<bool, PipelineError>;
}

/// Items of a lane that a process can have in hand at once, generously: it takes the oldest first.
pub const REACH: u32 = 1024;

/// Rows that must survive. Areas: items, journal, context, calls, events, people, profiles, duties; with traits of their own:
/// [`AccessStore`], [`DeliveryLog`], [`FeedbackStore`], [`Losses`], [`MatchStore`], [`PolicyStore`], [`EnforcementStore`].
#[async_trait]
pub trait Store:
    AccessStore + DeliveryLog + FeedbackStore + Losses + MatchStore + PolicyStore + EnforcementStore + Send + Sync
{
    // --- items -------------------------------------------------------------------------------------------------
    /// Commits one judged item.
    async fn record_outcome(&self, record: OutcomeRecord) -> Result<Recorded, PipelineError>;
    /// One item: judged, queued or dead. `None` when this tenant has no such item.
    async fn load_item(&self, tenant: &TenantId, id: ItemId) -> Result<Option<ItemRecord>, PipelineError>;
    /// Does an outcome exist (whatever the tenant)? For the seen-before check; fast.
    async fn is_judged(&self, id: ItemId) -> Result<bool, PipelineError>;

    // --- journal of the embedded queue -------------------------------------------------------------------------
    /// Keeps accepted items; durable when it returns; all or none. An id that waits is left as it is, one that was given up
    /// waits again, one of another tenant is a `Conflict`.
    async fn journal_append(&self, items: Vec<(Item, Lane)>) -> Result<(), PipelineError>;
    /// One journaled item with its content.
    async fn journal_load(&self, id: ItemId) -> Result<Option<Item>, PipelineError>;
    /// Journaled items with their content, in any order; unknown ids are left out.
    async fn journal_load_many(&self, ids: Vec<ItemId>) -> Result<Vec<Item>, PipelineError>;
    /// Forgets items whose outcome is recorded.
    async fn journal_settle(&self, ids: Vec<ItemId>) -> Result<(), PipelineError>;
    /// Counts a failed attempt. The process lives: what the item was suspected of is forgotten.
    async fn journal_retry(&self, id: ItemId) -> Result<(), PipelineError>;
    /// Gives an item up; it leaves `journal_pending` and appears in `journal_dead`.
    async fn journal_bury(&self, id: ItemId, reason: &str, at: DateTime<Utc>) -> Result<(), PipelineError>;
    /// Everything that waits, oldest first: read once at start.
    async fn journal_pending(&self) -> Result<Vec<JournalEntry>, PipelineError>;
    /// What was given up, oldest first.
    async fn journal_dead(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError>;
    /// One item that was given up, with its content and its lane.
    async fn journal_dead_item(&self, id: ItemId) -> Result<Option<(DeadLetter, Item, Lane)>, PipelineError>;
    /// Items that were given up wait again, as if never tried. Answers those that did, oldest first, with lane and size;
    /// other ids are left out.
    async fn journal_revive(&self, ids: Vec<ItemId>) -> Result<Vec<(ItemId, Lane, u32)>, PipelineError>;
    /// Forgets items that were given up; other ids are left alone. Answers how many went.
    async fn journal_discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError>;

    // --- context window ----------------------------------------------------------------------------------------
    /// The author's last messages in a conversation before `before`, oldest first, at most `limit`.
    async fn recent_texts(
        &self,
        tenant: &TenantId,
        conversation: &ConversationId,
        actor: &ActorId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<(DateTime<Utc>, String)>, PipelineError>;

    // --- calls -------------------------------------------------------------------------------------------------
    /// Writes a call as a whole (start, join, leave, end), with the events that tell of it, in one transaction. `seen` is the
    /// call as it was read before the change, `None` when there was none: [`Recorded::Stale`] when it is another one by now.
    async fn put_call(
        &self,
        tenant: &TenantId,
        call: &Call,
        seen: Option<&Call>,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError>;
    /// One call.
    async fn load_call(&self, tenant: &TenantId, id: &CallId) -> Result<Option<Call>, PipelineError>;
    /// Calls that have not ended, newest first.
    async fn open_calls(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Call>, PipelineError>;
    /// Calls that have not ended and that `actor` is in, in the order of their ids.
    async fn open_calls_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        limit: usize,
    ) -> Result<Vec<CallId>, PipelineError>;
    /// State of one participant with its version (from 1), `None` before the first frame.
    async fn load_participant(
        &self,
        tenant: &TenantId,
        call: &CallId,
        actor: &ActorId,
    ) -> Result<Option<(ParticipantState, u64)>, PipelineError>;

    // --- events and webhooks -----------------------------------------------------------------------------------
    /// Events with a sequence above `after`, oldest first; `tenant: None` reads all (service duties only).
    async fn events_after(
        &self,
        tenant: Option<&TenantId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, PipelineError>;
    /// The highest sequence so far.
    async fn last_sequence(&self) -> Result<i64, PipelineError>;
    /// Takes webhook deliveries that are due at `now`, oldest first: nobody else gets them before `until`. Then they are due again,
    /// unless they were settled. An embedded store that is opened again makes all of them due at once.
    async fn claim_deliveries(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, PipelineError>;
    /// Webhook deliveries that are not settled, oldest first, whoever has them now. Takes none: for people who look.
    async fn open_deliveries(&self, limit: usize) -> Result<Vec<DueDelivery>, PipelineError>;
    /// The webhook answered 2xx.
    async fn delivery_done(&self, id: i64, at: DateTime<Utc>) -> Result<(), PipelineError>;
    /// It did not: try again at `next`, or never (`None`: dead letter). `error` is kept for the log.
    async fn delivery_failed(&self, id: i64, next: Option<DateTime<Utc>>, error: &str) -> Result<(), PipelineError>;

    /// How far `relay` has published the events; `None` before its first move.
    async fn relay_position(&self, relay: &str) -> Result<Option<i64>, PipelineError>;
    /// `relay` has published all events up to `to`. Never goes back.
    async fn move_relay(&self, relay: &str, to: i64) -> Result<(), PipelineError>;

    // --- people ------------------------------------------------------------------------------------------------
    /// Somebody connected to the platform or left it, at `at`. News that is older than what is known changes nothing.
    async fn put_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        connected: bool,
        at: DateTime<Utc>,
    ) -> Result<(), PipelineError>;
    /// Is somebody connected, and since when is that known? `None` when nothing is known.
    async fn load_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
    ) -> Result<Option<(bool, DateTime<Utc>)>, PipelineError>;
    /// Writes a report with the events that tell of it, in one transaction. [`Recorded::Already`] when its id is known.
    async fn put_report(
        &self,
        report: &Report,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError>;

    /// One report.
    async fn load_report(&self, tenant: &TenantId, id: ReportId) -> Result<Option<Report>, PipelineError>;

    // --- profiles ----------------------------------------------------------------------------------------------
    /// Writes a profile with its vector. The store counts versions: 1 at first, one more whenever `text_sha256` changed;
    /// the `version` passed in does not matter.
    async fn put_profile(&self, profile: &Profile) -> Result<(), PipelineError>;
    /// One profile.
    async fn load_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<Option<Profile>, PipelineError>;
    /// Removes a profile; `false` when there was none.
    async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError>;
    /// All profiles after `after` in id order, to rebuild an index.
    async fn profiles_after(
        &self,
        after: Option<(&TenantId, &ProfileId)>,
        limit: usize,
    ) -> Result<Vec<Profile>, PipelineError>;

    // --- duties ------------------------------------------------------------------------------------------------
    /// Takes `duty` for `holder` from `now` until `until`, or prolongs it. `false` while another holder has it: one process
    /// at a time does a duty, and a dead one's hold ends by itself.
    async fn claim_duty(
        &self,
        duty: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, PipelineError>;
    /// Deletes what is older than its retention: context texts, events, settled deliveries, ended calls, people who left.
    /// Answers the row count.
    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, PipelineError>;
    /// Reachable, writable?
    async fn health(&self) -> Result<(), PipelineError>;
    /// The tables, for areas whose statements are written once for both databases (`link`).
    fn tables(&self) -> Tables;
    /// Holds the newest event's sequence; woken when events were appended.
    fn event_signal(&self) -> tokio::sync::watch::Receiver<i64>;
}

/// Opens the store that `url` names: `sqlite:<path>` (created when missing), `sqlite::memory:`, or
/// `postgres://user:password@host:port/database`, which several processes may share.
pub async fn connect(url: &str) -> Result<Arc<dyn Store>, PipelineError> {
    match url.split(':').next() {
        Some("sqlite") => Ok(Arc::new(sqlite::SqliteStore::open(url).await?)),
        Some("postgres" | "postgresql") => Ok(Arc::new(postgres::PostgresStore::open(url).await?)),
        // The URL may hold a password: no message quotes it.
        _ => Err(PipelineError::invalid(
            "store_url",
            "store.url names no store that is known: use `sqlite:<path>` or `postgres://user:password@host:port/database`",
        )),
    }
}

/// [`connect`] for a tool that works for a moment, perhaps beside a service that has the same embedded store open: what that service holds
/// (claimed webhook deliveries) is left to it.
pub async fn connect_beside(url: &str) -> Result<Arc<dyn Store>, PipelineError> {
    match url.split(':').next() {
        Some("sqlite") => Ok(Arc::new(sqlite::SqliteStore::open_beside(url).await?)),
        _ => connect(url).await,
    }
}
