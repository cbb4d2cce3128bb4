//! The suite that every index passes. `index_contract!` makes the tests; its argument is an async function that opens an
//! empty index of [`DIMENSIONS`] dimensions.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Attributes, Condition, Held, Hit, Point, Query, VectorIndex};
use crate::error::PipelineError;

/// Dimensions of the suite's vectors.
pub(crate) const DIMENSIONS: usize = 16;

/// Makes one test of each case of the suite.
macro_rules! index_contract {
    ($open:path) => {
        $crate::index::contract::index_contract!($open;
            x1_scores_are_the_cosine, x3_filters_agree_with_a_plain_scan, wrong_conditions_are_refused,
            writes_are_seen_at_once, tenants_see_only_their_own_points, equal_scores_go_by_id,
            vectors_that_do_not_fit_are_refused, searches_go_on_while_it_is_optimised,
            what_is_held_can_be_compared_and_paged);
    };
    ($open:path; $($name:ident),+) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            // A tuple drops its parts in order: the index before its folder, also when the test fails.
            let opened = $open().await;
            $crate::index::contract::$name(&opened.0).await;
        })+
    };
}
pub(crate) use index_contract;

type Shared = Arc<dyn VectorIndex>;

/// A repeatable unit vector.
pub(crate) fn vector(seed: u64) -> Arc<[f32]> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03;
    let values: Vec<f32> = (0..DIMENSIONS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        })
        .collect();
    let length = values.iter().map(|value| value * value).sum::<f32>().sqrt();
    values.iter().map(|value| value / length).collect()
}

pub(crate) fn point(tenant: &str, id: &str, seed: u64, attributes: Value) -> Point {
    let attributes: Attributes = serde_json::from_value(attributes).unwrap();
    Point { tenant: tenant.into(), id: id.into(), vector: vector(seed), attributes }
}

pub(crate) fn query(tenant: &str, seed: u64, limit: usize) -> Query {
    Query { tenant: tenant.into(), vector: vector(seed), filter: vec![], exclude: vec![], limit }
}

/// Attributes of all the kinds that there are, some missing, some of a type that differs between points.
fn people(count: u64) -> Vec<Point> {
    let cities = ["Berlin", "Köln", "Paris"];
    let person = |n: u64| {
        let mut attributes = json!({ "age": n % 60, "city": cities[(n % 3) as usize], "open": n.is_multiple_of(2) });
        let map = attributes.as_object_mut().unwrap();
        if !n.is_multiple_of(4) {
            map.insert("langs".into(), json!(["en", if n.is_multiple_of(5) { "de" } else { "fr" }]));
        }
        if n.is_multiple_of(3) {
            // Eighths: JSON without serde_json's `float_roundtrip` may lose the last bit of other fractions.
            map.insert("score".into(), json!(n as f64 / 8.0));
        }
        map.insert("mixed".into(), if n.is_multiple_of(2) { json!("7") } else { json!(7) });
        map.insert("odd \"name\".[0]".into(), json!(if n.is_multiple_of(6) { "yes" } else { "no" }));
        point(if n % 10 == 9 { "b" } else { "a" }, &format!("p{n:04}"), n, attributes)
    };
    (0..count).map(person).collect()
}

/// What the contract says, written plainly.
fn matches(condition: &Condition, attributes: &Attributes) -> bool {
    let equals = |attribute: &str, values: &[Value]| match attributes.get(attribute) {
        Some(Value::Array(members)) => members.iter().any(|member| values.contains(member)),
        Some(value) => values.contains(value),
        None => false,
    };
    match condition {
        Condition::Any { attribute, values } => equals(attribute, values),
        Condition::None { attribute, values } => !equals(attribute, values),
        Condition::Range { attribute, min, max } => attributes
            .get(attribute)
            .and_then(Value::as_f64)
            .is_some_and(|value| min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max)),
    }
}

fn scan(points: &[Point], query: &Query) -> Vec<Hit> {
    let mut hits: Vec<Hit> = points
        .iter()
        .filter(|point| point.tenant == query.tenant && !query.exclude.contains(&point.id))
        .filter(|point| query.filter.iter().all(|condition| matches(condition, &point.attributes)))
        .map(|point| {
            let score = point.vector.iter().zip(query.vector.iter()).map(|(a, b)| a * b).sum();
            Hit { id: point.id.clone(), score, attributes: point.attributes.clone() }
        })
        .collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    hits.truncate(query.limit);
    hits
}

/// Same scores to 1e-4, same people (except where two scores are closer than that), same attributes.
pub(crate) async fn agree(index: &Shared, points: &[Point], query: Query) -> usize {
    let (found, expected) = (index.search(query.clone()).await.unwrap(), scan(points, &query));
    assert_eq!(found.len(), expected.len(), "{:?}", query.filter);
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found.score - expected.score).abs() < 1e-4, "{found:?} {expected:?}");
        let own = points.iter().find(|point| point.tenant == query.tenant && point.id == found.id).unwrap();
        let cosine: f32 = own.vector.iter().zip(query.vector.iter()).map(|(a, b)| a * b).sum();
        assert!((cosine - found.score).abs() < 1e-4);
        assert_eq!(found.attributes, own.attributes, "as upserted");
    }
    found.len()
}

pub(crate) async fn x1_scores_are_the_cosine(index: &Shared) {
    let points = people(300);
    index.upsert(points.clone()).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 300);
    for seed in 0..20 {
        assert_eq!(agree(index, &points, query("a", seed, 10)).await, 10);
    }
    assert!((index.search(query("a", 5, 1)).await.unwrap()[0].score - 1.0).abs() < 1e-4, "the same vector");
    assert_eq!(agree(index, &points, query("a", 5, 1000)).await, 270);
    assert!(index.search(query("a", 5, 0)).await.unwrap().is_empty());
    assert!(index.search(query("nobody", 5, 10)).await.unwrap().is_empty());
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn any(attribute: &str, values: Value) -> Condition {
    Condition::Any { attribute: attribute.into(), values: values.as_array().unwrap().clone() }
}

#[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
fn none(attribute: &str, values: Value) -> Condition {
    Condition::None { attribute: attribute.into(), values: values.as_array().unwrap().clone() }
}

fn range(attribute: &str, min: Option<f64>, max: Option<f64>) -> Condition {
    Condition::Range { attribute: attribute.into(), min, max }
}

pub(crate) async fn x3_filters_agree_with_a_plain_scan(index: &Shared) {
    let points = people(300);
    // In two parts: attributes get their indexes while there are points already.
    index.upsert(points[..150].to_vec()).await.unwrap();
    index.upsert(points[150..].to_vec()).await.unwrap();
    let cases = [
        vec![any("city", json!(["Köln"]))],
        vec![any("city", json!(["Berlin", "Paris"])), range("age", Some(18.0), Some(30.0))],
        vec![any("langs", json!(["de"]))],
        vec![any("langs", json!(["de", "fr"])), none("city", json!(["Paris"]))],
        vec![none("langs", json!(["fr"]))],
        vec![any("open", json!([true]))],
        vec![any("open", json!([true, false]))],
        vec![none("open", json!([true]))],
        vec![any("age", json!([20, 21, 22]))],
        vec![none("age", json!([20]))],
        vec![range("age", None, Some(5.0))],
        vec![range("score", Some(3.5), None)],
        vec![range("score", None, None)],
        vec![range("city", Some(0.0), None)],
        vec![any("mixed", json!(["7"]))],
        vec![any("mixed", json!([7]))],
        vec![any("mixed", json!([7, "7"]))],
        vec![none("mixed", json!([7]))],
        vec![any("odd \"name\".[0]", json!(["yes"]))],
        vec![any("absent", json!(["x"]))],
        vec![none("absent", json!(["x"]))],
        vec![none("city", json!([]))],
    ];
    let mut found = 0;
    for (seed, filter) in cases.into_iter().enumerate() {
        let exclude = vec!["p0003".into(), "p0004".into(), "unknown".into()];
        found += agree(index, &points, Query { filter, exclude, ..query("a", seed as u64, 400) }).await;
    }
    assert!(found > 1000, "{found}");
}

pub(crate) async fn wrong_conditions_are_refused(index: &Shared) {
    let refused = [any("x", json!([])), any("x", json!([1.5])), any("x", json!([null])), none("x", json!([{}]))];
    for condition in refused.into_iter().chain([range("x", Some(f64::NAN), None)]) {
        let answer = index.search(Query { filter: vec![condition.clone()], ..query("a", 1, 5) }).await;
        assert!(matches!(answer, Err(PipelineError::Invalid { code: "filter_value", .. })), "{condition:?} {answer:?}");
    }
}

pub(crate) async fn writes_are_seen_at_once(index: &Shared) {
    index.upsert(vec![]).await.unwrap();
    let names = async || {
        let hits = index.search(query("a", 1, 10)).await.unwrap();
        hits.into_iter().map(|hit| (hit.id.0, hit.attributes)).collect::<Vec<_>>()
    };
    index.upsert(vec![point("a", "p", 1, json!({ "n": 1 }))]).await.unwrap();
    assert_eq!(names().await, [("p".to_owned(), [("n".to_owned(), json!(1))].into())]);
    index.upsert(vec![point("a", "p", 2, json!({ "m": "x" }))]).await.unwrap();
    assert_eq!(names().await, [("p".to_owned(), [("m".to_owned(), json!("x"))].into())], "replaced as a whole");
    assert!(index.search(query("a", 2, 1)).await.unwrap()[0].score > 0.9999);
    assert_eq!(index.count().await.unwrap(), 1);
    index.delete(&"a".into(), vec!["p".into(), "unknown".into()]).await.unwrap();
    assert!(names().await.is_empty());
    index.upsert(people(20)).await.unwrap();
    index.flush().await.unwrap();
    index.clear().await.unwrap();
    assert_eq!(index.count().await.unwrap(), 0);
    index.health().await.unwrap();
}

pub(crate) async fn tenants_see_only_their_own_points(index: &Shared) {
    index.upsert(vec![point("a", "same", 1, json!({})), point("b", "same", 2, json!({ "t": "b" }))]).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 2, "one id, two people");
    let hits = index.search(query("b", 1, 10)).await.unwrap();
    assert_eq!((hits.len(), hits[0].attributes.contains_key("t")), (1, true));
    index.delete(&"b".into(), vec!["same".into()]).await.unwrap();
    assert!(index.search(query("b", 1, 10)).await.unwrap().is_empty());
    assert_eq!(index.search(query("a", 1, 10)).await.unwrap().len(), 1);
}

pub(crate) async fn equal_scores_go_by_id(index: &Shared) {
    let twins: Vec<Point> = (0..100).rev().map(|n| point("a", &format!("t{n:03}"), 1, json!({}))).collect();
    index.upsert(twins).await.unwrap();
    index.upsert(vec![point("a", "far", 2, json!({}))]).await.unwrap();
    let hits = index.search(query("a", 1, 5)).await.unwrap();
    let ids: Vec<_> = hits.iter().map(|hit| hit.id.0.as_str()).collect();
    assert_eq!(ids, ["t000", "t001", "t002", "t003", "t004"]);
}

pub(crate) async fn vectors_that_do_not_fit_are_refused(index: &Shared) {
    for values in [vec![1.0; DIMENSIONS - 1], vec![0.0; DIMENSIONS], vec![f32::NAN; DIMENSIONS]] {
        let wrong = Point { vector: values.clone().into(), ..point("a", "wrong", 1, json!({})) };
        let upsert = index.upsert(vec![point("a", "fine", 1, json!({})), wrong]).await;
        assert!(matches!(upsert, Err(PipelineError::Invalid { .. })), "{upsert:?}");
        let search = index.search(Query { vector: values.into(), ..query("a", 1, 5) }).await;
        assert!(matches!(search, Err(PipelineError::Invalid { .. })), "{search:?}");
    }
    assert_eq!(index.count().await.unwrap(), 0, "all or none");
}

pub(crate) async fn searches_go_on_while_it_is_optimised(index: &Shared) {
    let points = people(2000);
    index.upsert(points.clone()).await.unwrap();
    let optimising = {
        let index = Arc::clone(index);
        tokio::spawn(async move { index.optimise().await })
    };
    for seed in 0..20 {
        agree(index, &points, query("a", seed, 10)).await;
        index.upsert(vec![point("b", &format!("late{seed}"), seed, json!({}))]).await.unwrap();
    }
    optimising.await.unwrap().unwrap();
    index.optimise().await.unwrap();
    index.flush().await.unwrap();
    assert_eq!(index.count().await.unwrap(), 2020);
    agree(index, &points, Query { filter: vec![any("city", json!(["Köln"]))], ..query("a", 3, 10) }).await;
}

pub(crate) async fn what_is_held_can_be_compared_and_paged(index: &Shared) {
    assert_eq!(index.held(None, 10).await.unwrap(), (vec![], None));
    assert_eq!(index.dimensions(), DIMENSIONS);
    let points = people(25);
    index.upsert(points.clone()).await.unwrap();
    let (mut held, mut from) = (Vec::new(), None);
    loop {
        let (page, next) = index.held(from, 10).await.unwrap();
        assert!(page.len() <= 10, "{}", page.len());
        held.extend(page);
        from = next;
        if from.is_none() {
            break;
        }
    }
    let of = |point: &Point| (point.tenant.clone(), point.id.clone());
    let mut expected: Vec<Held> =
        points.iter().map(|p| Held { tenant: p.tenant.clone(), id: p.id.clone(), stamp: p.stamp() }).collect();
    for list in [&mut held, &mut expected] {
        list.sort_by_key(|held| (held.tenant.clone(), held.id.clone()));
    }
    assert_eq!(held, expected);

    let asked = [of(&points[3]), ("a".into(), "unknown".into()), of(&points[1]), ("b".into(), points[1].id.clone())];
    let stamps = index.stamps(&asked).await.unwrap();
    assert_eq!(stamps, [Some(points[3].stamp()), None, Some(points[1].stamp()), None]);
    let changed = Point { vector: vector(77), ..points[1].clone() };
    index.upsert(vec![changed.clone()]).await.unwrap();
    assert_eq!(index.stamps(&[of(&changed)]).await.unwrap(), [Some(changed.stamp())]);
    assert_eq!(index.stamps(&[]).await.unwrap(), []);
}
