//! From our conditions to Qdrant's filters, as gRPC carries them.

use qdrant_client::qdrant::{Condition as Field, Filter, Range, r#match::MatchValue};

use super::{
    point,
    values::{Values, ends},
};
use crate::{
    error::PipelineError,
    index::{Condition, Query, point::number},
};

/// The query's tenant, conditions and exclusions as one filter. The tenant is always there.
pub(super) fn build(query: &Query) -> Result<Filter, PipelineError> {
    let mut must = vec![Field::matches(point::TENANT, query.tenant.0.clone())];
    let mut must_not = Vec::new();
    for condition in &query.filter {
        match condition {
            Condition::Any { attribute, values } => {
                must.push(Filter::should(equal(attribute, Values::parse_some(attribute, values)?)).into());
            }
            Condition::None { attribute, values } => {
                must_not.extend(equal(attribute, Values::parse(attribute, values)?));
            }
            Condition::Range { attribute, min, max } => {
                let (min, max) = ends(attribute, *min, *max)?;
                let range = Range { gte: Some(min), lte: Some(max), ..Range::default() };
                must.push(Field::range(point::attribute(attribute), range));
            }
        }
    }
    if !query.exclude.is_empty() {
        must_not.push(Field::has_id(query.exclude.iter().map(|id| number(&query.tenant, id).to_string())));
    }
    Ok(Filter { must, must_not, ..Filter::default() })
}

/// One condition per type of value: together they hold when the attribute, or one of its members, equals one of `values`.
fn equal(attribute: &str, values: Values) -> Vec<Field> {
    let key = point::attribute(attribute);
    let field = |wanted: MatchValue| Field::matches(key.clone(), wanted);
    let Values { strings, integers, bools } = values;
    let mut conditions = Vec::new();
    if !strings.is_empty() {
        conditions.push(field(strings.into()));
    }
    if !integers.is_empty() {
        conditions.push(field(integers.into()));
    }
    conditions.extend(bools.into_iter().map(|flag| field(MatchValue::Boolean(flag))));
    conditions
}
