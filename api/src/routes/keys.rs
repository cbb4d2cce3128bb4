//! `/v1/keys`: API keys made, listed and revoked. A key sees and changes those of its own tenant only.

use axum::{Json, extract::State, http::StatusCode};
use chrono::{DateTime, Utc};
use pipeline::store::{ApiKey, KeyId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::Shared,
    auth::{ToAdmin, mint, signature},
    config::{KeyLimits, LimitConfig, Scope},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload},
    seat::{Either, ToManageKeys},
};

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "chat service", "scopes": ["check", "items"], "expires_at": "2030-01-01T00:00:00Z" }))]
pub struct NewKey {
    /// For people: what it is used for.
    #[schema(example = "chat service")]
    name: String,
    /// What it may do.
    #[schema(example = json!(["check", "items"]))]
    scopes: Vec<Scope>,
    /// From then on it is refused; absent: never.
    expires_at: Option<DateTime<Utc>>,
    /// Are requests without a signature refused?
    #[serde(default)]
    require_signature: bool,
    /// Limits instead of the configured ones, by class (the scope that a route needs).
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, LimitConfig>)]
    limits: KeyLimits,
}

impl Payload for NewKey {}

/// A key, without the key itself: that is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyView {
    /// Names it for ever; not secret.
    pub id: Uuid,
    /// Whose rows it sees.
    pub tenant: String,
    /// For people.
    pub name: String,
    /// The key's last characters.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// `active`, `expired` or `revoked`.
    #[schema(example = "active")]
    pub state: &'static str,
    /// Are requests without a signature refused?
    pub require_signature: bool,
    /// Limits instead of the configured ones, by class.
    #[schema(value_type = std::collections::HashMap<String, LimitConfig>)]
    pub limits: serde_json::Value,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From then on it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Since then it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it was last used, to half a minute or so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
}

impl KeyView {
    /// As it is at `now`.
    pub fn new(key: ApiKey, now: DateTime<Utc>) -> Self {
        let state = match &key {
            ApiKey { revoked_at: Some(_), .. } => "revoked",
            ApiKey { expires_at: Some(at), .. } if *at <= now => "expired",
            _ => "active",
        };
        Self {
            id: key.id.0,
            tenant: key.tenant.0,
            name: key.name,
            hint: key.hint,
            scopes: key.scopes,
            state,
            require_signature: key.require_signature,
            limits: key.limits,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A new key. `key` and `signing_secret` are shown here and never again.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeKey {
    /// Send it as `Authorization: Bearer KEY`.
    #[schema(example = "chp_k3v9…")]
    pub key: String,
    /// Sign requests with it; absent when the service has no `auth.signing_secret`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "chs_5f1e…")]
    pub signing_secret: Option<String>,
    #[serde(flatten)]
    /// What is kept of it.
    pub view: KeyView,
}

impl MadeKey {
    /// For its maker.
    pub fn new(made: mint::Minted, signing_master: Option<&str>, now: DateTime<Utc>) -> Self {
        let id = made.row.id.to_string();
        let signing_secret = signing_master.map(|master| signature::secret_of(master, &id));
        Self { key: made.secret, signing_secret, view: KeyView::new(made.row, now) }
    }
}

/// Several keys, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Keys {
    /// Of the caller's tenant; those of the configuration are not among them.
    pub keys: Vec<KeyView>,
}

/// A key that demands signatures where nobody can check them would refuse everything.
pub(crate) fn require_master(require_signature: bool, master: Option<&str>) -> Result<(), ApiError> {
    if require_signature && master.is_none() {
        let message = "Signatures cannot be checked here: set `auth.signing_secret` (openssl rand -hex 32) in the configuration of every process.";
        return Err(ApiError::invalid("signature_unavailable", message).at("require_signature"));
    }
    Ok(())
}

/// Make a key
///
/// For the caller's tenant. It is in force at once here, within 2 seconds in every other process.
#[utoipa::path(
    post, path = "/v1/keys", tag = "operation",
    request_body = NewKey,
    responses(
        (status = 201, description = "The key; it is shown only now", body = MadeKey),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn create(
    State(app): State<Shared>,
    caller: Either<ToAdmin, ToManageKeys>,
    Body(wanted): Body<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), ApiError> {
    let (services, now) = (&app.services, app.services.clock.now());
    let master = services.config.auth.signing_secret.as_deref();
    require_master(wanted.require_signature, master)?;
    let NewKey { name, scopes, expires_at, require_signature, limits } = wanted;
    let wanted = mint::Wanted { name, tenant: caller.tenant.clone(), scopes, expires_at, require_signature, limits };
    let made = mint::mint(wanted, Uuid::now_v7(), &mint::random()?, now)?;
    services.store.put_key(&made.row).await?;
    services.keys.refresh().await?;
    let detail = json!({ "name": made.row.name, "scopes": made.row.scopes });
    services.pipeline.desk().note(&caller, "key.created", format!("key:{}", made.row.id), detail).await?;
    tracing::info!(key.id = %made.row.id, key.name = made.row.name, caller.name = caller.name, "a key was made");
    Ok((StatusCode::CREATED, Json(MadeKey::new(made, master, now))))
}

/// List keys
///
/// Revoked and expired ones too, oldest first.
#[utoipa::path(
    get, path = "/v1/keys", tag = "operation",
    responses(
        (status = 200, description = "Those of the key's tenant", body = Keys),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn list(State(app): State<Shared>, caller: Either<ToAdmin, ToManageKeys>) -> Result<Json<Keys>, ApiError> {
    app.services.keys.flush().await?;
    let now = app.services.clock.now();
    let keys = app.services.store.list_keys(Some(&caller.tenant)).await?;
    Ok(Json(Keys { keys: keys.into_iter().map(|key| KeyView::new(key, now)).collect() }))
}

/// Revoke a key
///
/// For ever. It is refused at once here, within 2 seconds in every other process.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "operation",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key as it is now", body = KeyView),
        (status = 404, description = "No such key", body = ErrorBody),
        (status = 503, description = "The store does not answer", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn revoke(
    State(app): State<Shared>,
    caller: Either<ToAdmin, ToManageKeys>,
    Path(id): Path<Uuid>,
) -> Result<Json<KeyView>, ApiError> {
    let (services, now) = (&app.services, app.services.clock.now());
    let revoked = services.store.revoke_key(Some(&caller.tenant), KeyId(id), now).await?;
    let revoked = revoked.ok_or_else(|| ApiError::not_found("key", id))?;
    services.keys.refresh().await?;
    services.pipeline.desk().note(&caller, "key.revoked", format!("key:{id}"), json!({ "name": revoked.name })).await?;
    tracing::info!(key.id = %id, caller.name = caller.name, "a key was revoked");
    Ok(Json(KeyView::new(revoked, now)))
}
