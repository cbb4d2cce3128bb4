//! The values of a condition by type, checked once for every implementation.

use serde_json::Value;

use crate::error::PipelineError;

/// Values that an attribute is compared with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Values {
    pub(super) strings: Vec<String>,
    pub(super) integers: Vec<i64>,
    pub(super) bools: Vec<bool>,
}

impl Values {
    /// Sorts `values` by type. `Invalid` (`filter_value`) for what cannot be compared for equality.
    pub(super) fn parse(attribute: &str, values: &[Value]) -> Result<Self, PipelineError> {
        let mut sorted = Self::default();
        for value in values {
            match value {
                Value::String(text) => sorted.strings.push(text.clone()),
                Value::Bool(flag) => sorted.bools.push(*flag),
                Value::Number(number) => match number.as_i64() {
                    Some(integer) => sorted.integers.push(integer),
                    None => return Err(wrong(attribute, "takes whole numbers: use `range` for others")),
                },
                Value::Null | Value::Array(_) | Value::Object(_) => {
                    return Err(wrong(attribute, "takes strings, whole numbers and booleans"));
                }
            }
        }
        Ok(sorted)
    }

    /// As [`Values::parse`], at least one.
    pub(super) fn parse_some(attribute: &str, values: &[Value]) -> Result<Self, PipelineError> {
        if values.is_empty() {
            return Err(wrong(attribute, "needs at least one value"));
        }
        Self::parse(attribute, values)
    }
}

/// Ends of a range, with which only numbers are inside: an open end is the least or the greatest number.
pub(super) fn ends(attribute: &str, min: Option<f64>, max: Option<f64>) -> Result<(f64, f64), PipelineError> {
    if min.is_some_and(f64::is_nan) || max.is_some_and(f64::is_nan) {
        return Err(wrong(attribute, "needs numbers as its ends"));
    }
    Ok((min.unwrap_or(f64::MIN), max.unwrap_or(f64::MAX)))
}

fn wrong(attribute: &str, what: &str) -> PipelineError {
    PipelineError::invalid("filter_value", format!("the condition on `{attribute}` {what}"))
}
