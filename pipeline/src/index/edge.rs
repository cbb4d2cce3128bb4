//! The embedded index: one Qdrant Edge shard in a folder.
//!
//! The index is a copy: profiles live in the store, and the service writes them here again when the numbers differ at its
//! start. So an upsert is not flushed to the disk. Instead a marker file says that there are changes which are not; whoever opens a folder with
//! the marker in it (the process was killed) starts from an empty shard.
//!
//! Layout of the folder: `lock` (one process at a time), `about.json` (dimensions, format), `changed` (the marker),
//! `shard/` (Qdrant's own files).

mod exact;
mod filter;
mod point;
mod table;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use qdrant_edge::{
    AcornSearchParams, CountRequest, CreateIndex, Distance, EdgeConfigBuilder, EdgeOptimizersConfig, EdgeShard,
    EdgeVectorParams, FieldIndexOperations, Filter, HnswIndexConfig, NamedQuery, PayloadFieldSchema, PayloadSchemaType,
    PointId, PointOperations, QuantizationSearchParams, QueryEnum, QueryRequest, ScalarQuantizationConfig, ScalarType,
    ScoringQuery, ScrollRequest, SearchParams, UpdateOperation, VectorInternal, WithPayloadInterface, WithVector,
    external::ordered_float::OrderedFloat,
};
use serde::{Deserialize, Serialize};
use tokio::sync::RwLock;

use self::exact::{Exact, Loader};
use super::{Cursor, Held, Hit, Point, Query, Stamp, VectorIndex, ties};
use crate::{
    config::{IndexConfig, Quantization},
    error::PipelineError,
    item::{ProfileId, TenantId},
};

/// The vector's name inside the shard.
const VECTOR: &str = "v";
/// Raised when the payload's layout or the shape of the graphs changes: older folders are rebuilt.
const FORMAT: u32 = 3;
/// Attributes that get an index of their own; filters on more of them work, slower.
const MAX_INDEXED: usize = 64;
/// Of quantized vectors so many times more are compared again with the whole ones: what one byte a number confuses is told apart.
const OVERSAMPLING: f64 = 2.0;
/// Share of a vector's numbers that the one byte resolves; rarer ones are cut off.
const QUANTILE: f32 = 0.99;
/// Qdrant's log of operations is only ever added to; past this size, and so many times what it led to, the next start makes the shard anew.
const MAX_LOG_BYTES: u64 = 1 << 30;
const MAX_LOG_RATIO: u64 = 3;
/// A search visits the graphs one after the other, each with the whole beam: so there is one, whatever its size, and beside it the points that
/// came since it was built. Adding them builds the old graph's part of the new one out of the old one.
const GRAPHS: usize = 1;
const LARGEST_GRAPH_KIB: usize = 64 << 20;

/// The embedded index.
pub struct EdgeIndex {
    /// Before `inner`, so that it is stopped first.
    _loader: Loader,
    inner: Arc<Inner>,
    /// Written by `optimise` and `flush`: Qdrant's flush must not meet a running optimisation.
    maintenance: RwLock<()>,
}

struct Inner {
    /// In an `Arc` for the sake of `drop` alone.
    shard: Arc<EdgeShard>,
    folder: PathBuf,
    dimensions: usize,
    quantization: Quantization,
    beam: usize,
    second_neighbours: f64,
    exact: Exact,
    changes: Mutex<Changes>,
    /// Locked as long as it is open.
    _lock: File,
}

/// Held while the shard is written or flushed.
struct Changes {
    /// The marker is there.
    marked: bool,
    /// Attributes that have an index.
    indexed: HashSet<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct About {
    format: u32,
    dimensions: usize,
    #[serde(default)]
    quantization: Quantization,
}

impl EdgeIndex {
    /// Opens the index in `folder`, made when missing. A folder that was not closed cleanly, or that does not read back, is
    /// emptied: compare [`VectorIndex::count`] with the store, and write the profiles again when it differs.
    pub async fn open(folder: &Path, dimensions: usize) -> Result<Self, PipelineError> {
        Self::open_as(folder, dimensions, &IndexConfig::default()).await
    }

    /// As [`EdgeIndex::open`], kept and searched as `config` says. A folder of another quantization is emptied. Errors: besides those, `Invalid`
    /// (`index_tuning`).
    pub async fn open_as(folder: &Path, dimensions: usize, config: &IndexConfig) -> Result<Self, PipelineError> {
        let (folder, config) = (folder.to_owned(), config.clone());
        if let Some(problem) = config.problem() {
            return Err(PipelineError::invalid("index_tuning", problem));
        }
        blocking(move || {
            let inner = Arc::new(Inner::open(folder, dimensions, &config)?);
            Ok(Self { _loader: Loader::start(&inner)?, inner, maintenance: RwLock::new(()) })
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, PipelineError> + Send + 'static,
    ) -> Result<T, PipelineError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || work(&inner)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PipelineError> + Send + 'static,
) -> Result<T, PipelineError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(internal(format!("a call ended: {error}"))))
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err` by name")]
fn internal(message: impl ToString) -> PipelineError {
    PipelineError::Internal { part: "index", message: message.to_string() }
}

fn unavailable(what: &str, path: &Path, error: impl std::fmt::Display) -> PipelineError {
    PipelineError::Unavailable { part: "index", message: format!("{what} {}: {error}", path.display()) }
}

/// What a folder's files take on the disk: some are sparse. What cannot be read counts nothing.
fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => disk_bytes(&entry.path()),
        Ok(about) => about.blocks() * 512,
        Err(_) => 0,
    };
    fs::read_dir(folder).map_or(0, |entries| entries.flatten().map(size).sum())
}

impl Inner {
    fn open(folder: PathBuf, dimensions: usize, config: &IndexConfig) -> Result<Self, PipelineError> {
        let quantization = config.quantization;
        fs::create_dir_all(&folder).map_err(|error| unavailable("cannot make the folder", &folder, error))?;
        let lock_path = folder.join("lock");
        let lock = File::create(&lock_path).map_err(|error| unavailable("cannot write", &lock_path, error))?;
        lock.try_lock().map_err(|_| PipelineError::Conflict {
            code: "index_in_use",
            message: format!(
                "another process uses the index in {}: stop it, or point index.url at another folder",
                folder.display()
            ),
        })?;
        let about = About { format: FORMAT, dimensions, quantization };
        let found = fs::read(folder.join("about.json")).ok();
        let found: Option<About> = found.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(found) = &found
            && found.dimensions != dimensions
        {
            return Err(PipelineError::Conflict {
                code: "index_dimensions",
                message: format!(
                    "the index in {} holds vectors of {} dimensions, the embedding model makes {dimensions}: point \
                     index.url at another folder, or delete this one (it is made anew from the store)",
                    folder.display(),
                    found.dimensions
                ),
            });
        }
        let shard = match Self::reopen(&folder, found.as_ref() == Some(&about)) {
            Some(shard) => shard,
            None => Self::create(&folder, &about, config.build_threads)?,
        };
        // A graph would never be asked where everybody is compared.
        let exact_kib = config.exact_up_to.saturating_mul(dimensions).saturating_mul(size_of::<f32>()).div_ceil(1024);
        let optimizers = EdgeOptimizersConfig {
            default_segment_number: Some(GRAPHS),
            max_segment_size: Some(LARGEST_GRAPH_KIB),
            indexing_threshold: (exact_kib > 0).then_some(exact_kib),
            ..EdgeOptimizersConfig::default()
        };
        shard.set_optimizers_config(optimizers).map_err(internal)?;
        let indexed = shard.info().payload_schema.into_keys().map(|path| path.first_key).collect();
        let changes = Mutex::new(Changes { marked: false, indexed });
        let (beam, second_neighbours) = (config.beam, config.second_neighbours);
        let (shard, exact) = (Arc::new(shard), Exact::new(dimensions, config.exact_up_to));
        let inner =
            Self { shard, folder, dimensions, quantization, beam, second_neighbours, exact, changes, _lock: lock };
        inner.index_field(&mut inner.changes(), point::TENANT, PayloadSchemaType::Keyword)?;
        Ok(inner)
    }

    /// The shard as it was closed; `None` when there is none or it cannot be trusted.
    fn reopen(folder: &Path, known: bool) -> Option<EdgeShard> {
        let path = folder.join("shard");
        if !path.exists() {
            return None;
        }
        let (log, points) = (disk_bytes(&path.join("wal")), disk_bytes(&path.join("segments")));
        let reason = if !known {
            "its format or quantization is another"
        } else if folder.join("changed").exists() {
            "it was not closed cleanly"
        } else if log > MAX_LOG_BYTES.max(points.saturating_mul(MAX_LOG_RATIO)) {
            "its log has grown too long"
        } else {
            // Damaged files can make the loader panic as well as fail.
            let loaded = std::panic::catch_unwind(|| EdgeShard::load(&path, None));
            match loaded {
                Ok(Ok(shard)) => return Some(shard),
                Ok(Err(_)) | Err(_) => "its files do not read back",
            }
        };
        tracing::warn!(index.folder = %folder.display(), index.reason = reason, "the index is made anew");
        None
    }

    fn create(folder: &Path, about: &About, threads: usize) -> Result<EdgeShard, PipelineError> {
        let path = folder.join("shard");
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| unavailable("cannot empty", &path, error))?;
        }
        fs::create_dir_all(&path).map_err(|error| unavailable("cannot make the folder", &path, error))?;
        let graph = HnswIndexConfig { max_indexing_threads: threads, ..HnswIndexConfig::default() };
        let vectors = EdgeVectorParams::builder(about.dimensions, Distance::Cosine);
        let vectors = match about.quantization {
            Quantization::None => vectors,
            Quantization::Int8 => {
                let bytes = ScalarQuantizationConfig {
                    r#type: ScalarType::Int8,
                    quantile: Some(QUANTILE),
                    always_ram: Some(true),
                };
                vectors.on_disk(true).quantization_config(bytes.into())
            }
        };
        let config = EdgeConfigBuilder::new().vector(VECTOR, vectors.build()).hnsw_config(graph).build();
        let shard = EdgeShard::new(&path, config).map_err(internal)?;
        let about_path = folder.join("about.json");
        let text = serde_json::to_vec(about).map_err(internal)?;
        fs::write(&about_path, text).map_err(|error| unavailable("cannot write", &about_path, error))?;
        match fs::remove_file(folder.join("changed")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(unavailable("cannot empty", folder, error))
            }
            _ => Ok(shard),
        }
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes on the disk that there are changes which are not on it.
    fn mark(&self, changes: &mut Changes) -> Result<(), PipelineError> {
        if !changes.marked {
            let path = self.folder.join("changed");
            let marked = File::create(&path).and_then(|file| file.sync_all());
            marked.map_err(|error| unavailable("cannot write", &path, error))?;
            changes.marked = true;
        }
        Ok(())
    }

    fn apply(&self, changes: &mut Changes, operation: UpdateOperation) -> Result<(), PipelineError> {
        self.mark(changes)?;
        self.shard.update(operation).map_err(internal)
    }

    fn index_field(&self, changes: &mut Changes, key: &str, kind: PayloadSchemaType) -> Result<(), PipelineError> {
        if changes.indexed.contains(key) || changes.indexed.len() > MAX_INDEXED {
            return Ok(());
        }
        let index =
            CreateIndex { field_name: point::path(key), field_schema: Some(PayloadFieldSchema::FieldType(kind)) };
        self.apply(changes, UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(index)))?;
        changes.indexed.insert(key.to_owned());
        Ok(())
    }

    fn upsert(&self, points: &[Point]) -> Result<(), PipelineError> {
        let written = points.iter().map(|point| point::write(point, self.dimensions)).collect::<Result<Vec<_>, _>>()?;
        let mut changes = self.changes();
        for (name, value) in points.iter().flat_map(|point| &point.attributes) {
            if let Some((key, kind)) = point::index_of(name, value) {
                self.index_field(&mut changes, &key, kind)?;
            }
        }
        let ids: Vec<PointId> = written.iter().map(|point| point.id).collect();
        let upsert = PointOperations::UpsertPoints(written.into());
        let done = self.apply(&mut changes, UpdateOperation::PointOperation(upsert));
        match &done {
            Ok(()) => self.exact.put(points),
            Err(_) => self.reread(&ids),
        }
        done
    }

    fn delete(&self, tenant: &TenantId, ids: &[ProfileId]) -> Result<(), PipelineError> {
        let gone: Vec<PointId> = ids.iter().map(|id| point::number(tenant, id)).collect();
        let mut changes = self.changes();
        let delete = PointOperations::DeletePoints { ids: gone.clone() };
        let done = self.apply(&mut changes, UpdateOperation::PointOperation(delete));
        match &done {
            Ok(()) => self.exact.remove(ids.iter().map(|id| point::uuid(tenant, id))),
            Err(_) => self.reread(&gone),
        }
        done
    }

    fn clear(&self) -> Result<(), PipelineError> {
        let mut changes = self.changes();
        let all = PointOperations::DeletePointsByFilter(Filter::new());
        self.apply(&mut changes, UpdateOperation::PointOperation(all))?;
        self.exact.clear(self.dimensions);
        Ok(())
    }

    fn search(&self, query: &Query) -> Result<Vec<Hit>, PipelineError> {
        super::point::check(&query.vector, self.dimensions)?;
        if query.limit == 0 {
            return Ok(Vec::new());
        }
        if let Some(hits) = self.compare(query)? {
            return Ok(hits);
        }
        let filter = filter::build(query)?;
        let quantization = (self.quantization != Quantization::None).then_some(QuantizationSearchParams {
            ignore: false,
            rescore: Some(true),
            oversampling: Some(OVERSAMPLING),
        });
        let acorn = (self.second_neighbours > 0.0)
            .then_some(AcornSearchParams { enable: true, max_selectivity: Some(OrderedFloat(self.second_neighbours)) });
        let mut count = ties::first(query.limit);
        let hits = loop {
            let nearest = NamedQuery::new(VectorInternal::Dense(query.vector.to_vec()), VECTOR);
            let request = QueryRequest {
                prefetches: Vec::new(),
                query: Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest))),
                filter: Some(filter.clone()),
                score_threshold: None,
                limit: count,
                offset: 0,
                params: Some(SearchParams {
                    hnsw_ef: Some(self.beam.max(count)),
                    quantization,
                    acorn,
                    ..SearchParams::default()
                }),
                with_vector: WithVector::Bool(false),
                with_payload: WithPayloadInterface::Bool(true),
            };
            let found = self.shard.query(request).map_err(internal)?;
            let scores: Vec<f32> = found.iter().map(|point| point.score).collect();
            match ties::wider(&scores, query.limit, count) {
                Some(wider) => count = wider,
                None => break found.into_iter().map(point::read).collect::<Result<Vec<_>, _>>()?,
            }
        };
        Ok(ties::cut(hits, query.limit))
    }

    fn stamps(&self, profiles: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError> {
        let ids: Vec<PointId> = profiles.iter().map(|(tenant, id)| point::number(tenant, id)).collect();
        let found = self.shard.retrieve(&ids, Some(point::held_keys()), None).map_err(internal)?;
        let mut stamps = HashMap::new();
        for record in found {
            stamps.insert(record.id, point::held(record)?.stamp);
        }
        Ok(ids.iter().map(|id| stamps.get(id).cloned()).collect())
    }

    fn held(&self, from: Option<Cursor>, limit: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError> {
        let request = ScrollRequest {
            offset: from.map(|Cursor(uuid)| PointId::Uuid(uuid)),
            limit: Some(limit.max(1)),
            with_payload: Some(point::held_keys()),
            ..ScrollRequest::default()
        };
        let (found, next) = self.shard.scroll(request).map_err(internal)?;
        let next = match next {
            Some(PointId::Uuid(uuid)) => Some(Cursor(uuid)),
            Some(PointId::NumId(_)) => return Err(internal("a point of somebody else is in the shard")),
            None => None,
        };
        Ok((found.into_iter().map(point::held).collect::<Result<_, _>>()?, next))
    }

    fn flush(&self) -> Result<(), PipelineError> {
        let mut changes = self.changes();
        if changes.marked {
            self.shard.flush();
            let path = self.folder.join("changed");
            fs::remove_file(&path).map_err(|error| unavailable("cannot remove", &path, error))?;
            changes.marked = false;
        }
        Ok(())
    }

    fn optimise(&self) -> Result<(), PipelineError> {
        // A kill in the middle of it leaves segments twice: the marker makes the next start begin anew.
        self.mark(&mut self.changes())?;
        self.shard.optimize().map_err(internal)?;
        self.flush()
    }
}

impl Drop for Inner {
    /// Qdrant's shard flushes when it is dropped, and panics when that fails: a full disk, a folder that is gone. Two such panics would
    /// abort the process. So it is flushed here first, and a shard that cannot be flushed is left undropped.
    fn drop(&mut self) {
        let flush = || -> Result<(), PipelineError> {
            self.flush()?;
            self.shard.flush();
            Ok(())
        };
        let closed = match self.folder.join("shard").is_dir() {
            true => std::panic::catch_unwind(std::panic::AssertUnwindSafe(flush)),
            false => Ok(Err(internal("its folder is gone"))),
        };
        if let Err(error) = closed.unwrap_or_else(|_| Err(internal("the shard cannot be flushed"))) {
            tracing::warn!(index.error = %error, "the index did not close cleanly; it is made anew at the next start");
            std::mem::forget(Arc::clone(&self.shard));
        }
    }
}

#[async_trait]
impl VectorIndex for EdgeIndex {
    fn dimensions(&self) -> usize {
        self.inner.dimensions
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), PipelineError> {
        if points.is_empty() {
            return Ok(());
        }
        self.run(move |inner| inner.upsert(&points)).await
    }

    async fn delete(&self, tenant: &TenantId, ids: Vec<ProfileId>) -> Result<(), PipelineError> {
        let tenant = tenant.clone();
        self.run(move |inner| inner.delete(&tenant, &ids)).await
    }

    async fn clear(&self) -> Result<(), PipelineError> {
        self.run(Inner::clear).await
    }

    async fn search(&self, query: Query) -> Result<Vec<Hit>, PipelineError> {
        self.run(move |inner| inner.search(&query)).await
    }

    async fn stamps(&self, profiles: &[(TenantId, ProfileId)]) -> Result<Vec<Option<Stamp>>, PipelineError> {
        let profiles = profiles.to_vec();
        self.run(move |inner| inner.stamps(&profiles)).await
    }

    async fn held(&self, from: Option<Cursor>, limit: usize) -> Result<(Vec<Held>, Option<Cursor>), PipelineError> {
        self.run(move |inner| inner.held(from, limit)).await
    }

    async fn count(&self) -> Result<usize, PipelineError> {
        self.run(|inner| inner.shard.count(CountRequest { filter: None, exact: true }).map_err(internal)).await
    }

    async fn flush(&self) -> Result<(), PipelineError> {
        let _alone = self.maintenance.write().await;
        self.run(Inner::flush).await
    }

    async fn optimise(&self) -> Result<(), PipelineError> {
        let _alone = self.maintenance.write().await;
        self.run(Inner::optimise).await
    }

    async fn health(&self) -> Result<(), PipelineError> {
        self.run(|inner| {
            let path = inner.folder.join("about.json");
            fs::metadata(&path).map(|_| ()).map_err(|error| unavailable("cannot read", &path, error))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
