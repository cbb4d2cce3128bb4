//! Who is similar: by texts, by people, by examples for and against; filtered, paged, spread out, explained.

use std::{collections::HashMap, sync::Arc};

use models::Lane;

use super::{Guest, Pipeline};
use crate::{
    error::PipelineError,
    index::{Condition, Hit, Query},
    item::{ProfileId, TenantId, check_text},
    matching::{diversity::pick, filter, icebreaker::shared},
    process::{Like, switch::Reader},
    profile::{Profile, check_search},
};

/// Most examples of a search, for and against together.
const MAX_EXAMPLES: usize = 20;
/// Most hits that pages reach.
const MAX_REACH: usize = 1_000;
/// What an example against counts.
const AGAINST: f32 = 0.5;
/// Hits that a page is picked from when it is to be diverse.
const SPREAD: usize = 4;
/// Hits asked for beyond the page, for those whom moderation keeps out; doubled until the page is full.
const SPARE: usize = 32;

/// What to look for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Search {
    /// Examples of what is sought; at least one.
    pub like: Vec<Like>,
    /// Examples of what is not.
    pub unlike: Vec<Like>,
    /// All must hold.
    pub filter: Vec<Condition>,
    /// Only people whom this one may meet: both sides' limits, blocks, answers.
    pub fits: Option<ProfileId>,
    /// 0 (by likeness alone) to 1 (as different from each other as can be).
    pub diversity: f32,
    /// Hits that earlier pages had.
    pub offset: usize,
    /// Hits of this page.
    pub limit: usize,
}

/// One person found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Who, how near, with the caller's attributes.
    pub hit: Hit,
    /// Cosine to each example of `like`, in their order.
    pub similarities: Vec<f32>,
    /// Interests that they share with the first example, when that is a person.
    pub shared_interests: Vec<String>,
}

/// An example, ready.
struct Example {
    vector: Arc<[f32]>,
    profile: Option<Profile>,
}

impl Pipeline {
    /// Searches. Errors: `Invalid` (`like_missing`, `search_too_large`, `diversity_out_of_range`, those of the filter), `NotFound` for an
    /// example that is nobody.
    pub async fn search(&self, tenant: &TenantId, search: Search) -> Result<Vec<Found>, PipelineError> {
        let Search { like, unlike, filter, fits, diversity, offset, limit } = search;
        check_search(&filter, limit)?;
        if like.is_empty() {
            return Err(PipelineError::invalid("like_missing", "send at least one example of what you look for"));
        }
        if like.len() + unlike.len() > MAX_EXAMPLES {
            let message = format!("a search has at most {MAX_EXAMPLES} examples: send fewer");
            return Err(PipelineError::invalid("search_too_large", message));
        }
        if offset + limit > MAX_REACH {
            let message = format!("pages reach {MAX_REACH} hits: narrow the search by `filter`");
            return Err(PipelineError::invalid("search_too_large", message));
        }
        if !(0.0..=1.0).contains(&diversity) {
            return Err(PipelineError::invalid("diversity_out_of_range", "`diversity` is 0 to 1"));
        }
        let reader = self.reader().await?;
        let only = if let ([only], []) = (like.as_slice(), unlike.as_slice()) { Some(only.clone()) } else { None };
        let like = self.examples(tenant, like, &reader).await?;
        let unlike = self.examples(tenant, unlike, &reader).await?;
        let viewer = match &fits {
            Some(id) => Some(self.guest(tenant, id).await?),
            None => None,
        };
        let mut filter = filter;
        filter.extend(viewer.iter().flat_map(|viewer| filter::conditions(&viewer.profile.terms)));
        let people = like.iter().chain(&unlike).filter_map(|example| example.profile.as_ref());
        let mut exclude: Vec<ProfileId> = people.map(|profile| profile.id.clone()).collect();
        exclude.extend(fits);
        let wanted = if diversity > 0.0 { (offset + limit) * SPREAD } else { offset + limit };
        let query = Query { tenant: tenant.clone(), vector: direction(&like, &unlike)?, filter, exclude, limit: 0 };
        let (hits, profiles) = self.standing_hits(query.clone(), viewer.as_ref(), wanted, &reader).await?;
        if let (Some(only), None) = (only, &viewer) {
            self.shadow(&only, &query, hits.iter().take(limit).map(|hit| hit.id.clone()).collect()).await?;
        }
        let hits = if diversity > 0.0 { spread(hits, &profiles, diversity, offset + limit) } else { hits };
        let first = like.first().and_then(|example| example.profile.as_ref());
        let page = hits.into_iter().skip(offset).take(limit);
        let found = page.map(|mut hit| {
            let profile = profiles.get(&hit.id);
            let cosine = |example: &Example| {
                profile.map_or(0.0, |profile| crate::matching::feature::cosine(&example.vector, &profile.vector))
            };
            hit.attributes = filter::without_payload(hit.attributes);
            Found {
                similarities: like.iter().map(cosine).collect(),
                shared_interests: first
                    .zip(profile)
                    .map(|(one, other)| shared(&one.interests, &other.interests))
                    .unwrap_or_default(),
                hit,
            }
        });
        Ok(found.collect())
    }

    async fn examples(
        &self,
        tenant: &TenantId,
        likes: Vec<Like>,
        reader: &Reader,
    ) -> Result<Vec<Example>, PipelineError> {
        let mut examples = Vec::with_capacity(likes.len());
        for like in likes {
            examples.push(match like {
                Like::Text(text) => {
                    check_text(&text, self.config.max_text_bytes)?;
                    let vector = self.engine.embed(&reader.model, &text, Lane::Interactive).await?;
                    Example { vector, profile: None }
                }
                Like::Profile(id) => {
                    let profile = self.readable(tenant, std::slice::from_ref(&id)).await?.pop();
                    let profile =
                        profile.ok_or_else(|| PipelineError::NotFound { what: "profile", id: id.to_string() })?;
                    Example { vector: profile.vector.clone(), profile: Some(profile) }
                }
            });
        }
        Ok(examples)
    }

    /// The nearest `wanted` people who are not out and, for a viewer, may be met; with their profiles.
    async fn standing_hits(
        &self,
        query: Query,
        viewer: Option<&Guest>,
        wanted: usize,
        reader: &Reader,
    ) -> Result<(Vec<Hit>, HashMap<ProfileId, Profile>), PipelineError> {
        let now = self.clock.now();
        let mut limit = wanted + SPARE;
        loop {
            let hits = reader.index.search(Query { limit, ..query.clone() }).await?;
            let all = hits.len() < limit;
            let ids: Vec<ProfileId> = hits.iter().map(|hit| hit.id.clone()).collect();
            let guests = match viewer {
                Some(viewer) => self.eligible(viewer, &ids).await?,
                None => {
                    let mut guests = self.guests(&query.tenant, &ids).await?;
                    guests.retain(|guest| !guest.is_out(now));
                    guests
                }
            };
            let profiles: HashMap<ProfileId, Profile> =
                guests.into_iter().map(|guest| (guest.profile.id.clone(), guest.profile)).collect();
            let mut hits = hits;
            hits.retain(|hit| profiles.contains_key(&hit.id));
            if all || hits.len() >= wanted || limit > 8 * MAX_REACH {
                hits.truncate(wanted);
                return Ok((hits, profiles));
            }
            limit *= 2;
        }
    }
}

/// Where to look: the mean of the examples for, less half of the mean of those against; of unit length.
fn direction(like: &[Example], unlike: &[Example]) -> Result<Arc<[f32]>, PipelineError> {
    if let ([only], []) = (like, unlike) {
        return Ok(only.vector.clone());
    }
    let length = like.first().map_or(0, |example| example.vector.len());
    let mean = |examples: &[Example], place: usize| {
        let sum: f32 = examples.iter().filter_map(|example| example.vector.get(place)).sum();
        sum / examples.len().max(1) as f32
    };
    let sum: Vec<f32> = (0..length).map(|place| mean(like, place) - AGAINST * mean(unlike, place)).collect();
    let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm < 1e-6 {
        let message = "the examples for and against cancel each other: send others";
        return Err(PipelineError::invalid("examples_cancel", message));
    }
    Ok(sum.into_iter().map(|value| value / norm).collect())
}

fn spread(hits: Vec<Hit>, profiles: &HashMap<ProfileId, Profile>, diversity: f32, count: usize) -> Vec<Hit> {
    let known: Vec<(Hit, &[f32])> =
        hits.into_iter().filter_map(|hit| profiles.get(&hit.id).map(|profile| (hit, &*profile.vector))).collect();
    let scores: Vec<f32> = known.iter().map(|(hit, _)| hit.score).collect();
    let vectors: Vec<&[f32]> = known.iter().map(|(_, vector)| *vector).collect();
    pick(&scores, &vectors, diversity, count).into_iter().map(|place| known[place].0.clone()).collect()
}
