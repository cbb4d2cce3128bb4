//! The router, and the one middleware that every request passes.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::{self, Next},
    response::Response,
};
use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    auth::authenticate,
    cors,
    desk::DeskState,
    error::{ApiError, Dialect},
    fetch::Fetcher,
    limits::{self, Note},
    openapi, routes,
    services::Services,
};

/// Header that names a request, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What OpenAI's clients log of an answer: how long it took.
const PROCESSING_MS: HeaderName = HeaderName::from_static("openai-processing-ms");
/// Which of OpenAI's versions the answer has the form of: its only one.
const OPENAI_VERSION: (HeaderName, HeaderValue) =
    (HeaderName::from_static("openai-version"), HeaderValue::from_static("2020-10-01"));
/// Routes that answer even when the service is full: whoever watches it must see that it lives.
const ALWAYS_SERVED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

/// What handlers share.
pub struct App {
    /// Everything long-lived.
    pub services: Services,
    /// How far the shutdown has come.
    pub stopping: Stopping,
    /// The OpenAPI document, as served.
    pub document: Bytes,
    /// Pictures by their address.
    pub fetcher: Fetcher,
    /// Event streams that may still be opened.
    pub streams: Arc<Semaphore>,
    /// What the desk's routes share.
    pub desk: Arc<DeskState>,
    /// Requests that may still begin.
    slots: Semaphore,
    /// Time that a request may take.
    timeout: Duration,
}

/// The two steps of a shutdown.
#[derive(Debug, Clone)]
pub struct Stopping {
    /// Cancelled first: `/health/ready` answers 503, everything else still works.
    pub announced: CancellationToken,
    /// Cancelled when the service shuts down: event streams end, no request is accepted.
    pub now: CancellationToken,
}

impl Stopping {
    /// Not yet.
    pub fn new(now: CancellationToken) -> Self {
        Self { announced: now.child_token(), now }
    }
}

/// State of every handler.
pub type Shared = Arc<App>;

/// The HTTP face of the process's role: the routes, their limits, authentication, errors, request ids, metrics.
pub fn router(services: Services, stopping: Stopping) -> anyhow::Result<Router> {
    let server = &services.config.server;
    let app = Arc::new(App {
        stopping,
        document: Bytes::from(openapi::document_json()?),
        fetcher: Fetcher::new(&services.config.compat.image_fetch)?,
        streams: Arc::new(Semaphore::new(server.max_requests)),
        desk: services.desk.clone(),
        slots: Semaphore::new(server.max_requests),
        timeout: Duration::from_secs(server.request_seconds),
        services,
    });
    let cors = cors::layer(&app.services.config.server.cors);
    let routes = if app.services.role.answers() { routes::all() } else { routes::watched() };
    let (router, _) = routes.split_for_parts();
    let router = router
        .fallback(async |uri: Uri| ApiError::route_not_found(uri.path()))
        .method_not_allowed_fallback(async |method: Method, uri: Uri| {
            let message = format!("`{}` takes no {method}: the header `Allow` lists what it takes.", uri.path());
            ApiError::invalid("method_not_allowed", message)
        })
        // `extract::read_body` has a limit for each route.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app);
    // Outermost: refusals can be read by pages too, and a preflight needs no key.
    Ok(match cors {
        Some(layer) => router.layer(layer),
        None => router,
    })
}

/// Around every request: its id, its slot, its time limit, panics, the error body, the log line, the metrics.
async fn guard(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let dialect = Dialect::of(request.uri().path());

    let note = Arc::new(Note::new());
    request.extensions_mut().insert(note.clone());
    let mut response = admit(&app, route, request, next).await;
    let error = response.extensions_mut().remove::<ApiError>();
    if let Some(error) = error {
        if let Some(cause) = error.cause() {
            tracing::error!(request.id = %id, http.route = route, error.code = error.code(), error.cause = cause, "request failed");
        }
        response = rendered(&response, error, &id, dialect);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if let Some(standing) = note.get() {
        limits::announce(*standing, response.headers_mut());
    }
    if dialect == Dialect::OpenAi {
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        response.headers_mut().insert(PROCESSING_MS, milliseconds.into());
        let (name, version) = OPENAI_VERSION;
        response.headers_mut().insert(name, version);
    }
    observe(method, route, response.status(), started.elapsed());
    response
}

/// Runs the handler if there is a slot, for as long as a request may take.
async fn admit(app: &App, route: &str, request: Request, next: Next) -> Response {
    use axum::response::IntoResponse;
    let Ok(_slot) = app.slots.try_acquire() else {
        if !ALWAYS_SERVED.contains(&route) {
            return ApiError::too_busy("Too many requests are in progress: try again after 1 s.").into_response();
        }
        return next.run(authenticate(app, request).await).await;
    };
    let handled = async { next.run(authenticate(app, request).await).await };
    let handled = AssertUnwindSafe(handled).catch_unwind();
    match tokio::time::timeout(app.timeout, handled).await {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => ApiError::internal(panic_message(panic.as_ref())).into_response(),
        Err(_) => {
            let message = format!("No answer within {} s: try again, with less in one request.", app.timeout.as_secs());
            ApiError::unavailable("timeout", message).into_response()
        }
    }
}

/// The error's body in place of the empty one, with the headers that the handler, a layer or the router had set (`Allow`).
fn rendered(empty: &Response, error: ApiError, id: &str, dialect: Dialect) -> Response {
    let mut response = error.render(id, dialect);
    let about_the_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for (name, value) in empty.headers().iter().filter(|(name, _)| !about_the_body.contains(name)) {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// The caller's id when it is harmless to log and echo, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let harmless = |id: &&str| {
        (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
    };
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(harmless);
    given.map_or_else(|| format!("req_{}", Uuid::now_v7().simple()), ToOwned::to_owned)
}

/// A known method's name; strangers share one label, so that callers cannot grow the metrics.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panic: {}", text.unwrap_or("no message"))
}

fn observe(method: &'static str, route: &str, status: StatusCode, took: Duration) {
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.as_str().to_owned())];
    metrics::counter!("chaperone_http_requests_total", &labels).increment(1);
    metrics::histogram!("chaperone_http_request_seconds", &labels).record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_kept_when_harmless_and_made_otherwise() {
        for (given, kept) in
            [("abc-1_2.3:4", true), ("", false), ("a b", false), ("a\"b", false), (&"x".repeat(129), false)]
        {
            let headers = HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_str(given).unwrap())]);
            let id = request_id(&headers);
            assert_eq!(id == given, kept, "{given}");
            assert!(kept || id.starts_with("req_"), "{id}");
        }
    }
}
