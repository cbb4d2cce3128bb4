//! The only map from what went wrong to what a caller sees. `docs/errors.md` lists every code with cause and cure.

mod dialect;

use std::{fmt, time::Duration};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use models::{ModelError, error::Kind};
use pipeline::PipelineError;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use dialect::{Dialect, GoogleErrorBody, OpenAiErrorBody};

/// What a 5xx answer says; the cause is in the log under the request id.
const INTERNAL: &str = "Something went wrong on our side. Report the request id; the log has the cause.";
/// Seconds to wait after a 429.
const BUSY_RETRY_S: u64 = 1;
/// Tells OpenAI's clients whether another try is worth it.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
/// Like `retry-after`, in milliseconds: read first by OpenAI's clients.
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Seconds to wait after a 503.
const UNAVAILABLE_RETRY_S: u64 = 5;

/// The body of every answer with a status of 400 or more.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorDetail,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorDetail {
    /// Stable, snake case; see `docs/errors.md`.
    #[schema(example = "text_too_long")]
    pub code: String,
    /// One or two sentences: what is wrong, and what to do.
    pub message: String,
    /// The member of the request that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Also in the header `x-request-id`, and in our log.
    pub request_id: String,
    /// Batches only: what is wrong with which item.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemError>,
}

/// What is wrong with one item of a batch.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ItemError {
    /// Position in `items`, from 0.
    pub index: usize,
    /// Stable, snake case.
    pub code: String,
    /// What is wrong, and what to do.
    pub message: String,
    /// The member that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// An error on its way out. It travels as an extension of an empty response; `app` writes the body, because only `app` knows the request id.
#[derive(Debug, Clone)]
pub struct ApiError(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    code: &'static str,
    message: String,
    field: Option<String>,
    retry_after: Option<Duration>,
    cause: Option<String>,
    items: Vec<ItemError>,
    detail: Option<Value>,
}

impl ApiError {
    fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            code,
            message,
            field: None,
            retry_after: None,
            cause: None,
            items: Vec::new(),
            detail: None,
        }))
    }

    /// The request is wrong.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, code, message)
    }

    /// No such thing.
    pub fn not_found(what: &'static str, id: impl fmt::Display) -> Self {
        PipelineError::NotFound { what, id: id.to_string() }.into()
    }

    /// No such item. A live frame that was given up leaves nothing behind, so it may be one of those.
    pub fn item_not_found(id: impl fmt::Display) -> Self {
        let message = format!(
            "There is no item `{id}`: it was never accepted for this key's tenant, or it was a call frame that a newer one displaced or \
             that became too old to be judged."
        );
        Self::new(Kind::NotFound, "not_found", message)
    }

    /// No such route.
    pub fn route_not_found(path: &str) -> Self {
        Self::new(
            Kind::NotFound,
            "route_not_found",
            format!("There is no `{path}` here: `/openapi.json` lists every route."),
        )
    }

    /// No such model.
    pub fn model_not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, "model_not_found", message)
    }

    /// The thing exists in another form.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// Who are you?
    pub fn unauthenticated(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, code, message)
    }

    /// You may not.
    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Forbidden, code, message)
    }

    /// Full; the same call succeeds later.
    pub fn too_busy(message: impl Into<String>) -> Self {
        Self::new(Kind::TooBusy, "too_busy", message)
    }

    /// As [`Self::too_busy`], for a known time.
    pub fn too_busy_for(wait: Duration, message: impl Into<String>) -> Self {
        let mut busy = Self::too_busy(message);
        busy.0.retry_after = Some(wait);
        busy
    }

    /// A key calls too often.
    pub fn rate_limited(class: &str, wait: Duration) -> Self {
        let seconds = wait.as_nanos().div_ceil(1_000_000_000);
        let message = format!(
            "This key makes more `{class}` calls than its limit allows: nothing was done; try again after {seconds} s. The headers \
             `x-ratelimit-…` say how many are left."
        );
        let mut limited = Self::new(Kind::TooBusy, "rate_limited", message);
        limited.0.retry_after = Some(wait);
        limited
    }

    /// A part that we need is down, or did not answer in time.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, message)
    }

    /// Our fault. `cause` goes to the log, never to the caller.
    pub fn internal(cause: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "internal", INTERNAL).caused_by(cause)
    }

    /// Names the member of the request that is wrong.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Adds what is wrong with which item of a batch.
    #[must_use]
    pub fn with_items(mut self, items: Vec<ItemError>) -> Self {
        self.0.items = items;
        self
    }

    /// Adds what clients of Google's dialect read in the error's detail.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.0.detail = Some(detail);
        self
    }

    fn caused_by(mut self, cause: impl Into<String>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// As one entry of a batch's error list.
    pub fn into_item(self, index: usize) -> ItemError {
        ItemError { index, code: self.0.code.to_owned(), message: self.0.message, field: self.0.field }
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What the caller is told.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What the log is told, if the caller is not.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The HTTP status. Nothing else in the product knows statuses of errors.
    pub fn status(&self) -> StatusCode {
        match self.0.kind {
            Kind::Invalid => invalid_status(self.0.code),
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
            Kind::Forbidden => StatusCode::FORBIDDEN,
            Kind::TooBusy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Time after which the same call is worth another try.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after.or(match self.0.kind {
            Kind::TooBusy => Some(Duration::from_secs(BUSY_RETRY_S)),
            Kind::Unavailable => Some(Duration::from_secs(UNAVAILABLE_RETRY_S)),
            _ => None,
        })
    }

    /// The answer, for the request with this id, in the words that the route's clients know.
    pub fn render(self, request_id: &str, dialect: Dialect) -> Response {
        let status = self.status();
        let retry_after = self.retry_after();
        let inner = *self.0;
        let mut response = match dialect {
            Dialect::Own => Self::own_body(status, &inner, request_id),
            Dialect::OpenAi => {
                let param = inner.field.as_deref();
                let body = OpenAiErrorBody::new(status, inner.code, &inner.message, param, request_id);
                let mut response = (status, Json(body)).into_response();
                // Its clients try again after 409 and 5xx unless they are told not to.
                let again = matches!(inner.kind, Kind::TooBusy | Kind::Unavailable | Kind::Internal);
                let again = HeaderValue::from_static(if again { "true" } else { "false" });
                response.headers_mut().insert(SHOULD_RETRY, again);
                response
            }
            Dialect::Google => {
                let body = GoogleErrorBody::new(status, inner.code, &inner.message, inner.detail);
                (body.status(), Json(body)).into_response()
            }
        };
        if let Some(wait) = retry_after {
            // Rounded up: who comes back a moment too early is refused again.
            let rounded = |unit: u128| u64::try_from(wait.as_nanos().div_ceil(unit)).unwrap_or(u64::MAX).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, rounded(1_000_000_000).into());
            response.headers_mut().insert(RETRY_AFTER_MS, rounded(1_000_000).into());
        }
        if inner.kind == Kind::Unauthenticated {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn own_body(status: StatusCode, inner: &Inner, request_id: &str) -> Response {
        let body = ErrorBody {
            error: ErrorDetail {
                code: inner.code.to_owned(),
                message: inner.message.clone(),
                field: inner.field.clone(),
                request_id: request_id.to_owned(),
                items: inner.items.clone(),
            },
        };
        (status, Json(body)).into_response()
    }
}

/// Wrong requests have the status 400, save where HTTP has a word of its own for what is wrong.
fn invalid_status(code: &str) -> StatusCode {
    match code {
        "body_too_large" | "text_too_long" | "picture_too_large" | "profile_too_large" | "note_too_long" => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        "unsupported_media_type" | "picture_unknown_format" | "picture_unsupported" => {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        }
        "picture_truncated" | "picture_corrupt" | "picture_too_many_pixels" => StatusCode::UNPROCESSABLE_ENTITY,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Errors of other crates are written to be read behind a colon; here they stand alone.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<PipelineError> for ApiError {
    fn from(error: PipelineError) -> Self {
        let kind = error.kind();
        match error {
            PipelineError::Invalid { code, message } | PipelineError::Conflict { code, message } => {
                Self::new(kind, code, sentence(&message))
            }
            PipelineError::NotFound { .. } => Self::new(kind, "not_found", format!("There is {error}.")),
            PipelineError::Full { what, retry_after_s } => {
                let text = format!("{what} is full: nothing was accepted; try again after {retry_after_s} s");
                let mut busy = Self::too_busy(sentence(&text));
                busy.0.retry_after = Some(Duration::from_secs(retry_after_s.into()));
                busy
            }
            // Only what waits in the queue becomes stale, and nobody waits for that.
            PipelineError::Stale { .. } => Self::internal(error.to_string()),
            PipelineError::Model(model) => model.into(),
            PipelineError::Unavailable { part, .. } => {
                let message = format!("The {part} does not answer. Try again; `/health/ready` shows the state.");
                Self::new(kind, "unavailable", message).caused_by(error.to_string())
            }
            PipelineError::Internal { .. } => Self::internal(error.to_string()),
        }
    }
}

impl From<ModelError> for ApiError {
    fn from(error: ModelError) -> Self {
        let text = error.to_string();
        match error.kind() {
            Kind::Invalid => Self::invalid("input_invalid", sentence(&text)),
            Kind::NotFound => Self::new(Kind::NotFound, "model_not_found", sentence(&text)),
            Kind::TooBusy => Self::too_busy(sentence(&format!("{text}: try again after {BUSY_RETRY_S} s"))),
            Kind::Unavailable => Self::unavailable(
                "unavailable",
                "The models are not ready. Try again; `/health/ready` shows the state.",
            )
            .caused_by(text),
            _ => Self::unavailable(
                "model_failed",
                "A model failed. Try again; when it keeps failing, report the request id: the log has the cause.",
            )
            .caused_by(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_status() {
        let rows = [
            (Kind::Invalid, 400, None),
            (Kind::NotFound, 404, None),
            (Kind::Conflict, 409, None),
            (Kind::Unauthenticated, 401, None),
            (Kind::Forbidden, 403, None),
            (Kind::TooBusy, 429, Some(1)),
            (Kind::Unavailable, 503, Some(5)),
            (Kind::Internal, 500, None),
        ];
        for (kind, status, retry_after) in rows {
            let error = ApiError::new(kind, "code", "message");
            let seconds = error.retry_after().map(|wait| wait.as_secs());
            assert_eq!((error.status().as_u16(), seconds), (status, retry_after), "{kind:?}");
        }
    }

    #[test]
    fn wrong_requests_have_the_status_that_http_has_for_them() {
        let rows = [
            ("unknown_field", 400),
            ("text_too_long", 413),
            ("picture_too_large", 413),
            ("unsupported_media_type", 415),
            ("picture_unknown_format", 415),
            ("picture_truncated", 422),
            ("method_not_allowed", 405),
        ];
        for (code, status) in rows {
            assert_eq!(ApiError::invalid(code, "").status().as_u16(), status, "{code}");
        }
    }

    #[test]
    fn messages_of_other_crates_become_sentences() {
        for (text, expected) in
            [("a b: do c", "A b: do c."), ("`x` is empty", "`x` is empty."), ("Done.", "Done."), ("", ".")]
        {
            assert_eq!(sentence(text), expected);
        }
    }

    #[test]
    fn causes_never_reach_the_caller() {
        let secret = "disk /var/x is gone";
        let errors = [
            ApiError::from(PipelineError::Unavailable { part: "store", message: secret.into() }),
            ApiError::from(PipelineError::Internal { part: "store", message: secret.into() }),
            ApiError::from(ModelError::Backend { backend: "ort", message: secret.into() }),
            ApiError::internal(secret),
        ];
        for error in errors {
            assert!(!error.0.message.contains(secret), "{error:?}");
            assert!(error.cause().is_some_and(|cause| cause.contains(secret)), "{error:?}");
        }
    }
}
