//! The table against plain scans, through random lives.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::index::{Condition, contract::vector};

const DIMENSIONS: usize = crate::index::contract::DIMENSIONS;

fn value() -> impl Strategy<Value = Value> {
    let word = proptest::sample::select(vec!["x", "y", "z"]);
    prop_oneof![
        word.clone().prop_map(|word| json!(word)),
        (-3..3_i64).prop_map(|whole| json!(whole)),
        (-8..8_i32).prop_map(|quarters| json!(f64::from(quarters) / 4.0)),
        any::<bool>().prop_map(|flag| json!(flag)),
        proptest::collection::vec(word, 0..3).prop_map(|words| json!(words)),
        Just(json!([1, "x", true, null])),
        Just(json!({ "x": 1 })),
        Just(Value::Null),
        Just(json!(u64::MAX)),
    ]
}

fn attribute() -> impl Strategy<Value = String> {
    proptest::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = Condition> {
    let wanted = || {
        proptest::sample::subsequence(
            vec![json!("x"), json!("y"), json!(1), json!(-2), json!(true), json!(false)],
            1..=3,
        )
    };
    let end = || proptest::option::of((-4..4_i32).prop_map(|halves| f64::from(halves) / 2.0));
    prop_oneof![
        (attribute(), wanted()).prop_map(|(attribute, values)| Condition::Any { attribute, values }),
        (attribute(), wanted()).prop_map(|(attribute, values)| Condition::None { attribute, values }),
        (attribute(), end(), end()).prop_map(|(attribute, min, max)| Condition::Range { attribute, min, max }),
    ]
}

#[derive(Debug, Clone)]
enum Write {
    Put(u8, bool, u64, Attributes),
    Remove(u8),
}

fn write() -> impl Strategy<Value = Write> {
    let attributes = proptest::collection::btree_map(attribute(), value(), 0..4);
    prop_oneof![
        3 => (0..40_u8, any::<bool>(), 0..1000_u64, attributes).prop_map(|(id, own, seed, held)| Write::Put(id, own, seed, held)),
        1 => (0..40_u8).prop_map(Write::Remove),
    ]
}

fn number(id: u8) -> Uuid {
    point::number(&"t".into(), &format!("p{id}").as_str().into())
}

proptest! {
    /// X3: after any writes, who passes is who passes by the plain words of the conditions; and the nearest are among the candidates.
    #[test]
    fn x3_the_table_agrees_with_a_plain_scan(
        writes in proptest::collection::vec(write(), 0..120),
        filter in proptest::collection::vec(condition(), 0..3),
        excluded in proptest::collection::vec(0..40_u8, 0..4),
        seed in 0..1000_u64,
    ) {
        let (own, other): (TenantId, TenantId) = ("t".into(), "u".into());
        let (mut table, mut plain) = (Table::new(DIMENSIONS), BTreeMap::new());
        for write in writes {
            match write {
                Write::Put(id, is_own, seed, attributes) => {
                    let tenant = if is_own { &own } else { &other };
                    table.put(number(id), tenant, &vector(seed), &attributes);
                    plain.insert(id, (is_own, vector(seed), attributes));
                }
                Write::Remove(id) => {
                    table.remove(number(id));
                    plain.remove(&id);
                }
            }
        }
        prop_assert_eq!(table.len(), plain.len());
        let passing: Vec<u8> = plain
            .iter()
            .filter(|(id, (own, _, attributes))| {
                *own && !excluded.contains(id) && filter.iter().all(|condition| condition.holds(attributes))
            })
            .map(|(id, _)| *id)
            .collect();
        let exclude = excluded.iter().map(|id| format!("p{id}").as_str().into()).collect();
        let query = Query { tenant: own, vector: vector(seed), filter, exclude, limit: 3 };
        let rows = table.matching(&query).unwrap();
        let mut found: Vec<Uuid> = rows.iter().map(|row| table.points[*row as usize]).collect();
        found.sort_unstable();
        let mut expected: Vec<Uuid> = passing.iter().map(|id| number(*id)).collect();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);

        let mut scored: Vec<(f32, u8)> = passing
            .iter()
            .map(|id| (plain[id].1.iter().zip(&*query.vector).map(|(a, b)| a * b).sum(), *id))
            .collect();
        scored.sort_by(|one, other| other.0.total_cmp(&one.0));
        let near = if rows.is_empty() { Vec::new() } else { table.nearest(&rows, &query.vector, query.limit) };
        for (_, id) in scored.iter().take(query.limit) {
            prop_assert!(near.contains(&number(*id)));
        }
    }
}

#[test]
fn what_nobody_has_any_more_leaves_nothing() {
    let mut table = Table::new(DIMENSIONS);
    let own: TenantId = "t".into();
    for round in 0..1_000_u64 {
        let attributes: Attributes =
            serde_json::from_value(json!({ "name": format!("n{round}"), "n": round })).unwrap();
        table.put(number(1), &own, &vector(round), &attributes);
    }
    assert_eq!((table.len(), table.points.len()), (1, 1));
    assert!(table.terms.places() <= 4, "{}", table.terms.places());
    table.remove(number(1));
    table.remove(number(1));
    assert_eq!((table.len(), table.terms.places()), (0, 0));
}

#[test]
fn of_many_only_few_are_compared_again() {
    let own: TenantId = "t".into();
    let mut table = Table::new(DIMENSIONS);
    for id in 0..20_000_u64 {
        table.put(Uuid::from_u128(id.into()), &own, &vector(id), &Attributes::new());
    }
    let query = Query { tenant: own, vector: vector(77), filter: vec![], exclude: vec![], limit: 10 };
    let rows = table.matching(&query).unwrap();
    let near = table.nearest(&rows, &query.vector, 10);
    assert!(near.contains(&Uuid::from_u128(77)));
    assert!((10..100).contains(&near.len()), "{}", near.len());
}

/// Vectors are compared by their direction alone.
#[test]
fn lengths_do_not_matter() {
    let own: TenantId = "t".into();
    let mut table = Table::new(DIMENSIONS);
    for id in 0..500_u64 {
        let long: Vec<f32> = vector(id).iter().map(|value| value * (id + 1) as f32).collect();
        table.put(Uuid::from_u128(id.into()), &own, &long, &Attributes::new());
    }
    let asked: Vec<f32> = vector(3).iter().map(|value| value * 1e-3).collect();
    let query = Query { tenant: own, vector: asked.into(), filter: vec![], exclude: vec![], limit: 1 };
    let rows = table.matching(&query).unwrap();
    assert!(table.nearest(&rows, &query.vector, 1).contains(&Uuid::from_u128(3)));
}
