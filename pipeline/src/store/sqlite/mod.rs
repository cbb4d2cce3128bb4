//! The embedded store: one SQLite file, or memory for tests.
//!
//! | part | module |
//! |---|---|
//! | one task that commits many callers' writes together | [`writer`] |
//! | areas of the trait | [`items`], [`journal`], [`context`], [`calls`], [`events`], [`enforcement`], [`people`], [`policies`], [`profiles`], [`duties`] |
//! | areas with a trait of their own | [`access`], [`deliveries`], [`feedback`], [`losses`], [`matching`] |
//!
//! Write-ahead log with `synchronous = FULL`: a commit that returned is on the disk. Reads go to a small pool of their
//! own and never wait for the writer.

mod access;
mod calls;
mod context;
mod deliveries;
mod duties;
pub(super) mod enforcement;
mod events;
mod feedback;
mod items;
mod journal;
mod link;
mod losses;
mod matching;
mod people;
mod policies;
mod profiles;
#[cfg(test)]
mod tests;
mod writer;

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use models::Lane;
use sqlx::{
    ConnectOptions, SqliteConnection, SqlitePool,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::watch;

use super::{
    DueDelivery, Event, ItemRecord, JournalEntry, OutcomeRecord, Recorded, Store, link::Tables, row::migration,
};
use crate::{
    error::PipelineError,
    item::{ActorId, CallId, ConversationId, Item, ItemId, ProfileId, ReportId, TenantId},
    profile::Profile,
    queue::DeadLetter,
    report::Report,
    stream::call::{Call, ParticipantState},
};
use writer::Writer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/sqlite");

/// Readers at once.
const READERS: u32 = 4;
/// How long a connection waits for another process that holds the file.
const BUSY: Duration = Duration::from_secs(5);

/// The embedded store. Cheap to clone.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer,
    /// `None` in memory: there, reads go through the writer's connection, which is the database.
    readers: Option<SqlitePool>,
    signal: watch::Receiver<i64>,
}

impl SqliteStore {
    /// Opens `sqlite:<path>` (file and folders are created when missing) or `sqlite::memory:`, and brings its tables up to
    /// date.
    pub async fn open(url: &str) -> Result<Self, PipelineError> {
        Self::open_as(url, true).await
    }

    /// [`Self::open`] beside the process that owns the file: its claims are left alone.
    pub async fn open_beside(url: &str) -> Result<Self, PipelineError> {
        Self::open_as(url, false).await
    }

    async fn open_as(url: &str, owner: bool) -> Result<Self, PipelineError> {
        let wrong = |error: sqlx::Error| {
            let message = format!("store.url `{url}` cannot be read ({error}): use `sqlite:<path>`");
            PipelineError::invalid("store_url", message)
        };
        let memory = url.contains(":memory:");
        let options = SqliteConnectOptions::from_str(url).map_err(wrong)?;
        if !memory && let Some(folder) = options.get_filename().parent() {
            std::fs::create_dir_all(folder).map_err(|error| PipelineError::Unavailable {
                part: "store",
                message: format!("the folder {} cannot be made: {error}", folder.display()),
            })?;
        }
        let options = options
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY)
            .synchronous(SqliteSynchronous::Full)
            .statement_cache_capacity(128)
            .disable_statement_logging();
        let options = if memory { options } else { options.journal_mode(SqliteJournalMode::Wal) };

        let mut connection = options.connect().await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await.map_err(migration)?;
        if owner {
            events::release_claims(&mut connection).await?;
        }
        let (sender, signal) = watch::channel(0);
        let readers = match memory {
            true => None,
            false => {
                let pool = SqlitePoolOptions::new()
                    .max_connections(READERS)
                    .test_before_acquire(false)
                    .acquire_timeout(Duration::from_secs(5));
                Some(pool.connect_lazy_with(options.pragma("query_only", "ON")))
            }
        };
        let store = Self { writer: Writer::start(connection, sender.clone()), readers, signal };
        sender.send_replace(store.last_sequence().await?);
        Ok(store)
    }

    /// Runs a reading `work` on a connection of its own, and measures it.
    pub(in crate::store) async fn read<T, F>(&self, operation: &'static str, work: F) -> Result<T, PipelineError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, PipelineError>> + Send + 'static,
    {
        match &self.readers {
            Some(pool) => {
                let started = Instant::now();
                let mut connection = pool.acquire().await?;
                let result = work(&mut connection).await;
                writer::measure(operation, started);
                result
            }
            None => self.writer.write(operation, move |scope| work(&mut scope.connection)).await,
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn record_outcome(&self, record: OutcomeRecord) -> Result<Recorded, PipelineError> {
        items::record_outcome(self, record).await
    }

    async fn load_item(&self, tenant: &TenantId, id: ItemId) -> Result<Option<ItemRecord>, PipelineError> {
        items::load_item(self, tenant, id).await
    }

    async fn is_judged(&self, id: ItemId) -> Result<bool, PipelineError> {
        items::is_judged(self, id).await
    }

    async fn journal_append(&self, items: Vec<(Item, Lane)>) -> Result<(), PipelineError> {
        journal::append(self, items).await
    }

    async fn journal_load(&self, id: ItemId) -> Result<Option<Item>, PipelineError> {
        Ok(journal::load(self, vec![id]).await?.pop())
    }

    async fn journal_load_many(&self, ids: Vec<ItemId>) -> Result<Vec<Item>, PipelineError> {
        journal::load(self, ids).await
    }

    async fn journal_settle(&self, ids: Vec<ItemId>) -> Result<(), PipelineError> {
        journal::settle(self, ids).await
    }

    async fn journal_retry(&self, id: ItemId) -> Result<(), PipelineError> {
        journal::retry(self, id).await
    }

    async fn journal_bury(&self, id: ItemId, reason: &str, at: DateTime<Utc>) -> Result<(), PipelineError> {
        journal::bury(self, id, reason, at).await
    }

    async fn journal_pending(&self) -> Result<Vec<JournalEntry>, PipelineError> {
        journal::pending(self).await
    }

    async fn journal_dead(&self, limit: usize) -> Result<Vec<DeadLetter>, PipelineError> {
        journal::dead(self, limit).await
    }

    async fn journal_dead_item(&self, id: ItemId) -> Result<Option<(DeadLetter, Item, Lane)>, PipelineError> {
        journal::dead_item(self, id).await
    }

    async fn journal_revive(&self, ids: Vec<ItemId>) -> Result<Vec<(ItemId, Lane, u32)>, PipelineError> {
        journal::revive(self, ids).await
    }

    async fn journal_discard(&self, ids: Vec<ItemId>) -> Result<usize, PipelineError> {
        journal::discard(self, ids).await
    }

    async fn recent_texts(
        &self,
        tenant: &TenantId,
        conversation: &ConversationId,
        actor: &ActorId,
        before: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<(DateTime<Utc>, String)>, PipelineError> {
        context::recent_texts(self, tenant, conversation, actor, before, limit).await
    }

    async fn put_call(
        &self,
        tenant: &TenantId,
        call: &Call,
        seen: Option<&Call>,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        calls::put_call(self, tenant, call, seen, events, webhooks).await
    }

    async fn load_call(&self, tenant: &TenantId, id: &CallId) -> Result<Option<Call>, PipelineError> {
        calls::load_call(self, tenant, id).await
    }

    async fn open_calls(&self, tenant: &TenantId, limit: usize) -> Result<Vec<Call>, PipelineError> {
        calls::open_calls(self, tenant, limit).await
    }

    async fn open_calls_of(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        limit: usize,
    ) -> Result<Vec<CallId>, PipelineError> {
        calls::open_calls_of(self, tenant, actor, limit).await
    }

    async fn load_participant(
        &self,
        tenant: &TenantId,
        call: &CallId,
        actor: &ActorId,
    ) -> Result<Option<(ParticipantState, u64)>, PipelineError> {
        calls::load_participant(self, tenant, call, actor).await
    }

    async fn events_after(
        &self,
        tenant: Option<&TenantId>,
        after: i64,
        limit: usize,
    ) -> Result<Vec<Event>, PipelineError> {
        events::after(self, tenant, after, limit).await
    }

    async fn last_sequence(&self) -> Result<i64, PipelineError> {
        events::last_sequence(self).await
    }

    async fn claim_deliveries(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<DueDelivery>, PipelineError> {
        events::claim(self, now, until, limit).await
    }

    async fn open_deliveries(&self, limit: usize) -> Result<Vec<DueDelivery>, PipelineError> {
        events::open_deliveries(self, limit).await
    }

    async fn delivery_done(&self, id: i64, at: DateTime<Utc>) -> Result<(), PipelineError> {
        events::done(self, id, at).await
    }

    async fn delivery_failed(&self, id: i64, next: Option<DateTime<Utc>>, error: &str) -> Result<(), PipelineError> {
        events::failed(self, id, next, error).await
    }

    async fn relay_position(&self, relay: &str) -> Result<Option<i64>, PipelineError> {
        duties::relay_position(self, relay).await
    }

    async fn move_relay(&self, relay: &str, to: i64) -> Result<(), PipelineError> {
        duties::move_relay(self, relay, to).await
    }

    async fn put_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
        connected: bool,
        at: DateTime<Utc>,
    ) -> Result<(), PipelineError> {
        people::put_presence(self, tenant, actor, connected, at).await
    }

    async fn load_presence(
        &self,
        tenant: &TenantId,
        actor: &ActorId,
    ) -> Result<Option<(bool, DateTime<Utc>)>, PipelineError> {
        people::load_presence(self, tenant, actor).await
    }

    async fn put_report(
        &self,
        report: &Report,
        events: Vec<Event>,
        webhooks: Vec<(usize, String)>,
    ) -> Result<Recorded, PipelineError> {
        people::put_report(self, report, events, webhooks).await
    }

    async fn load_report(&self, tenant: &TenantId, id: ReportId) -> Result<Option<Report>, PipelineError> {
        people::load_report(self, tenant, id).await
    }

    async fn put_profile(&self, profile: &Profile) -> Result<(), PipelineError> {
        profiles::put(self, profile).await
    }

    async fn load_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<Option<Profile>, PipelineError> {
        profiles::load(self, tenant, id).await
    }

    async fn delete_profile(&self, tenant: &TenantId, id: &ProfileId) -> Result<bool, PipelineError> {
        profiles::delete(self, tenant, id).await
    }

    async fn profiles_after(
        &self,
        after: Option<(&TenantId, &ProfileId)>,
        limit: usize,
    ) -> Result<Vec<Profile>, PipelineError> {
        profiles::after(self, after, limit).await
    }

    async fn claim_duty(
        &self,
        duty: &str,
        holder: &str,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool, PipelineError> {
        duties::claim(self, duty, holder, now, until).await
    }

    async fn expire(&self, before: DateTime<Utc>) -> Result<u64, PipelineError> {
        duties::expire(self, before).await
    }

    async fn health(&self) -> Result<(), PipelineError> {
        self.writer
            .write("health", |scope| {
                Box::pin(async move {
                    sqlx::query("UPDATE heartbeat SET beats = beats + 1").execute(&mut scope.connection).await?;
                    Ok(())
                })
            })
            .await?;
        self.read("health", |connection| {
            Box::pin(async move {
                sqlx::query("SELECT 1").execute(connection).await?;
                Ok(())
            })
        })
        .await
    }

    fn tables(&self) -> Tables {
        Tables::sqlite(self.clone())
    }

    fn event_signal(&self) -> watch::Receiver<i64> {
        self.signal.clone()
    }
}
