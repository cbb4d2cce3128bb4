//! The area of the store that keeps what matching remembers.
//!
//! - A [`Change`] is written as a whole or not at all. A record is only written over the version that it was made from, a match over the
//!   state (open or over) that it was read in, and a ticket that is taken must be there; otherwise the answer is [`Recorded::Stale`].
//! - Both databases run the same statements ([`statements`]).

pub(in crate::store) mod statements;

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};

use super::{Event, Recorded};
use crate::{
    error::PipelineError,
    item::{MatchId, ProfileId, TenantId},
    matching::meeting::{Change, DailyList, Match, Record, Remembered, Ticket, Tie},
    pdq::Pdq,
    profile::Profile,
};

/// Events with the webhooks that are told of them (index into the events, webhook name).
pub type News = (Vec<Event>, Vec<(usize, String)>);

/// People, ties, matches, tickets, lists, models.
#[async_trait]
pub trait MatchStore: Send + Sync {
    /// Profiles by their ids, in any order; unknown ids are left out.
    async fn load_profiles(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Profile>, PipelineError>;
    /// What is remembered of people, in the order of `ids`; of somebody unknown nothing, with version 0.
    async fn load_remembered(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Remembered>, PipelineError>;
    /// People of whom moderation or staff said something, after `after` in the order of their ids.
    async fn marked_people(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        limit: usize,
    ) -> Result<Vec<(ProfileId, Record)>, PipelineError>;
    /// Writes a change with the events that tell of it.
    async fn put_change(&self, tenant: &TenantId, change: Change, news: News) -> Result<Recorded, PipelineError>;
    /// What `person` said of others, newest first.
    async fn ties_of(&self, tenant: &TenantId, person: &ProfileId, limit: usize) -> Result<Vec<Tie>, PipelineError>;
    /// What `person` and each of `others` said of each other.
    async fn ties_with(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        others: &[ProfileId],
    ) -> Result<Vec<Tie>, PipelineError>;
    /// Likes of `person` by people whom they have not answered, newest first.
    async fn likes_to(&self, tenant: &TenantId, person: &ProfileId, limit: usize) -> Result<Vec<Tie>, PipelineError>;
    /// What people like, as [`MatchStore::put_taste`] wrote it for `model`, in the order of `ids`; empty where there is none.
    async fn load_tastes(
        &self,
        tenant: &TenantId,
        ids: &[ProfileId],
        model: &str,
    ) -> Result<Vec<Arc<[f32]>>, PipelineError>;
    /// Writes what somebody likes, in the vectors of `model`. The newest stays.
    async fn put_taste(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        model: &str,
        taste: &[f32],
    ) -> Result<(), PipelineError>;
    /// Remembers a person's picture. The newest stays.
    async fn put_avatar(&self, tenant: &TenantId, person: &ProfileId, avatar: &Pdq) -> Result<(), PipelineError>;
    /// Forgets it. `false`: there was none.
    async fn delete_avatar(&self, tenant: &TenantId, person: &ProfileId) -> Result<bool, PipelineError>;
    /// Pictures of people of whom moderation or staff said something, after `after` in the order of their ids.
    async fn marked_avatars(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        limit: usize,
    ) -> Result<Vec<(ProfileId, Pdq)>, PipelineError>;

    /// One match.
    async fn load_match(&self, tenant: &TenantId, id: MatchId) -> Result<Option<Match>, PipelineError>;
    /// A person's matches, newest first.
    async fn matches_of(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        limit: usize,
    ) -> Result<Vec<Match>, PipelineError>;
    /// Pairs of live matches that were made after `since`, newest first.
    async fn live_pairs(
        &self,
        tenant: &TenantId,
        since: DateTime<Utc>,
        limit: usize,
    ) -> Result<Vec<[ProfileId; 2]>, PipelineError>;

    /// Everybody who waits, of all tenants, longest first.
    async fn waiting(&self, limit: usize) -> Result<Vec<Ticket>, PipelineError>;
    /// One person's ticket.
    async fn load_ticket(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<Ticket>, PipelineError>;
    /// Removes tickets whose time is over. Answers how many.
    async fn drop_tickets(&self, now: DateTime<Utc>) -> Result<u64, PipelineError>;

    /// A person's newest daily list.
    async fn load_list(&self, tenant: &TenantId, person: &ProfileId) -> Result<Option<DailyList>, PipelineError>;
    /// Writes a day's list, and that the people `shown` got so much more attention in `week`. `false`: there is a list of that day, which stays,
    /// and nobody got more.
    async fn put_list(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        list: &DailyList,
        shown: &[(ProfileId, f64)],
        week: i64,
    ) -> Result<bool, PipelineError>;
    /// People of all tenants whose list is older than `day` and at least as new as `oldest`.
    async fn stale_lists(
        &self,
        day: NaiveDate,
        oldest: NaiveDate,
        limit: usize,
    ) -> Result<Vec<(TenantId, ProfileId)>, PipelineError>;
    /// Attention that people got in `week`, in the order of `ids`.
    async fn exposures(&self, tenant: &TenantId, ids: &[ProfileId], week: i64) -> Result<Vec<f64>, PipelineError>;
    /// Everybody's attention in `week`, at most `limit` of them.
    async fn all_exposures(&self, tenant: &TenantId, week: i64, limit: usize) -> Result<Vec<f64>, PipelineError>;

    /// A tenant's learned model as it was written, with its version; none before the first answer.
    async fn load_score_model(&self, tenant: &TenantId) -> Result<Option<(String, u64)>, PipelineError>;
    /// Writes it over version `seen` (0: none). `false`: somebody was faster.
    async fn put_score_model(&self, tenant: &TenantId, body: &str, seen: u64) -> Result<bool, PipelineError>;

    /// Forgets all that a person said and was said of them, their matches, list and ticket. Their standing stays. Answers the row count.
    async fn forget_person(&self, tenant: &TenantId, person: &ProfileId) -> Result<u64, PipelineError>;
}
