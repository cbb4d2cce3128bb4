//! What is sent, as pure functions.

use qdrant_client::qdrant::{
    CountPoints, CountPointsBuilder, CreateCollection, CreateCollectionBuilder, CreateFieldIndexCollection,
    CreateFieldIndexCollectionBuilder, DeletePoints, DeletePointsBuilder, Distance, FieldType, Filter, GetPoints,
    GetPointsBuilder, HnswConfigDiffBuilder, KeywordIndexParamsBuilder, PayloadIncludeSelector, PointId, PointsIdsList,
    Query, QueryPoints, QueryPointsBuilder, ScrollPoints, ScrollPointsBuilder, SearchParamsBuilder, UpsertPoints,
    UpsertPointsBuilder, VectorParamsBuilder, with_payload_selector::SelectorOptions,
};

use super::point;
use crate::{
    index::{Cursor, Point},
    item::{ProfileId, TenantId},
};

/// Links per point in the graph of one tenant: Qdrant's own default for a graph.
const TENANT_LINKS: u64 = 16;
/// Beam of a graph search: full recall in measurements with the same engine at 100,000 points.
const BEAM: u64 = 128;

/// One collection for all tenants, a graph for each: `m` 0 leaves out the graph over everybody, which no search of ours uses, since each asks
/// for its tenant; `payload_m` builds one for each value of an indexed payload key (qdrant.tech/documentation/manage-data/multitenancy,
/// "Calibrate performance"). Counting and clearing all tenants use no graph. A tenant too small for one is scanned, which is exact.
pub(super) fn collection(name: &str, dimensions: usize) -> CreateCollection {
    let graph = HnswConfigDiffBuilder::default().m(0).payload_m(TENANT_LINKS);
    CreateCollectionBuilder::new(name)
        .vectors_config(VectorParamsBuilder::new(dimensions as u64, Distance::Cosine))
        .hnsw_config(graph)
        .build()
}

/// `is_tenant` keeps a tenant's points side by side on the disk.
pub(super) fn tenant_index(collection: &str) -> CreateFieldIndexCollection {
    CreateFieldIndexCollectionBuilder::new(collection, point::TENANT, FieldType::Keyword)
        .field_index_params(KeywordIndexParamsBuilder::default().is_tenant(true))
        .wait(true)
        .build()
}

/// Not waited for: it takes long over many points, and filters work without it.
pub(super) fn attribute_index(collection: &str, key: &str, kind: FieldType) -> CreateFieldIndexCollection {
    CreateFieldIndexCollectionBuilder::new(collection, key, kind).wait(false).build()
}

pub(super) fn upsert(collection: &str, points: &[Point]) -> UpsertPoints {
    UpsertPointsBuilder::new(collection, points.iter().map(point::write).collect::<Vec<_>>()).wait(true).build()
}

pub(super) fn delete(collection: &str, tenant: &TenantId, profiles: &[ProfileId]) -> DeletePoints {
    let ids: Vec<PointId> = profiles.iter().map(|profile| point::id(tenant, profile)).collect();
    DeletePointsBuilder::new(collection).points(PointsIdsList { ids }).wait(true).build()
}

/// Every point of every tenant.
pub(super) fn clear(collection: &str) -> DeletePoints {
    DeletePointsBuilder::new(collection).points(Filter::default()).wait(true).build()
}

pub(super) fn search(collection: &str, vector: &[f32], filter: Filter, count: usize) -> QueryPoints {
    let count = count as u64;
    QueryPointsBuilder::new(collection)
        .query(Query::new_nearest(vector.to_vec()))
        .filter(filter)
        .limit(count)
        .params(SearchParamsBuilder::default().hnsw_ef(BEAM.max(count)))
        .with_payload(true)
        .with_vectors(false)
        .build()
}

pub(super) fn stamps(collection: &str, profiles: &[(TenantId, ProfileId)]) -> GetPoints {
    let ids: Vec<PointId> = profiles.iter().map(|(tenant, profile)| point::id(tenant, profile)).collect();
    GetPointsBuilder::new(collection, ids).with_payload(held_keys()).with_vectors(false).build()
}

pub(super) fn held(collection: &str, from: Option<Cursor>, limit: usize) -> ScrollPoints {
    let request = ScrollPointsBuilder::new(collection)
        .limit(u32::try_from(limit).unwrap_or(u32::MAX).max(1))
        .with_payload(held_keys())
        .with_vectors(false);
    match from {
        Some(Cursor(id)) => request.offset(id.to_string()).build(),
        None => request.build(),
    }
}

pub(super) fn count(collection: &str) -> CountPoints {
    CountPointsBuilder::new(collection).exact(true).build()
}

fn held_keys() -> SelectorOptions {
    let fields = [point::TENANT, point::PROFILE, point::STAMP].map(str::to_owned).to_vec();
    SelectorOptions::Include(PayloadIncludeSelector { fields })
}
