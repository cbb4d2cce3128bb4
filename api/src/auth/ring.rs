//! The keys in force, in memory: a snapshot by digest, made of `[auth]` and the store, read again when the store's revision has changed.
//!
//! A look-up hashes the key and reads a map: it never waits for the store. A key that was revoked stops in the process that revoked it at
//! once, in every other within [`LOOK`] and one read of the store. While the store does not answer, the last snapshot stays in force.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use pipeline::{
    PipelineError,
    clock::Clock,
    item::TenantId,
    store::{ApiKey, KeyId, Store},
};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{AuthConfig, KeyConfig, KeyLimits, LimitsConfig, Scope},
    limits::{Bucket, Buckets, Refused, Standing, share::Sharing},
};

/// Time between two looks at the store's revision.
pub const LOOK: Duration = Duration::from_secs(1);
/// Looks between two writings of when keys were used.
const LOOKS_PER_FLUSH: u32 = 30;
/// The tenant of an installation without keys.
pub const DEFAULT_TENANT: &str = "default";
/// What the ids of keys in the configuration begin with.
const CONFIGURED: &str = "config:";

/// Whoever is calling.
#[derive(Debug)]
pub struct Caller {
    /// Whose rows the call sees.
    pub tenant: TenantId,
    /// Name of the key, for logs.
    pub key: String,
    /// Id of the key, for logs, limits and signatures.
    pub id: String,
    /// What the key may do.
    pub scopes: Vec<Scope>,
    /// Are requests without a signature refused?
    pub require_signature: bool,
    /// From then on the key is refused.
    pub expires_at: Option<DateTime<Utc>>,
    /// Since then it is refused.
    pub revoked_at: Option<DateTime<Utc>>,
    limits: KeyLimits,
    /// Survives a new snapshot, as long as the limits are the same.
    state: Arc<State>,
}

/// What a key did in this process.
#[derive(Debug, Default)]
struct State {
    buckets: Buckets,
    /// Of the store.
    row: Option<KeyId>,
    used: Use,
}

/// When a key was used, in unix seconds; 0: never.
#[derive(Debug, Default)]
struct Use {
    at: AtomicI64,
    flushed: AtomicI64,
}

impl Caller {
    /// May it do what needs this scope?
    pub fn may(&self, scope: Scope) -> bool {
        let covers =
            |held: Scope| held == scope || held == Scope::Admin || (held == Scope::Lead && scope == Scope::Review);
        self.scopes.iter().any(|held| covers(*held))
    }

    /// Counts a call of this class at `now`. `None`: nothing is limited.
    pub fn take(&self, class: Scope, now: DateTime<Utc>) -> Result<Option<Standing>, Refused> {
        self.state.used.at.store(now.timestamp(), Ordering::Relaxed);
        self.buckets().of(class).map(Bucket::take).transpose()
    }

    /// Its buckets.
    pub fn buckets(&self) -> &Buckets {
        &self.state.buckets
    }
}

/// The keys in force.
pub struct KeyRing {
    configured: Vec<([u8; 32], Arc<Caller>)>,
    limits: LimitsConfig,
    store: Arc<dyn Store>,
    clock: Clock,
    /// Who calls when there are no keys at all.
    open: Arc<Caller>,
    snapshot: RwLock<Arc<Snapshot>>,
}

#[derive(Default)]
struct Snapshot {
    revision: Option<i64>,
    keys: HashMap<[u8; 32], Arc<Caller>>,
}

impl KeyRing {
    /// Reads `[auth]` and the store. Fails on a digest that is none, on two keys of one digest, and without the store.
    pub async fn load(
        auth: &AuthConfig,
        limits: &LimitsConfig,
        store: Arc<dyn Store>,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let open = Caller {
            tenant: DEFAULT_TENANT.into(),
            key: "none".into(),
            id: "none".into(),
            scopes: vec![Scope::Admin],
            require_signature: false,
            expires_at: None,
            revoked_at: None,
            limits: KeyLimits::new(),
            state: Arc::default(),
        };
        let (configured, limits) = (configured(auth, limits, &clock)?, limits.clone());
        let ring = Self { configured, limits, store, clock, open: Arc::new(open), snapshot: RwLock::default() };
        ring.refresh().await.context("the keys cannot be read from the store")?;
        Ok(ring)
    }

    /// Was there never a key? Then whoever is on this machine may do everything.
    pub fn is_empty(&self) -> bool {
        self.snapshot().keys.is_empty()
    }

    /// Keys in force, revoked and expired ones too.
    pub fn len(&self) -> usize {
        self.snapshot().keys.len()
    }

    /// Who calls when there are no keys.
    pub fn open(&self) -> Arc<Caller> {
        self.open.clone()
    }

    /// Whose digest this is; revoked and expired keys too.
    pub fn find(&self, digest: &[u8; 32]) -> Option<Arc<Caller>> {
        self.snapshot().keys.get(digest).cloned()
    }

    /// Every key's caller.
    pub fn callers(&self) -> Vec<Arc<Caller>> {
        self.snapshot().keys.values().cloned().collect()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys again if they have changed. Answers whether they had.
    pub async fn refresh(&self) -> Result<bool, PipelineError> {
        let old = self.snapshot();
        // First: what is written after it is read again at the next look.
        let revision = self.store.key_revision().await?;
        if old.revision == Some(revision) {
            return Ok(false);
        }
        let rows = self.store.list_keys(None).await?;
        let mut keys: HashMap<_, _> = self.configured.iter().cloned().collect();
        for row in rows {
            let digest = row.digest;
            // What the configuration says of a key stands.
            keys.entry(digest)
                .or_insert_with(|| Arc::new(stored(row, &self.limits, &self.clock, old.keys.get(&digest))));
        }
        let new = Arc::new(Snapshot { revision: Some(revision), keys });
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(true)
    }

    /// Writes down when keys were used, as far as that is not written.
    pub async fn flush(&self) -> Result<(), PipelineError> {
        let callers = self.callers();
        let mut used = Vec::new();
        for state in callers.iter().map(|caller| &caller.state) {
            let at = state.used.at.load(Ordering::Relaxed);
            if let Some(id) = state.row
                && at > state.used.flushed.load(Ordering::Relaxed)
                && let Some(time) = DateTime::from_timestamp(at, 0)
            {
                used.push((id, time, state));
            }
        }
        if used.is_empty() {
            return Ok(());
        }
        let rows: Vec<_> = used.iter().map(|(id, time, _)| (*id, *time)).collect();
        self.store.touch_keys(&rows).await?;
        for (_, time, state) in used {
            state.used.flushed.fetch_max(time.timestamp(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Keeps the snapshot fresh until `stop`: new keys, use, signatures that need no memory any more; with `share`, limits that count over
    /// processes.
    pub async fn run(self: Arc<Self>, share: bool, stop: CancellationToken) {
        let mut sharing = share.then(|| Sharing::new(self.store.clone(), self.clone()));
        let mut looks = 0_u32;
        while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
            looks = looks.wrapping_add(1);
            let turn = async {
                if self.refresh().await? {
                    tracing::info!(keys = self.len(), "the keys have changed");
                }
                if let Some(sharing) = &mut sharing {
                    sharing.turn().await?;
                }
                if looks.is_multiple_of(LOOKS_PER_FLUSH) {
                    self.flush().await?;
                    self.store.forget_signatures(self.clock.now()).await?;
                }
                Ok::<_, PipelineError>(())
            };
            // A look in progress is idempotent: it may be dropped.
            if let Some(Err(error)) = stop.run_until_cancelled(turn).await {
                tracing::warn!(%error, "keys and limits cannot be brought up to date with the store: the last ones stay in force");
            }
        }
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "the last use of the keys is not written");
        }
    }
}

fn configured(
    auth: &AuthConfig,
    defaults: &LimitsConfig,
    clock: &Clock,
) -> anyhow::Result<Vec<([u8; 32], Arc<Caller>)>> {
    let mut keys: Vec<([u8; 32], Arc<Caller>)> = Vec::with_capacity(auth.keys.len());
    for KeyConfig { name, sha256, tenant, scopes, require_signature, limits } in &auth.keys {
        let mut digest = [0; 32];
        hex::decode_to_slice(sha256.trim(), &mut digest).with_context(|| {
            format!(
                "auth.keys `{name}`: `sha256` must be 64 hex digits: write what `printf %s \"$KEY\" | sha256sum` prints"
            )
        })?;
        ensure!(
            !tenant.as_str().is_empty(),
            "auth.keys `{name}`: `tenant` is empty: write a name, e.g. `{DEFAULT_TENANT}`"
        );
        ensure!(
            keys.iter().all(|(other, _)| *other != digest),
            "auth.keys `{name}`: another key has the same digest: remove one"
        );
        let state = State { buckets: Buckets::new(defaults, limits, clock), ..State::default() };
        let caller = Caller {
            tenant: tenant.clone(),
            key: name.clone(),
            id: configured_id(name),
            scopes: scopes.clone(),
            require_signature: *require_signature,
            expires_at: None,
            revoked_at: None,
            limits: limits.clone(),
            state: Arc::new(state),
        };
        keys.push((digest, Arc::new(caller)));
    }
    Ok(keys)
}

/// The id of a key that stands in the configuration.
pub fn configured_id(name: &str) -> String {
    format!("{CONFIGURED}{name}")
}

/// A key of the store; what it did so far in this process goes on counting.
fn stored(row: ApiKey, defaults: &LimitsConfig, clock: &Clock, old: Option<&Arc<Caller>>) -> Caller {
    // What this version does not understand limits nothing beyond the defaults, and allows nothing.
    let limits: KeyLimits = serde_json::from_value(row.limits).unwrap_or_default();
    let scopes = row.scopes.iter().filter_map(|scope| Scope::parse(scope)).collect();
    let id = row.id.to_string();
    let state = match old.filter(|old| old.id == id && old.limits == limits) {
        Some(old) => old.state.clone(),
        None => {
            Arc::new(State { buckets: Buckets::new(defaults, &limits, clock), row: Some(row.id), ..State::default() })
        }
    };
    Caller {
        tenant: row.tenant,
        key: row.name,
        id,
        scopes,
        require_signature: row.require_signature,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        limits,
        state,
    }
}
