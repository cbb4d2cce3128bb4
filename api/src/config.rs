//! Configuration: embedded defaults, then a file, then the environment (`CHAPERONE_SECTION__FIELD`), then flags.
//!
//! | part | module |
//! |---|---|
//! | reading and merging the sources, errors that name file and key | [`load`] |
//! | what must hold between keys | [`validate`] |
//! | the merged result with secrets as stars | [`show`] |

pub mod compat;
pub mod load;
pub mod show;
pub mod validate;

use std::{fmt, net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use crate::limits::{KeyLimits, LimitConfig, LimitsConfig};
pub use compat::CompatConfig;
pub use load::{DEFAULTS, Sources};

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP face.
    pub server: ServerConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// How often a key may call.
    pub limits: LimitsConfig,
    /// Events to the platform's bus.
    pub bus: workers::BusConfig,
    /// Other services' routes.
    pub compat: CompatConfig,
    /// Where events go.
    pub webhooks: Vec<workers::WebhookConfig>,
    /// Where statements of reasons go.
    pub statements: Vec<workers::StatementsConfig>,
    /// Consumers, outbox, duties.
    pub workers: workers::WorkersConfig,
    /// Models.
    pub models: models::EngineConfig,
    /// Judging.
    pub pipeline: pipeline::config::PipelineConfig,
    /// Accepted items.
    pub queue: pipeline::config::QueueConfig,
    /// Rows.
    pub store: pipeline::config::StoreConfig,
    /// Vectors.
    pub index: pipeline::config::IndexConfig,
    /// Logs.
    pub log: LogConfig,
}

/// Section `[server]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address and port. A public address needs at least one key in `[auth]`.
    pub listen: SocketAddr,
    /// Largest request body, in bytes.
    pub max_body_bytes: usize,
    /// Seconds that a request may take.
    pub request_seconds: u64,
    /// Requests that may be in progress; one more gets 429.
    pub max_requests: usize,
    /// Seconds that a shutdown may take.
    pub drain_seconds: u64,
    /// Seconds between the signal to stop and the shutdown; `/health/ready` answers 503 meanwhile, so that a load balancer looks elsewhere.
    pub drain_delay_seconds: u64,
    /// Seconds that a start waits for a store or queue server that does not answer yet.
    pub connect_seconds: u64,
    /// Parts without which `/health/ready` answers 503.
    pub required_parts: Vec<Part>,
    /// HTTPS.
    pub tls: TlsConfig,
    /// Calls from web pages.
    pub cors: CorsConfig,
}

/// Section `[server.cors]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins whose pages may call us from a browser; `*`: all. Empty: none.
    pub origins: Vec<String>,
}

/// Section `[server.tls]`. Both or none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file: our certificate, then the ones that lead to a root.
    pub certificate: Option<PathBuf>,
    /// PEM file: its private key.
    pub key: Option<PathBuf>,
}

/// What the service depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Every loaded model.
    Models,
    /// Rows.
    Store,
    /// Accepted items.
    Queue,
    /// Vectors.
    Index,
}

impl Part {
    /// Every part.
    pub const ALL: [Self; 4] = [Self::Models, Self::Store, Self::Queue, Self::Index];

    /// Name for logs, metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Store => "store",
            Self::Queue => "queue",
            Self::Index => "index",
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body_bytes: 32 << 20,
            request_seconds: 30,
            max_requests: 1024,
            drain_seconds: 20,
            drain_delay_seconds: 0,
            connect_seconds: 60,
            required_parts: vec![Part::Models, Part::Store, Part::Queue],
            tls: TlsConfig::default(),
            cors: CorsConfig::default(),
        }
    }
}

/// Section `[auth]`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// API keys beside those of the store. None at all, there and here: everybody on this machine may do everything as tenant `default`, and
    /// only a loopback address may be listened on.
    pub keys: Vec<KeyConfig>,
    /// What the keys' signing secrets are derived from; printed as stars.
    pub signing_secret: Option<String>,
}

impl fmt::Debug for AuthConfig {
    /// Hides the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = self.signing_secret.as_ref().map(|_| show::STARS);
        f.debug_struct("AuthConfig").field("keys", &self.keys).field("signing_secret", &secret).finish()
    }
}

/// One API key. Only its digest is written down.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyConfig {
    /// For logs and lists.
    pub name: String,
    /// SHA-256 of the key, lower-case hex (`printf %s "$KEY" | sha256sum`).
    pub sha256: String,
    /// Whose.
    pub tenant: pipeline::item::TenantId,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Are requests without a signature refused?
    #[serde(default)]
    pub require_signature: bool,
    /// Its own limits instead of those in `[limits]`.
    #[serde(default)]
    pub limits: KeyLimits,
}

impl fmt::Debug for KeyConfig {
    /// Hides the digest: a short key could be guessed from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyConfig")
            .field("name", &self.name)
            .field("sha256", &show::STARS)
            .field("tenant", &self.tenant)
            .field("scopes", &self.scopes)
            .finish()
    }
}

/// What a key may do; also the class by which its calls are limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `POST /v1/check`, and the drop-in endpoints that judge.
    Check,
    /// Items, calls, frames, events.
    Items,
    /// Profiles.
    Profiles,
    /// Similarity and embeddings.
    Search,
    /// The reviewers' desk, with the role of a reviewer.
    Review,
    /// The reviewers' desk, with the role of a lead.
    Lead,
    /// Everything, `/metrics` included.
    Admin,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 7] =
        [Self::Check, Self::Items, Self::Profiles, Self::Search, Self::Review, Self::Lead, Self::Admin];

    /// As configuration, JSON and command line write it.
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

    /// The inverse of [`Scope::as_str`]. `None` for what this version does not know.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// Section `[log]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `text` or `json`.
    pub format: LogFormat,
    /// Filter directives, e.g. `info,pipeline=debug`.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info,ort=warn,qdrant_edge=error".into() }
    }
}
