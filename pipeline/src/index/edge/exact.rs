//! Exact answers to narrow questions: the [`Table`] beside the shard, and the thread that fills it when a folder is opened.
//!
//! The shard is what counts: the table is written after it, under the same lock, and read from it at the start. Until that is done, and for
//! questions that too many pass, searches go to the shard.

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use qdrant_edge::{CountRequest, PointId, ScrollRequest, WithPayloadInterface, WithVector};
use uuid::Uuid;

use super::{Inner, internal, point, table::Table};
use crate::{
    error::PipelineError,
    index::{Hit, Point, Query, ties},
    matching::feature::cosine,
};

/// Points that are read from the shard at once: a write waits so long, some milliseconds.
const PAGE: usize = 512;
/// How often the table is read anew when the shard counts otherwise.
const TRIES: usize = 3;

const APPROXIMATE: &str = "the index cannot be read into memory: searches are approximate until the next start";

/// The table with what is known of it.
pub(super) struct Exact {
    table: RwLock<Table>,
    /// All of the shard is in the table.
    complete: AtomicBool,
    /// Points that one question compares at most. 0: there is no table.
    up_to: usize,
}

impl Exact {
    pub(super) fn new(dimensions: usize, up_to: usize) -> Self {
        Self { table: RwLock::new(Table::new(dimensions)), complete: AtomicBool::new(false), up_to }
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> Option<RwLockWriteGuard<'_, Table>> {
        (self.up_to > 0).then(|| self.table.write().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn put(&self, points: &[Point]) {
        let Some(mut table) = self.write() else { return };
        for point in points {
            table.put(point::uuid(&point.tenant, &point.id), &point.tenant, &point.vector, &point.attributes);
        }
    }

    pub(super) fn remove(&self, numbers: impl IntoIterator<Item = Uuid>) {
        let Some(mut table) = self.write() else { return };
        for number in numbers {
            table.remove(number);
        }
    }

    pub(super) fn clear(&self, dimensions: usize) {
        if let Some(mut table) = self.write() {
            *table = Table::new(dimensions);
        }
    }

    /// Points among which the nearest are; `None` when the shard has to say. Errors: `Invalid` (`filter_value`).
    fn candidates(&self, query: &Query) -> Result<Option<Vec<PointId>>, PipelineError> {
        if !self.complete.load(Ordering::Acquire) {
            return Ok(None);
        }
        let table = self.read();
        let rows = table.matching(query)?;
        if rows.len() > self.up_to {
            return Ok(None);
        }
        let nearest = table.nearest(&rows, &query.vector, query.limit);
        Ok(Some(nearest.into_iter().map(PointId::Uuid).collect()))
    }
}

impl Inner {
    /// The exact answer; `None` when too many pass the filter, or the table is not filled yet. The limit is at least 1.
    pub(super) fn compare(&self, query: &Query) -> Result<Option<Vec<Hit>>, PipelineError> {
        let Some(candidates) = self.exact.candidates(query)? else { return Ok(None) };
        let (nothing, vectors) = (WithPayloadInterface::Bool(false), WithVector::Bool(true));
        let found = self.shard.retrieve(&candidates, Some(nothing), Some(vectors)).map_err(internal)?;
        let length = cosine(&query.vector, &query.vector).sqrt();
        let mut scored = Vec::with_capacity(found.len());
        for record in found {
            let score = cosine(point::vector(&record)?, &query.vector) / length;
            scored.push((record.id, score));
        }
        scored.sort_by(|one, other| other.1.total_cmp(&one.1));
        // Equals of the last go by their names, which are not known yet.
        let last = scored.get(query.limit - 1).map_or(f32::NEG_INFINITY, |(_, score)| *score);
        scored.retain(|(_, score)| *score >= last);
        let ids: Vec<PointId> = scored.iter().map(|(id, _)| *id).collect();
        let found = self.shard.retrieve(&ids, Some(WithPayloadInterface::Bool(true)), None).map_err(internal)?;
        let mut scores = scored.into_iter();
        let mut hits = Vec::with_capacity(found.len());
        for record in found {
            // In the order that was asked for, without those that are gone since.
            let Some((_, score)) = scores.find(|(id, _)| *id == record.id) else { break };
            let hit = point::hit(record.payload, score)?;
            // It may have been written again since the table was asked.
            if query.filter.iter().all(|condition| condition.holds(&hit.attributes)) {
                hits.push(hit);
            }
        }
        Ok(Some(ties::cut(hits, query.limit)))
    }

    /// After a write of these points that failed, and may have been done in part: the table takes what the shard has.
    pub(super) fn reread(&self, ids: &[PointId]) {
        if let Err(error) = self.take(ids) {
            tracing::warn!(index.error = %error, "{APPROXIMATE}");
            self.exact.complete.store(false, Ordering::Release);
        }
    }

    fn take(&self, ids: &[PointId]) -> Result<(), PipelineError> {
        let (payload, vector) = (WithPayloadInterface::Bool(true), WithVector::Bool(true));
        let found = self.shard.retrieve(ids, Some(payload), Some(vector)).map_err(internal)?;
        let found = found.into_iter().map(point::whole).collect::<Result<Vec<_>, _>>()?;
        let numbers = ids.iter().filter_map(|id| match id {
            PointId::Uuid(number) => Some(*number),
            PointId::NumId(_) => None,
        });
        self.exact.remove(numbers);
        self.exact.put(&found);
        Ok(())
    }

    fn points(&self) -> Result<usize, PipelineError> {
        self.shard.count(CountRequest { filter: None, exact: true }).map_err(internal)
    }

    /// Reads one page of the shard into the table, and says where the next begins.
    fn load(&self, from: Option<PointId>) -> Result<Option<PointId>, PipelineError> {
        let _nothing_is_written = self.changes();
        let request = ScrollRequest {
            offset: from,
            limit: Some(PAGE),
            with_payload: Some(WithPayloadInterface::Bool(true)),
            with_vector: WithVector::Bool(true),
            ..ScrollRequest::default()
        };
        let (found, next) = self.shard.scroll(request).map_err(internal)?;
        let mut points = found.into_iter().map(point::whole).collect::<Result<Vec<_>, _>>()?;
        {
            let table = self.exact.read();
            points.retain(|point| !table.contains(point::uuid(&point.tenant, &point.id)));
        }
        self.exact.put(&points);
        Ok(next)
    }

    /// Reads the shard into the table. False: it was told to stop.
    pub(super) fn fill(&self, stop: &AtomicBool) -> Result<bool, PipelineError> {
        for _ in 0..TRIES {
            let mut from = None;
            loop {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                from = self.load(from)?;
                if from.is_none() {
                    break;
                }
            }
            let _nothing_is_written = self.changes();
            if self.points()? == self.exact.read().len() {
                self.exact.complete.store(true, Ordering::Release);
                return Ok(true);
            }
            self.exact.clear(self.dimensions);
        }
        Err(internal("the shard counts otherwise than its points"))
    }
}

/// The thread that fills the table. Dropped, it stops.
pub(super) struct Loader {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Loader {
    /// An empty shard needs none.
    pub(super) fn start(inner: &Arc<Inner>) -> Result<Self, PipelineError> {
        let stop = Arc::new(AtomicBool::new(false));
        if inner.exact.up_to == 0 {
            return Ok(Self { stop, thread: None });
        }
        if inner.points()? == 0 {
            inner.exact.complete.store(true, Ordering::Release);
            return Ok(Self { stop, thread: None });
        }
        let (inner, told) = (Arc::clone(inner), Arc::clone(&stop));
        let work = move || match inner.fill(&told) {
            Ok(true) => tracing::debug!(index.points = inner.exact.read().len(), "searches are exact from now on"),
            Ok(false) => {}
            Err(error) => tracing::warn!(index.error = %error, "{APPROXIMATE}"),
        };
        let thread = std::thread::Builder::new().name("index-table".into()).spawn(work).map_err(internal)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Loader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // The folder is free for the next process only when nobody reads it any more.
        let ended = self.thread.take().is_none_or(|thread| thread.join().is_ok());
        if !ended {
            tracing::warn!("the thread that reads the index into memory panicked");
        }
    }
}
