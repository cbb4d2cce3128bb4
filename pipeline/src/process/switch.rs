//! A change of the embedding model without a pause: both models' vectors are written, the new one's answers are compared in the shadow, then it
//! answers, and the old one can take over again at any moment.
//!
//! Which one answers is a row of the store, so all processes follow within [`SEEN`].

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use models::{Engine, Lane};
use moka::sync::Cache;
use tokio::sync::Semaphore;

use super::{Like, Pipeline};
use crate::{
    error::PipelineError,
    index::{Point, Query, VectorIndex},
    item::{ProfileId, TenantId},
    profile::Profile,
    store::vectors::{NextVector, NextVectors},
};

/// Time after which a cut-over by another process is seen.
const SEEN: Duration = Duration::from_secs(1);
/// Every so many searches one is asked of the model to come, too.
const SHADOWED: u64 = 10;
/// Profiles that one turn of the duty embeds.
const TURN: usize = 200;
/// Profiles that are embedded at once.
const IN_FLIGHT: usize = 16;

/// The embedding model to come.
pub(super) struct Next {
    name: String,
    index: Arc<dyn VectorIndex>,
    rows: NextVectors,
    serving: Cache<(), bool>,
    searches: AtomicU64,
    /// One comparison at a time: what comes meanwhile is not compared.
    comparing: Arc<Semaphore>,
    shadow: Arc<Mutex<Shadow>>,
}

/// What the comparisons of this process came to.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shadow {
    /// Searches that were asked of both models.
    pub compared: u64,
    /// Sum of the shares of hits that both found.
    pub overlap: f64,
}

/// Where a change of the model stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Switch {
    /// The configured model, `name@version`.
    pub current: String,
    /// The one to come.
    pub next: Option<NextModel>,
}

/// The model to come.
#[derive(Debug, Clone, PartialEq)]
pub struct NextModel {
    /// `name@version`.
    pub model: String,
    /// It answers; otherwise the configured one does.
    pub serving: bool,
    /// Profiles, all tenants.
    pub profiles: u64,
    /// Those that have a vector of it.
    pub covered: u64,
    /// Comparisons of this process since its start.
    pub shadow: Shadow,
}

/// By what is read now.
pub(super) struct Reader {
    /// The model that embeds questions.
    pub(super) model: String,
    /// Where its vectors are.
    pub(super) index: Arc<dyn VectorIndex>,
}

impl Pipeline {
    /// Writes vectors of a second embedding model into `index` from now on, so that it can take over. The model must be loaded where profiles
    /// are written.
    #[must_use]
    pub fn with_next_model(self, name: &str, index: Arc<dyn VectorIndex>) -> Self {
        let next = Next {
            rows: NextVectors::new(self.store.tables(), versioned(&self.engine, name)),
            name: name.to_owned(),
            index,
            serving: Cache::builder().time_to_live(SEEN).build(),
            searches: AtomicU64::new(0),
            comparing: Arc::new(Semaphore::new(1)),
            shadow: Arc::default(),
        };
        Self { next: Some(Arc::new(next)), ..self }
    }

    /// The model to come, if it answers now.
    pub(super) async fn answering_next(&self) -> Result<Option<&Next>, PipelineError> {
        let Some(next) = self.next.as_deref() else { return Ok(None) };
        let serving = match next.serving.get(&()) {
            Some(known) => known,
            None => {
                let serving = next.rows.serving().await?;
                next.serving.insert((), serving);
                serving
            }
        };
        Ok(serving.then_some(next))
    }

    /// By what is read now.
    pub(super) async fn reader(&self) -> Result<Reader, PipelineError> {
        Ok(match self.answering_next().await? {
            Some(next) => Reader { model: next.name.clone(), index: next.index.clone() },
            None => Reader { model: self.config.embedding_model.clone(), index: self.index.clone() },
        })
    }

    /// Profiles with the vectors of the model that answers; who has none yet has an empty one.
    pub(super) async fn readable(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<Vec<Profile>, PipelineError> {
        let mut profiles = self.store.load_profiles(tenant, ids).await?;
        if let Some(next) = self.answering_next().await? {
            let vectors = next.rows.load(tenant, ids).await?;
            let mut vectors: HashMap<ProfileId, Arc<[f32]>> =
                vectors.into_iter().map(|next| (next.id, next.vector)).collect();
            for profile in &mut profiles {
                profile.vector = vectors.remove(&profile.id).unwrap_or_else(|| [].into());
            }
        }
        Ok(profiles)
    }

    /// Writes a profile's vector by the model to come, too. `false`: that failed, and the duty repeats it.
    pub(super) async fn write_next(&self, profile: &Profile) -> bool {
        let Some(next) = self.next.as_deref() else { return true };
        let written = self.embed_next(next, vec![profile.clone()], Lane::Interactive).await;
        if let Err(error) = &written {
            tracing::warn!(%error, model = next.rows.model(), "the model to come missed a profile; the duty repeats it");
        }
        written.is_ok()
    }

    async fn embed_next(&self, next: &Next, profiles: Vec<Profile>, lane: Lane) -> Result<(), PipelineError> {
        let Some(tenant) = profiles.first().map(|profile| profile.tenant.clone()) else { return Ok(()) };
        let ids: Vec<ProfileId> = profiles.iter().map(|profile| profile.id.clone()).collect();
        let known = next.rows.load(&tenant, &ids).await?;
        let embedded = stream::iter(profiles).map(|profile| {
            let known = known.iter().find(|known| known.id == profile.id && known.source == profile.text_sha256);
            async move {
                let text = Profile::embedded_text(&profile.interests, &profile.bio);
                let vector = match known {
                    Some(known) => known.vector.clone(),
                    None => self.engine.embed(&next.name, &text, lane).await?,
                };
                let digest = Profile::digest(next.rows.model(), &text);
                Ok::<_, PipelineError>((profile, vector, digest))
            }
        });
        let embedded: Vec<_> = embedded.buffer_unordered(IN_FLIGHT).try_collect().await?;
        let (mut rows, mut points) = (Vec::new(), Vec::new());
        for (profile, vector, digest) in embedded {
            points.push(Point { vector: vector.clone(), ..profile.point() });
            rows.push(NextVector {
                tenant: profile.tenant,
                id: profile.id,
                source: profile.text_sha256,
                digest,
                vector,
            });
        }
        // The index first: a row says that all is done.
        next.index.upsert(points).await?;
        next.rows.put(rows).await
    }

    /// Removes a profile's vector by the model to come. `false`: that failed; nobody is found by it without their row, and the index is made
    /// whole at the next start.
    pub(super) async fn delete_next(&self, tenant: &TenantId, id: &ProfileId) -> bool {
        let Some(next) = self.next.as_deref() else { return true };
        let index = next.index.delete(tenant, vec![id.clone()]).await;
        let gone = index.and(next.rows.delete(tenant, id).await);
        if let Err(error) = &gone {
            tracing::warn!(%error, model = next.rows.model(), "the model to come keeps a profile that is gone");
        }
        gone.is_ok()
    }

    /// One turn of the duty: embeds profiles that the model to come has not seen. Answers how many; 0 where the model is not loaded.
    pub async fn tend_switch(&self) -> Result<usize, PipelineError> {
        let Some(next) = self.next.as_deref().filter(|next| self.engine.spec(&next.name).is_ok()) else { return Ok(0) };
        let mut tenants: HashMap<TenantId, Vec<ProfileId>> = HashMap::new();
        for (tenant, id) in next.rows.missing(TURN).await? {
            tenants.entry(tenant).or_default().push(id);
        }
        let mut done = 0;
        for (tenant, ids) in tenants {
            let profiles = self.store.load_profiles(&tenant, &ids).await?;
            done += profiles.len();
            self.embed_next(next, profiles, Lane::Bulk).await?;
        }
        if done == 0 {
            next.index.flush().await?;
        }
        Ok(done)
    }

    /// At the start: an embedded index of the model to come is made whole from the rows when it differs. Answers how many points were written.
    pub async fn mend_next(&self) -> Result<usize, PipelineError> {
        let Some(next) = self.next.as_deref() else { return Ok(0) };
        let (_, covered) = next.rows.progress().await?;
        if next.index.count().await? as u64 == covered {
            return Ok(0);
        }
        next.index.clear().await?;
        let (mut after, mut written): (Option<(TenantId, ProfileId)>, usize) = (None, 0);
        loop {
            let page = next.rows.after(after.as_ref().map(|(tenant, id)| (tenant, id)), TURN).await?;
            let Some(last) = page.last() else { return Ok(written) };
            after = Some(last.clone());
            let mut tenants: HashMap<TenantId, Vec<ProfileId>> = HashMap::new();
            for (tenant, id) in page {
                tenants.entry(tenant).or_default().push(id);
            }
            for (tenant, ids) in tenants {
                let vectors = next.rows.load(&tenant, &ids).await?;
                let vector =
                    |id: &ProfileId| vectors.iter().find(|next| next.id == *id).map(|next| next.vector.clone());
                let profiles = self.store.load_profiles(&tenant, &ids).await?;
                let points: Vec<Point> = profiles
                    .iter()
                    .filter_map(|profile| Some(Point { vector: vector(&profile.id)?, ..profile.point() }))
                    .collect();
                written += points.len();
                next.index.upsert(points).await?;
            }
        }
    }

    /// Where a change of the model stands.
    pub async fn switch(&self) -> Result<Switch, PipelineError> {
        let current = versioned(&self.engine, &self.config.embedding_model);
        let Some(next) = self.next.as_deref() else { return Ok(Switch { current, next: None }) };
        let (profiles, covered) = next.rows.progress().await?;
        let (model, serving) = (next.rows.model().to_owned(), next.rows.serving().await?);
        let shadow = *next.shadow.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Switch { current, next: Some(NextModel { model, serving, profiles, covered, shadow }) })
    }

    /// Cuts over to the model to come, or rolls back. This process follows at once, others within a second. Errors: `Conflict`
    /// (`no_next_model`; `switch_incomplete` while profiles lack a vector of it).
    pub async fn serve_next(&self, serve: bool, by: &str) -> Result<Switch, PipelineError> {
        let Some(next) = self.next.as_deref() else {
            let message = "no model is to come: set `pipeline.next_embedding_model`".to_owned();
            return Err(PipelineError::Conflict { code: "no_next_model", message });
        };
        let (profiles, covered) = next.rows.progress().await?;
        if serve && covered < profiles {
            let message =
                format!("{covered} of {profiles} profiles have a vector of the model to come: wait for the rest");
            return Err(PipelineError::Conflict { code: "switch_incomplete", message });
        }
        next.rows.serve(serve, by, self.clock.now()).await?;
        next.serving.insert((), serve);
        tracing::info!(model = next.rows.model(), serving = serve, by, "the embedding model that answers was changed");
        self.switch().await
    }

    /// Asks the model to come the same, for some of the searches, and compares. Nobody waits for it.
    pub(super) async fn shadow(&self, like: &Like, query: &Query, found: Vec<ProfileId>) -> Result<(), PipelineError> {
        let Some(next) = self.next.as_ref() else { return Ok(()) };
        if self.answering_next().await?.is_some()
            || !next.searches.fetch_add(1, Ordering::Relaxed).is_multiple_of(SHADOWED)
        {
            return Ok(());
        }
        let Ok(permit) = next.comparing.clone().try_acquire_owned() else { return Ok(()) };
        let (next, engine, like, mut query) = (next.clone(), self.engine.clone(), like.clone(), query.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let compared = async {
                query.vector = match &like {
                    Like::Text(text) => engine.embed(&next.name, text, Lane::Bulk).await?,
                    Like::Profile(id) => match next.rows.load(&query.tenant, std::slice::from_ref(id)).await?.pop() {
                        Some(known) => known.vector,
                        None => return Ok(None),
                    },
                };
                query.limit = found.len();
                let hits = next.index.search(query).await?;
                let both = hits.iter().filter(|hit| found.contains(&hit.id)).count();
                Ok::<_, PipelineError>(Some(both as f64 / found.len().max(1) as f64))
            };
            match compared.await {
                Ok(Some(overlap)) => {
                    metrics::histogram!("chaperone_embedding_shadow_overlap").record(overlap);
                    let mut shadow = next.shadow.lock().unwrap_or_else(PoisonError::into_inner);
                    shadow.compared += 1;
                    shadow.overlap += overlap;
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "a search was not compared with the model to come"),
            }
        });
        Ok(())
    }
}

/// `name@version` of a loaded model; the name alone when it is not loaded (its use then fails with what to do).
pub(super) fn versioned(engine: &Engine, name: &str) -> String {
    engine.spec(name).map_or_else(|_| name.to_owned(), |spec| format!("{name}@{}", spec.version))
}
