//! The store for many processes: PostgreSQL 15 or later.
//!
//! | part | module |
//! |---|---|
//! | the pool, limits in time, second tries | [`database`] |
//! | many callers' requests in one statement | [`gather`] |
//! | opening, migrations, what the server must be | [`open`] |
//! | who owns the embedded queue's journal | [`owner`] |
//! | other processes' events wake our readers | [`listen`] |
//! | areas of the trait | [`outcomes`], [`journal`], [`reads`], [`calls`], [`events`], [`enforcement`], [`people`], [`policies`], [`profiles`], [`duties`] |
//! | areas with a trait of their own | [`access`], [`deliveries`], [`feedback`], [`losses`], [`matching`] |
//! | texts with NUL | [`super::text`] |
//!
//! One outcome costs a share of four statements: BEGIN, items with all that belongs to them, events with their numbers, COMMIT.

mod access;
mod calls;
mod database;
mod deliveries;
mod duties;
pub(super) mod enforcement;
mod events;
mod feedback;
mod gather;
mod journal;
pub(in crate::store) mod link;
mod listen;
mod losses;
mod matching;
mod open;
mod outcomes;
mod owner;
mod people;
mod policies;
mod profiles;
mod reads;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use models::Lane;
use tokio::{sync::watch, task::AbortHandle};

use super::{DueDelivery, Event, ItemRecord, JournalEntry, OutcomeRecord, Recorded, Store, link::Tables, text};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, ConversationId, Item, ItemId, ProfileId, ReportId, TenantId},
    profile::Profile,
    queue::DeadLetter,
    report::Report,
    stream::call::{Call, ParticipantState},
};
use database::Database;
use gather::Gather;
use journal::JournalRow;
use outcomes::OutcomeRow;
use owner::Owner;
use reads::{StateOf, TextsOf};

/// Tasks that write outcomes: while one waits for its commit, the other sends the next batch.
const WRITERS: usize = 2;
/// Tasks for each kind of read.
const READERS: usize = 2;
/// Questions in one statement at most.
const QUESTIONS: usize = 256;

/// The store for many processes.
pub struct PostgresStore {
    database: Arc<Database>,
    outcomes: Gather<OutcomeRow, Recorded>,
    judged: Gather<ItemId, bool>,
    texts: Gather<TextsOf, Vec<(DateTime<Utc>, String)>>,
    participants: Gather<StateOf, Option<(ParticipantState, u64)>>,
    appends: Gather<Vec<JournalRow>, ()>,
    settles: Gather<Vec<ItemId>, ()>,
    owner: Arc<Owner>,
    signal: watch::Receiver<i64>,
    listener: AbortHandle,
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// Starts a [`Gather`] whose batches `$work` answers.
macro_rules! gather {
    ($database:expr, $name:literal, $tasks:expr, $most:expr, $work:path) => {{
        let database = Arc::clone(&$database);
        Gather::start($name, $tasks, $most, move |batch| {
            let database = Arc::clone(&database);
            Box::pin(async move { $work(&database, batch).await })
        })
    }};
}

impl PostgresStore {
    /// Opens `postgres://user:password@host:port/database` and brings its tables up to date. Besides the parameters that
    /// PostgreSQL's own URLs have, `?connections=8` is the most connections of this process for statements (it opens one more
    /// to listen, and one more when its embedded queue has its journal here).
    ///
    /// Errors: `Invalid` for a URL that cannot be read, `Conflict` for a database of a newer program or with another encoding
    /// than UTF-8, `Unavailable` when the server is away or refuses us.
    pub async fn open(url: &str) -> Result<Self, PipelineError> {
        let (options, connections) = open::options(url)?;
        open::migrate(&options).await?;
        let (sender, signal) = watch::channel(0);
        let database = Arc::new(Database::new(options.clone(), connections, sender.clone()));
        database.raise(events::last_sequence(&database).await?);
        duties::prepare_months(&database).await;
        let listener = tokio::spawn(listen::run(Arc::clone(&database), options.clone(), sender)).abort_handle();
        Ok(Self {
            outcomes: gather!(database, "record_outcome", WRITERS, outcomes::MOST, outcomes::write),
            judged: gather!(database, "is_judged", READERS, QUESTIONS, outcomes::are_judged),
            texts: gather!(database, "recent_texts", READERS, QUESTIONS, reads::recent_texts),
            participants: gather!(database, "load_participant", READERS, QUESTIONS, reads::load_participants),
            // One task: what it looked up is still so when it writes.
            appends: gather!(database, "journal_append", 1, journal::MOST, journal::append),
            settles: gather!(database, "journal_settle", 1, journal::MOST, journal::settle),
            owner: Owner::new(options),
            database,
            signal,
            listener,
        })
    }
}

/// A count as its column holds it.
fn count(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

#[async_trait]
impl Store for PostgresStore {
    async fn record_outcome(&self, record: OutcomeRecord) -> Result<Recorded, PipelineError> {
        self.outcomes.ask(OutcomeRow::new(record)?).await
    }

    async fn load_item(&self, tenant: &TenantId, id: ItemId) -> Result<Option<ItemRecord>, PipelineError> {
        outcomes::load_item(&self.database, tenant, id).await
    }

    async fn is_judged(&self, id: ItemId) -> Result<bool, PipelineError> {
        self.judged.ask(id).await
    }

    async fn journal_append(&self, items: Vec<(Item, Lane)>) -> Result<(), PipelineError> {
        self.owner.check()?;
        if items.is_empty() {
            return Ok(());
        }
        let rows = items.into_iter().map(|(item, lane)| JournalRow::new(item, lane)).collect::<Result<_, _>>()?;
        self.appends.ask(rows).await
    }

    async fn journal_load(&self, id: ItemId) -> Result<Option<Item>, PipelineError> {
        Ok(journal::load(&self.database, &[id]).await?.pop())
    }

    async fn journal_load_many(&self, ids: Vec<ItemId>) -> Result<Vec<Item>, PipelineError> {
        journal::load(&self.database, &ids).await
    }

    async fn journal_settle(&self, ids: Vec<ItemId>) -> Result<(), PipelineError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.settles.ask(ids).await
    }

    async fn journal_retry(&self, id: ItemId) -> Result<(), PipelineError> {
        journal::retry(&self.database, id).await
    }

    async fn journal_bury(&self, id: ItemId, reason: &str, at: DateTime<Utc>) -> Result<(), PipelineError> {
        journal::bury(&self.database, id, reason, at).await
    }

    async fn journal_pending(&self) -> Result<Vec<JournalEntry>, PipelineError> {
        self.owner.take().await?;
        journal::pending(&self.database).await
    }

    async fn journal_dead(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        journal::dead(&self.database, limit).await
    }

    async fn journal_dead_item(&self, id: ItemId) -> Result<Option<(DeadLetter, Item, Lane)>, PipelineError> {
        journal::dead_item(&self.database, id).await
    }

    async fn journal_revive(&self, ids: Vec<ItemId>) -> Result<Vec<(ItemId, Lane, u32)>, PipelineError> {
        journal::revive(&self.database, &ids).await
    }

    async fn journal_discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        journal::discard(&self.database, &ids).await
    }

    async fn recent_texts(
        &self,
        tenant: &TenantId,
        conversation: &ConversationId,
        actor: &ActorId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<(DateTime<Utc>, String)>, PipelineError> {
        self.texts.ask(TextsOf::new(tenant, conversation, actor, before, limit)).await
    }

    async fn put_call(
        &self,
        tenant: &TenantId,
        call: &Call,
        seen: Option<&Call>,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        calls::put_call(&self.database, tenant, call, seen, &events, &webhooks).await
    }

    async fn load_call(&self, tenant: &TenantId, id: &CallId) -> Result<Option<Call>, PipelineError> {
        calls::load_call(&self.database, tenant, id).await
    }

    async fn open_calls(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Call>, PipelineError> {
        calls::open_calls(&self.database, tenant, limit).await
    }

    async fn open_calls_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        limit: usize,
    ) -> Result<Vec<CallId>, PipelineError> {
        calls::open_calls_of(&self.database, tenant, actor, limit).await
    }

    async fn load_participant(
        &self,
        tenant: &TenantId,
        call: &CallId,
        actor: &ActorId,
    ) -> Result<Option<(ParticipantState, u64)>, PipelineError> {
        self.participants.ask(StateOf::new(tenant, call, actor)).await
    }

    async fn events_after(
        &self,
        tenant: Option<&TenantId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, PipelineError> {
        events::after(&self.database, tenant, after, limit).await
    }

    async fn last_sequence(&self) -> Result<i64, PipelineError> {
        events::last_sequence(&self.database).await
    }

    async fn claim_deliveries(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, PipelineError> {
        events::claim(&self.database, now, until, limit).await
    }

    async fn open_deliveries(&self, limit: usize) -> Result<Vec<DueDelivery>, PipelineError> {
        events::open_deliveries(&self.database, limit).await
    }

    async fn delivery_done(&self, id: i64, at: DateTime<Utc>) -> Result<(), PipelineError> {
        events::done(&self.database, id, at).await
    }

    async fn delivery_failed(&self, id: i64, next: Option<DateTime<Utc>>, error: &str) -> Result<(), PipelineError> {
        events::failed(&self.database, id, next, error).await
    }

    async fn relay_position(&self, relay: &str) -> Result<Option<i64>, PipelineError> {
        duties::relay_position(&self.database, relay).await
    }

    async fn move_relay(&self, relay: &str, to: i64) -> Result<(), PipelineError> {
        duties::move_relay(&self.database, relay, to).await
    }

    async fn put_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        connected: bool,
        at: DateTime<Utc>,
    ) -> Result<(), PipelineError> {
        people::put_presence(&self.database, tenant, actor, connected, at).await
    }

    async fn load_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
    ) -> Result<Option<(bool, DateTime<Utc>)>, PipelineError> {
        people::load_presence(&self.database, tenant, actor).await
    }

    async fn put_report(
        &self,
        report: &Report,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        people::put_report(&self.database, report, &events, &webhooks).await
    }

    async fn load_report(&self, tenant: &TenantId, id: ReportId) -> Result<Option<Report>, PipelineError> {
        people::load_report(&self.database, tenant, id).await
    }

    async fn put_profile(&self, profile: &Profile) -> Result<(), PipelineError> {
        profiles::put(&self.database, profile).await
    }

    async fn load_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<Option<Profile>, PipelineError> {
        profiles::load(&self.database, tenant, id).await
    }

    async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
        profiles::delete(&self.database, tenant, id).await
    }

    async fn profiles_after(
        &self,
        after: Option<(&TenantId, &ProfileId)>,
        limit: usize,
    ) -> Result<Vec<Profile>, PipelineError> {
        profiles::after(&self.database, after, limit).await
    }

    async fn claim_duty(
        &self,
        duty: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, PipelineError> {
        duties::claim(&self.database, duty, holder, now, until).await
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, PipelineError> {
        duties::expire(&self.database, before).await
    }

    async fn health(&self) -> Result<(), PipelineError> {
        duties::health(&self.database).await
    }

    fn tables(&self) -> Tables {
        Tables::postgres(link::PostgresLink::new(Arc::clone(&self.database)))
    }

    fn event_signal(&self) -> watch::Receiver<i64> {
        self.signal.clone()
    }
}
