//! A stand-in for a Qdrant server: the same gRPC, points in memory, search by scanning. It can fail, be slow and go away, and it remembers
//! what it was sent. It is no copy of Qdrant's behaviour at scale: the suite runs on a real server when `TEST_QDRANT_URL` is set.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use qdrant_client::qdrant::{
    self as q, CollectionOperationResponse, Condition, Filter, PointId, PointStruct, PointsOperationResponse, Value,
    collections_server::{Collections, CollectionsServer},
    condition::ConditionOneOf,
    r#match::MatchValue,
    points_selector::PointsSelectorOneOf,
    points_server::{Points, PointsServer},
    qdrant_server::QdrantServer,
    value::Kind,
    with_payload_selector::SelectorOptions,
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};

/// The server: cheap to clone, gone when told so or when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct StandIn {
    state: Arc<State>,
    running: Arc<Mutex<Option<tokio::runtime::Runtime>>>,
    pub(crate) address: SocketAddr,
}

#[derive(Default)]
struct State {
    collections: Mutex<HashMap<String, Collection>>,
    /// What the next calls answer instead.
    faults: Mutex<VecDeque<Status>>,
    delay: Mutex<Duration>,
    sent: Mutex<Vec<Sent>>,
    key: Mutex<Option<String>>,
}

/// A call that arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sent {
    Look,
    Create(Box<q::CreateCollection>),
    Index(Box<q::CreateFieldIndexCollection>),
    Upsert(Box<q::UpsertPoints>),
    Delete(Box<q::DeletePoints>),
    Query(Box<q::QueryPoints>),
    Other(&'static str),
}

struct Collection {
    made: q::CreateCollection,
    indexes: HashSet<String>,
    points: BTreeMap<String, PointStruct>,
}

impl StandIn {
    /// Starts it on a free port.
    pub(crate) fn start() -> Self {
        let state = Arc::new(State::default());
        let (runtime, address) = serve(&state, SocketAddr::from(([127, 0, 0, 1], 0)));
        Self { state, running: Arc::new(Mutex::new(Some(runtime))), address }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it with every connection; what it held stays.
    pub(crate) fn go_away(&self) {
        if let Some(runtime) = self.running.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    /// Starts it again on the same port.
    pub(crate) fn come_back(&self) {
        let (runtime, _) = serve(&self.state, self.address);
        *self.running.lock().unwrap() = Some(runtime);
    }

    /// The next `times` calls answer `code`.
    pub(crate) fn fail(&self, times: usize, code: Code) {
        let faults = std::iter::repeat_with(|| Status::new(code, "as told")).take(times);
        self.state.faults.lock().unwrap().extend(faults);
    }

    /// Failures that have not been answered yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.state.faults.lock().unwrap().len()
    }

    /// Every call takes so long.
    pub(crate) fn slow_down(&self, delay: Duration) {
        *self.state.delay.lock().unwrap() = delay;
    }

    /// Refuses calls without this API key.
    pub(crate) fn ask_for(&self, key: &str) {
        *self.state.key.lock().unwrap() = Some(key.to_owned());
    }

    /// What was sent since the last time.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        std::mem::take(&mut *self.state.sent.lock().unwrap())
    }

    /// Deletes a collection, as an operator would.
    pub(crate) fn drop_collection(&self, name: &str) {
        self.state.collections().remove(name);
    }

    /// Names of the payload keys with an index.
    pub(crate) fn indexes(&self, name: &str) -> Vec<String> {
        let mut keys: Vec<_> = self.state.collections()[name].indexes.iter().cloned().collect();
        keys.sort();
        keys
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if Arc::strong_count(&self.running) == 1 {
            self.go_away();
        }
    }
}

/// A runtime of its own: ending it cuts every connection, as a killed server does.
fn serve(state: &Arc<State>, address: SocketAddr) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let state = Arc::clone(state);
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    runtime.spawn(async move {
        let incoming = loop {
            // The port of a server that just went away may be taken for a moment.
            match TcpIncoming::bind(address) {
                Ok(incoming) => break incoming,
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        tell.send(incoming.local_addr().unwrap()).unwrap();
        let server = Server::builder()
            .add_service(PointsServer::from_arc(Arc::clone(&state)).max_decoding_message_size(usize::MAX))
            .add_service(CollectionsServer::from_arc(Arc::clone(&state)))
            .add_service(QdrantServer::from_arc(state));
        server.serve_with_incoming(incoming).await.unwrap();
    });
    let address = told.recv().unwrap();
    (runtime, address)
}

impl State {
    fn collections(&self) -> MutexGuard<'_, HashMap<String, Collection>> {
        self.collections.lock().unwrap()
    }

    /// What every call does first.
    async fn arrive<T>(&self, request: Request<T>, sent: impl FnOnce(&T) -> Sent) -> Result<T, Status> {
        if let Some(key) = &*self.key.lock().unwrap()
            && request.metadata().get("api-key").and_then(|found| found.to_str().ok()) != Some(key)
        {
            return Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token"));
        }
        let request = request.into_inner();
        self.sent.lock().unwrap().push(sent(&request));
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        match self.faults.lock().unwrap().pop_front() {
            Some(fault) => Err(fault),
            None => Ok(request),
        }
    }

    fn with<T>(&self, name: &str, work: impl FnOnce(&mut Collection) -> T) -> Result<T, Status> {
        let mut collections = self.collections();
        let missing = || Status::not_found(format!("Not found: Collection `{name}` doesn't exist!"));
        collections.get_mut(name).map(work).ok_or_else(missing)
    }
}

fn done() -> Response<PointsOperationResponse> {
    let result = q::UpdateResult { operation_id: None, status: q::UpdateStatus::Completed.into() };
    Response::new(PointsOperationResponse { result: Some(result), ..Default::default() })
}

fn key(id: Option<&PointId>) -> String {
    match id.and_then(|id| id.point_id_options.as_ref()) {
        Some(q::point_id::PointIdOptions::Uuid(text)) => text.clone(),
        other => panic!("we name points by UUIDs only, not {other:?}"),
    }
}

fn dense(point: &PointStruct) -> Vec<f32> {
    let vectors = point.vectors.clone().unwrap().vectors_options.unwrap();
    let q::vectors::VectorsOptions::Vector(vector) = vectors else { panic!("one vector per point: {vectors:?}") };
    match vector.vector.unwrap() {
        q::vector::Vector::Dense(dense) => dense.data,
        other => panic!("dense vectors only: {other:?}"),
    }
}

/// The values at a path: a list stands for its members.
fn values<'a>(payload: &'a HashMap<String, Value>, path: &str) -> Vec<&'a Kind> {
    let mut steps = path.split('.');
    let mut found = steps.next().and_then(|step| payload.get(step));
    for step in steps {
        found = match found.and_then(|value| value.kind.as_ref()) {
            Some(Kind::StructValue(fields)) => fields.fields.get(step),
            _ => None,
        };
    }
    match found.and_then(|value| value.kind.as_ref()) {
        Some(Kind::ListValue(list)) => list.values.iter().filter_map(|value| value.kind.as_ref()).collect(),
        Some(kind) => vec![kind],
        None => vec![],
    }
}

fn equals(wanted: &MatchValue, found: &Kind) -> bool {
    match (wanted, found) {
        (MatchValue::Keyword(wanted), Kind::StringValue(found)) => wanted == found,
        (MatchValue::Keywords(wanted), Kind::StringValue(found)) => wanted.strings.contains(found),
        (MatchValue::Integer(wanted), Kind::IntegerValue(found)) => wanted == found,
        (MatchValue::Integers(wanted), Kind::IntegerValue(found)) => wanted.integers.contains(found),
        (MatchValue::Boolean(wanted), Kind::BoolValue(found)) => wanted == found,
        _ => false,
    }
}

fn in_range(range: &q::Range, found: &Kind) -> bool {
    let number = match found {
        Kind::IntegerValue(number) => *number as f64,
        Kind::DoubleValue(number) => *number,
        _ => return false,
    };
    range.gte.is_none_or(|end| number >= end) && range.lte.is_none_or(|end| number <= end)
}

fn holds(condition: &Condition, point: &PointStruct) -> bool {
    match condition.condition_one_of.as_ref().unwrap() {
        ConditionOneOf::Field(field) => values(&point.payload, &field.key).into_iter().any(|found| {
            let wanted = field.r#match.as_ref().and_then(|wanted| wanted.match_value.as_ref());
            wanted.is_none_or(|wanted| equals(wanted, found))
                && field.range.as_ref().is_none_or(|range| in_range(range, found))
        }),
        ConditionOneOf::HasId(ids) => ids.has_id.contains(point.id.as_ref().unwrap()),
        ConditionOneOf::Filter(filter) => passes(filter, point),
        other => panic!("we send no such condition: {other:?}"),
    }
}

fn passes(filter: &Filter, point: &PointStruct) -> bool {
    filter.must.iter().all(|condition| holds(condition, point))
        && !filter.must_not.iter().any(|condition| holds(condition, point))
        && (filter.should.is_empty() || filter.should.iter().any(|condition| holds(condition, point)))
}

fn selected(payload: &HashMap<String, Value>, selector: Option<&q::WithPayloadSelector>) -> HashMap<String, Value> {
    match selector.and_then(|selector| selector.selector_options.as_ref()) {
        Some(SelectorOptions::Enable(true)) => payload.clone(),
        Some(SelectorOptions::Include(keys)) => {
            payload.iter().filter(|(key, _)| keys.fields.contains(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        _ => HashMap::new(),
    }
}

/// The methods that we use, and a refusal for each of the others.
macro_rules! service {
    ($service:path { $($used:tt)* } $($name:ident: $request:ident => $answer:ident;)*) => {
        #[async_trait]
        impl $service for State {
            $($used)*
            $(async fn $name(&self, _: Request<q::$request>) -> Result<Response<q::$answer>, Status> {
                Err(Status::unimplemented(stringify!($name)))
            })*
        }
    };
}

service! { q::qdrant_server::Qdrant {
    async fn health_check(&self, _: Request<q::HealthCheckRequest>) -> Result<Response<q::HealthCheckReply>, Status> {
        Ok(Response::new(q::HealthCheckReply::default()))
    }
} }

service! { Collections {
    async fn get(
        &self,
        request: Request<q::GetCollectionInfoRequest>,
    ) -> Result<Response<q::GetCollectionInfoResponse>, Status> {
        let request = self.arrive(request, |_| Sent::Look).await?;
        let info = self.with(&request.collection_name, |collection| {
            let params = q::CollectionParams { vectors_config: collection.made.vectors_config.clone(), ..Default::default() };
            let config = q::CollectionConfig { params: Some(params), ..Default::default() };
            let schema = collection.indexes.iter().map(|key| (key.clone(), q::PayloadSchemaInfo::default()));
            q::CollectionInfo { config: Some(config), payload_schema: schema.collect(), ..Default::default() }
        })?;
        Ok(Response::new(q::GetCollectionInfoResponse { result: Some(info), time: 0.0 }))
    }

    async fn create(&self, request: Request<q::CreateCollection>) -> Result<Response<CollectionOperationResponse>, Status> {
        let made = self.arrive(request, |request| Sent::Create(Box::new(request.clone()))).await?;
        let mut collections = self.collections();
        let name = made.collection_name.clone();
        if collections.contains_key(&name) {
            return Err(Status::invalid_argument(format!("Wrong input: Collection `{name}` already exists!")));
        }
        collections.insert(name, Collection { made, indexes: HashSet::new(), points: BTreeMap::new() });
        Ok(Response::new(CollectionOperationResponse { result: true, time: 0.0 }))
    }
}
    list: ListCollectionsRequest => ListCollectionsResponse;
    update: UpdateCollection => CollectionOperationResponse;
    delete: DeleteCollection => CollectionOperationResponse;
    update_aliases: ChangeAliases => CollectionOperationResponse;
    list_collection_aliases: ListCollectionAliasesRequest => ListAliasesResponse;
    list_aliases: ListAliasesRequest => ListAliasesResponse;
    collection_cluster_info: CollectionClusterInfoRequest => CollectionClusterInfoResponse;
    collection_exists: CollectionExistsRequest => CollectionExistsResponse;
    update_collection_cluster_setup: UpdateCollectionClusterSetupRequest => UpdateCollectionClusterSetupResponse;
    create_shard_key: CreateShardKeyRequest => CreateShardKeyResponse;
    delete_shard_key: DeleteShardKeyRequest => DeleteShardKeyResponse;
    list_shard_keys: ListShardKeysRequest => ListShardKeysResponse;
}

service! { Points {
    async fn upsert(&self, request: Request<q::UpsertPoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.arrive(request, |request| Sent::Upsert(Box::new(request.clone()))).await?;
        self.with(&request.collection_name, |collection| {
            collection.points.extend(request.points.into_iter().map(|point| (key(point.id.as_ref()), point)));
        })?;
        Ok(done())
    }

    async fn delete(&self, request: Request<q::DeletePoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.arrive(request, |request| Sent::Delete(Box::new(request.clone()))).await?;
        self.with(&request.collection_name, |collection| {
            match request.points.and_then(|points| points.points_selector_one_of) {
                Some(PointsSelectorOneOf::Points(list)) => {
                    for id in &list.ids {
                        collection.points.remove(&key(Some(id)));
                    }
                }
                Some(PointsSelectorOneOf::Filter(filter)) => collection.points.retain(|_, point| !passes(&filter, point)),
                None => panic!("a delete without a selection"),
            }
        })?;
        Ok(done())
    }

    async fn create_field_index(
        &self,
        request: Request<q::CreateFieldIndexCollection>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let request = self.arrive(request, |request| Sent::Index(Box::new(request.clone()))).await?;
        self.with(&request.collection_name, |collection| collection.indexes.insert(request.field_name))?;
        Ok(done())
    }

    async fn query(&self, request: Request<q::QueryPoints>) -> Result<Response<q::QueryResponse>, Status> {
        let request = self.arrive(request, |request| Sent::Query(Box::new(request.clone()))).await?;
        let Some(q::query::Variant::Nearest(nearest)) = request.query.and_then(|query| query.variant) else {
            return Err(Status::invalid_argument("we ask for the nearest only"));
        };
        let Some(q::vector_input::Variant::Dense(wanted)) = nearest.variant else {
            return Err(Status::invalid_argument("we ask with dense vectors only"));
        };
        let filter = request.filter.unwrap_or_default();
        let mut found = self.with(&request.collection_name, |collection| {
            let points = collection.points.values().filter(|point| passes(&filter, point));
            let scored = points.map(|point| q::ScoredPoint {
                id: point.id.clone(),
                payload: selected(&point.payload, request.with_payload.as_ref()),
                score: dense(point).iter().zip(&wanted.data).map(|(a, b)| a * b).sum(),
                ..Default::default()
            });
            scored.collect::<Vec<_>>()
        })?;
        found.sort_by(|a, b| b.score.total_cmp(&a.score));
        found.truncate(request.limit.unwrap_or(10) as usize);
        Ok(Response::new(q::QueryResponse { result: found, ..Default::default() }))
    }

    async fn get(&self, request: Request<q::GetPoints>) -> Result<Response<q::GetResponse>, Status> {
        let request = self.arrive(request, |_| Sent::Other("get")).await?;
        let result = self.with(&request.collection_name, |collection| {
            let found = request.ids.iter().filter_map(|id| collection.points.get(&key(Some(id))));
            found.map(|point| retrieved(point, request.with_payload.as_ref())).collect()
        })?;
        Ok(Response::new(q::GetResponse { result, ..Default::default() }))
    }

    async fn scroll(&self, request: Request<q::ScrollPoints>) -> Result<Response<q::ScrollResponse>, Status> {
        let request = self.arrive(request, |_| Sent::Other("scroll")).await?;
        let from = request.offset.as_ref().map(|id| key(Some(id))).unwrap_or_default();
        let limit = request.limit.unwrap_or(10) as usize;
        let mut result: Vec<q::RetrievedPoint> = self.with(&request.collection_name, |collection| {
            let found = collection.points.range(from..).take(limit + 1);
            found.map(|(_, point)| retrieved(point, request.with_payload.as_ref())).collect()
        })?;
        let next_page_offset = if result.len() > limit { result.pop().and_then(|point| point.id) } else { None };
        Ok(Response::new(q::ScrollResponse { result, next_page_offset, ..Default::default() }))
    }

    async fn count(&self, request: Request<q::CountPoints>) -> Result<Response<q::CountResponse>, Status> {
        let request = self.arrive(request, |_| Sent::Other("count")).await?;
        let count = self.with(&request.collection_name, |collection| collection.points.len() as u64)?;
        Ok(Response::new(q::CountResponse { result: Some(q::CountResult { count }), ..Default::default() }))
    }
}
    update_vectors: UpdatePointVectors => PointsOperationResponse;
    delete_vectors: DeletePointVectors => PointsOperationResponse;
    set_payload: SetPayloadPoints => PointsOperationResponse;
    overwrite_payload: SetPayloadPoints => PointsOperationResponse;
    delete_payload: DeletePayloadPoints => PointsOperationResponse;
    clear_payload: ClearPayloadPoints => PointsOperationResponse;
    delete_field_index: DeleteFieldIndexCollection => PointsOperationResponse;
    create_vector_name: CreateVectorNameRequest => PointsOperationResponse;
    delete_vector_name: DeleteVectorNameRequest => PointsOperationResponse;
    search: SearchPoints => SearchResponse;
    search_batch: SearchBatchPoints => SearchBatchResponse;
    search_groups: SearchPointGroups => SearchGroupsResponse;
    recommend: RecommendPoints => RecommendResponse;
    recommend_batch: RecommendBatchPoints => RecommendBatchResponse;
    recommend_groups: RecommendPointGroups => RecommendGroupsResponse;
    discover: DiscoverPoints => DiscoverResponse;
    discover_batch: DiscoverBatchPoints => DiscoverBatchResponse;
    update_batch: UpdateBatchPoints => UpdateBatchResponse;
    query_batch: QueryBatchPoints => QueryBatchResponse;
    query_groups: QueryPointGroups => QueryGroupsResponse;
    facet: FacetCounts => FacetResponse;
    search_matrix_pairs: SearchMatrixPoints => SearchMatrixPairsResponse;
    search_matrix_offsets: SearchMatrixPoints => SearchMatrixOffsetsResponse;
}

fn retrieved(point: &PointStruct, payload: Option<&q::WithPayloadSelector>) -> q::RetrievedPoint {
    q::RetrievedPoint { id: point.id.clone(), payload: selected(&point.payload, payload), ..Default::default() }
}
