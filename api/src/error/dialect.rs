//! Error bodies as the clients of other services read them: one error, written in the dialect of the route that it happened on.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// Whose error bodies a route writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Ours.
    Own,
    /// OpenAI's: `/v1/moderations`, `/v1/embeddings`, `/v1/models`.
    OpenAi,
    /// Google's: Perspective's `/v1alpha1/…` and `/$discovery/…`.
    Google,
}

impl Dialect {
    /// By the path of the request, so that a wrong method or a missing key is told in the right words too.
    pub fn of(path: &str) -> Self {
        let below = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        if ["/v1/moderations", "/v1/embeddings", "/v1/models"].into_iter().any(below) {
            Self::OpenAi
        } else if below("/v1alpha1") || below("/$discovery") {
            Self::Google
        } else {
            Self::Own
        }
    }
}

/// OpenAI's error body.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenAiErrorBody<'a> {
    error: OpenAiError<'a>,
}

/// What went wrong. The first four members are always there, `null` when nothing is known.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenAiError<'a> {
    /// What is wrong, and what to do.
    message: &'a str,
    /// `invalid_request_error`, `requests` (429) or `server_error`.
    #[schema(example = "invalid_request_error")]
    r#type: &'static str,
    /// The member of the request that is wrong.
    #[schema(required = true)]
    param: Option<&'a str>,
    /// Stable; see `docs/errors.md`.
    #[schema(value_type = Option<String>, required = true)]
    code: &'a str,
    /// Also in the header `x-request-id`. Ours: OpenAI has none here.
    request_id: &'a str,
}

impl<'a> OpenAiErrorBody<'a> {
    pub(super) fn new(
        status: StatusCode,
        code: &'a str,
        message: &'a str,
        param: Option<&'a str>,
        request_id: &'a str,
    ) -> Self {
        let r#type = match status.as_u16() {
            429 => "requests",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        // The words that official clients and their users know.
        let code = match code {
            "key_unknown" | "key_malformed" | "key_missing" | "key_expired" | "key_revoked" => "invalid_api_key",
            "too_busy" | "rate_limited" => "rate_limit_exceeded",
            other => other,
        };
        Self { error: OpenAiError { message, r#type, param, code, request_id } }
    }
}

/// Google's error body.
#[derive(Debug, Serialize, ToSchema)]
pub struct GoogleErrorBody<'a> {
    error: GoogleError<'a>,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GoogleError<'a> {
    /// The HTTP status.
    #[schema(example = 400)]
    code: u16,
    /// What is wrong.
    message: &'a str,
    /// Google's word for the status.
    #[schema(example = "INVALID_ARGUMENT")]
    status: &'static str,
    /// Perspective's `errorType`, with what belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<Object>)]
    details: Vec<Value>,
}

impl<'a> GoogleErrorBody<'a> {
    /// `code` is ours; `more` is merged into the detail.
    pub(super) fn new(status: StatusCode, code: &str, message: &'a str, more: Option<Value>) -> Self {
        let status_word = match status.as_u16() {
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            409 => "ABORTED",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            500.. => "INTERNAL",
            _ => "INVALID_ARGUMENT",
        };
        let error_type = match code {
            "text_too_long" | "body_too_large" => Some("COMMENT_TOO_LONG"),
            "text_empty" => Some("COMMENT_EMPTY"),
            "no_requested_attributes" => Some("NO_REQUESTED_ATTRIBUTES"),
            "language_unsupported" => Some("LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"),
            "language_unknown" => Some("LANGUAGE_DETECTION_FAILED"),
            _ if status_word == "INVALID_ARGUMENT" => Some("INVALID_REQUEST"),
            _ => None,
        };
        let detail = error_type.map(|error_type| {
            let mut detail = serde_json::json!({
                "@type": "type.googleapis.com/google.commentanalyzer.v1alpha1.Error",
                "errorType": error_type,
            });
            if let (Value::Object(detail), Some(Value::Object(more))) = (&mut detail, more) {
                detail.extend(more);
            }
            detail
        });
        // Perspective answered 400 to whatever was wrong with a comment.
        let code = if status_word == "INVALID_ARGUMENT" { 400 } else { status.as_u16() };
        Self { error: GoogleError { code, message, status: status_word, details: detail.into_iter().collect() } }
    }

    /// The HTTP status that goes with it.
    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.error.code).unwrap_or(StatusCode::BAD_REQUEST)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn i5_the_path_decides_the_dialect() {
        for (path, dialect) in [
            ("/v1/moderations", Dialect::OpenAi),
            ("/v1/embeddings", Dialect::OpenAi),
            ("/v1/models", Dialect::OpenAi),
            ("/v1/models/embed-minilm", Dialect::OpenAi),
            ("/v1/modelsx", Dialect::Own),
            ("/v1/check", Dialect::Own),
            ("/v1alpha1/comments:analyze", Dialect::Google),
            ("/$discovery/rest", Dialect::Google),
            ("/", Dialect::Own),
        ] {
            assert_eq!(Dialect::of(path), dialect, "{path}");
        }
    }

    #[test]
    fn i5_an_openai_error_has_all_four_members() {
        let body = OpenAiErrorBody::new(StatusCode::TOO_MANY_REQUESTS, "too_busy", "Full.", None, "req_1");
        let expected = json!({ "error": {
            "message": "Full.", "type": "requests", "param": null, "code": "rate_limit_exceeded", "request_id": "req_1",
        } });
        assert_eq!(serde_json::to_value(body).unwrap(), expected);
    }

    #[test]
    fn i5_a_google_error_names_its_type_and_says_400() {
        let more = json!({ "languageNotSupportedByAttributeError": { "attribute": "TOXICITY" } });
        let body = GoogleErrorBody::new(StatusCode::PAYLOAD_TOO_LARGE, "language_unsupported", "No.", Some(more));
        assert_eq!(body.status(), StatusCode::BAD_REQUEST);
        let body = serde_json::to_value(body).unwrap();
        assert_eq!((&body["error"]["code"], &body["error"]["status"]), (&json!(400), &json!("INVALID_ARGUMENT")));
        let detail = &body["error"]["details"][0];
        assert_eq!(detail["errorType"], "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE");
        assert_eq!(detail["languageNotSupportedByAttributeError"]["attribute"], "TOXICITY");
        let full = serde_json::to_value(GoogleErrorBody::new(StatusCode::TOO_MANY_REQUESTS, "too_busy", "Full.", None))
            .unwrap();
        assert_eq!((&full["error"]["status"], full["error"].get("details")), (&json!("RESOURCE_EXHAUSTED"), None));
    }
}
