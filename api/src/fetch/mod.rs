//! Pictures that a request names by their address, fetched without being led astray.
//!
//! | question | answer |
//! |---|---|
//! | for whom, from where | `allow`: a list of hosts per tenant; nobody's by default |
//! | to which addresses | [`address`]: public ones; checked where a name is resolved, so that what was checked is what is connected to, and once more on the connected socket |
//! | redirects | not followed by the client; each is a new address, with all checks |
//! | how much | time for all of it, bytes as they come, a type that can be a picture, so many at once |
//!
//! No proxy of the environment is used: it would resolve names itself.

pub mod address;
mod allow;
mod resolver;

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use pipeline::item::TenantId;
use reqwest::{Client, Response, redirect::Policy};
use tokio::sync::Semaphore;
use url::{Host, Url};

use allow::AllowLists;
pub use allow::HostRule;
use resolver::{Guarded, Lookup, NotPublic};

use crate::{config::compat::ImageFetchConfig, error::ApiError};

/// May this address be connected to?
pub type AddressRule = fn(IpAddr) -> bool;

/// Fetches pictures. Cheap to share.
pub struct Fetcher {
    client: Client,
    rule: AddressRule,
    allow: AllowLists,
    timeout: Duration,
    max_bytes: usize,
    max_redirects: usize,
    slots: Arc<Semaphore>,
}

/// Why a picture was not fetched.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    NotAllowed,
    Scheme,
    Credentials,
    NotPublic,
    Redirects,
    Status(u16),
    Type,
    TooLarge,
    Late,
    Unreachable,
}

impl Fetcher {
    /// By the configuration, with the rule of [`address`] and the system's resolver.
    pub fn new(config: &ImageFetchConfig) -> anyhow::Result<Self> {
        Self::with(config, address::is_public, resolver::system())
    }

    fn with(config: &ImageFetchConfig, rule: AddressRule, lookup: Lookup) -> anyhow::Result<Self> {
        let timeout = Duration::from_millis(config.timeout_ms);
        let client = Client::builder()
            .dns_resolver(Arc::new(Guarded { rule, lookup }))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            // A connection that waits could outlive its name's address.
            .pool_max_idle_per_host(0)
            .timeout(timeout)
            .user_agent(concat!("chaperone/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            rule,
            allow: AllowLists::new(&config.allow)?,
            timeout,
            max_bytes: config.max_bytes,
            max_redirects: config.max_redirects,
            slots: Arc::new(Semaphore::new(config.concurrent)),
        })
    }

    /// The bytes behind `url`, for a request of `tenant`. Errors, all `Invalid`: `image_url_malformed`, `image_url_not_fetched`,
    /// `image_url_refused`, `image_fetch_failed`; `TooBusy` when too many are being fetched.
    pub async fn fetch(&self, tenant: &TenantId, url: &str) -> Result<Bytes, ApiError> {
        let url = Url::parse(url).map_err(|_| {
            ApiError::invalid(
                "image_url_malformed",
                "This is no address: send `https://…`, or the picture itself as `data:image/jpeg;base64,…`.",
            )
        })?;
        if !self.allow.any(tenant) {
            return Err(Refused::NotAllowed.into());
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            return Err(ApiError::too_busy("Too many pictures are being fetched: try again after 1 s."));
        };
        let fetched = tokio::time::timeout(self.timeout, self.follow(tenant, url)).await;
        fetched.unwrap_or(Err(Refused::Late)).map_err(ApiError::from)
    }

    async fn follow(&self, tenant: &TenantId, mut url: Url) -> Result<Bytes, Refused> {
        for _ in 0..=self.max_redirects {
            self.check(tenant, &url)?;
            let request = self.client.get(url.clone()).header(header::ACCEPT, "image/*");
            let response = request.send().await.map_err(|error| why(&error))?;
            if !response.remote_addr().is_some_and(|peer| (self.rule)(peer.ip())) {
                return Err(Refused::NotPublic);
            }
            if !response.status().is_redirection() {
                return self.read(response).await;
            }
            let target = response.headers().get(header::LOCATION).and_then(|target| target.to_str().ok());
            url = target.and_then(|target| url.join(target).ok()).ok_or(Refused::Status(response.status().as_u16()))?;
        }
        Err(Refused::Redirects)
    }

    /// What can be said of an address before a connection.
    fn check(&self, tenant: &TenantId, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        if !self.allow.holds(tenant, url) {
            return Err(Refused::NotAllowed);
        }
        // An address instead of a name is not resolved, so the resolver does not see it.
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        if address.is_some_and(|address| !(self.rule)(address)) { Err(Refused::NotPublic) } else { Ok(()) }
    }

    async fn read(&self, mut response: Response) -> Result<Bytes, Refused> {
        if !response.status().is_success() {
            return Err(Refused::Status(response.status().as_u16()));
        }
        if !may_be_picture(response.headers()) {
            return Err(Refused::Type);
        }
        let most = self.max_bytes as u64;
        if response.content_length().is_some_and(|length| length > most) {
            return Err(Refused::TooLarge);
        }
        let mut bytes = BytesMut::new();
        while let Some(piece) = response.chunk().await.map_err(|error| why(&error))? {
            if bytes.len() + piece.len() > self.max_bytes {
                return Err(Refused::TooLarge);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes.freeze())
    }
}

/// Servers of files often say nothing better than `octet-stream`; what it really is, the decoder finds out from the bytes.
fn may_be_picture(headers: &HeaderMap) -> bool {
    let media_type = crate::extract::media_type(headers);
    media_type.starts_with("image/")
        || matches!(media_type.as_str(), "application/octet-stream" | "binary/octet-stream")
}

/// The client's errors wrap what the resolver said.
fn why(error: &reqwest::Error) -> Refused {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<NotPublic>() {
            return Refused::NotPublic;
        }
        cause = inner.source();
    }
    if error.is_timeout() { Refused::Late } else { Refused::Unreachable }
}

impl From<Refused> for ApiError {
    fn from(refused: Refused) -> Self {
        let send_it = "send the picture itself as `data:image/jpeg;base64,…`";
        let (code, what) = match refused {
            Refused::NotAllowed => (
                "image_url_not_fetched",
                "pictures are not fetched from this address for this tenant: add its host to `[[compat.image_fetch.allow]]`, or".to_owned(),
            ),
            Refused::Scheme => ("image_url_refused", "only http and https addresses are fetched:".to_owned()),
            Refused::Credentials => ("image_url_refused", "the address carries a user or a password:".to_owned()),
            Refused::NotPublic => ("image_url_refused", "the address is not a public one:".to_owned()),
            Refused::Redirects => ("image_fetch_failed", "the address redirects too often:".to_owned()),
            Refused::Status(status) => ("image_fetch_failed", format!("the address answers with the status {status}:")),
            Refused::Type => ("image_fetch_failed", "the address holds no picture, by its `Content-Type`:".to_owned()),
            Refused::TooLarge => ("image_fetch_failed", "the picture is larger than `compat.image_fetch.max_bytes`:".to_owned()),
            Refused::Late => ("image_fetch_failed", "the picture did not come within `compat.image_fetch.timeout_ms`:".to_owned()),
            Refused::Unreachable => ("image_fetch_failed", "the address does not answer:".to_owned()),
        };
        ApiError::invalid(code, format!("The picture was not fetched, because {what} {send_it}."))
    }
}

#[cfg(test)]
mod tests;
