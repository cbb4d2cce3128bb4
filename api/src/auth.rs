//! Who calls, and what for. A handler gets the tenant only through [`Allowed`], which names the scope that it needs: a check cannot be
//! forgotten, and it shows in the signature.
//!
//! | part | module |
//! |---|---|
//! | the keys in force, in memory | [`ring`] |
//! | new keys | [`mint`] |
//! | signed requests | [`signature`] |

pub mod mint;
pub mod ring;
pub mod signature;

use std::{
    marker::PhantomData,
    net::{IpAddr, SocketAddr},
    ops::Deref,
    sync::Arc,
};

use axum::{
    body::Body,
    extract::{FromRequestParts, Request},
    http::{
        HeaderMap, header,
        request::Parts,
        uri::{Authority, Uri},
    },
};
use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::{
    app::{App, Shared},
    config::Scope,
    error::{ApiError, Dialect},
    extract::read_body,
    limits::Note,
};
pub use ring::{Caller, DEFAULT_TENANT, KeyRing};
use signature::{Fault, SIGNATURE_HEADER, Signed};

/// Who a request's key belongs to, or what is wrong with it. `app` puts it beside every request.
#[derive(Clone)]
pub struct Identified(Result<Arc<Caller>, ApiError>);

/// Finds out who calls: by the key, and by the signature where there is one or the key demands one. What is wrong is told only where a
/// handler asks for a caller.
pub async fn authenticate(app: &App, mut request: Request) -> Request {
    let (headers, uri) = (request.headers(), request.uri());
    let mut identified = identify(&app.services.keys, headers, uri, app.services.clock.now());
    if let Ok(caller) = &identified
        && (caller.require_signature || headers.contains_key(SIGNATURE_HEADER))
    {
        let caller = caller.clone();
        let (read, checked) = check_signature(app, &caller, request).await;
        request = read;
        identified = checked.map(|()| caller);
    }
    request.extensions_mut().insert(Identified(identified));
    request
}

/// Checks the signature over the whole body, which is handed on.
async fn check_signature(app: &App, caller: &Caller, request: Request) -> (Request, Result<(), ApiError>) {
    let (parts, body) = request.into_parts();
    let checked = async {
        let unavailable = || {
            ApiError::unauthenticated(
                "signature_unavailable",
                "This service cannot check signatures: set `auth.signing_secret` in its configuration, or send none.",
            )
        };
        let master = app.services.config.auth.signing_secret.as_deref().ok_or_else(unavailable)?;
        let header = parts.headers.get(SIGNATURE_HEADER).ok_or_else(|| {
            ApiError::unauthenticated(
                "signature_missing",
                format!("This key signs its requests: send the header `{SIGNATURE_HEADER}: v1=TIME:HMAC`."),
            )
        })?;
        let body = read_body(body, app.services.config.server.max_body_bytes).await?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let signed = Signed { method: parts.method.as_str(), path, body: &body };
        let secret = signature::secret_of(master, &caller.id);
        let now = app.services.clock.now();
        let genuine = signature::verify(&secret, header.to_str().unwrap_or_default(), signed, now).map_err(wrong)?;
        if !app.services.store.remember_signature(genuine.digest, genuine.until).await? {
            return Err(ApiError::unauthenticated(
                "signature_replayed",
                "This signature was used before: sign every request anew, with the time of its sending. (Two equal requests within one \
                 second have one signature: give the time with a fraction, `v1=1700000000.25:HMAC`.)",
            ));
        }
        Ok(body)
    };
    let (body, checked) = match checked.await {
        Ok(body) => (body, Ok(())),
        Err(error) => (Bytes::new(), Err(error)),
    };
    (Request::from_parts(parts, Body::from(body)), checked)
}

fn wrong(fault: Fault) -> ApiError {
    let (code, message) = match fault {
        Fault::Malformed => {
            ("signature_malformed", "The signature must read `v1=UNIX_SECONDS:HMAC`, with 64 hex digits.".to_owned())
        }
        Fault::Stale => {
            let minutes = signature::MAX_AGE.num_minutes();
            let message = format!("The signature's time is more than {minutes} minutes away from ours: set the clock.");
            ("signature_stale", message)
        }
        Fault::Wrong => (
            "signature_wrong",
            "The signature is not that of this request: sign time, method, path with query, and the body's bytes as they are sent, \
             with the key's signing secret (docs/authentication.md)."
                .to_owned(),
        ),
    };
    ApiError::unauthenticated(code, message)
}

/// Who presents these headers?
fn identify(keys: &KeyRing, headers: &HeaderMap, uri: &Uri, now: DateTime<Utc>) -> Result<Arc<Caller>, ApiError> {
    if keys.is_empty() {
        return if is_local(headers, uri.authority()) { Ok(keys.open()) } else { Err(not_local()) };
    }
    let key = presented(headers, uri)?;
    let caller = keys.find(&mint::digest(&key)).ok_or_else(|| {
        ApiError::unauthenticated(
            "key_unknown",
            "This key is not known here: `chaperone keys list` and `[auth]` in the configuration show the ones that are.",
        )
    })?;
    if caller.revoked_at.is_some_and(|at| at <= now) {
        let message = "This key was revoked: use another one.";
        return Err(ApiError::unauthenticated("key_revoked", message));
    }
    if caller.expires_at.is_some_and(|at| at <= now) {
        let message = "This key has expired: make a new one with `chaperone keys create` or POST /v1/keys.";
        return Err(ApiError::unauthenticated("key_expired", message));
    }
    Ok(caller)
}

/// The key that a request carries.
fn presented(headers: &HeaderMap, uri: &Uri) -> Result<String, ApiError> {
    if let Some(key) = google_key(headers, uri) {
        return Ok(key);
    }
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ApiError::unauthenticated(
            "key_missing",
            "This call needs a key: send the header `Authorization: Bearer KEY`.",
        ));
    };
    let token = value.to_str().ok().and_then(|value| value.split_once(' '));
    match token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, token)) => Ok(token.trim().to_owned()),
        None => Err(ApiError::unauthenticated("key_malformed", "The header must read `Authorization: Bearer KEY`.")),
    }
}

/// Why a service without keys may not listen on `address`: nobody may reach a service that asks for no key.
pub fn refuse_open(keys: &KeyRing, section: &str, address: SocketAddr) -> Option<String> {
    let reachable = !address.ip().to_canonical().is_loopback();
    (keys.is_empty() && reachable).then(|| {
        format!(
            "{section} is {address}, which other machines can reach, and there is no API key: make one with `chaperone keys create`, \
             add one as [[auth.keys]], or listen on 127.0.0.1"
        )
    })
}

/// The key as Google's clients send it, on the routes that speak their dialect: `X-Goog-Api-Key`, or `key` in the query. (Elsewhere a key
/// in a query would end up in the logs of every proxy.)
fn google_key(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    if Dialect::of(uri.path()) != Dialect::Google {
        return None;
    }
    let from_header = headers.get("x-goog-api-key").and_then(|key| key.to_str().ok()).map(ToOwned::to_owned);
    from_header.or_else(|| {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        pairs.into_iter().find(|(name, _)| name == "key").map(|(_, key)| key.into_owned())
    })
}

/// A service without keys trusts whoever is on this machine; a web page whose host name was pointed at this machine is not.
pub(crate) fn is_local(headers: &HeaderMap, authority: Option<&Authority>) -> bool {
    let from_header =
        || headers.get(header::HOST).map(|host| host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()));
    let host = match authority {
        Some(authority) => Some(authority.clone()),
        None => match from_header() {
            None => return true,
            Some(host) => host,
        },
    };
    host.is_some_and(|authority| {
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn not_local() -> ApiError {
    ApiError::forbidden(
        "host_not_local",
        "This service has no keys, so it serves only `localhost`, `127.0.0.1` and `[::1]`: call it by one of these names, or make a key with `chaperone keys create`.",
    )
}

/// What a handler needs its caller to be allowed.
pub trait Demand {
    /// The scope.
    const SCOPE: Scope;
}

macro_rules! demands {
    ($($(#[$doc:meta])* $name:ident => $scope:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Demand for $name {
            const SCOPE: Scope = Scope::$scope;
        }
    )+};
}

demands! {
    /// `POST /v1/check`.
    ToCheck => Check,
    /// Items, calls, frames, events.
    ToItems => Items,
    /// Profiles.
    ToProfiles => Profiles,
    /// Similarity and embeddings.
    ToSearch => Search,
    /// The reviewers' desk, by key.
    ToReview => Review,
    /// Keys, dead letters, deliveries, `/metrics`.
    ToAdmin => Admin,
}

/// The caller, whose key has the scope that `D` demands.
#[derive(Debug)]
pub struct Allowed<D>(Arc<Caller>, PhantomData<fn() -> D>);

impl<D> Deref for Allowed<D> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<D: Demand> FromRequestParts<Shared> for Allowed<D> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let Some(Identified(identified)) = parts.extensions.get::<Identified>() else {
            return Err(ApiError::internal("a request came past the guard that identifies callers"));
        };
        let caller = identified.clone()?;
        if !caller.may(D::SCOPE) {
            return Err(ApiError::forbidden(
                "scope_missing",
                format!("The key `{}` lacks the scope `{}`: use a key that has it.", caller.key, D::SCOPE.as_str()),
            ));
        }
        let taken = caller.take(D::SCOPE, app.services.clock.now());
        let standing = taken.as_ref().map_or_else(|refused| Some(refused.standing), |standing| *standing);
        if let (Some(standing), Some(note)) = (standing, parts.extensions.get::<Arc<Note>>()) {
            // A second demand of the same request changes nothing.
            let _ = note.set(standing);
        }
        if let Err(refused) = taken {
            metrics::counter!("chaperone_rate_limited_total", "class" => D::SCOPE.as_str()).increment(1);
            return Err(ApiError::rate_limited(D::SCOPE.as_str(), refused.wait));
        }
        Ok(Self(caller, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use pipeline::{
        clock::Clock,
        store::{self, Store},
    };

    use super::*;
    use crate::config::{AuthConfig, KeyConfig, KeyLimits, LimitConfig, LimitsConfig};

    async fn memory() -> Arc<dyn Store> {
        store::connect("sqlite::memory:").await.unwrap()
    }

    async fn ring(store: &Arc<dyn Store>, pairs: &[(&str, &[Scope])]) -> KeyRing {
        let keys = pairs.iter().map(|(key, scopes)| KeyConfig {
            name: format!("{key}-name"),
            sha256: hex::encode(mint::digest(key)),
            tenant: "acme".into(),
            scopes: scopes.to_vec(),
            require_signature: false,
            limits: KeyLimits::new(),
        });
        let auth = AuthConfig { keys: keys.collect(), signing_secret: None };
        KeyRing::load(&auth, &LimitsConfig::default(), store.clone(), Clock::system()).await.unwrap()
    }

    fn wanted(name: &str) -> mint::Wanted {
        mint::Wanted {
            name: name.into(),
            tenant: "acme".into(),
            scopes: vec![Scope::Check],
            expires_at: None,
            require_signature: false,
            limits: KeyLimits::new(),
        }
    }

    fn minted(name: &str) -> mint::Minted {
        mint::mint(wanted(name), uuid::Uuid::now_v7(), &mint::random().unwrap(), now()).unwrap()
    }

    fn now() -> DateTime<Utc> {
        Clock::system().now()
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    fn bearer(ring: &KeyRing, key: &str, at: DateTime<Utc>) -> Result<String, &'static str> {
        let headers = headers(header::AUTHORIZATION, &format!("Bearer {key}"));
        let found = identify(ring, &headers, &Uri::default(), at);
        found.map(|caller| caller.key.clone()).map_err(|error| error.code())
    }

    #[tokio::test]
    async fn keys_are_found_by_their_digest_and_nothing_else() {
        let keys = ring(&memory().await, &[("alpha", &[Scope::Check]), ("beta", &[Scope::Admin])]).await;
        let rows = [
            ("Bearer alpha", Ok("alpha-name")),
            ("bearer beta", Ok("beta-name")),
            ("Bearer gamma", Err("key_unknown")),
            ("Bearer ", Err("key_unknown")),
            ("Basic alpha", Err("key_malformed")),
            ("alpha", Err("key_malformed")),
        ];
        for (value, expected) in rows {
            let found = identify(&keys, &headers(header::AUTHORIZATION, value), &Uri::default(), now());
            let found = found.as_ref().map(|caller| caller.key.as_str()).map_err(ApiError::code);
            assert_eq!(found, expected, "{value}");
        }
        assert_eq!(identify(&keys, &HeaderMap::new(), &Uri::default(), now()).unwrap_err().code(), "key_missing");
    }

    #[tokio::test]
    async fn admin_may_everything_others_only_their_own() {
        let keys = ring(&memory().await, &[("alpha", &[Scope::Check]), ("beta", &[Scope::Admin])]).await;
        let may = |key, scope| keys.find(&mint::digest(key)).unwrap().may(scope);
        assert!(may("alpha", Scope::Check) && !may("alpha", Scope::Items) && !may("alpha", Scope::Admin));
        assert!(may("beta", Scope::Check) && may("beta", Scope::Search) && may("beta", Scope::Admin));
    }

    #[tokio::test]
    async fn without_keys_only_local_names_are_served() {
        let keys = ring(&memory().await, &[]).await;
        for (host, served) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.8.8.8", true),
            ("[::1]:8080", true),
            ("evil.example:8080", false),
            ("localhost.evil.example", false),
            ("10.0.0.7", false),
            ("\"", false),
        ] {
            let found = identify(&keys, &headers(header::HOST, host), &Uri::default(), now());
            assert_eq!(found.is_ok(), served, "{host}");
        }
        let open = identify(&keys, &HeaderMap::new(), &Uri::default(), now()).unwrap();
        assert_eq!((open.tenant.as_str(), open.buckets().iter().count()), (DEFAULT_TENANT, 0), "nothing is limited");
    }

    #[tokio::test]
    async fn i2_an_open_address_needs_a_key() {
        let store = memory().await;
        for (keys, pairs) in [(false, &[][..]), (true, &[("alpha", &[Scope::Check][..])])] {
            let ring = ring(&store, pairs).await;
            for (listen, local) in [
                ("127.0.0.1:80", true),
                ("[::1]:80", true),
                ("[::ffff:127.0.0.1]:80", true),
                ("0.0.0.0:80", false),
                ("[::]:80", false),
                ("192.168.1.5:80", false),
            ] {
                let refused = refuse_open(&ring, "server.listen", listen.parse().unwrap());
                assert_eq!(refused.is_none(), local || keys, "{listen} {keys}");
                assert!(refused.is_none_or(|text| text.contains(listen) && text.contains("chaperone keys create")));
            }
        }
        store.put_key(&minted("made").row).await.unwrap();
        let ring = ring(&store, &[]).await;
        assert_eq!(refuse_open(&ring, "server.listen", "0.0.0.0:80".parse().unwrap()), None, "a key in the store");
    }

    #[tokio::test]
    async fn i2_a_digest_that_is_none_is_refused_with_the_cure() {
        let store = memory().await;
        let load = async |digest: &str| {
            let key = KeyConfig {
                name: "k".into(),
                sha256: digest.into(),
                tenant: "t".into(),
                scopes: vec![],
                require_signature: false,
                limits: KeyLimits::new(),
            };
            let auth = AuthConfig { keys: vec![key], signing_secret: None };
            KeyRing::load(&auth, &LimitsConfig::default(), store.clone(), Clock::system()).await
        };
        let error = load("secret").await.err().unwrap().to_string();
        assert!(error.contains("sha256sum"), "{error}");
        assert!(load(&"ab".repeat(32)).await.is_ok());
    }

    #[tokio::test]
    async fn i2_keys_of_the_store_are_taken_in_revoked_and_expire() {
        let store = memory().await;
        let ring = ring(&store, &[]).await;
        let (one, mut two) = (minted("one"), minted("two"));
        two.row.expires_at = Some(now() + TimeDelta::hours(1));
        store.put_key(&one.row).await.unwrap();
        store.put_key(&two.row).await.unwrap();
        assert!(ring.is_empty() && ring.refresh().await.unwrap() && !ring.refresh().await.unwrap());
        assert_eq!(bearer(&ring, &one.secret, now()), Ok("one".to_owned()));
        assert_eq!(bearer(&ring, &two.secret, now()), Ok("two".to_owned()));
        assert_eq!(bearer(&ring, &two.secret, now() + TimeDelta::hours(1)), Err("key_expired"));
        assert_eq!(bearer(&ring, "chp_other", now()), Err("key_unknown"));
        store.revoke_key(None, one.row.id, now()).await.unwrap();
        assert!(ring.refresh().await.unwrap());
        assert_eq!(bearer(&ring, &one.secret, now()), Err("key_revoked"));
        store.revoke_key(None, two.row.id, now()).await.unwrap();
        ring.refresh().await.unwrap();
        assert!(!ring.is_empty(), "an installation that had keys does not open up when the last one is revoked");
    }

    #[tokio::test]
    async fn i2_buckets_and_last_use_outlive_a_refresh() {
        let store = memory().await;
        let ring = ring(&store, &[]).await;
        let mut key = minted("one");
        let limit = LimitConfig { requests_per_minute: 1, burst: 2, block_seconds: 0 };
        key.row.limits = serde_json::to_value(KeyLimits::from([(Scope::Check, limit)])).unwrap();
        store.put_key(&key.row).await.unwrap();
        ring.refresh().await.unwrap();
        let used = now();
        let take = |ring: &KeyRing| ring.find(&key.row.digest).unwrap().take(Scope::Check, used).is_ok();
        assert!(take(&ring));
        store.put_key(&minted("two").row).await.unwrap();
        ring.refresh().await.unwrap();
        assert!(take(&ring) && !take(&ring), "the bucket goes on");
        ring.flush().await.unwrap();
        let last = store.list_keys(None).await.unwrap()[0].last_used_at;
        assert_eq!(last.map(|at| at.timestamp()), Some(used.timestamp()));
    }
}
