//! Who calls, and what for. A handler gets the tenant only through [`Allowed`], which names the scope that it needs: a check cannot be
//! forgotten, and it shows in the signature.

use std::{marker::PhantomData, net::IpAddr, ops::Deref, sync::Arc};

use anyhow::{Context, ensure};
use axum::{
    extract::FromRequestParts,
    http::{
        HeaderMap, header,
        request::Parts,
        uri::{Authority, Uri},
    },
};
use pipeline::item::TenantId;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    app::Shared,
    config::{AuthConfig, KeyConfig, Scope},
    error::{ApiError, Dialect},
};

/// The tenant of an installation without keys.
pub const DEFAULT_TENANT: &str = "default";

/// Whoever is calling.
#[derive(Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose rows the call sees.
    pub tenant: TenantId,
    /// Name of the key, for logs.
    pub key: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
}

impl Caller {
    fn may(&self, scope: Scope) -> bool {
        let covers =
            |held: Scope| held == scope || held == Scope::Admin || (held == Scope::Lead && scope == Scope::Review);
        self.scopes.iter().any(|held| covers(*held))
    }
}

/// The keys of this installation.
pub struct Keys {
    keys: Vec<([u8; 32], Arc<Caller>)>,
    /// Who calls when there are no keys at all.
    open: Arc<Caller>,
}

impl Keys {
    /// Reads `[auth]`. Fails on a digest that is none, and on two keys of one digest.
    pub fn new(config: &AuthConfig) -> anyhow::Result<Self> {
        let mut keys: Vec<([u8; 32], Arc<Caller>)> = Vec::with_capacity(config.keys.len());
        for KeyConfig { name, sha256, tenant, scopes } in &config.keys {
            let mut digest = [0; 32];
            hex::decode_to_slice(sha256.trim(), &mut digest).with_context(|| {
                format!("auth.keys `{name}`: `sha256` must be 64 hex digits: write what `printf %s \"$KEY\" | sha256sum` prints")
            })?;
            ensure!(
                !tenant.as_str().is_empty(),
                "auth.keys `{name}`: `tenant` is empty: write a name, e.g. `{DEFAULT_TENANT}`"
            );
            ensure!(
                keys.iter().all(|(other, _)| *other != digest),
                "auth.keys `{name}`: another key has the same digest: remove one"
            );
            let caller = Caller { tenant: tenant.clone(), key: name.clone(), scopes: scopes.clone() };
            keys.push((digest, Arc::new(caller)));
        }
        let open = Caller { tenant: DEFAULT_TENANT.into(), key: "none".into(), scopes: vec![Scope::Admin] };
        Ok(Self { keys, open: Arc::new(open) })
    }

    /// Who presents these headers?
    fn identify(&self, headers: &HeaderMap, uri: &Uri) -> Result<Arc<Caller>, ApiError> {
        if self.keys.is_empty() {
            return if is_local(headers, uri.authority()) { Ok(self.open.clone()) } else { Err(not_local()) };
        }
        let unknown = || {
            ApiError::unauthenticated("key_unknown", "This key is not known here: check `[auth]` in the configuration.")
        };
        if let Some(key) = google_key(headers, uri) {
            return self.find(&key).ok_or_else(unknown);
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(ApiError::unauthenticated(
                "key_missing",
                "This call needs a key: send the header `Authorization: Bearer KEY`.",
            ));
        };
        let token = value.to_str().ok().and_then(|value| value.split_once(' '));
        let Some((scheme, token)) = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) else {
            return Err(ApiError::unauthenticated(
                "key_malformed",
                "The header must read `Authorization: Bearer KEY`.",
            ));
        };
        debug_assert_eq!(scheme.len(), 6);
        self.find(token.trim()).ok_or_else(unknown)
    }

    /// Compares with every key, in the same time whichever it is.
    fn find(&self, token: &str) -> Option<Arc<Caller>> {
        let digest = Sha256::digest(token.as_bytes());
        let mut found = None;
        for (known, caller) in &self.keys {
            let same: Choice = known.as_slice().ct_eq(digest.as_slice());
            if same.into() {
                found = Some(caller.clone());
            }
        }
        found
    }
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
        "This service has no keys, so it serves only `localhost`, `127.0.0.1` and `[::1]`: call it by one of these names, or add a key to `[auth]`.",
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
    /// `/metrics`.
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
        let caller = app.keys.identify(&parts.headers, &parts.uri)?;
        if !caller.may(D::SCOPE) {
            return Err(ApiError::forbidden(
                "scope_missing",
                format!(
                    "The key `{}` lacks the scope `{}`: add it to the key in `[auth]`, or use another key.",
                    caller.key,
                    D::SCOPE.as_str()
                ),
            ));
        }
        Ok(Self(caller, PhantomData))
    }
}

impl Scope {
    /// As the configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Items => "items",
            Self::Profiles => "profiles",
            Self::Search => "search",
            Self::Review => "review",
            Self::Lead => "lead",
            Self::Admin => "admin",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[(&str, &[Scope])]) -> Keys {
        let keys = pairs.iter().map(|(key, scopes)| KeyConfig {
            name: format!("{key}-name"),
            sha256: hex::encode(Sha256::digest(key.as_bytes())),
            tenant: "acme".into(),
            scopes: scopes.to_vec(),
        });
        Keys::new(&AuthConfig { keys: keys.collect() }).unwrap()
    }

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn keys_are_found_by_their_digest_and_nothing_else() {
        let keys = keys(&[("alpha", &[Scope::Check]), ("beta", &[Scope::Admin])]);
        let rows = [
            ("Bearer alpha", Ok("alpha-name")),
            ("bearer beta", Ok("beta-name")),
            ("Bearer gamma", Err("key_unknown")),
            ("Bearer ", Err("key_unknown")),
            ("Basic alpha", Err("key_malformed")),
            ("alpha", Err("key_malformed")),
        ];
        for (value, expected) in rows {
            let found = keys.identify(&headers(header::AUTHORIZATION, value), &Uri::default());
            let found = found.as_ref().map(|caller| caller.key.as_str()).map_err(ApiError::code);
            assert_eq!(found, expected, "{value}");
        }
        assert_eq!(keys.identify(&HeaderMap::new(), &Uri::default()).unwrap_err().code(), "key_missing");
    }

    #[test]
    fn admin_may_everything_others_only_their_own() {
        let keys = keys(&[("alpha", &[Scope::Check]), ("beta", &[Scope::Admin])]);
        let may = |key, scope| keys.find(key).unwrap().may(scope);
        assert!(may("alpha", Scope::Check) && !may("alpha", Scope::Items) && !may("alpha", Scope::Admin));
        assert!(may("beta", Scope::Check) && may("beta", Scope::Search) && may("beta", Scope::Admin));
    }

    #[test]
    fn without_keys_only_local_names_are_served() {
        let keys = keys(&[]);
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
            assert_eq!(keys.identify(&headers(header::HOST, host), &Uri::default()).is_ok(), served, "{host}");
        }
        assert_eq!(keys.identify(&HeaderMap::new(), &Uri::default()).unwrap().tenant.as_str(), DEFAULT_TENANT);
    }

    #[test]
    fn a_digest_that_is_none_is_refused_with_the_cure() {
        let config = |digest: &str| AuthConfig {
            keys: vec![KeyConfig { name: "k".into(), sha256: digest.into(), tenant: "t".into(), scopes: vec![] }],
        };
        let error = Keys::new(&config("secret")).err().unwrap().to_string();
        assert!(error.contains("sha256sum"), "{error}");
        assert!(Keys::new(&config(&"ab".repeat(32))).is_ok());
    }
}
