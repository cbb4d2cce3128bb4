//! Request parts as our types, each failure as an [`ApiError`]: bodies with their limits, JSON with the path of the wrong member, query, path.

use axum::{
    body::{Body, HttpBody},
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, header},
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use pipeline::item::check_name;
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::{Value, error::Category};

use crate::{app::Shared, config::Config, error::ApiError};

/// Largest body of requests that carry no content to judge, in bytes.
const SMALL_BODY: usize = 1 << 20;
/// Bytes beyond the limit that are read and thrown away, so that the caller gets to read the answer instead of a reset connection.
const DRAIN: usize = 8 << 20;
/// Bodies from this size on are parsed off the async threads, in bytes.
const PARSE_APART: usize = 64 << 10;
/// Longest stretch of a parser's message that is passed on, in characters.
const PARSER_MESSAGE: usize = 300;

/// Reads a body of at most `limit` bytes. A body that came in one piece is not copied.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX).min(limit);
    let mut pieces = body.into_data_stream();
    let mut first = Bytes::new();
    let mut joined = BytesMut::new();
    let mut seen = 0_usize;
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| ApiError::invalid("body_broken", "The body ended early: send it again."))?;
        seen = seen.saturating_add(piece.len());
        if seen > limit.saturating_add(DRAIN) {
            break;
        }
        if seen > limit {
            (first, joined) = (Bytes::new(), BytesMut::new());
        } else if first.is_empty() {
            first = piece;
        } else {
            if joined.is_empty() {
                joined.reserve(expected);
                joined.extend_from_slice(&first);
            }
            joined.extend_from_slice(&piece);
        }
    }
    if seen > limit {
        return Err(ApiError::invalid(
            "body_too_large",
            format!("The body is larger than the {limit} bytes that this route takes: send less."),
        ));
    }
    Ok(if joined.is_empty() { first } else { joined.freeze() })
}

/// A JSON request body.
pub trait Payload: DeserializeOwned + Send + 'static {
    /// Its largest size, in bytes.
    fn limit(_config: &Config) -> usize {
        SMALL_BODY
    }
}

/// The JSON body of a request.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Payload> FromRequest<Shared> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let body = read_body(request.into_body(), T::limit(&app.services.config)).await?;
        parse_owned(body).await.map(Json)
    }
}

/// The JSON body of a request that may have none, or `null`: then every member has its default.
#[derive(Debug)]
pub struct Optional<T>(pub T);

impl<T: Payload + Default> FromRequest<Shared> for Optional<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, T::limit(&app.services.config)).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        require_json(&parts.headers)?;
        match body.trim_ascii() {
            b"null" => Ok(Self(T::default())),
            _ => parse_owned(body).await.map(Self),
        }
    }
}

/// A JSON object, or a list of anything; `true` for a list. What each must be is for the handler to say.
#[derive(Debug)]
pub struct OneOrMany(pub Vec<Value>, pub bool);

impl FromRequest<Shared> for OneOrMany {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &Shared) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let body = read_body(request.into_body(), SMALL_BODY).await?;
        let many = body.trim_ascii_start().first() == Some(&b'[');
        let parse = move || if many { parse_value(&body) } else { parse(&body).map(|value| vec![value]) };
        Ok(Self(apart(parse).await?, many))
    }
}

/// The media type of a request, without parameters, lower case; empty when there is none.
pub fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Is this the media type of a JSON document?
pub fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

/// Refuses what is not sent as JSON.
pub fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let media_type = media_type(headers);
    if is_json(&media_type) { Ok(()) } else { Err(unsupported(&media_type, "application/json")) }
}

/// This route takes `accepted`, not `found`.
pub fn unsupported(found: &str, accepted: &str) -> ApiError {
    let found = if found.is_empty() { "none was sent".to_owned() } else { format!("`{found}` was sent") };
    ApiError::invalid("unsupported_media_type", format!("Send the header `Content-Type: {accepted}`: {found}."))
}

/// Parses a body into a value that borrows nothing; a large body on a thread of its own.
pub async fn parse_owned<T: DeserializeOwned + Send + 'static>(body: Bytes) -> Result<T, ApiError> {
    if body.len() < PARSE_APART {
        return parse(&body);
    }
    apart(move || parse(&body)).await
}

/// Runs blocking work off the async threads.
pub async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::internal(error.to_string()))?
}

/// Parses a body, which must be an object. (serde would also take an array of the members in their order.)
pub fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    let object = body.trim_ascii_start().first() == Some(&b'{');
    let other = || std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok());
    if !object && other() {
        return Err(ApiError::invalid("invalid_field", "The body is no JSON object: send `{…}`."));
    }
    parse_value(body)
}

/// Parses any JSON. The good case costs nothing extra; a bad body is read a second time to find out where it is wrong.
fn parse_value<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|first| explain::<T>(body, first))
}

fn explain<'a, T: Deserialize<'a>>(body: &'a [u8], first: serde_json::Error) -> ApiError {
    if body.iter().all(u8::is_ascii_whitespace) {
        return ApiError::invalid("body_empty", "The body is empty: send a JSON object.");
    }
    if let Err(error) = std::str::from_utf8(body) {
        let byte = error.valid_up_to();
        return ApiError::invalid("not_utf8", format!("The body is not valid UTF-8 from byte {byte} on: send UTF-8."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let (path, error) = match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Ok(_) => (".".to_owned(), first),
        Err(error) => (error.path().to_string(), error.into_inner()),
    };
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text: String = error.to_string().trim_end_matches(&place).chars().take(PARSER_MESSAGE).collect();
    if error.classify() != Category::Data {
        return ApiError::invalid("invalid_json", format!("The body is not JSON: {text}{place}."));
    }
    let code = match text.split(' ').take(2).collect::<Vec<_>>()[..] {
        ["unknown", "field"] => "unknown_field",
        ["missing", "field"] => "missing_field",
        ["unknown", "variant"] => "unknown_value",
        _ => "invalid_field",
    };
    let error = ApiError::invalid(code, format!("The body does not fit{place}: {}.", text.trim_end_matches('.')));
    if path == "." { error } else { error.at(path) }
}

/// Query parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(ApiError))]
pub struct Query<T>(pub T);

/// Path parameters.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(ApiError))]
pub struct Path<T>(pub T);

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        let text: String = rejection.body_text().chars().take(PARSER_MESSAGE).collect();
        let text = text.trim_start_matches("Failed to deserialize query string: ");
        let error = Self::invalid("query_invalid", format!("The query does not fit: {text}."));
        match text.split_once(": ") {
            Some((field, _)) if !field.contains(' ') => error.at(field),
            _ => error,
        }
    }
}

impl From<PathRejection> for ApiError {
    fn from(rejection: PathRejection) -> Self {
        let text: String = rejection.body_text().chars().take(PARSER_MESSAGE).collect();
        let text = text.trim_start_matches("Invalid URL: ");
        Self::invalid("path_invalid", format!("The path does not fit: {text}."))
    }
}

/// Checks a name that the platform chose, and says which member holds it.
pub fn name(field: &'static str, text: &str) -> Result<(), ApiError> {
    check_name(field, text).map_err(|error| ApiError::from(error).at(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        count: u8,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        name: String,
    }

    fn body(pieces: &[&'static str]) -> Body {
        let pieces: Vec<Result<_, std::io::Error>> =
            pieces.iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes()))).collect();
        Body::from_stream(futures::stream::iter(pieces))
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_their_limit() {
        for (pieces, expected) in [
            (&[] as &[&str], Ok("")),
            (&["abc"], Ok("abc")),
            (&["abc", "", "defg", "h"], Ok("abcdefgh")),
            (&["abcdefghi"], Err("body_too_large")),
            (&["abcd", "efgh", "i"], Err("body_too_large")),
        ] {
            let read = read_body(body(pieces), 8).await;
            let read = read.as_ref().map(|bytes| std::str::from_utf8(bytes).unwrap()).map_err(ApiError::code);
            assert_eq!(read, expected, "{pieces:?}");
        }
    }

    #[test]
    fn wrong_json_is_explained_by_code() {
        let rows: [(&[u8], &str); 10] = [
            (b"", "body_empty"),
            (b" \n", "body_empty"),
            (b"{", "invalid_json"),
            (b"{\"count\":1} x", "invalid_json"),
            (b"{\"count\":1,\"colour\":2}", "unknown_field"),
            (b"{\"inner\":[]}", "missing_field"),
            (b"{\"count\":\"1\"}", "invalid_field"),
            (b"{\"count\":300}", "invalid_field"),
            (b"\"\xff\"", "not_utf8"),
            (b"[]", "invalid_field"),
        ];
        for (body, code) in rows {
            assert_eq!(parse::<Sample>(body).unwrap_err().code(), code, "{:?}", String::from_utf8_lossy(body));
        }
        assert_eq!(parse::<Sample>(b"{\"count\":7}").unwrap(), Sample { count: 7, inner: vec![] });
    }

    #[test]
    fn the_path_of_the_wrong_member_is_named() {
        let error = parse::<Sample>(b"{\"count\":1,\"inner\":[{\"name\":\"a\"},{\"name\":2}]}").unwrap_err();
        assert!(format!("{error:?}").contains("inner[1].name"), "{error:?}");
    }
}
