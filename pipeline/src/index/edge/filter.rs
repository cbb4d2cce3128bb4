//! From our conditions to Qdrant's filters.

use qdrant_edge::{
    Condition as Qdrant, FieldCondition, Filter, HasIdCondition, JsonPath, Match, Range, ValueVariants,
    external::ordered_float::OrderedFloat,
};
use serde_json::Value;

use super::point;
use crate::{
    error::PipelineError,
    index::{Condition, Query},
};

/// The query's tenant, conditions and exclusions as one filter.
pub(super) fn build(query: &Query) -> Result<Filter, PipelineError> {
    let tenant = Match::new_value(ValueVariants::String(query.tenant.0.clone()));
    let mut must = vec![Qdrant::Field(FieldCondition::new_match(point::path(point::TENANT), tenant))];
    let mut must_not = Vec::new();
    for condition in &query.filter {
        match condition {
            Condition::Any { values, attribute } if values.is_empty() => {
                return Err(wrong(attribute, "needs at least one value"));
            }
            Condition::Any { attribute, values } => {
                must.push(Qdrant::Filter(Filter { should: Some(equal(attribute, values)?), ..Filter::new() }));
            }
            Condition::None { attribute, values } => must_not.extend(equal(attribute, values)?),
            Condition::Range { attribute, min, max } => {
                if min.is_some_and(f64::is_nan) || max.is_some_and(f64::is_nan) {
                    return Err(wrong(attribute, "needs numbers as its ends"));
                }
                let (gte, lte) = (min.map(OrderedFloat), max.map(OrderedFloat));
                // Without an end, "is a number" is still asked.
                let gte = gte.or(Some(OrderedFloat(f64::NEG_INFINITY)));
                let range = Range { lt: None, gt: None, gte, lte };
                must.push(Qdrant::Field(FieldCondition::new_range(point::attribute(attribute), range)));
            }
        }
    }
    if !query.exclude.is_empty() {
        let ids = query.exclude.iter().map(|id| point::number(&query.tenant, id));
        must_not.push(Qdrant::HasId(ids.collect::<HasIdCondition>()));
    }
    Ok(Filter { must: Some(must), must_not: (!must_not.is_empty()).then_some(must_not), ..Filter::new() })
}

/// One condition per type of value: together they hold when the attribute, or one of its members, equals one of `values`.
fn equal(attribute: &str, values: &[Value]) -> Result<Vec<Qdrant>, PipelineError> {
    let key: JsonPath = point::attribute(attribute);
    let (mut strings, mut integers, mut bools) = (Vec::new(), Vec::new(), Vec::new());
    for value in values {
        match value {
            Value::String(text) => strings.push(text.clone()),
            Value::Bool(flag) => bools.push(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => integers.push(integer),
                None => return Err(wrong(attribute, "takes whole numbers: use `range` for others")),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => {
                return Err(wrong(attribute, "takes strings, whole numbers and booleans"));
            }
        }
    }
    let field = |wanted: Match| Qdrant::Field(FieldCondition::new_match(key.clone(), wanted));
    let mut conditions = Vec::new();
    if !strings.is_empty() {
        conditions.push(field(Match::from(strings)));
    }
    if !integers.is_empty() {
        conditions.push(field(Match::from(integers)));
    }
    conditions.extend(bools.into_iter().map(|flag| field(Match::new_value(ValueVariants::Bool(flag)))));
    Ok(conditions)
}

fn wrong(attribute: &str, what: &str) -> PipelineError {
    PipelineError::invalid("filter_value", format!("the condition on `{attribute}` {what}"))
}
