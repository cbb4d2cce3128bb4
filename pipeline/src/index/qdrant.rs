//! A Qdrant server, shared by all processes, over gRPC.
//!
//! | part | module |
//! |---|---|
//! | the collection: made when missing, checked when there | [`collection`] |
//! | what is sent, pure | [`request`], [`filter`], [`point`] |
//! | tries, deadlines, and what an error means | [`call`] |
//!
//! The index is a copy of the profiles in the store. So the service starts and judges without the server: nothing here connects before
//! the first call, and whoever writes while the server is down repairs it later (`workers::reconcile`).
//!
//! Every call is idempotent and may be tried again. A write waits until it is applied (`wait`), so that the next search of any process sees it.

mod call;
mod collection;
mod filter;
mod point;
mod request;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use qdrant_client::{Qdrant, QdrantError, qdrant};
use tokio::time::Instant;

use super::{Cursor, Held, Hit, Point, Query, Stamp, VectorIndex, point::check, ties, values};
use crate::{
    config::IndexConfig,
    error::PipelineError,
    item::{ProfileId, TenantId},
};
use call::Failure;

/// Points written or read by one call: about 1 MB of vectors.
const CHUNK: usize = 512;
/// Attributes that get an index of their own; filters on more of them work, slower.
const MAX_INDEXED: usize = 64;
/// How long the health check waits: it is asked often, and no answer is an answer.
const HEALTH_PATIENCE: Duration = Duration::from_millis(1_500);

/// The index on a Qdrant server.
pub struct QdrantIndex {
    client: Qdrant,
    collection: String,
    dimensions: usize,
    timeout: Duration,
    /// The collection was seen or made, and fits.
    ready: AtomicBool,
    /// One task at a time makes it so.
    making: tokio::sync::Mutex<()>,
    /// Payload keys known to have an index.
    indexed: Mutex<HashSet<String>>,
}

impl QdrantIndex {
    /// Checks the configuration; connects at the first call. `Invalid` (`index_url`, `index_api_key`, `index_collection`).
    pub fn connect(config: &IndexConfig, dimensions: usize) -> Result<Self, PipelineError> {
        let client = call::client(config)?;
        let name = &config.collection;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if name.is_empty() || name.len() > 255 || !name.chars().all(plain) {
            return Err(PipelineError::invalid(
                "index_collection",
                format!("index.collection `{name}` must have 1 to 255 letters, digits, `_` or `-`"),
            ));
        }
        Ok(Self {
            client,
            collection: name.clone(),
            dimensions,
            timeout: Duration::from_millis(config.timeout_ms),
            ready: AtomicBool::new(false),
            making: tokio::sync::Mutex::new(()),
            indexed: Mutex::default(),
        })
    }

    /// One call with its tries. A collection that went away (somebody deleted it) is made anew, once.
    async fn call<R: Clone, T, F: Future<Output = Result<T, QdrantError>>>(
        &self,
        what: &'static str,
        request: R,
        work: impl Fn(Qdrant, R) -> F,
    ) -> Result<T, PipelineError> {
        let deadline = Instant::now() + self.timeout;
        self.prepare(deadline).await.map_err(for_callers)?;
        let call = call::Call { what, client: &self.client, deadline };
        match call.tries(request.clone(), &work).await {
            Err(Failure::Missing(_)) => {
                tracing::warn!(
                    index.collection = self.collection,
                    "the collection is gone: made anew, filled by the next reconciliation"
                );
                self.forget();
                self.prepare(deadline).await.map_err(for_callers)?;
                call.tries(request, &work).await
            }
            result => result,
        }
        .map_err(|failure| failure.error(what))
    }

    /// Makes sure, once, that the collection is there and fits.
    async fn prepare(&self, deadline: Instant) -> Result<(), PipelineError> {
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let what = "open the collection";
        let turn = tokio::time::timeout_at(deadline, self.making.lock()).await;
        let _turn = turn.map_err(|_| Failure::Down("no answer in time".into()).error(what))?;
        if self.ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let indexed = collection::open(&self.client, &self.collection, self.dimensions, deadline).await?;
        *self.indexed() = indexed;
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    fn forget(&self) {
        self.ready.store(false, Ordering::Release);
        self.indexed().clear();
    }

    fn indexed(&self) -> MutexGuard<'_, HashSet<String>> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives attributes that are seen for the first time an index. Two processes may both do it: the second call changes nothing.
    async fn index_attributes(&self, points: &[Point]) -> Result<(), PipelineError> {
        for (name, value) in points.iter().flat_map(|point| &point.attributes) {
            let Some((key, kind)) = point::index_of(name, value) else { continue };
            {
                let indexed = self.indexed();
                if indexed.contains(&key) || indexed.len() > MAX_INDEXED {
                    continue;
                }
            }
            let request = request::attribute_index(&self.collection, &key, kind);
            let index = |client: Qdrant, request| async move { client.create_field_index(request).await };
            self.call("index an attribute", request, index).await?;
            self.indexed().insert(key);
        }
        Ok(())
    }

    async fn remove(&self, what: &'static str, request: qdrant::DeletePoints) -> Result<(), PipelineError> {
        let answer = self.call(what, request, |client, request| async move { client.delete_points(request).await });
        applied(what, &answer.await?)
    }
}

/// A collection that does not fit is for whoever configures (start and health tell); for a caller the index is down.
fn for_callers(error: PipelineError) -> PipelineError {
    match error {
        PipelineError::Conflict { message, .. } => PipelineError::Unavailable { part: "index", message },
        other => other,
    }
}

/// An answer that the server will do it later counts as no answer.
fn applied(what: &str, answer: &qdrant::PointsOperationResponse) -> Result<(), PipelineError> {
    match answer.result.as_ref().map(qdrant::UpdateResult::status) {
        Some(qdrant::UpdateStatus::Completed) => Ok(()),
        status => Err(Failure::Down(format!("the write is not applied yet ({status:?})")).error(what)),
    }
}

#[async_trait]
impl VectorIndex for QdrantIndex {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), PipelineError> {
        points.iter().try_for_each(|point| check(&point.vector, self.dimensions))?;
        for chunk in points.chunks(CHUNK) {
            // First, so that the collection's list of indexes is known.
            self.prepare(Instant::now() + self.timeout).await.map_err(for_callers)?;
            self.index_attributes(chunk).await?;
            let request = request::upsert(&self.collection, chunk);
            let upsert = |client: Qdrant, request| async move { client.upsert_points(request).await };
            applied("upsert", &self.call("upsert", request, upsert).await?)?;
        }
        Ok(())
    }

    async fn delete(&self, tenant: &TenantId, ids: Vec<ProfileId>) -> Result<(), PipelineError> {
        for chunk in ids.chunks(CHUNK) {
            self.remove("delete", request::delete(&self.collection, tenant, chunk)).await?;
        }
        Ok(())
    }

    async fn clear(&self) -> Result<(), PipelineError> {
        // Not by deleting the collection: other processes are using it.
        self.remove("clear", request::clear(&self.collection)).await
    }

    async fn search(&self, query: Query) -> Result<Vec<Hit>, PipelineError> {
        check(&query.vector, self.dimensions)?;
        let filter = filter::build(&query)?;
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        let mut count = ties::first(query.limit);
        loop {
            let request = request::search(&self.collection, &query.vector, filter.clone(), count);
            let search = |client: Qdrant, request| async move { client.query(request).await };
            let found = self.call("search", request, search).await?.result;
            let scores: Vec<f32> = found.iter().map(|point| point.score).collect();
            match ties::wider(&scores, query.limit, count) {
                Some(wider) => count = wider,
                None => {
                    let hits = found.into_iter().map(point::hit).collect::<Result<Vec<_>, _>>()?;
                    return Ok(ties::cut(hits, query.limit));
                }
            }
        }
    }

    async fn stamps(&self, profiles: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError> {
        let mut stamps = Vec::with_capacity(profiles.len());
        for chunk in profiles.chunks(CHUNK) {
            let request = request::stamps(&self.collection, chunk);
            let read = |client: Qdrant, request| async move { client.get_points(request).await };
            let found = self.call("read", request, read).await?.result;
            let found = found.into_iter().map(point::held).collect::<Result<Vec<_>, _>>()?;
            let known: HashMap<_, _> = found.into_iter().map(|held| ((held.tenant, held.id), held.stamp)).collect();
            stamps.extend(chunk.iter().map(|key| known.get(key).cloned()));
        }
        Ok(stamps)
    }

    async fn held(&self, from: Option<Cursor>, limit: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError> {
        let request = request::held(&self.collection, from, limit);
        let read = |client: Qdrant, request| async move { client.scroll(request).await };
        let page = self.call("read", request, read).await?;
        let next = page.next_page_offset.map(point::cursor).transpose()?;
        Ok((page.result.into_iter().map(point::held).collect::<Result<_, _>>()?, next))
    }

    async fn count(&self) -> Result<usize, PipelineError> {
        let request = request::count(&self.collection);
        let answer = self.call("count", request, |client, request| async move { client.count(request).await }).await?;
        let count = answer.result.map_or(0, |result| result.count);
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// The server logs a write before it answers. Should it lose some by a crash of its machine, the next reconciliation writes them again.
    async fn flush(&self) -> Result<(), PipelineError> {
        Ok(())
    }

    /// The server does so by itself.
    async fn optimise(&self) -> Result<(), PipelineError> {
        Ok(())
    }

    async fn health(&self) -> Result<(), PipelineError> {
        let deadline = Instant::now() + self.timeout.min(HEALTH_PATIENCE);
        if !self.ready.load(Ordering::Acquire) {
            return self.prepare(deadline).await;
        }
        match collection::look(&self.client, &self.collection, self.dimensions, deadline).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                self.forget();
                self.prepare(deadline).await
            }
            Err(error) => Err(error),
        }
    }
}
