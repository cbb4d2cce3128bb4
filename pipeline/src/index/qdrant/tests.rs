//! The contract on a stand-in, and what only a server can show: what is sent, and what happens when it fails, is slow, or goes away.

use std::{sync::Arc, time::Duration};

use qdrant_client::qdrant as q;
use serde_json::json;
use tokio::time::Instant;
use tonic::Code;

use super::{
    QdrantIndex,
    stand_in::{Sent, StandIn},
};
use crate::{
    config::{IndexConfig, Secret},
    error::PipelineError,
    index::{
        Condition, Query, VectorIndex, connect,
        contract::{DIMENSIONS, point, query},
    },
};

fn config(url: String) -> IndexConfig {
    IndexConfig { url, ..IndexConfig::default() }
}

async fn stand_in() -> (Arc<dyn VectorIndex>, StandIn) {
    let server = StandIn::start();
    (connect(&config(server.url()), DIMENSIONS).await.unwrap(), server)
}

crate::index::contract::index_contract!(stand_in);

/// On a real server. These tests exist when `TEST_QDRANT_URL` (for example `http://127.0.0.1:6334`) is set while they are built.
#[cfg(test_qdrant)]
mod real {
    use super::*;

    /// A collection of its own, deleted at the end.
    struct Own(IndexConfig);

    impl Drop for Own {
        fn drop(&mut self) {
            let config = self.0.clone();
            let deleted = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let client = super::super::call::client(&config).unwrap();
                runtime.block_on(client.delete_collection(&config.collection)).map(|_| ())
            });
            if let Err(error) = deleted.join().unwrap() {
                eprintln!("the test's collection stays behind: {error}");
            }
        }
    }

    #[expect(clippy::unused_async, reason = "the suite opens asynchronously")]
    async fn server() -> (Arc<dyn VectorIndex>, Own) {
        let url = std::env::var("TEST_QDRANT_URL").expect("set TEST_QDRANT_URL as it was when this was built");
        let api_key = std::env::var("TEST_QDRANT_API_KEY").ok().map(Secret::new);
        let collection = format!("chaperone_test_{}", uuid::Uuid::now_v7().simple());
        let config = IndexConfig { url, api_key, collection, timeout_ms: 60_000, ..IndexConfig::default() };
        (Arc::new(QdrantIndex::connect(&config, DIMENSIONS).unwrap()), Own(config))
    }

    crate::index::contract::index_contract!(server);
}

fn open(server: &StandIn, change: impl FnOnce(&mut IndexConfig)) -> QdrantIndex {
    let mut config = config(server.url());
    change(&mut config);
    QdrantIndex::connect(&config, DIMENSIONS).unwrap()
}

async fn filled(server: &StandIn) -> QdrantIndex {
    let index = open(server, |_| {});
    let points = (0..5).map(|n| point("a", &format!("p{n}"), n, json!({ "city": "x" }))).collect();
    index.upsert(points).await.unwrap();
    server.sent();
    index
}

fn is_down<T: std::fmt::Debug>(answer: &Result<T, PipelineError>) -> bool {
    matches!(answer, Err(PipelineError::Unavailable { part: "index", .. }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_for_a_search() {
    let server = StandIn::start();
    let index = filled(&server).await;
    let filter = vec![Condition::Any { attribute: "a.b".into(), values: vec![json!("x"), json!(3)] }];
    index.search(Query { filter, exclude: vec!["p1".into()], ..query("a", 1, 3) }).await.unwrap();
    let sent = server.sent();
    let [Sent::Query(sent)] = sent.as_slice() else { panic!("one call: {sent:?}") };
    assert_eq!(sent.collection_name, "chaperone_profiles");
    assert_eq!(sent.limit, Some(11), "three and a margin for ties");
    assert_eq!(sent.params.as_ref().unwrap().hnsw_ef, Some(128));
    assert_eq!(sent.params.as_ref().unwrap().exact, None);
    let filter = sent.filter.as_ref().unwrap();
    assert_eq!(filter.must[0], q::Condition::matches("tenant", "a".to_owned()));
    let any = q::Filter::should([
        q::Condition::matches("attributes.a-2eb", vec!["x".to_owned()]),
        q::Condition::matches("attributes.a-2eb", vec![3]),
    ]);
    assert_eq!(filter.must[1], any.into());
    let number = crate::index::point::number(&"a".into(), &"p1".into()).to_string();
    assert_eq!(filter.must_not, [q::Condition::has_id([number])]);
    assert!(filter.should.is_empty());

    index.search(query("b", 1, 3)).await.unwrap();
    let sent = server.sent();
    let [Sent::Query(sent)] = sent.as_slice() else { panic!("one call: {sent:?}") };
    assert_eq!(
        sent.filter,
        Some(q::Filter::must([q::Condition::matches("tenant", "b".to_owned())])),
        "never without the tenant"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_at_first_and_what_only_once() {
    let server = StandIn::start();
    let index = open(&server, |_| {});
    index.upsert(vec![point("a", "p", 1, json!({ "city": "x", "age": 3, "open": true, "odd": {} }))]).await.unwrap();
    let sent = server.sent();
    let [Sent::Look, Sent::Create(made), Sent::Look, Sent::Index(tenant), indexes @ .., Sent::Upsert(upsert)] =
        sent.as_slice()
    else {
        panic!("{sent:?}")
    };
    let graph = made.hnsw_config.as_ref().unwrap();
    assert_eq!((graph.m, graph.payload_m), (Some(0), Some(16)));
    let q::vectors_config::Config::Params(vectors) = made.vectors_config.as_ref().unwrap().config.as_ref().unwrap()
    else {
        panic!("{made:?}")
    };
    assert_eq!((vectors.size, vectors.distance()), (DIMENSIONS as u64, q::Distance::Cosine));
    assert_eq!((tenant.field_name.as_str(), tenant.field_type()), ("tenant", q::FieldType::Keyword));
    let Some(q::payload_index_params::IndexParams::KeywordIndexParams(params)) =
        tenant.field_index_params.as_ref().and_then(|params| params.index_params.as_ref())
    else {
        panic!("{tenant:?}")
    };
    assert_eq!(params.is_tenant, Some(true));
    let kinds: Vec<_> = indexes
        .iter()
        .map(|sent| match sent {
            Sent::Index(index) => (index.field_name.as_str(), index.field_type()),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [
        ("attributes.age", q::FieldType::Float),
        ("attributes.city", q::FieldType::Keyword),
        ("attributes.open", q::FieldType::Bool),
    ];
    assert_eq!(kinds, expected);
    assert_eq!(upsert.wait, Some(true));
    let payload = &upsert.points[0].payload;
    let mut keys: Vec<_> = payload.keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["attributes", "profile", "stamp", "tenant"]);

    index.upsert(vec![point("a", "p", 2, json!({ "city": "y" }))]).await.unwrap();
    index.delete(&"a".into(), vec!["p".into()]).await.unwrap();
    let sent = server.sent();
    let [Sent::Upsert(_), Sent::Delete(delete)] = sent.as_slice() else { panic!("{sent:?}") };
    assert_eq!(delete.wait, Some(true));
    assert_eq!(server.indexes("chaperone_profiles").len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_processes_that_start_together_make_one_collection() {
    let server = StandIn::start();
    server.slow_down(Duration::from_millis(5));
    let starts = (0..8).map(|n| {
        let index = open(&server, |_| {});
        tokio::spawn(async move { index.upsert(vec![point("a", &format!("p{n}"), n, json!({ "city": "x" }))]).await })
    });
    for start in starts.collect::<Vec<_>>() {
        start.await.unwrap().unwrap();
    }
    let index = open(&server, |_| {});
    assert_eq!(index.count().await.unwrap(), 8);
    let sent = server.sent();
    let tried = sent.iter().filter(|sent| matches!(sent, Sent::Create(_))).count();
    assert!((1..=8).contains(&tried), "{tried}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_server_that_is_not_there_stops_nobody_from_starting() {
    let server = StandIn::start();
    server.go_away();
    let index = open(&server, |_| {});
    let answer = index.search(query("a", 1, 3)).await;
    assert!(is_down(&answer), "{answer:?}");
    assert!(is_down(&index.health().await));
    assert!(is_down(&index.upsert(vec![point("a", "p", 1, json!({}))]).await));

    server.come_back();
    index.health().await.unwrap();
    index.upsert(vec![point("a", "p", 1, json!({}))]).await.unwrap();
    assert_eq!(index.search(query("a", 1, 3)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_a_server_that_comes_back_is_used_again() {
    let server = StandIn::start();
    let index = filled(&server).await;
    for _ in 0..2 {
        server.go_away();
        assert!(is_down(&index.count().await));
        assert!(is_down(&index.health().await));
        server.come_back();
        assert_eq!(index.count().await.unwrap(), 5);
        index.health().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_that_passes_is_not_seen_and_one_that_stays_is_told() {
    let server = StandIn::start();
    let index = filled(&server).await;
    for code in [Code::Unavailable, Code::Internal, Code::DeadlineExceeded, Code::Aborted] {
        server.fail(2, code);
        assert_eq!(index.count().await.unwrap(), 5, "{code:?}");
        assert_eq!(server.faults_left(), 0);
    }
    server.fail(100, Code::Unavailable);
    let answer = index.count().await;
    assert!(is_down(&answer), "{answer:?}");
    assert!(server.faults_left() > 90, "three tries, each with the client's own second one: {}", server.faults_left());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_our_fault_is_not_tried_again() {
    let server = StandIn::start();
    let index = filled(&server).await;
    for code in [Code::InvalidArgument, Code::Unimplemented, Code::OutOfRange] {
        server.fail(1, code);
        let answer = index.search(query("a", 1, 3)).await;
        assert!(matches!(answer, Err(PipelineError::Internal { part: "index", .. })), "{answer:?}");
        assert_eq!(server.faults_left(), 0);
        assert_eq!(server.sent().len(), 1, "{code:?}: one call");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_costs_a_caller_no_more_than_the_limit() {
    let server = StandIn::start();
    drop(filled(&server).await);
    let index = open(&server, |config| config.timeout_ms = 300);
    index.count().await.unwrap();
    server.slow_down(Duration::from_secs(60));
    let started = Instant::now();
    let answer = index.search(query("a", 1, 3)).await;
    assert!(is_down(&answer), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_api_key_is_sent_and_its_absence_is_told() {
    let server = StandIn::start();
    server.ask_for("open-sesame");
    let index = open(&server, |_| {});
    let error = index.count().await.unwrap_err();
    assert!(
        matches!(&error, PipelineError::Unavailable { message, .. } if message.contains("index.api_key")),
        "{error:?}"
    );
    let index = open(&server, |config| config.api_key = Some(Secret::new("open-sesame")));
    assert_eq!(index.count().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collection_that_was_deleted_is_made_anew() {
    let server = StandIn::start();
    let index = filled(&server).await;
    server.drop_collection("chaperone_profiles");
    assert!(index.search(query("a", 1, 3)).await.unwrap().is_empty());
    index.upsert(vec![point("a", "p", 1, json!({ "city": "x" }))]).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 1);
    assert!(server.indexes("chaperone_profiles").contains(&"attributes.city".to_owned()));
    server.drop_collection("chaperone_profiles");
    index.health().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x1_a_collection_of_another_models_vectors_is_refused_with_a_sentence() {
    let server = StandIn::start();
    drop(filled(&server).await);
    let other = QdrantIndex::connect(&config(server.url()), 384).unwrap();
    let error = other.health().await.unwrap_err();
    assert!(matches!(&error, PipelineError::Conflict { code: "index_dimensions", .. }), "{error:?}");
    assert!(error.to_string().contains("16 dimensions") && error.to_string().contains("384"), "{error}");
    let answer = other.count().await;
    assert!(is_down(&answer), "a caller cannot mend it: {answer:?}");
}

#[tokio::test]
async fn addresses_that_are_none_are_refused() {
    for (url, code) in
        [("grpc://h:1", "index_url"), ("", "index_url"), ("http://u:p@h", "index_url"), ("http://h/x", "index_url")]
    {
        let answer = connect(&config(url.into()), DIMENSIONS).await.err().expect("refused");
        assert!(matches!(answer, PipelineError::Invalid { code: found, .. } if found == code), "{url}: {answer:?}");
    }
    let wrong = IndexConfig { collection: "a/b".into(), ..config("http://h:1".into()) };
    let answer = connect(&wrong, DIMENSIONS).await.err().expect("refused");
    assert!(matches!(answer, PipelineError::Invalid { code: "index_collection", .. }), "{answer:?}");
}
