//! What matching remembers.

use std::{borrow::Cow, sync::Arc};

use async_trait::async_trait;
use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{SqliteStore, events};
use crate::{
    profile::Profile,
    store::{MatchStore, News, Recorded, matching::statements::statements},
};

statements!(SqliteConnection, SqliteRow, "SELECT value FROM json_each($2)");

/// SQLite keeps every text as it is.
fn escape(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// The inverse of [`escape`].
#[expect(clippy::unnecessary_wraps, reason = "PostgreSQL's can fail")]
fn unescape(text: String) -> Result<String, PipelineError> {
    Ok(text)
}

/// Says inside a transaction that something is not as it was read: the transaction is undone.
const STALE: &str = "matching_stale";

/// Writes in the writer's transaction.
macro_rules! write {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {
        $store
            .writer
            .write($name, move |scope| {
                Box::pin(async move {
                    let $connection = &mut scope.connection;
                    Ok($body.await?)
                })
            })
            .await
    };
}

/// Reads on a connection of its own.
macro_rules! read {
    ($store:expr, $name:literal, |$connection:ident| $body:expr) => {
        $store.read($name, move |$connection| Box::pin(async move { Ok($body.await?) })).await
    };
}

#[async_trait]
impl MatchStore for SqliteStore {
    async fn load_profiles(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Profile>, PipelineError> {
        let (tenant, ids) = (tenant.clone(), list(ids)?);
        let rows = self
            .read("load_profiles", move |connection| {
                Box::pin(async move {
                    let sql =
                        "SELECT tenant, id, version, text_sha256, interests, bio, attributes, vector, updated_at, terms
                               FROM profiles WHERE tenant = $1 AND id IN (SELECT value FROM json_each($2))";
                    Ok(sqlx::query(sql).bind(tenant.0).bind(ids).fetch_all(connection).await?)
                })
            })
            .await?;
        rows.iter().map(super::profiles::profile).collect()
    }

    async fn put_change(&self, tenant: &TenantId, change: Change, news: News) -> Result<Recorded, PipelineError> {
        let tenant = tenant.clone();
        let written = self
            .writer
            .write("put_change", move |scope| {
                Box::pin(async move {
                    if !write_change(&mut scope.connection, &tenant, &change).await? {
                        return Err(PipelineError::Conflict { code: STALE, message: String::new() });
                    }
                    let (events, webhooks) = &news;
                    events::append(scope, events, webhooks).await
                })
            })
            .await;
        match written {
            Ok(()) => Ok(Recorded::New),
            Err(PipelineError::Conflict { code: STALE, .. }) => Ok(Recorded::Stale),
            Err(error) => Err(error),
        }
    }

    async fn load_remembered(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Remembered>, PipelineError> {
        let (tenant, ids) = (tenant.clone(), ids.to_vec());
        read!(self, "load_remembered", |connection| read_remembered(connection, &tenant, &ids))
    }

    async fn marked_people(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        count: usize,
    ) -> Result<Vec<(ProfileId, Record)>, PipelineError> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        read!(self, "marked_people", |connection| read_marked(connection, &tenant, after.as_ref(), count))
    }

    async fn ties_of(&self, tenant: &TenantId, person: &ProfileId, count: usize) -> Result<Vec<Tie>, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        read!(self, "ties_of", |connection| read_ties_of(connection, &tenant, &person, count))
    }

    async fn ties_with(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        others: &[ProfileId],
    ) -> Result<Vec<Tie>, PipelineError> {
        let (tenant, person, others) = (tenant.clone(), person.clone(), others.to_vec());
        read!(self, "ties_with", |connection| read_ties_with(connection, &tenant, &person, &others))
    }

    async fn likes_to(&self, tenant: &TenantId, person: &ProfileId, count: usize) -> Result<Vec<Tie>, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        read!(self, "likes_to", |connection| read_likes_to(connection, &tenant, &person, count))
    }

    async fn load_tastes(
        &self,
        tenant: &TenantId,
        ids: &[ProfileId],
        model: &str,
    ) -> Result<Vec<Arc<[f32]>>, PipelineError> {
        let (tenant, ids, model) = (tenant.clone(), ids.to_vec(), model.to_owned());
        read!(self, "load_tastes", |connection| read_tastes(connection, &tenant, &ids, &model))
    }

    async fn put_taste(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        model: &str,
        taste: &[f32],
    ) -> Result<(), PipelineError> {
        let (tenant, person, model, taste) = (tenant.clone(), person.clone(), model.to_owned(), taste.to_vec());
        write!(self, "put_taste", |connection| write_taste(connection, &tenant, &person, &model, &taste))
    }

    async fn put_avatar(&self, tenant: &TenantId, person: &ProfileId, avatar: &Pdq) -> Result<(), PipelineError> {
        let (tenant, person, avatar) = (tenant.clone(), person.clone(), *avatar);
        write!(self, "put_avatar", |connection| write_avatar(connection, &tenant, &person, &avatar))
    }

    async fn delete_avatar(&self, tenant: &TenantId, person: &ProfileId) -> Result<bool, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        write!(self, "delete_avatar", |connection| remove_avatar(connection, &tenant, &person))
    }

    async fn marked_avatars(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        count: usize,
    ) -> Result<Vec<(ProfileId, Pdq)>, PipelineError> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        read!(self, "marked_avatars", |connection| read_marked_avatars(connection, &tenant, after.as_ref(), count))
    }

    async fn load_match(&self, tenant: &TenantId, id: MatchId) -> Result<Option<Match>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "load_match", |connection| read_match(connection, &tenant, id))
    }

    async fn matches_of(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        count: usize,
    ) -> Result<Vec<Match>, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        read!(self, "matches_of", |connection| read_matches_of(connection, &tenant, &person, count))
    }

    async fn live_pairs(
        &self,
        tenant: &TenantId,
        since: DateTime<Utc>,
        count: usize,
    ) -> Result<Vec<[ProfileId; 2]>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "live_pairs", |connection| read_live_pairs(connection, &tenant, since, count))
    }

    async fn waiting(&self, count: usize) -> Result<Vec<Ticket>, PipelineError> {
        read!(self, "waiting", |connection| read_waiting(connection, count))
    }

    async fn load_ticket(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<Ticket>, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        read!(self, "load_ticket", |connection| read_ticket(connection, &tenant, &person))
    }

    async fn drop_tickets(&self, now: DateTime<Utc>) -> Result<u64, PipelineError> {
        write!(self, "drop_tickets", |connection| delete_tickets(connection, now))
    }

    async fn load_list(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<DailyList>, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        read!(self, "load_list", |connection| read_list(connection, &tenant, &person))
    }

    async fn put_list(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        list: &DailyList,
        shown: &[(ProfileId, f64)],
        week: i64,
    ) -> Result<bool, PipelineError> {
        let (tenant, person, list, shown) = (tenant.clone(), person.clone(), list.clone(), shown.to_vec());
        write!(self, "put_list", |connection| write_list(connection, &tenant, &person, &list, &shown, week))
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
        let (tenant, ids) = (tenant.clone(), ids.to_vec());
        read!(self, "exposures", |connection| read_exposures(connection, &tenant, &ids, week))
    }

    async fn all_exposures(&self, tenant: &TenantId, week: i64, count: usize) -> Result<Vec<f64>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "all_exposures", |connection| read_all_exposures(connection, &tenant, week, count))
    }

    async fn load_score_model(&self, tenant: &TenantId) -> Result<Option<(String, u64)>, PipelineError> {
        let tenant = tenant.clone();
        read!(self, "load_score_model", |connection| read_model(connection, &tenant))
    }

    async fn put_score_model(&self, tenant: &TenantId, body: &str, seen: u64) -> Result<bool, PipelineError> {
        let (tenant, body) = (tenant.clone(), body.to_owned());
        write!(self, "put_score_model", |connection| write_model(connection, &tenant, &body, seen))
    }

    async fn forget_person(&self, tenant: &TenantId, person: &ProfileId) -> Result<u64, PipelineError> {
        let (tenant, person) = (tenant.clone(), person.clone());
        write!(self, "forget_person", |connection| delete_person(connection, &tenant, &person))
    }
}
