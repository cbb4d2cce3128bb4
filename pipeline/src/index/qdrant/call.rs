//! One call: the client, its tries within a deadline, and what an error means for us.

use std::{future::Future, time::Duration};

use qdrant_client::{Qdrant, QdrantError};
use tokio::time::Instant;
use url::Url;

use crate::{config::IndexConfig, error::PipelineError};

/// Waits before the second and the third try. Short: a caller waits, and what lasts longer is repaired later.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(250)];

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The server is not there or does not manage: worth another try.
    Down(String),
    /// It asks to be left alone for so many seconds.
    Busy(u64),
    /// There is no such collection.
    Missing(String),
    /// It does not know our key.
    Refused(String),
    /// It does not understand us: our fault, or a server too old or too new.
    Wrong(String),
}

impl Failure {
    /// For a caller: `what` was being done.
    pub(super) fn error(self, what: &str) -> PipelineError {
        let down = |message| PipelineError::Unavailable { part: "index", message };
        match self {
            Self::Down(cause) => down(format!("{what}: {cause}")),
            Self::Busy(seconds) => PipelineError::Full {
                what: "the vector index",
                retry_after_s: u32::try_from(seconds).unwrap_or(u32::MAX).max(1),
            },
            Self::Missing(cause) => down(format!(
                "{what}: the collection went away, and again after it was made anew: who deletes it? ({cause})"
            )),
            Self::Refused(cause) => down(format!("{what}: the Qdrant server refuses us ({cause}): set index.api_key")),
            Self::Wrong(cause) => PipelineError::Internal { part: "index", message: format!("{what}: {cause}") },
        }
    }
}

/// What an error of the client means. Messages only: a status's metadata and a request's headers stay out of our logs.
pub(super) fn failure(error: &QdrantError) -> Failure {
    match error {
        QdrantError::ResponseError { status } => by_code(status.code() as i32, status.message()),
        QdrantError::ResourceExhaustedError { retry_after_seconds, .. } => Failure::Busy(*retry_after_seconds),
        QdrantError::Io(error) => Failure::Down(error.to_string()),
        other => Failure::Wrong(other.to_string()),
    }
}

/// By gRPC status code (grpc.io/docs/guides/status-codes; what Qdrant answers when: `error_to_status` in its `src/tonic`). The client
/// reports a connection that cannot be made as INTERNAL, and one that breaks as UNKNOWN or UNAVAILABLE; its own timeout is CANCELLED.
fn by_code(code: i32, message: &str) -> Failure {
    let cause = message.to_owned();
    match code {
        // Cancelled, unknown, deadline exceeded, aborted, internal, unavailable, data loss.
        1 | 2 | 4 | 10 | 13 | 14 | 15 => Failure::Down(cause),
        // Resource exhausted without a time: out of memory or disk.
        8 => Failure::Down(cause),
        // Failed precondition: the server is locked for writing, or still recovering.
        9 => Failure::Down(cause),
        5 => Failure::Missing(cause),
        7 | 16 => Failure::Refused(cause),
        // Invalid argument, already exists, out of range, unimplemented.
        _ => Failure::Wrong(format!("{cause} (gRPC status {code})")),
    }
}

/// One call that may be tried several times.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    /// For errors and metrics.
    pub(super) what: &'static str,
    pub(super) client: &'a Qdrant,
    /// When its caller stops waiting.
    pub(super) deadline: Instant,
}

impl Call<'_> {
    /// Calls until it works, fails for good, or the deadline comes.
    pub(super) async fn tries<R: Clone, T, F: Future<Output = Result<T, QdrantError>>>(
        &self,
        request: R,
        work: &impl Fn(Qdrant, R) -> F,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let result = self.with_waits(request, work).await;
        let outcome = if result.is_ok() { "done" } else { "failed" };
        metrics::histogram!("chaperone_index_call_seconds", "call" => self.what, "result" => outcome)
            .record(started.elapsed().as_secs_f64());
        result
    }

    async fn with_waits<R: Clone, T, F: Future<Output = Result<T, QdrantError>>>(
        &self,
        request: R,
        work: &impl Fn(Qdrant, R) -> F,
    ) -> Result<T, Failure> {
        let mut waits = WAITS.into_iter();
        let mut last = None;
        loop {
            // Boxed: these futures carry some 20 KiB of request and answer types.
            let failure = match within(self.deadline, Box::pin(work(self.client.clone(), request.clone()))).await {
                Some(Ok(value)) => return Ok(value),
                Some(Err(error)) => failure(&error),
                // The cause of the try before says more than that time is up.
                None => return Err(last.unwrap_or_else(|| Failure::Down("no answer in time".into()))),
            };
            let Failure::Down(_) = failure else { return Err(failure) };
            match waits.next() {
                Some(wait) if Instant::now() + wait < self.deadline => tokio::time::sleep(wait).await,
                _ => return Err(failure),
            }
            last = Some(failure);
        }
    }
}

/// `None`: it took too long.
async fn within<T>(deadline: Instant, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(deadline, work).await.ok()
}

/// The client, which connects when it is first used.
pub(super) fn client(config: &IndexConfig) -> Result<Qdrant, PipelineError> {
    let invalid = |message: &str| PipelineError::invalid("index_url", format!("index.url {message}"));
    let url = Url::parse(&config.url).map_err(|_| invalid("is no URL: write for example `http://qdrant:6334`"))?;
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(invalid("carries a password or a query, which Qdrant does not read: use index.api_key"));
    }
    if url.host_str().is_none_or(str::is_empty) || !matches!(url.path(), "" | "/") {
        return Err(invalid("must be scheme, host and port only, for example `http://qdrant:6334`"));
    }
    let mut settings = Qdrant::from_url(config.url.trim_end_matches('/'));
    if let Some(key) = &config.api_key {
        let key = key.expose();
        // The client would put a key that is no header value into its error message.
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PipelineError::invalid(
                "index_api_key",
                "index.api_key must be printable ASCII without blanks: leave it out when the server asks for none",
            ));
        }
        if url.scheme() == "http" {
            tracing::warn!("index.api_key is sent over plain http: use https, or a network that nobody else can read");
        }
        settings.set_api_key(key);
    }
    settings.set_timeout(Duration::from_millis(config.timeout_ms));
    settings.set_connect_timeout(Duration::from_millis(config.connect_timeout_ms));
    // The check blocks the thread and prints to standard output.
    settings.check_compatibility = false;
    settings.build().map_err(|error| invalid(&format!("cannot be used: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use tonic::{Code, Status};

    #[test]
    fn every_status_has_its_meaning() {
        let down = |code: Code| (code, "Unavailable");
        for (code, expected) in [
            down(Code::Cancelled),
            down(Code::Unknown),
            down(Code::DeadlineExceeded),
            down(Code::Aborted),
            down(Code::Internal),
            down(Code::Unavailable),
            down(Code::DataLoss),
            down(Code::ResourceExhausted),
            down(Code::FailedPrecondition),
            down(Code::NotFound),
            down(Code::PermissionDenied),
            down(Code::Unauthenticated),
            (Code::InvalidArgument, "Internal"),
            (Code::AlreadyExists, "Internal"),
            (Code::OutOfRange, "Internal"),
            (Code::Unimplemented, "Internal"),
        ] {
            let error = QdrantError::from(Status::new(code, "their words"));
            let error = failure(&error).error("search");
            assert!(format!("{error:?}").starts_with(expected), "{code:?}: {error:?}");
            assert!(error.to_string().contains("search") && error.to_string().contains("their words"), "{error}");
        }
        let mut busy = Status::new(Code::ResourceExhausted, "slow down");
        busy.metadata_mut().insert("retry-after", "7".parse().unwrap());
        let error = failure(&QdrantError::from(busy)).error("search");
        assert!(matches!(error, PipelineError::Full { retry_after_s: 7, .. }), "{error:?}");
    }

    #[test]
    fn a_refusal_says_which_key_to_set() {
        let error = failure(&QdrantError::from(Status::unauthenticated("no"))).error("search").to_string();
        assert!(error.contains("index.api_key"), "{error}");
    }

    #[test]
    fn urls_and_keys_that_cannot_work_are_refused_and_never_shown() {
        let config = |url: &str, key: Option<&str>| IndexConfig {
            url: url.into(),
            api_key: key.map(Secret::new),
            ..IndexConfig::default()
        };
        for (url, key, code) in [
            ("http://h:6334", None, "fine"),
            ("https://h:6334/", Some("a-key"), "fine"),
            ("http://user:hush@h:6334", None, "index_url"),
            ("http://h:6334?token=hush", None, "index_url"),
            ("http://h:6334/path", None, "index_url"),
            ("http://", None, "index_url"),
            ("http://h:6334", Some("hush\nhush"), "index_api_key"),
            ("http://h:6334", Some("hüsh hush"), "index_api_key"),
            ("http://h:6334", Some(""), "index_api_key"),
        ] {
            match client(&config(url, key)) {
                Ok(_) => assert_eq!(code, "fine", "{url}"),
                Err(PipelineError::Invalid { code: found, message }) => {
                    assert_eq!(found, code, "{url}");
                    assert!(!message.contains("hush"), "{message}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(!format!("{:?}", config("http://h", Some("hush"))).contains("hush"));
    }
}
