//! Configuration: embedded defaults, then a file, then the environment (`CHAPERONE_SECTION__FIELD`), then flags.
//! CONTRACT: sections are fixed; loading is being written (helper `workers`).

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// The whole configuration.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP face.
    pub server: ServerConfig,
    /// Who may call.
    pub auth: AuthConfig,
    /// Where events go.
    pub webhooks: Vec<workers::WebhookConfig>,
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
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            max_body_bytes: 32 << 20,
            request_seconds: 30,
            max_requests: 1024,
            drain_seconds: 20,
        }
    }
}

/// Section `[auth]`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// API keys. None at all: everybody on this machine may do everything as tenant `default`, and only a loopback address may be listened on.
    pub keys: Vec<KeyConfig>,
}

/// One API key. Only its digest is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// `POST /v1/check`.
    Check,
    /// Items, calls, frames, events.
    Items,
    /// Profiles.
    Profiles,
    /// Similarity and embeddings.
    Search,
    /// Everything, `/metrics` included.
    Admin,
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
        Self { format: LogFormat::Text, filter: "info".into() }
    }
}
