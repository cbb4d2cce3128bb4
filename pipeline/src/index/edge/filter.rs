//! From our conditions to Qdrant's filters.

use qdrant_edge::{
    Condition as Qdrant, FieldCondition, Filter, HasIdCondition, JsonPath, Match, Range, ValueVariants,
    external::ordered_float::OrderedFloat,
};

use super::point;
use crate::{
    error::PipelineError,
    index::{
        Condition, Query,
        values::{Values, ends},
    },
};

/// The query's tenant, conditions and exclusions as one filter.
pub(super) fn build(query: &Query) -> Result<Filter, PipelineError> {
    let tenant = Match::new_value(ValueVariants::String(query.tenant.0.clone()));
    let mut must = vec![Qdrant::Field(FieldCondition::new_match(point::path(point::TENANT), tenant))];
    let mut must_not = Vec::new();
    for condition in &query.filter {
        match condition {
            Condition::Any { attribute, values } => {
                let any = equal(attribute, Values::parse_some(attribute, values)?);
                must.push(Qdrant::Filter(Filter { should: Some(any), ..Filter::new() }));
            }
            Condition::None { attribute, values } => {
                must_not.extend(equal(attribute, Values::parse(attribute, values)?));
            }
            Condition::Range { attribute, min, max } => {
                let (min, max) = ends(attribute, *min, *max)?;
                let range = Range { lt: None, gt: None, gte: Some(OrderedFloat(min)), lte: Some(OrderedFloat(max)) };
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
fn equal(attribute: &str, values: Values) -> Vec<Qdrant> {
    let key: JsonPath = point::attribute(attribute);
    let field = |wanted: Match| Qdrant::Field(FieldCondition::new_match(key.clone(), wanted));
    let Values { strings, integers, bools } = values;
    let mut conditions = Vec::new();
    if !strings.is_empty() {
        conditions.push(field(Match::from(strings)));
    }
    if !integers.is_empty() {
        conditions.push(field(Match::from(integers)));
    }
    conditions.extend(bools.into_iter().map(|flag| field(Match::new_value(ValueVariants::Bool(flag)))));
    conditions
}
