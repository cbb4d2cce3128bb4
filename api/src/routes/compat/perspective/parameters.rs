//! The query parameters that all of Google's APIs know, and the answer as they ask for it.

use axum::{
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::Value;

use super::fields::Mask;
use crate::error::ApiError;

/// What the query asks of the answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Parameters {
    /// Only these members.
    fields: Option<Mask>,
    /// On one line.
    compact: bool,
}

impl Parameters {
    /// Reads a query. Parameters that we do not know are left alone, as Google's own (`quotaUser`, `$.xgafv`, …) must be.
    pub(super) fn of(uri: &Uri) -> Result<Self, ApiError> {
        let mut parameters = Self::default();
        for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            match &*name {
                "alt" | "$alt" if !matches!(&*value, "json" | "") => {
                    let value: String = value.chars().take(50).collect();
                    let message =
                        format!("Invalid value for alt: {value}. Answers are JSON: send `alt=json`, or leave it out.");
                    return Err(ApiError::invalid("query_invalid", message).at("alt"));
                }
                "fields" | "$fields" if !value.is_empty() => {
                    let mask = Mask::parse(&value).map_err(|wrong| {
                        ApiError::invalid("query_invalid", format!("Invalid field selection {wrong}")).at("fields")
                    })?;
                    parameters.fields = Some(mask);
                }
                "prettyPrint" | "$prettyPrint" | "pp" => parameters.compact = matches!(&*value, "false" | "0"),
                _ => {}
            }
        }
        Ok(parameters)
    }

    /// The answer with the members and the look that were asked for.
    pub(super) fn answer(&self, answer: &impl Serialize) -> Result<Response, ApiError> {
        let broken = |error: serde_json::Error| ApiError::internal(error.to_string());
        let mut answer: Value = serde_json::to_value(answer).map_err(broken)?;
        if let Some(mask) = &self.fields {
            mask.apply(&mut answer);
        }
        let mut text = if self.compact { serde_json::to_vec(&answer) } else { serde_json::to_vec_pretty(&answer) }
            .map_err(broken)?;
        text.push(b'\n');
        Ok((StatusCode::OK, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], text).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Result<Parameters, ApiError> {
        Parameters::of(&format!("/v1alpha1/comments:analyze?{query}").parse().unwrap())
    }

    #[test]
    fn i5_googles_parameters_are_read() {
        assert_eq!(of("key=k&alt=json&quotaUser=u&%24.xgafv=2&prettyPrint=true").unwrap(), Parameters::default());
        assert!(of("prettyPrint=false").unwrap().compact);
        assert!(of("fields=attributeScores").unwrap().fields.is_some());
        for query in ["alt=proto", "alt=media", "fields=a(b", "fields=a,,b"] {
            assert_eq!(of(query).unwrap_err().code(), "query_invalid", "{query}");
        }
    }
}
