//! What moderation decides reaches matching: every `moderation.action` is followed from the store's events, whichever process and queue it
//! came through.

use super::{MATCH_ENDED, Pipeline, STALE_TRIES, answers::over, contended, ended};
use crate::{
    error::PipelineError,
    item::{ProfileId, TenantId, check_name},
    matching::{
        meeting::Change,
        standing::{News, Standing},
    },
    record::MODERATION_ACTION,
    store::Recorded,
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

impl Pipeline {
    /// A person's standing.
    pub async fn standing(&self, tenant: &TenantId, person: &ProfileId) -> Result<Standing, PipelineError> {
        check_name("id", person.as_str())?;
        let found = self.store.load_remembered(tenant, std::slice::from_ref(person)).await?;
        Ok(found.into_iter().next().unwrap_or_default().record.standing)
    }

    /// Staff set trust or a limit. It holds for every answer that begins afterwards. Errors: `Invalid` (`trust_out_of_range`).
    pub async fn set_standing(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        change: StandingChange,
    ) -> Result<Standing, PipelineError> {
        check_name("id", person.as_str())?;
        if change.trust.flatten().is_some_and(|trust| !(0.0..=1.0).contains(&trust)) {
            return Err(PipelineError::invalid("trust_out_of_range", "`trust` is 0 to 1, or null"));
        }
        self.change_standing(tenant, person, |standing| {
            if let Some(trust) = change.trust {
                standing.trust = trust;
            }
            if let Some(limited) = change.shadow_limited {
                standing.shadow_limited = limited;
            }
            true
        })
        .await
    }

    /// Follows events after `after`; the number of the last one read, `None` when there was none. Doing it twice changes nothing.
    pub async fn follow_standings(&self, after: i64) -> Result<Option<i64>, PipelineError> {
        let events = self.store.events_after(None, after, BATCH).await?;
        for event in events.iter().filter(|event| event.kind == MODERATION_ACTION) {
            let Some((person, news)) = News::read(&event.data, event.at) else { continue };
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
    ) -> Result<Standing, PipelineError> {
        for _ in 0..STALE_TRIES {
            let found = self.store.load_remembered(tenant, std::slice::from_ref(person)).await?;
            let mut remembered = found.into_iter().next().unwrap_or_default();
            if !step(&mut remembered.record.standing) {
                return Ok(remembered.record.standing);
            }
            let (now, standing) = (self.clock.now(), remembered.record.standing.clone());
            let mut change = Change::default();
            change.people.push((person.clone(), remembered.record, remembered.version));
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
                return Ok(standing);
            }
        }
        Err(contended())
    }
}
