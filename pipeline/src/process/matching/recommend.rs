//! The daily list, and what can be said of two people.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Days, Utc};

use super::{Guest, Pipeline, forbids, seed, week};
use crate::{
    error::PipelineError,
    index::Query,
    item::{ProfileId, TenantId, check_name},
    matching::{
        behaviour::Expected,
        compatibility::{Compatibility, Reason, compare, reasons},
        dice::Dice,
        exposure, filter,
        icebreaker::{Icebreaker, suggest},
        meeting::{DailyList, TieKind},
        score::MatchScore,
        shortlist::{self, Entry},
        taste,
    },
};

/// People whom the index is asked for, until enough of them may be met.
const ASKED: [usize; 3] = [192, 1_024, 4_096];
/// Answers that are read to leave out who was seen, and to know who likes the viewer.
const ANSWERS: usize = 4_000;
/// Candidates for each place of a list.
const CANDIDATES: usize = 8;
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
        let mut guests = self.eligible(&viewer, &list.people).await?;
        let (model, _) = self.score_model(tenant).await?;
        let viewer = self.with_taste(viewer, &model.expected, None).await?;
        self.add_tastes(tenant, &mut guests).await?;
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
                    self.store.put_list(&tenant, &person, &empty, &[], week(self.clock.now())).await?;
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

    /// Candidates who fit both ways → by score, appeal explored and attention shared → kept for the day.
    async fn make_list(&self, viewer: &Guest) -> Result<DailyList, PipelineError> {
        let (tenant, now) = (&viewer.profile.tenant, self.clock.now());
        let (model, _) = self.score_model(tenant).await?;
        let viewer = self.with_taste(viewer.clone(), &model.expected, None).await?;
        let length = self.config.matching.list_length;
        let mut dice = Dice::seeded(seed(tenant, viewer.id(), now));
        let candidates = self.candidates(&viewer, length * CANDIDATES, &mut dice).await?;
        let ids: Vec<ProfileId> = candidates.iter().map(|(guest, _)| guest.id().clone()).collect();
        let shown = self.store.exposures(tenant, &ids, week(now)).await?;
        let entries: Vec<Entry<'_>> = candidates
            .iter()
            .zip(shown)
            .map(|((guest, likes_viewer), shown)| Entry { someone: &guest.someone, likes_viewer: *likes_viewer, shown })
            .collect();
        let order = shortlist::order(&model, &viewer.someone, &entries, self.config.matching.fairness, &mut dice);
        let people: Vec<ProfileId> = order.into_iter().take(length).map(|place| ids[place].clone()).collect();
        let list = DailyList { day: now.date_naive(), people };
        let shown: Vec<(ProfileId, f64)> =
            list.people.iter().enumerate().map(|(place, id)| (id.clone(), exposure::attention(place))).collect();
        if !self.store.put_list(tenant, viewer.id(), &list, &shown, week(now)).await? {
            // Another process was faster: its list is the day's.
            return Ok(self.store.load_list(tenant, viewer.id()).await?.unwrap_or(list));
        }
        if !viewer.someone.taste.is_empty() {
            let model = self.reader().await?.model;
            self.store.put_taste(tenant, viewer.id(), &model, &viewer.someone.taste).await?;
        }
        Ok(list)
    }

    /// People whom the viewer may meet and has not answered, about `enough` of them, and whether they like the viewer: some who do, some like
    /// those whom the viewer likes, some from anywhere, so that tastes can be found out, and the nearest.
    async fn candidates(
        &self,
        viewer: &Guest,
        enough: usize,
        dice: &mut Dice,
    ) -> Result<Vec<(Guest, bool)>, PipelineError> {
        let tenant = &viewer.profile.tenant;
        let answered = self.store.ties_of(tenant, viewer.id(), ANSWERS).await?;
        let mut exclude: Vec<ProfileId> = answered.into_iter().map(|tie| tie.to).collect();
        exclude.push(viewer.id().clone());
        exclude.sort();
        exclude.dedup();
        let likes = self.store.likes_to(tenant, viewer.id(), ANSWERS).await?;
        let likers: HashSet<ProfileId> = likes.iter().map(|tie| tie.from.clone()).collect();
        let (mut nearest, mut all) = (Vec::new(), false);
        for limit in ASKED {
            let ids = self.near(viewer, viewer.profile.vector.clone(), &exclude, limit).await?;
            all = ids.len() < limit;
            nearest = self.eligible(viewer, &ids).await?;
            if all || nearest.len() >= enough {
                break;
            }
        }
        let some = enough / 4;
        let mut ids: Vec<ProfileId> = likes.into_iter().map(|tie| tie.from).take(some).collect();
        if !all {
            let length = viewer.profile.vector.len();
            let anywhere: Arc<[f32]> = (0..length).map(|_| dice.normal() as f32).collect();
            for direction in [unit(&viewer.someone.taste), unit(&anywhere)].into_iter().flatten() {
                ids.extend(self.near(viewer, direction, &exclude, some).await?);
            }
        }
        let mut seen: HashSet<ProfileId> = HashSet::new();
        ids.retain(|id| seen.insert(id.clone()));
        let mut found = self.eligible(viewer, &ids).await?;
        let seen: HashSet<ProfileId> = found.iter().map(|guest| guest.id().clone()).collect();
        found.extend(nearest.into_iter().filter(|guest| !seen.contains(guest.id())));
        found.truncate(enough);
        self.add_tastes(tenant, &mut found).await?;
        let flagged = found.into_iter().map(|guest| {
            let likes = likers.contains(guest.id());
            (guest, likes)
        });
        Ok(flagged.collect())
    }

    /// People near to a direction who may fit the viewer.
    async fn near(
        &self,
        viewer: &Guest,
        vector: Arc<[f32]>,
        exclude: &[ProfileId],
        limit: usize,
    ) -> Result<Vec<ProfileId>, PipelineError> {
        let query = Query {
            tenant: viewer.profile.tenant.clone(),
            vector,
            filter: filter::conditions(&viewer.profile.terms),
            exclude: exclude.to_vec(),
            limit,
        };
        Ok(self.reader().await?.index.search(query).await?.into_iter().map(|hit| hit.id).collect())
    }

    /// What they like, as of their own newest list.
    async fn add_tastes(&self, tenant: &TenantId, guests: &mut [Guest]) -> Result<(), PipelineError> {
        let ids: Vec<ProfileId> = guests.iter().map(|guest| guest.id().clone()).collect();
        let model = self.reader().await?.model;
        let tastes = self.store.load_tastes(tenant, &ids, &model).await?;
        guests.iter_mut().zip(tastes).for_each(|(guest, taste)| guest.someone.taste = taste);
        Ok(())
    }

    /// With what their newest answers say of their taste, but for the one about `without`.
    pub(super) async fn with_taste(
        &self,
        mut viewer: Guest,
        expected: &Expected,
        without: Option<&ProfileId>,
    ) -> Result<Guest, PipelineError> {
        let tenant = &viewer.profile.tenant;
        let mut ties = self.store.ties_of(tenant, viewer.id(), taste::ANSWERS).await?;
        ties.retain(|tie| tie.kind != TieKind::Block && Some(&tie.to) != without);
        let ids: Vec<ProfileId> = ties.iter().map(|tie| tie.to.clone()).collect();
        if ids.is_empty() {
            return Ok(viewer);
        }
        let liked: HashSet<&ProfileId> =
            ties.iter().filter(|tie| tie.kind == TieKind::Like).map(|tie| &tie.to).collect();
        let profiles = self.readable(tenant, &ids).await?;
        let known = self.store.load_remembered(tenant, &ids).await?;
        let appeals: HashMap<&ProfileId, f64> =
            ids.iter().zip(&known).map(|(id, known)| (id, known.record.behaviour.appeal)).collect();
        let length = viewer.profile.vector.len();
        let answers: Vec<taste::Answered<'_>> = profiles
            .iter()
            .filter(|profile| profile.vector.len() == length)
            .map(|profile| taste::Answered {
                vector: &profile.vector,
                yes: liked.contains(&profile.id),
                appeal: appeals.get(&profile.id).copied().unwrap_or_default(),
            })
            .collect();
        viewer.someone.taste = taste::learned(&answers, &viewer.someone.behaviour, expected).into();
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
        let (model, _) = self.score_model(tenant).await?;
        let one = self.guest(tenant, one).await?;
        let one = self.with_taste(one, &model.expected, None).await?;
        let other = self.guest(tenant, other).await?;
        let other = self.with_taste(other, &model.expected, None).await?;
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

/// Of unit length; `None` when it has none.
fn unit(vector: &[f32]) -> Option<Arc<[f32]>> {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    (norm > 1e-6).then(|| vector.iter().map(|value| value / norm).collect())
}
