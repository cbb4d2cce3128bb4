//! What moderation decides reaches matching: actions and reports are followed from the store's events, whichever process and queue they came
//! through.

use super::{MATCH_ENDED, Pipeline, STALE_TRIES, answers::over, contended, ended, known_of};
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId, check_name},
    matching::{
        meeting::{Change, Record},
        standing::{News, Standing},
    },
    record::MODERATION_ACTION,
    report::{REPORT_RESOLVED, REPORT_SUBMITTED},
    store::{Event, Recorded},
};

/// Events that are read at once.
const BATCH: usize = 256;
/// Matches of a person that end when they are out.
const MATCHES: usize = 100;

/// What staff set.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StandingChange {
    /// 0 to 1; `Some(None)` forgets it.
    pub trust: Option<Option<f64>>,
    /// Shown to nobody, without being told.
    pub shadow_limited: Option<bool>,
}

/// How a person stands, and what that does to them.
#[derive(Debug, Clone, PartialEq)]
pub struct Stand {
    /// Who.
    pub person: ProfileId,
    /// What is held against them, and what staff set.
    pub standing: Standing,
    /// What strikes, reports, ratings and trust add to every score in which they are shown, in log odds; below 0: a penalty.
    pub reputation: f64,
}

impl Pipeline {
    /// How a person stands.
    pub async fn standing(&self, tenant: &TenantId, person: &ProfileId) -> Result<Stand, PipelineError> {
        check_name("id", person.as_str())?;
        let found = self.store.load_remembered(tenant, std::slice::from_ref(person)).await?;
        self.stand(tenant, person, &found.into_iter().next().unwrap_or_default().record).await
    }

    /// People of whom moderation or staff said anything that is remembered, in the order of their ids.
    pub async fn marked_people(
        &self,
        tenant: &TenantId,
        after: Option<&ProfileId>,
        limit: usize,
    ) -> Result<Vec<Stand>, PipelineError> {
        let (model, _) = self.score_model(tenant).await?;
        let now = self.clock.now();
        let found = self.store.marked_people(tenant, after, limit).await?;
        let stand = |(person, record): (ProfileId, Record)| Stand {
            reputation: model.reputation(&known_of(&record, now)),
            standing: record.standing,
            person,
        };
        Ok(found.into_iter().map(stand).collect())
    }

    async fn stand(&self, tenant: &TenantId, person: &ProfileId, record: &Record) -> Result<Stand, PipelineError> {
        let (model, _) = self.score_model(tenant).await?;
        let reputation = model.reputation(&known_of(record, self.clock.now()));
        Ok(Stand { person: person.clone(), standing: record.standing.clone(), reputation })
    }

    /// Staff set trust or a limit. It holds for every answer that begins afterwards. Errors: `Invalid` (`trust_out_of_range`).
    pub async fn set_standing(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        change: StandingChange,
    ) -> Result<Stand, PipelineError> {
        check_name("id", person.as_str())?;
        if change.trust.flatten().is_some_and(|trust| !(0.0..=1.0).contains(&trust)) {
            return Err(PipelineError::invalid("trust_out_of_range", "`trust` is 0 to 1, or null"));
        }
        let step = |standing: &mut Standing| {
            if let Some(trust) = change.trust {
                standing.trust = trust;
            }
            if let Some(limited) = change.shadow_limited {
                standing.shadow_limited = limited;
            }
            true
        };
        let record = self.change_standing(tenant, person, step).await?;
        self.stand(tenant, person, &record).await
    }

    /// Follows events after `after`; the number of the last one read, `None` when there was none. Doing it twice changes nothing.
    pub async fn follow_standings(&self, after: i64) -> Result<Option<i64>, PipelineError> {
        let events = self.store.events_after(None, after, BATCH).await?;
        for event in &events {
            let Some((person, news)) = read(event) else { continue };
            let person = ProfileId(person);
            self.change_standing(&event.tenant, &person, |standing| standing.apply(&news)).await?;
        }
        Ok(events.last().map(|event| event.sequence))
    }

    /// Changes a standing, unless `step` says that nothing changed. Who is out afterwards waits no more, and their matches end.
    async fn change_standing(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        step: impl Fn(&mut Standing) -> bool,
    ) -> Result<Record, PipelineError> {
        for _ in 0..STALE_TRIES {
            let found = self.store.load_remembered(tenant, std::slice::from_ref(person)).await?;
            let mut remembered = found.into_iter().next().unwrap_or_default();
            if !step(&mut remembered.record.standing) {
                return Ok(remembered.record);
            }
            let (now, record) = (self.clock.now(), remembered.record);
            let standing = &record.standing;
            let mut change = Change::default();
            change.people.push((person.clone(), record.clone(), remembered.version));
            if !standing.may_pair(now) {
                change.taken.extend(self.store.load_ticket(tenant, person).await?.map(|ticket| ticket.id));
            }
            if standing.out(now).is_some() {
                let matches = self.store.matches_of(tenant, person, MATCHES).await?;
                let open = matches.into_iter().filter(|made| made.ended.is_none());
                change.changed = open.map(|made| (over(made, now, "moderation", None), true)).collect();
            }
            let events: Vec<_> = change.changed.iter().map(|(over, _)| ended(over, now)).collect();
            debug_assert!(events.iter().all(|event| event.kind == MATCH_ENDED));
            if self.store.put_change(tenant, change, self.news(events)).await? != Recorded::Stale {
                metrics::counter!("chaperone_match_standings_total").increment(1);
                return Ok(record);
            }
        }
        Err(contended())
    }
}

/// What an event says of whom, if it concerns matching.
fn read(event: &Event) -> Option<(String, News)> {
    match event.kind.as_str() {
        MODERATION_ACTION => News::read(&event.data, event.at),
        REPORT_SUBMITTED => News::reported(&event.data, event.at),
        REPORT_RESOLVED => News::resolved(&event.data, event.at),
        _ => None,
    }
}
