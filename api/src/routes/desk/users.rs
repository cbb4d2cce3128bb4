//! `/v1/users`: the accounts of the console.

use axum::{Json, extract::State, http::StatusCode};
use pipeline::{
    item::TenantId,
    review::staff::{Profile, Role, User, check_login, check_password},
    store::desk::accounts::UserChange,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{session::hash, views::UserView};
use crate::{
    app::Shared,
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Path, Payload},
    seat::{Seat, ToAssign, ToManageUsers},
};

/// List accounts
///
/// For leads, too: to hand cases to somebody.
#[utoipa::path(
    get, path = "/v1/users", tag = "session",
    responses((status = 200, description = "The accounts", body = Vec<UserView>), (status = "4XX", description = "The request is wrong", body = ErrorBody)),
)]
pub async fn list(State(app): State<Shared>, staff: Seat<ToAssign>) -> Result<Json<Vec<User>>, ApiError> {
    Ok(Json(app.services.pipeline.desk().users(&staff.tenant).await?))
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "login": "mia", "password": "correct horse battery staple", "role": "reviewer", "languages": ["en", "de"] }))]
pub struct NewUser {
    /// Unique in the installation: `a-z`, `0-9`, `_`, `.`, `-`, `@`, `+`.
    #[schema(example = "mia")]
    login: String,
    /// At least 15 characters. Give it to them in person; they change it.
    password: String,
    /// `reviewer`, `lead`, `admin`.
    #[schema(value_type = String, example = "reviewer")]
    role: Role,
    /// What to call them.
    #[serde(default)]
    name: String,
    /// Skills that queues may ask for.
    #[serde(default)]
    skills: Vec<String>,
    /// Languages that they read; empty: all.
    #[serde(default)]
    languages: Vec<String>,
}

impl Payload for NewUser {}

/// Make an account
#[utoipa::path(
    post, path = "/v1/users", tag = "session", request_body = NewUser,
    responses(
        (status = 201, description = "Made", body = UserView),
        (status = 409, description = "The login is taken", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn create(
    State(app): State<Shared>,
    staff: Seat<ToManageUsers>,
    Body(new): Body<NewUser>,
) -> Result<(StatusCode, Json<User>), ApiError> {
    check_login(&new.login)?;
    check_password(&new.password, &new.login)?;
    let desk = app.services.pipeline.desk();
    let hash = hash(new.password).await?;
    let user = desk.new_user(staff.tenant.clone(), new.login, new.role);
    let profile = Profile { name: new.name, skills: new.skills, languages: new.languages, ..Profile::default() };
    let user = desk.create_user(User { profile, ..user }, hash, &staff.name).await?;
    Ok((StatusCode::CREATED, Json(user)))
}

/// What is changed of an account; what is absent stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "role": "lead" }))]
pub struct ChangedUser {
    /// Another role.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    role: Option<Role>,
    /// Locked out, or let in.
    #[serde(default)]
    disabled: Option<bool>,
    /// Another password.
    #[serde(default)]
    password: Option<String>,
    /// Turn one-time codes off: for somebody who lost their device.
    #[serde(default)]
    drop_totp: bool,
    /// What to call them.
    #[serde(default)]
    name: Option<String>,
    /// Skills.
    #[serde(default)]
    skills: Option<Vec<String>>,
    /// Languages.
    #[serde(default)]
    languages: Option<Vec<String>>,
    /// Cases that they may have at once.
    #[serde(default)]
    capacity: Option<u32>,
}

impl Payload for ChangedUser {}

/// Change an account
///
/// Another role, another password or being locked out ends its sessions. The last admin stays one.
#[utoipa::path(
    patch, path = "/v1/users/{login}", tag = "session", operation_id = "change_user", request_body = ChangedUser, params(("login" = String, Path, description = "The login")),
    responses(
        (status = 200, description = "Changed", body = UserView),
        (status = 404, description = "No such account", body = ErrorBody),
        (status = 409, description = "The last admin", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn change(
    State(app): State<Shared>,
    staff: Seat<ToManageUsers>,
    Path(login): Path<String>,
    Body(given): Body<ChangedUser>,
) -> Result<Json<User>, ApiError> {
    let desk = app.services.pipeline.desk();
    let known = desk.account(&login).await?.filter(|account| account.user.tenant == staff.tenant);
    let known = known.ok_or_else(|| ApiError::not_found("account", &login))?;
    let mut profile = known.user.profile;
    profile.name = given.name.unwrap_or(profile.name);
    profile.skills = given.skills.unwrap_or(profile.skills);
    profile.languages = given.languages.unwrap_or(profile.languages);
    profile.capacity = given.capacity.or(profile.capacity);
    let password = match given.password {
        Some(password) => {
            check_password(&password, &login)?;
            Some(hash(password).await?)
        }
        None => None,
    };
    let change = UserChange {
        role: given.role,
        disabled: given.disabled,
        password,
        totp: given.drop_totp.then_some(None),
        profile: Some(profile),
    };
    Ok(Json(desk.change_user(&staff.tenant, &login, change, &staff.name).await?))
}

/// Whether one who asks may say who is in `tenant`: only who is there, or may go there.
async fn may_open(app: &Shared, staff: &Seat<ToManageUsers>, tenant: &TenantId) -> Result<(), ApiError> {
    let own = match &staff.session {
        Some(session) => app.services.pipeline.desk().tenants_of(&session.user).await?,
        None => vec![staff.tenant.clone()],
    };
    if own.contains(tenant) { Ok(()) } else { Err(ApiError::not_found("tenant of yours", tenant)) }
}

/// Let an admin into another tenant
///
/// By an admin of the account's own tenant who may be in the other one as well. For the first one, `chaperone users let-in`.
#[utoipa::path(
    put, path = "/v1/users/{login}/tenants/{tenant}", tag = "session", operation_id = "let_user_in",
    params(("login" = String, Path, description = "The login"), ("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 204, description = "Let in"),
        (status = 404, description = "No such account, or not a tenant of yours", body = ErrorBody),
        (status = 409, description = "They are no admin", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn let_in(
    State(app): State<Shared>,
    staff: Seat<ToManageUsers>,
    Path((login, tenant)): Path<(String, TenantId)>,
) -> Result<StatusCode, ApiError> {
    let desk = app.services.pipeline.desk();
    let known = desk.account(&login).await?.filter(|account| account.user.tenant == staff.tenant);
    let known = known.ok_or_else(|| ApiError::not_found("account", &login))?;
    may_open(&app, &staff, &tenant).await?;
    desk.let_in(&known.user, &tenant, true, &staff.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show an admin out of a tenant
///
/// By an admin of the account's own tenant, or of the tenant that is visited. Holds with the next request.
#[utoipa::path(
    delete, path = "/v1/users/{login}/tenants/{tenant}", tag = "session", operation_id = "keep_user_out",
    params(("login" = String, Path, description = "The login"), ("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 204, description = "Shown out"),
        (status = 404, description = "They were not let in", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn keep_out(
    State(app): State<Shared>,
    staff: Seat<ToManageUsers>,
    Path((login, tenant)): Path<(String, TenantId)>,
) -> Result<StatusCode, ApiError> {
    let desk = app.services.pipeline.desk();
    let known = desk.account(&login).await?;
    let known = known.filter(|account| account.user.tenant == staff.tenant || tenant == staff.tenant);
    // Whoever is no guest here is nobody's business here.
    let known = known.ok_or_else(|| ApiError::not_found("tenant of this account", &tenant))?;
    desk.let_in(&known.user, &tenant, false, &staff.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
