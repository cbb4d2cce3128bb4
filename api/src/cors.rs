//! Calls from web pages: which origins a browser may let call us (`[server.cors]`), and which headers of ours a page may read.
//!
//! Pages show their key like everybody else; no cookie counts (credentials are not allowed), so whatever header a page wants to send may
//! come. The preflight is answered before anybody asks for a key: a browser sends none with it.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use crate::config::CorsConfig;

/// What pages may read of an answer besides the body: what official clients look at.
const EXPOSED: [&str; 10] = [
    "x-request-id",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "openai-processing-ms",
    "openai-version",
    "www-authenticate",
];
/// What our routes take.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// How long a browser may remember the answer to a preflight.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// The layer around everything. `None`: no origin is configured, so browsers keep other origins' pages from reading anything.
pub fn layer(config: &CorsConfig) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = config.origins.iter().filter_map(|origin| origin.parse().ok()).collect();
    let allowed = match config.origins.as_slice() {
        [] => return None,
        [all] if all == "*" => AllowOrigin::any(),
        _ => AllowOrigin::list(origins),
    };
    let layer = CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods(METHODS)
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED.map(HeaderName::from_static))
        .max_age(REMEMBERED)
        // Caches must not hand one origin's answer to another.
        .vary([header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS]);
    Some(layer)
}

/// What is wrong with the origins, one sentence each.
pub(crate) fn check(config: &CorsConfig, problems: &mut Vec<String>) {
    for origin in &config.origins {
        if origin == "*" {
            if config.origins.len() > 1 {
                problems
                    .push("server.cors.origins: `*` stands for every origin: leave out the others, or it".to_owned());
            }
        } else if !is_origin(origin) {
            problems.push(format!(
                "server.cors.origins: `{origin}` is no origin as browsers send it: write scheme, host and port only, in lower case, \
                 e.g. `https://forum.example` or `http://localhost:5173`"
            ));
        }
    }
}

/// Browsers compare letter by letter: what is written any other way than they write it would never match.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            // A star within a name means nothing to browsers.
            && url.host_str().is_some_and(|host| !host.contains('*'))
            && url.origin().ascii_serialization() == text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(origins: &[&str]) -> usize {
        let config = CorsConfig { origins: origins.iter().map(|origin| (*origin).to_owned()).collect() };
        let mut problems = Vec::new();
        check(&config, &mut problems);
        problems.len()
    }

    #[test]
    fn i4_origins_are_written_as_browsers_send_them() {
        for right in
            ["https://forum.example", "http://localhost:5173", "https://forum.example:8443", "http://[::1]:3000", "*"]
        {
            assert_eq!(problems(&[right]), 0, "{right}");
        }
        for wrong in [
            "forum.example",
            "https://forum.example/",
            "https://forum.example/page",
            "https://Forum.example",
            "https://forum.example:443",
            "https://me@forum.example",
            "ftp://forum.example",
            "https://*.forum.example",
            "null",
            "",
        ] {
            assert_eq!(problems(&[wrong]), 1, "{wrong}");
        }
        assert_eq!(problems(&["*", "https://forum.example"]), 1);
        assert!(layer(&CorsConfig::default()).is_none());
    }
}
