//! Matching: who is recommended to whom, what people answer, who waits. Reads, decides purely (`crate::matching`), writes with the events
//! that tell of it.
//!
//! Whom moderation keeps out is asked of the store for every answer, after everything else: a ban holds from the moment in which it is in
//! the person's record, whatever an index or a list of this morning says.

mod answers;
mod evasion;
mod pool;
mod recommend;
mod search;
mod standings;

use std::collections::HashMap;

use chrono::{DateTime, Datelike, Utc};
use serde_json::json;
use uuid::Uuid;

use super::Pipeline;
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId},
    matching::{
        behaviour::Behaviour,
        feature::Someone,
        filter,
        meeting::{Match, Record, Remembered, Tie, TieKind},
        score::ScoreModel,
    },
    profile::Profile,
    record::interested,
    store::{Event, News},
};

pub use answers::{Answered, Feedback};
pub use pool::{Place, Pool};
pub use recommend::{Compared, Recommended};
pub use search::{Found, Search};
pub use standings::{Stand, StandingChange};

/// Event kind: two people were matched.
pub const MATCH_CREATED: &str = "match.created";
/// Event kind: a match is over.
pub const MATCH_ENDED: &str = "match.ended";
/// Event kind: a profile is very near to one of somebody who is banned.
pub const EVASION_SUSPECTED: &str = "evasion.suspected";
/// Tries of a change while others change the same people.
const STALE_TRIES: usize = 20;

/// A person with all that a score and the limits need.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) profile: Profile,
    pub(super) remembered: Remembered,
    pub(super) someone: Someone,
}

impl Guest {
    fn new(profile: Profile, remembered: Remembered, now: DateTime<Utc>) -> Self {
        let someone = Someone {
            terms: profile.terms.clone(),
            interests: profile.interests.clone(),
            vector: profile.vector.clone(),
            ..known_of(&remembered.record, now)
        };
        Self { profile, remembered, someone }
    }

    fn id(&self) -> &ProfileId {
        &self.profile.id
    }

    fn is_out(&self, now: DateTime<Utc>) -> bool {
        self.remembered.record.standing.out(now).is_some()
    }
}

/// Somebody as far as what is remembered goes, without their profile.
fn known_of(record: &Record, now: DateTime<Utc>) -> Someone {
    let Record { behaviour, standing, active_at } = record;
    Someone {
        behaviour: Behaviour { reports: f64::from(standing.reports(now)), ..*behaviour },
        idle_days: active_at.map(|at| (now - at).num_seconds() as f64 / 86_400.0),
        strikes: standing.strikes(now),
        trust: standing.trust,
        ..Someone::default()
    }
}

impl Pipeline {
    /// These people, in their order; those without a profile are left out.
    async fn guests(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Guest>, PipelineError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let profiles = self.readable(tenant, ids).await?;
        let mut profiles: HashMap<ProfileId, Profile> =
            profiles.into_iter().map(|profile| (profile.id.clone(), profile)).collect();
        let remembered = self.store.load_remembered(tenant, ids).await?;
        let guests = ids.iter().zip(remembered);
        Ok(guests.filter_map(|(id, known)| Some(Guest::new(profiles.remove(id)?, known, now))).collect())
    }

    /// One of them. Errors: `NotFound`.
    async fn guest(&self, tenant: &TenantId, id: &ProfileId) -> Result<Guest, PipelineError> {
        let found = self.guests(tenant, std::slice::from_ref(id)).await?.pop();
        found.ok_or_else(|| PipelineError::NotFound { what: "profile", id: id.to_string() })
    }

    /// Those of `ids` whom `viewer` may meet now: both fit, neither is out, neither blocked or refused the other.
    async fn eligible(&self, viewer: &Guest, ids: &[ProfileId]) -> Result<Vec<Guest>, PipelineError> {
        let (tenant, now) = (&viewer.profile.tenant, self.clock.now());
        if viewer.is_out(now) {
            return Ok(Vec::new());
        }
        let ties = self.store.ties_with(tenant, viewer.id(), ids).await?;
        let mut guests = self.guests(tenant, ids).await?;
        guests.retain(|guest| {
            guest.id() != viewer.id()
                && !guest.is_out(now)
                && guest.profile.vector.len() == viewer.profile.vector.len()
                && filter::mutual(&viewer.profile.terms, &guest.profile.terms).is_ok()
                && !ties.iter().any(|tie| forbids(tie, viewer.id(), guest.id()))
        });
        Ok(guests)
    }

    /// The tenant's learned combination of scores.
    pub async fn learned(&self, tenant: &TenantId) -> Result<ScoreModel, PipelineError> {
        Ok(self.score_model(tenant).await?.0)
    }

    /// The tenant's learned combination of scores, with its version in the store.
    async fn score_model(&self, tenant: &TenantId) -> Result<(ScoreModel, u64), PipelineError> {
        let Some((body, version)) = self.store.load_score_model(tenant).await? else {
            return Ok((ScoreModel::default(), 0));
        };
        // One of other features, of an older or newer program, begins anew.
        let model = serde_json::from_str(&body).ok().filter(ScoreModel::fits).unwrap_or_default();
        Ok((model, version))
    }

    /// Events with who is told of them.
    fn news(&self, events: Vec<Event>) -> News {
        let webhooks = interested(&events, &self.webhooks);
        (events, webhooks)
    }
}

/// Does it keep these two from being shown to each other? Either's block, the viewer's own answer, the other's no.
fn forbids(tie: &Tie, viewer: &ProfileId, other: &ProfileId) -> bool {
    let (own, theirs) = (tie.from == *viewer && tie.to == *other, tie.from == *other && tie.to == *viewer);
    own || (theirs && tie.kind != TieKind::Like)
}

/// Weeks since 1970.
fn week(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(7 * 86_400)
}

/// A seed that is the same for one person on one day, and another for everybody else.
fn seed(tenant: &TenantId, person: &ProfileId, now: DateTime<Utc>) -> u64 {
    let digest = crate::hash::sha256_hex(format!("{tenant}\0{person}\0{}", now.num_days_from_ce()).as_bytes());
    u64::from_str_radix(&digest[..16], 16).unwrap_or_default()
}

fn created(made: &Match) -> Event {
    let data = json!({
        "match": made.id,
        "participants": made.participants,
        "score": (made.score.clamp(0.0, 1.0) * 1e4).round() / 1e4,
        "explanation": made.reasons,
    });
    event(MATCH_CREATED, &made.tenant, made.id.to_string(), made.created_at, data)
}

/// For a match that is over.
fn ended(over: &Match, at: DateTime<Utc>) -> Event {
    let end = over.ended.as_ref();
    let reason = end.map_or("left", |ended| ended.reason.as_str());
    let mut data = json!({ "match": over.id, "participants": over.participants, "reason": reason });
    if let Some(by) = end.and_then(|ended| ended.by.as_ref()) {
        data["ended_by"] = json!(by);
    }
    event(MATCH_ENDED, &over.tenant, Uuid::now_v7().to_string(), at, data)
}

fn event(kind: &str, tenant: &TenantId, key: String, at: DateTime<Utc>, data: serde_json::Value) -> Event {
    Event { sequence: 0, kind: kind.to_owned(), tenant: tenant.clone(), key, at, data }
}

fn contended() -> PipelineError {
    PipelineError::Unavailable {
        part: "store",
        message: "the same people are changed by others again and again".into(),
    }
}
