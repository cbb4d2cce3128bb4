//! What matching remembers.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{PgConnection, postgres::PgRow};

use super::{
    PostgresStore,
    events::Appended,
    text::{escape, unescape},
};
use crate::{
    profile::Profile,
    store::{MatchStore, News, Recorded, matching::statements::statements},
};

statements!(PgConnection, PgRow, "SELECT jsonb_array_elements_text($2::jsonb)");

/// Runs `$body` in a transaction. It may be done again: every statement looks at what is there.
macro_rules! write {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {{
        let work = || async {
            let mut transaction = $store.database.pool.begin().await?;
            let $connection = &mut *transaction;
            let answer = $body.await?;
            transaction.commit().await?;
            Ok(answer)
        };
        $store.database.again($name, || Box::pin(work())).await
    }};
}

/// Runs a reading `$body` on a connection of its own.
macro_rules! read {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {{
        let work = || async {
            let mut held = $store.database.pool.acquire().await?;
            let $connection = &mut *held;
            $body.await
        };
        $store.database.again($name, || Box::pin(work())).await
    }};
}

#[async_trait]
impl MatchStore for PostgresStore {
    async fn load_profiles(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Profile>, PipelineError> {
        let (tenant, ids) = (escape(tenant.as_str()), list(ids)?);
        let work = || {
            let sql = "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                       FROM profiles WHERE tenant = $1 AND id IN (SELECT jsonb_array_elements_text($2::jsonb))";
            sqlx::query(sql).bind(&*tenant).bind(&ids).fetch_all(&self.database.pool)
        };
        let rows = self.database.again("load_profiles", work).await?;
        rows.iter().map(super::profiles::profile).collect()
    }

    async fn put_change(&self, tenant: &TenantId, change: Change, news: News) -> Result<Recorded, PipelineError> {
        let appended = Appended::new(&news.0, &news.1)?;
        // Once: after a lost answer a second try would find its own versions and call them stale.
        let work = async {
            let mut transaction = self.database.pool.begin().await?;
            if !write_change(&mut transaction, tenant, &change).await? {
                transaction.rollback().await?;
                return Ok(None);
            }
            let sequence = Appended::write(&[&appended], &mut transaction).await?;
            transaction.commit().await?;
            Ok(Some(sequence))
        };
        match self.database.once("put_change", Box::pin(work)).await? {
            None => Ok(Recorded::Stale),
            Some(sequence) => {
                if let Some(sequence) = sequence {
                    self.database.raise(sequence);
                }
                Ok(Recorded::New)
            }
        }
    }

    async fn load_remembered(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Remembered>, PipelineError> {
        read!(self, "load_remembered", |connection| read_remembered(connection, tenant, ids))
    }

    async fn marked_people(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        count: usize,
    ) -> Result<Vec<(ProfileId, Record)>, PipelineError> {
        read!(self, "marked_people", |connection| read_marked(connection, tenant, after, count))
    }

    async fn ties_of(&self, tenant: &TenantId, person: &ProfileId, count: usize) -> Result<Vec<Tie>, PipelineError> {
        read!(self, "ties_of", |connection| read_ties_of(connection, tenant, person, count))
    }

    async fn ties_with(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        others: &[ProfileId],
    ) -> Result<Vec<Tie>, PipelineError> {
        read!(self, "ties_with", |connection| read_ties_with(connection, tenant, person, others))
    }

    async fn likes_to(&self, tenant: &TenantId, person: &ProfileId, count: usize) -> Result<Vec<Tie>, PipelineError> {
        read!(self, "likes_to", |connection| read_likes_to(connection, tenant, person, count))
    }

    async fn load_tastes(
        &self,
        tenant: &TenantId,
        ids: &[ProfileId],
        model: &str,
    ) -> Result<Vec<Arc<[f32]>>, PipelineError> {
        read!(self, "load_tastes", |connection| read_tastes(connection, tenant, ids, model))
    }

    async fn put_taste(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        model: &str,
        taste: &[f32],
    ) -> Result<(), PipelineError> {
        write!(self, "put_taste", |connection| write_taste(connection, tenant, person, model, taste))
    }

    async fn put_avatar(&self, tenant: &TenantId, person: &ProfileId, avatar: &Pdq) -> Result<(), PipelineError> {
        write!(self, "put_avatar", |connection| write_avatar(connection, tenant, person, avatar))
    }

    async fn delete_avatar(&self, tenant: &TenantId, person: &ProfileId) -> Result<bool, PipelineError> {
        write!(self, "delete_avatar", |connection| remove_avatar(connection, tenant, person))
    }

    async fn marked_avatars(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        count: usize,
    ) -> Result<Vec<(ProfileId, Pdq)>, PipelineError> {
        read!(self, "marked_avatars", |connection| read_marked_avatars(connection, tenant, after, count))
    }

    async fn load_match(&self, tenant: &TenantId, id: MatchId) -> Result<Option<Match>, PipelineError> {
        read!(self, "load_match", |connection| read_match(connection, tenant, id))
    }

    async fn matches_of(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        count: usize,
    ) -> Result<Vec<Match>, PipelineError> {
        read!(self, "matches_of", |connection| read_matches_of(connection, tenant, person, count))
    }

    async fn live_pairs(
        &self,
        tenant: &TenantId,
        since: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<[ProfileId; 2]>, PipelineError> {
        read!(self, "live_pairs", |connection| read_live_pairs(connection, tenant, since, count))
    }

    async fn waiting(&self, count: usize) -> Result<Vec<Ticket>, PipelineError> {
        read!(self, "waiting", |connection| read_waiting(connection, count))
    }

    async fn load_ticket(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<Ticket>, PipelineError> {
        read!(self, "load_ticket", |connection| read_ticket(connection, tenant, person))
    }

    async fn drop_tickets(&self, now: DateTime<Utc>) -> Result<u64, PipelineError> {
        write!(self, "drop_tickets", |connection| delete_tickets(connection, now))
    }

    async fn load_list(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<DailyList>, PipelineError> {
        read!(self, "load_list", |connection| read_list(connection, tenant, person))
    }

    async fn put_list(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        list: &DailyList,
        shown: &[(ProfileId, f64)],
        week: i64,
    ) -> Result<bool, PipelineError> {
        write!(self, "put_list", |connection| write_list(connection, tenant, person, list, shown, week))
    }

    async fn stale_lists(
        &self,
        day: NaiveDate,
        oldest: NaiveDate,
        count: usize,
    ) -> Result<Vec<(TenantId, ProfileId)>, PipelineError> {
        read!(self, "stale_lists", |connection| read_stale_lists(connection, day, oldest, count))
    }

    async fn exposures(&self, tenant: &TenantId, ids: &[ProfileId], week: i64) -> Result<Vec<f64>, PipelineError> {
        read!(self, "exposures", |connection| read_exposures(connection, tenant, ids, week))
    }

    async fn all_exposures(&self, tenant: &TenantId, week: i64, count: usize) -> Result<Vec<f64>, PipelineError> {
        read!(self, "all_exposures", |connection| read_all_exposures(connection, tenant, week, count))
    }

    async fn load_score_model(&self, tenant: &TenantId) -> Result<Option<(String, u64)>, PipelineError> {
        read!(self, "load_score_model", |connection| read_model(connection, tenant))
    }

    async fn put_score_model(&self, tenant: &TenantId, body: &str, seen: u64) -> Result<bool, PipelineError> {
        write!(self, "put_score_model", |connection| write_model(connection, tenant, body, seen))
    }

    async fn forget_person(&self, tenant: &TenantId, person: &ProfileId) -> Result<u64, PipelineError> {
        write!(self, "forget_person", |connection| delete_person(connection, tenant, person))
    }
}
