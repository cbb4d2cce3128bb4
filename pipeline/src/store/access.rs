//! Who may call, as rows: API keys, signatures that were seen, and what keys have used of their limits.
//!
//! Semantics that every implementation keeps (`contract/access.rs` checks them):
//!
//! - A key's digest is unique; the key itself is nowhere. Keys are revoked, never deleted: a digest that once was a key never becomes
//!   one again, and a list shows what there was.
//! - Every change of the keys raises the revision in the same transaction: whoever read the revision *before* the keys misses none.
//! - A signature is new once, whichever process asks.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{error::PipelineError, item::TenantId};

/// Names one API key for ever. Not secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub Uuid);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One API key.
#[derive(Clone, PartialEq)]
pub struct ApiKey {
    /// Its name in the API.
    pub id: KeyId,
    /// Whose rows it sees.
    pub tenant: TenantId,
    /// For people: what it is used for.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// The key's last characters, so that people can tell which one they hold.
    pub hint: String,
    /// What it may do, as `api` writes its scopes; what this version does not know allows nothing.
    pub scopes: Vec<String>,
    /// Are requests without a signature refused?
    pub require_signature: bool,
    /// Its own limits instead of the configured ones, as `api` writes them.
    pub limits: serde_json::Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From then on it is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since then it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute or so.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl fmt::Debug for ApiKey {
    /// Hides the digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKey").field("id", &self.id).field("tenant", &self.tenant).field("name", &self.name).finish()
    }
}

/// Keys, signatures, usage.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// Writes a new key. `Conflict` when its id or digest is there already.
    async fn put_key(&self, key: &ApiKey) -> Result<(), PipelineError>;
    /// Keys in the order of their making, revoked and expired ones too; `tenant: None` reads all (the service itself and its operator).
    async fn list_keys(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, PipelineError>;
    /// Revokes a key, and answers it as it is then; a key that was revoked before keeps its time. `None` when there is no such key
    /// of this tenant (`tenant: None`: of any).
    async fn revoke_key(
        &self,
        tenant: Option<&TenantId>,
        id: KeyId,
        at: DateTime<Utc>,
    ) -> Result<Option<ApiKey>, PipelineError>;
    /// Rises with every change of the keys, `last_used_at` excepted. Cheap: every process asks every second.
    async fn key_revision(&self) -> Result<i64, PipelineError>;
    /// Notes when keys were used. Never goes back; unknown ids are left out.
    async fn touch_keys(&self, used: &[(KeyId, DateTime<Utc>)]) -> Result<(), PipelineError>;

    /// Remembers a signature until `until`; `false` when it was remembered already.
    async fn remember_signature(&self, digest: [u8; 32], until: DateTime<Utc>) -> Result<bool, PipelineError>;
    /// Forgets signatures whose time is over at `now`. Answers how many.
    async fn forget_signatures(&self, now: DateTime<Utc>) -> Result<u64, PipelineError>;

    /// Adds what this process let through of each bucket (each named once), and answers what all processes together have let through
    /// since the beginning, in the same order.
    async fn share_usage(&self, used: &[(String, u64)]) -> Result<Vec<u64>, PipelineError>;
}
