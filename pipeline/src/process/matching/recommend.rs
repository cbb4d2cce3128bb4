//! The daily list, and what can be said of two people.

use std::sync::Arc;

use chrono::{DateTime, Days, Utc};

use super::{Guest, Pipeline, forbids, seed, week};
use crate::{
    error::PipelineError,
    index::Query,
    item::{ProfileId, TenantId, check_name},
    matching::{
        compatibility::{Compatibility, Reason, compare, reasons},
        dice::Dice,
        exploration::explored,
        exposure::{self, Candidate},
        feature::{Someone, Traits},
        filter,
        icebreaker::{Icebreaker, suggest},
        meeting::{DailyList, TieKind},
        score::MatchScore,
    },
};

/// People whom the index is asked for, until enough of them may be met.
const ASKED: [usize; 3] = [256, 1_024, 4_096];
/// Answers that are read to leave out who was seen, and to know a taste.
const ANSWERS: usize = 4_000;
/// Newest likes and passes that a taste is made of.
const TASTE: usize = 100;
/// Days after which nobody keeps a list fresh that was not asked for.
const ABANDONED: u64 = 7;
/// Lists that one turn of the duty makes.
const TURN: usize = 50;
/// Suggestions for a first sentence.
const ICEBREAKERS: usize = 3;

/// One person of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Recommended {
    /// Who.
    pub id: ProfileId,
    /// How well both fit, and why.
    pub score: MatchScore,
    /// What speaks for them.
    pub reasons: Vec<Reason>,
    /// What to say first.
    pub icebreaker: Option<Icebreaker>,
}

/// Two people compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The score, reasons and refusals.
    pub compatibility: Compatibility,
    /// What to say first.
    pub icebreakers: Vec<Icebreaker>,
    /// One of them is out, or blocked the other: they will not be shown to each other. Nobody is told which.
    pub apart: bool,
}

impl Pipeline {
    /// Today's list for a person, made now if need be: the same people in the same order all day, less those who may not be met any more.
    /// Errors: `NotFound`.
    pub async fn recommend(
        &self,
        tenant: &TenantId,
        person: &ProfileId,
        limit: usize,
    ) -> Result<Vec<Recommended>, PipelineError> {
        check_name("id", person.as_str())?;
        let viewer = self.guest(tenant, person).await?;
        let now = self.clock.now();
        if viewer.is_out(now) {
            // No list is made that would stand for the day after the ban is taken back.
            return Ok(Vec::new());
        }
        let known = self.store.load_list(tenant, person).await?.filter(|list| list.day == now.date_naive());
        let list = match known {
            Some(list) => list,
            None => self.make_list(&viewer).await?,
        };
        let guests = self.eligible(&viewer, &list.people).await?;
        let (model, _) = self.score_model(tenant).await?;
        let viewer = self.with_taste(viewer).await?;
        let recommended = guests.into_iter().take(limit).enumerate().map(|(place, guest)| Recommended {
            score: model.score(&viewer.someone, &guest.someone),
            reasons: reasons(&viewer.someone, &guest.someone),
            icebreaker: suggest(&viewer.someone, &guest.someone, place, 1).pop(),
            id: guest.profile.id,
        });
        Ok(recommended.collect())
    }

    /// Makes the day's lists for people whose last one is of another day and not long ago. Answers how many.
    pub async fn refresh_lists(&self) -> Result<usize, PipelineError> {
        let today = self.clock.now().date_naive();
        let oldest = today.checked_sub_days(Days::new(ABANDONED)).unwrap_or(today);
        let mut made = 0;
        for (tenant, person) in self.store.stale_lists(today, oldest, TURN).await? {
            match self.guest(&tenant, &person).await {
                Ok(viewer) => drop(self.make_list(&viewer).await?),
                // The profile is gone: an empty list of today is not asked for again.
                Err(PipelineError::NotFound { .. }) => {
                    let empty = DailyList { day: today, people: Vec::new() };
                    self.store.put_list(&tenant, &person, &empty).await?;
                }
                Err(error) => return Err(error),
            }
            made += 1;
        }
        Ok(made)
    }

    /// Attention that people got this week, of at most `limit` of them.
    pub async fn exposures(&self, tenant: &TenantId, limit: usize) -> Result<Vec<f64>, PipelineError> {
        self.store.all_exposures(tenant, week(self.clock.now()), limit).await
    }

    /// Nearest people who fit both ways → score with explored appeal → fair exposure → kept for the day.
    async fn make_list(&self, viewer: &Guest) -> Result<DailyList, PipelineError> {
        let (tenant, now) = (&viewer.profile.tenant, self.clock.now());
        let viewer = self.with_taste(viewer.clone()).await?;
        let length = self.config.matching.list_length;
        let candidates = self.candidates(&viewer, length * 8).await?;
        let (model, _) = self.score_model(tenant).await?;
        let own = Traits::of(&viewer.someone, &model.expected);
        let mut dice = Dice::seeded(seed(tenant, viewer.id(), now));
        let ids: Vec<ProfileId> = candidates.iter().map(|guest| guest.id().clone()).collect();
        let shown = self.store.exposures(tenant, &ids, week(now)).await?;
        let scored: Vec<Candidate> = candidates
            .iter()
            .zip(shown)
            .map(|(guest, shown)| {
                let behaviour = explored(&guest.someone.behaviour, &model.expected, &mut dice);
                let someone = Someone { behaviour, ..guest.someone.clone() };
                let traits = Traits::of(&someone, &model.expected);
                Candidate { score: model.score_known((&viewer.someone, &own), (&someone, &traits)).total, shown }
            })
            .collect();
        let mean = scored.iter().map(|candidate| candidate.shown).sum::<f64>() / scored.len().max(1) as f64;
        let order = exposure::order(&scored, mean, self.config.matching.fairness);
        let people: Vec<ProfileId> = order.into_iter().take(length).map(|place| ids[place].clone()).collect();
        let list = DailyList { day: now.date_naive(), people };
        if !self.store.put_list(tenant, viewer.id(), &list).await? {
            // Another process was faster: its list is the day's.
            return Ok(self.store.load_list(tenant, viewer.id()).await?.unwrap_or(list));
        }
        let shown: Vec<(ProfileId, f64)> =
            list.people.iter().enumerate().map(|(place, id)| (id.clone(), exposure::attention(place))).collect();
        self.store.expose(tenant, &shown, week(now)).await?;
        Ok(list)
    }

    /// People near the viewer whom they may meet and have not answered, about `enough` of them.
    async fn candidates(&self, viewer: &Guest, enough: usize) -> Result<Vec<Guest>, PipelineError> {
        let tenant = &viewer.profile.tenant;
        let answered = self.store.ties_of(tenant, viewer.id(), ANSWERS).await?;
        let mut exclude: Vec<ProfileId> = answered.into_iter().map(|tie| tie.to).collect();
        exclude.push(viewer.id().clone());
        exclude.sort();
        exclude.dedup();
        let index = self.reader().await?.index;
        let mut found = Vec::new();
        for limit in ASKED {
            let query = Query {
                tenant: tenant.clone(),
                vector: viewer.profile.vector.clone(),
                filter: filter::conditions(&viewer.profile.terms),
                exclude: exclude.clone(),
                limit,
            };
            let ids: Vec<ProfileId> = index.search(query).await?.into_iter().map(|hit| hit.id).collect();
            let all = ids.len() < limit;
            found = self.eligible(viewer, &ids).await?;
            if all || found.len() >= enough {
                break;
            }
        }
        found.truncate(enough);
        Ok(found)
    }

    /// With what they liked so far.
    pub(super) async fn with_taste(&self, mut viewer: Guest) -> Result<Guest, PipelineError> {
        let tenant = &viewer.profile.tenant;
        let mut ties = self.store.ties_of(tenant, viewer.id(), TASTE).await?;
        ties.retain(|tie| tie.kind != TieKind::Block);
        let ids: Vec<ProfileId> = ties.iter().map(|tie| tie.to.clone()).collect();
        let profiles = self.readable(tenant, &ids).await?;
        let liked = |id: &ProfileId| ties.iter().any(|tie| tie.to == *id && tie.kind == TieKind::Like);
        let length = viewer.profile.vector.len();
        let (mut likes, mut passes) = ((vec![0.0_f32; length], 0.0_f32), (vec![0.0_f32; length], 0.0_f32));
        for profile in profiles.iter().filter(|profile| profile.vector.len() == length) {
            let (sum, count) = if liked(&profile.id) { &mut likes } else { &mut passes };
            *count += 1.0;
            sum.iter_mut().zip(&*profile.vector).for_each(|(sum, value)| *sum += value);
        }
        if likes.1 > 0.0 {
            // As if two more had been liked for nothing in particular: of one like nobody knows a taste.
            let mean = |(sum, count): &(Vec<f32>, f32), place: usize| sum[place] / (count + 2.0);
            let taste: Arc<[f32]> = (0..length).map(|place| mean(&likes, place) - mean(&passes, place)).collect();
            viewer.someone.taste = taste;
        }
        Ok(viewer)
    }

    /// Compares two people. Errors: `NotFound`.
    pub async fn compare(
        &self,
        tenant: &TenantId,
        one: &ProfileId,
        other: &ProfileId,
    ) -> Result<Compared, PipelineError> {
        check_name("one", one.as_str())?;
        check_name("other", other.as_str())?;
        let one = self.guest(tenant, one).await?;
        let one = self.with_taste(one).await?;
        let other = self.guest(tenant, other).await?;
        let other = self.with_taste(other).await?;
        let (model, _) = self.score_model(tenant).await?;
        let ties = self.store.ties_with(tenant, one.id(), std::slice::from_ref(other.id())).await?;
        let blocked = ties.iter().any(|tie| tie.kind == TieKind::Block && (forbids(tie, one.id(), other.id())));
        let now: DateTime<Utc> = self.clock.now();
        Ok(Compared {
            compatibility: compare(&model, &one.someone, &other.someone),
            icebreakers: suggest(&one.someone, &other.someone, 0, ICEBREAKERS),
            apart: blocked || one.is_out(now) || other.is_out(now),
        })
    }
}
