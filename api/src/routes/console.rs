//! `/console/`: the review console, a browser application that is part of the binary. Its sources are in `api/console`; `make console` builds it.

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rust_embed::{EmbeddedFile, RustEmbed};
use utoipa_axum::router::OpenApiRouter;

use crate::{app::Shared, error::ApiError};

/// The built console; empty when it was not built.
#[derive(RustEmbed)]
#[folder = "console/dist"]
struct Files;

/// The page that every address of the console shows; the browser does the rest.
const PAGE: &str = "index.html";
/// Where the nonce of the styles goes in it.
const NONCE: &str = "__CSP_NONCE__";
/// Files with a digest in their name: what they hold never changes.
const HASHED: &str = "assets/";

/// Shown instead of a console that is not there.
const ABSENT: &str = "\
The review console is not part of this binary: it was built without it.

  make console                           builds it into api/console/dist (needs Node.js 18 or newer, and npm)
  cargo build --release --bin chaperone  takes it into the binary

`make build`, `make demo` and the images in deploy/ do both. The API works without it: see /openapi.json.
";

/// Sent with every answer of the console.
const GUARDS: [(&str, &str); 6] = [
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// The routes. They are no part of the OpenAPI document: they are for browsers.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .route("/console", get(async || Redirect::permanent("/console/")))
        .route("/console/", get(async || page()))
        .route("/console/{*path}", get(serve))
}

/// A file, or the page for an address that the browser routes.
async fn serve(Path(path): Path<String>, headers: HeaderMap) -> Response {
    match Files::get(&path) {
        Some(file) if path != PAGE => asset(&path, file, &headers),
        // A file that is gone, after an update say, must not be answered with the page.
        None if path.starts_with(HASHED) => ApiError::route_not_found(&format!("/console/{path}")).into_response(),
        _ => page(),
    }
}

fn asset(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16]));
    let cache = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let same = known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let head = [(header::ETAG, etag), (header::CACHE_CONTROL, cache.to_owned())];
    let response = match same {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, [(header::CONTENT_TYPE, media_type(path))], file.data.into_owned()).into_response(),
    };
    guarded(response)
}

/// The page, with a nonce that only its own styles carry.
fn page() -> Response {
    let Some(file) = Files::get(PAGE) else {
        let head = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        return guarded((StatusCode::SERVICE_UNAVAILABLE, head, ABSENT).into_response());
    };
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        return ApiError::internal(format!("no random bytes: {error}")).into_response();
    }
    let nonce = STANDARD.encode(random);
    let html = String::from_utf8_lossy(&file.data).replace(NONCE, &nonce);
    let policy = [
        "default-src 'none'",
        "script-src 'self'",
        &format!("style-src 'self' 'nonce-{nonce}'"),
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ];
    let head = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy.join("; ")),
    ];
    guarded((head, html).into_response())
}

fn guarded(mut response: Response) -> Response {
    for (name, value) in GUARDS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// Of what the build makes.
fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("json") => "application/json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_every_built_file_has_a_media_type() {
        for path in Files::iter() {
            assert_ne!(media_type(&path), "application/octet-stream", "{path}");
        }
    }
}
