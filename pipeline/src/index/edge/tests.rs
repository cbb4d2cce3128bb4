//! The contract on a folder, and what only a folder can show: restart, damage, another process.

use std::{path::Path, sync::Arc, time::Instant};

use serde_json::json;
use tempfile::TempDir;

use super::EdgeIndex;
use crate::{
    config::IndexConfig,
    error::PipelineError,
    index::{
        Condition, Query, VectorIndex, connect,
        contract::{DIMENSIONS, agree, point, query},
    },
};

async fn folder() -> (Arc<dyn VectorIndex>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("edge:{}", folder.path().join("deep/er").display());
    let config = IndexConfig { url, ..IndexConfig::default() };
    (connect(&config, DIMENSIONS).await.unwrap(), folder)
}

crate::index::contract::index_contract!(folder);

mod quantized {
    use super::*;
    use crate::config::Quantization;

    async fn folder() -> (Arc<dyn VectorIndex>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("edge:{}", folder.path().display());
        let config = IndexConfig { url, quantization: Quantization::Int8, ..IndexConfig::default() };
        (connect(&config, DIMENSIONS).await.unwrap(), folder)
    }

    crate::index::contract::index_contract!(folder);

    #[tokio::test]
    async fn x7_another_quantization_makes_the_index_anew() {
        let folder = tempfile::tempdir().unwrap();
        drop(filled(folder.path()).await);
        let int8 = IndexConfig { quantization: Quantization::Int8, ..IndexConfig::default() };
        let index = EdgeIndex::open_as(folder.path(), DIMENSIONS, &int8).await.unwrap();
        assert_eq!(index.count().await.unwrap(), 0);
        drop(index);
        let index = EdgeIndex::open_as(folder.path(), DIMENSIONS, &int8).await.unwrap();
        assert_eq!(index.count().await.unwrap(), 0, "and then it stays");
    }
}

mod by_graph {
    use super::*;
    use crate::config::Quantization;

    async fn folder() -> (Arc<dyn VectorIndex>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("edge:{}", folder.path().display());
        let config = IndexConfig { url, quantization: Quantization::Int8, exact_up_to: 0, ..IndexConfig::default() };
        (connect(&config, DIMENSIONS).await.unwrap(), folder)
    }

    crate::index::contract::index_contract!(folder);
}

mod exact_in_part {
    use super::*;

    /// Some questions are answered exactly, others by the shard.
    async fn folder() -> (Arc<dyn VectorIndex>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("edge:{}", folder.path().display());
        let config = IndexConfig { url, exact_up_to: 90, ..IndexConfig::default() };
        (connect(&config, DIMENSIONS).await.unwrap(), folder)
    }

    crate::index::contract::index_contract!(folder);
}

mod second_neighbours {
    use super::*;

    async fn folder() -> (Arc<dyn VectorIndex>, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("edge:{}", folder.path().display());
        let config = IndexConfig {
            url,
            exact_up_to: 0,
            second_neighbours: 1.0,
            beam: 16,
            build_threads: 2,
            ..IndexConfig::default()
        };
        (connect(&config, DIMENSIONS).await.unwrap(), folder)
    }

    crate::index::contract::index_contract!(folder);
}

#[tokio::test]
async fn x1_an_index_cannot_be_tuned_out_of_reason() {
    let folder = tempfile::tempdir().unwrap();
    let sane = IndexConfig::default();
    for config in [
        IndexConfig { beam: 0, ..sane.clone() },
        IndexConfig { second_neighbours: f64::NAN, ..sane.clone() },
        IndexConfig { build_threads: 0, ..sane.clone() },
    ] {
        let error = EdgeIndex::open_as(folder.path(), DIMENSIONS, &config).await.err().expect("refused");
        assert!(matches!(&error, PipelineError::Invalid { code: "index_tuning", .. }), "{error:?}");
    }
}

async fn open(folder: &Path) -> EdgeIndex {
    EdgeIndex::open(folder, DIMENSIONS).await.unwrap()
}

async fn filled(folder: &Path) -> EdgeIndex {
    let index = open(folder).await;
    let points = (0..50).map(|n| point("a", &format!("p{n}"), n, json!({ "n": n, "city": "x" }))).collect();
    index.upsert(points).await.unwrap();
    index
}

#[tokio::test]
async fn i7_a_closed_index_opens_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    for _ in 0..2 {
        let index = open(folder.path()).await;
        assert_eq!(index.count().await.unwrap(), 50);
        assert_eq!(index.search(query("a", 7, 1)).await.unwrap()[0].id.0, "p7");
        // Newer writes win over what was loaded.
        index.upsert(vec![point("a", "p7", 99, json!({}))]).await.unwrap();
        assert_eq!(index.search(query("a", 99, 1)).await.unwrap()[0].id.0, "p7");
        index.upsert(vec![point("a", "p7", 7, json!({}))]).await.unwrap();
    }
}

#[tokio::test]
async fn i7_an_index_that_was_killed_opens_empty_and_takes_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let index = filled(folder.path()).await;
    index.flush().await.unwrap();
    assert!(!folder.path().join("changed").exists());
    index.upsert(vec![point("a", "late", 1, json!({}))]).await.unwrap();
    // What a killed process leaves: the files as they are now, without the flush of a close.
    let copy = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), copy.path());
    let again = open(copy.path()).await;
    assert_eq!(again.count().await.unwrap(), 0, "a difference to the store: the service writes the profiles again");
    drop(again);
    let again = filled(copy.path()).await;
    again.flush().await.unwrap();
    assert_eq!(again.count().await.unwrap(), 50);
}

#[tokio::test]
async fn a_damaged_index_opens_empty() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    for segment in std::fs::read_dir(folder.path().join("shard/segments")).unwrap().flatten() {
        std::fs::write(segment.path().join("segment.json"), "{ not json").unwrap();
    }
    let index = open(folder.path()).await;
    assert_eq!(index.count().await.unwrap(), 0);
}

#[tokio::test]
async fn x1_another_models_dimensions_are_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    drop(filled(folder.path()).await);
    let error = EdgeIndex::open(folder.path(), 384).await.err().expect("refused");
    assert!(matches!(&error, PipelineError::Conflict { code: "index_dimensions", .. }), "{error:?}");
    assert!(error.to_string().contains("16 dimensions") && error.to_string().contains("384"), "{error}");
    assert_eq!(open(folder.path()).await.count().await.unwrap(), 50, "nothing was touched");
}

#[tokio::test]
async fn two_processes_cannot_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = filled(folder.path()).await;
    let error = EdgeIndex::open(folder.path(), DIMENSIONS).await.err().expect("refused");
    assert!(matches!(error, PipelineError::Conflict { code: "index_in_use", .. }), "{error:?}");
    drop(first);
    assert_eq!(open(folder.path()).await.count().await.unwrap(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_whether_everybody_is_compared_depends_on_how_many_pass() {
    let folder = tempfile::tempdir().unwrap();
    let config = IndexConfig { exact_up_to: 30, ..IndexConfig::default() };
    let index = EdgeIndex::open_as(folder.path(), DIMENSIONS, &config).await.unwrap();
    let points = (0..50).map(|n| point("a", &format!("p{n}"), n, json!({ "n": n }))).collect();
    index.upsert(points).await.unwrap();
    for _ in 0..2 {
        for (least, exact) in [(20.0, true), (19.0, false), (49.5, true)] {
            let filter = vec![Condition::Range { attribute: "n".into(), min: Some(least), max: None }];
            let hits = index.inner.compare(&Query { filter, ..query("a", 1, 5) }).unwrap();
            assert_eq!(hits.is_some(), exact, "{least}");
        }
        // A write that failed half way: the table takes what the shard has.
        let ids: Vec<_> = ["p1", "p2"].iter().map(|id| super::point::number(&"a".into(), &(*id).into())).collect();
        index.inner.exact.clear(DIMENSIONS);
        index.inner.reread(&ids);
        assert_eq!(index.inner.compare(&query("a", 1, 5)).unwrap().unwrap().len(), 2);
        index.inner.exact.clear(DIMENSIONS);
        assert!(index.inner.fill(&std::sync::atomic::AtomicBool::new(false)).unwrap());
    }
}

/// What is found does not depend on whether the folder was just filled or opened again, nor on writes while it is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x3_an_index_that_is_opened_again_answers_exactly_and_takes_writes_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path()).await;
    let points = |from: u64, seed: u64| -> Vec<_> {
        (from..from + 3_000)
            .map(|n| {
                point(
                    "a",
                    &format!("p{n:05}"),
                    n + seed,
                    json!({ "part": n % 7, "kind": if n % 2 == 0 { "x" } else { "y" } }),
                )
            })
            .collect()
    };
    index.upsert(points(0, 0)).await.unwrap();
    drop(index);
    let index = open(folder.path()).await;
    let changed = points(1_500, 50_000);
    let (old, new) = (&points(0, 0)[..1_500], &changed[..]);
    index.delete(&"a".into(), vec!["p00007".into(), "p02999".into()]).await.unwrap();
    index.upsert(changed.clone()).await.unwrap();
    let all: Vec<_> = old.iter().chain(new).filter(|point| point.id.0 != "p00007").cloned().collect();
    let index: Arc<dyn VectorIndex> = Arc::new(index);
    for round in 0..200_u64 {
        let kind = Condition::Any { attribute: "kind".into(), values: vec![json!("y")] };
        let part = Condition::Range { attribute: "part".into(), min: Some((round % 7) as f64), max: Some(5.0) };
        agree(&index, &all, Query { filter: vec![kind, part], ..query("a", round, 20) }).await;
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// Measurement, not a check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measurement"]
async fn points_per_second() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(folder.path()).await;
    let started = Instant::now();
    for page in 0..40u64 {
        let points = (0..256).map(|n| page * 256 + n);
        let points = points.map(|n| point("a", &format!("p{n}"), n, json!({ "city": "x", "age": n % 60 }))).collect();
        index.upsert(points).await.unwrap();
    }
    println!("{:.0} points/s", 10_240.0 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    for seed in 0..200 {
        index.search(query("a", seed, 10)).await.unwrap();
    }
    println!("{:?} for a search of 10,240", started.elapsed() / 200);
}
