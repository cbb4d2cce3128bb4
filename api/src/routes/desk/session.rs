//! `/v1/session`: signing in and out of the console, the first account, one's own password, codes and comfort.

use std::net::SocketAddr;

use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::{Extensions, HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use pipeline::{
    item::TenantId,
    review::{
        staff::{Comfort, Permission, Role, Staff, User, check_password},
        wellness::{Advice, Exposure},
    },
    store::desk::accounts::UserChange,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::views::{ComfortView, ExposureBudgetView};
use crate::{
    app::{App, Shared},
    auth::{DEFAULT_TENANT, is_local},
    error::{ApiError, ErrorBody},
    extract::{Json as Body, Payload, apart},
    password,
    seat::{Anybody, COOKIE, Seat, Seated, cookie, digest},
};

/// How long somebody stays signed in.
const SESSION: TimeDelta = TimeDelta::hours(10);

/// What somebody signs in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "login": "mia", "password": "correct horse battery staple" }))]
pub struct SignIn {
    /// The login.
    #[schema(example = "mia")]
    login: String,
    /// The password.
    #[schema(example = "correct horse battery staple")]
    password: String,
    /// The code of the authenticator app, when the account asks for one.
    #[serde(default)]
    code: Option<String>,
}

impl Payload for SignIn {}

/// Whoever is signed in.
#[derive(Serialize, ToSchema)]
pub struct SessionView {
    /// Login, `key:<name>` for keys.
    login: String,
    /// What to call them.
    name: String,
    /// Whose rows they see now.
    tenant: String,
    /// The tenant of their account.
    home: String,
    /// Where they may go (`PUT /v1/session/tenant`), their own first.
    tenants: Vec<String>,
    /// `reviewer`, `lead`, `admin`.
    #[schema(value_type = String)]
    role: Role,
    /// What the role may do.
    #[schema(value_type = Vec<String>)]
    permissions: &'static [Permission],
    /// Send it as `x-csrf-token` with every request that changes something; absent for keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    csrf: Option<String>,
    /// Asks for a code at sign-in.
    totp: bool,
    /// Skills.
    skills: Vec<String>,
    /// Languages.
    languages: Vec<String>,
    /// How they want to see evidence.
    #[schema(value_type = ComfortView)]
    comfort: Comfort,
    /// What they looked at today.
    exposure: ExposureView,
    /// The time here.
    now: DateTime<Utc>,
}

/// What somebody looked at today.
#[derive(Serialize, ToSchema)]
pub struct ExposureView {
    /// Graphic cases.
    items: u64,
    /// Seconds on them.
    seconds: u64,
    /// What one person should look at in a day.
    #[schema(value_type = ExposureBudgetView)]
    budget: pipeline::review::routing::ExposureBudget,
    /// `fine`, `near`, `over`.
    #[schema(value_type = String)]
    advice: Advice,
}

/// Sign in
///
/// Sets the cookie `chaperone_session` (HttpOnly, SameSite=Strict, ten hours). Five failures of a login or an address make it wait 15 minutes.
#[utoipa::path(
    post, path = "/v1/session", tag = "session", request_body = SignIn, security(()),
    responses(
        (status = 200, description = "Signed in", body = SessionView),
        (status = 401, description = "Login, password or code are wrong", body = ErrorBody),
        (status = 429, description = "Too many failures", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn sign_in(
    State(app): State<Shared>,
    extensions: Extensions,
    headers: HeaderMap,
    Body(given): Body<SignIn>,
) -> Result<Response, ApiError> {
    let desk = app.services.pipeline.desk();
    let address = extensions.get().map(|ConnectInfo(address): &ConnectInfo<SocketAddr>| address.ip().to_string());
    let mut names = vec![format!("login:{}", given.login.chars().take(200).collect::<String>())];
    names.extend(address.map(|address| format!("address:{address}")));
    if let Some(until) = desk.may_sign_in(names.clone()).await? {
        return Err(too_many(until - desk.now()));
    }
    let account = desk.account(&given.login).await?;
    let kept = account.as_ref().map(|account| account.password.clone());
    let given_password = given.password;
    let right = apart(move || Ok(password::verify(&given_password, kept.as_deref()))).await?;
    let wrong = || ApiError::unauthenticated("sign_in_failed", "Login, password or code are wrong.");
    let Some(account) = account.filter(|account| right && !account.user.disabled) else {
        desk.signed_in(names, false).await?;
        return Err(wrong());
    };
    if let Some(secret) = &account.totp {
        let Some(code) = given.code.as_deref().filter(|code| !code.trim().is_empty()) else {
            return Err(ApiError::unauthenticated(
                "code_missing",
                "This account asks for a code: send `code` of your authenticator app.",
            ));
        };
        let now = u64::try_from(desk.now().timestamp()).unwrap_or_default();
        let step = password::totp_step(secret, &account.user.login, code, now).filter(|step| *step > account.totp_used);
        let fresh = match step {
            Some(step) => desk.use_totp(&account.user.login, step).await?,
            None => false,
        };
        if !fresh {
            desk.signed_in(names, false).await?;
            return Err(wrong());
        }
    }
    desk.signed_in(names, true).await?;
    admit(&app, account.user, &headers).await
}

fn too_many(wait: TimeDelta) -> ApiError {
    let message = format!("Too many failed sign-ins: try again in {} min.", wait.num_minutes() + 1);
    ApiError::too_busy_for(wait.to_std().unwrap_or_default(), message)
}

/// Opens a session and answers it.
async fn admit(app: &App, user: User, headers: &HeaderMap) -> Result<Response, ApiError> {
    let desk = app.services.pipeline.desk();
    let random = || password::token().map_err(|error| ApiError::internal(error.to_string()));
    let (token, csrf) = (random()?, random()?);
    desk.open_session(&user, digest(&token), csrf.clone(), desk.now() + SESSION).await?;
    let staff =
        Staff { tenant: user.tenant.clone(), name: user.login.clone(), role: user.role, profile: user.profile.clone() };
    let view = view(app, &staff, Some(&Seated { digest: digest(&token), csrf, user })).await?;
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response();
    set_cookie(&mut response, &token, SESSION.num_seconds(), headers)?;
    Ok(response)
}

/// Browsers refuse `Secure` over plain HTTP, which is only spoken on one's own machine.
fn set_cookie(response: &mut Response, token: &str, seconds: i64, headers: &HeaderMap) -> Result<(), ApiError> {
    let secure = if is_local(headers, None) { "" } else { "; Secure" };
    let value = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let value = HeaderValue::from_str(&value).map_err(|error| ApiError::internal(error.to_string()))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}

async fn view(app: &App, staff: &Staff, session: Option<&Seated>) -> Result<SessionView, ApiError> {
    let desk = app.services.pipeline.desk();
    let tenants = match session {
        Some(session) => desk.tenants_of(&session.user).await?,
        None => vec![staff.tenant.clone()],
    };
    let home = tenants.first().unwrap_or(&staff.tenant).to_string();
    let (exposure, settings) = tokio::try_join!(desk.exposure(staff), desk.settings(&staff.tenant))?;
    let Exposure { items, seconds } = exposure;
    let advice = exposure.advice(&settings.exposure);
    Ok(SessionView {
        login: staff.name.clone(),
        name: if staff.profile.name.is_empty() { staff.name.clone() } else { staff.profile.name.clone() },
        tenant: staff.tenant.to_string(),
        home,
        tenants: tenants.iter().map(ToString::to_string).collect(),
        role: staff.role,
        permissions: staff.role.permissions(),
        csrf: session.map(|session| session.csrf.clone()),
        totp: session.is_some_and(|session| session.user.totp),
        skills: staff.profile.skills.clone(),
        languages: staff.profile.languages.clone(),
        comfort: staff.profile.comfort.clone(),
        exposure: ExposureView { items, seconds, budget: settings.exposure, advice },
        now: desk.now(),
    })
}

/// Who am I
#[utoipa::path(
    get, path = "/v1/session", tag = "session", operation_id = "show_session",
    responses(
        (status = 200, description = "Whoever is signed in", body = SessionView),
        (status = 401, description = "Nobody is", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn me(State(app): State<Shared>, staff: Seat<Anybody>) -> Result<Response, ApiError> {
    let view = view(&app, &staff, staff.session.as_ref()).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Sign out
#[utoipa::path(
    delete, path = "/v1/session", tag = "session", security(()),
    responses((status = 204, description = "Signed out"), (status = "4XX", description = "The request is wrong", body = ErrorBody)),
)]
pub async fn sign_out(State(app): State<Shared>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(cookie) = cookie(&headers) {
        app.services.pipeline.desk().close_session(&digest(&cookie)).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    set_cookie(&mut response, "", 0, &headers)?;
    Ok(response)
}

/// The first account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "token": "pZ3…", "login": "ada", "password": "correct horse battery staple" }))]
pub struct SetUp {
    /// The token that the service printed at its start.
    token: String,
    /// The login of the first admin.
    #[schema(example = "ada")]
    login: String,
    /// At least 15 characters.
    #[schema(example = "correct horse battery staple")]
    password: String,
}

impl Payload for SetUp {}

/// Make the first account
///
/// With the one-time token that the service prints when it starts without accounts. Signs in at once.
#[utoipa::path(
    post, path = "/v1/setup", tag = "session", request_body = SetUp, security(()),
    responses(
        (status = 200, description = "Made, and signed in", body = SessionView),
        (status = 403, description = "The token is wrong or used up", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn set_up(
    State(app): State<Shared>,
    headers: HeaderMap,
    Body(given): Body<SetUp>,
) -> Result<Response, ApiError> {
    let desk = app.services.pipeline.desk();
    pipeline::review::staff::check_login(&given.login)?;
    check_password(&given.password, &given.login)?;
    if desk.any_user().await? || !app.desk.use_setup_token(&given.token) {
        let message = "The set-up token is wrong or used up: `chaperone users create` makes accounts, too.";
        return Err(ApiError::forbidden("setup_token", message));
    }
    let hash = hash(given.password).await?;
    let user = desk.new_user(DEFAULT_TENANT.into(), given.login, Role::Admin);
    let user = desk.create_user(user, hash, "setup").await?;
    admit(&app, user, &headers).await
}

/// Hashes a password off the async threads.
pub(super) async fn hash(given: String) -> Result<String, ApiError> {
    apart(move || password::hash(&given).map_err(|error| ApiError::internal(error.to_string()))).await
}

/// The session, with the account at home. Keys have none.
fn account<N>(staff: &Seat<N>) -> Result<&Seated, ApiError> {
    match &staff.session {
        Some(session) => Ok(session),
        None => Err(ApiError::invalid("session_needed", "A key has no account: sign in (`POST /v1/session`).")),
    }
}

/// What somebody says of themselves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "name": "Mia" }))]
pub struct OwnProfile {
    /// What to call them.
    #[serde(default)]
    name: Option<String>,
    /// How they want to see evidence.
    #[serde(default)]
    #[schema(value_type = Option<ComfortView>)]
    comfort: Option<Comfort>,
}

impl Payload for OwnProfile {}

/// Change one's own name and comfort
#[utoipa::path(
    put, path = "/v1/session/profile", tag = "session", request_body = OwnProfile,
    responses((status = 200, description = "Changed", body = SessionView), (status = "4XX", description = "The request is wrong", body = ErrorBody)),
)]
pub async fn change_profile(
    State(app): State<Shared>,
    staff: Seat<Anybody>,
    Body(given): Body<OwnProfile>,
) -> Result<Json<SessionView>, ApiError> {
    let session = account(&staff)?;
    let mut changed = (*staff).clone();
    if let Some(name) = given.name {
        changed.profile.name = name.chars().take(100).collect();
    }
    if let Some(comfort) = given.comfort {
        changed.profile.comfort = comfort;
    }
    let change = UserChange { profile: Some(changed.profile.clone()), ..UserChange::default() };
    app.services.pipeline.desk().change_user(&session.user.tenant, &staff.name, change, &staff.name).await?;
    Ok(Json(view(&app, &changed, Some(session)).await?))
}

/// Where to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "tenant": "acme" }))]
pub struct NewPlace {
    /// One of the session's `tenants`.
    #[schema(value_type = String, example = "acme")]
    tenant: TenantId,
}

impl Payload for NewPlace {}

/// Go to another tenant
///
/// For admins who were let into it (`chaperone users let-in`, `PUT /v1/users/{login}/tenants/{tenant}`): from now on the session sees and does what is
/// there, and both audits say so.
#[utoipa::path(
    put, path = "/v1/session/tenant", tag = "session", operation_id = "change_tenant", request_body = NewPlace,
    responses(
        (status = 200, description = "There", body = SessionView),
        (status = 404, description = "Not one of yours", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn change_tenant(
    State(app): State<Shared>,
    staff: Seat<Anybody>,
    Body(given): Body<NewPlace>,
) -> Result<Json<SessionView>, ApiError> {
    let session = account(&staff)?;
    app.services.pipeline.desk().go_to(&staff, &session.user, &session.digest, &given.tenant).await?;
    let there = Staff { tenant: given.tenant, ..(*staff).clone() };
    Ok(Json(view(&app, &there, Some(session)).await?))
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "current": "correct horse battery staple", "new": "staple battery horse correct" }))]
pub struct NewPassword {
    /// The one of now.
    current: String,
    /// At least 15 characters.
    new: String,
}

impl Payload for NewPassword {}

/// Change one's own password
///
/// Ends every session of the account, this one included.
#[utoipa::path(
    put, path = "/v1/session/password", tag = "session", request_body = NewPassword,
    responses(
        (status = 204, description = "Changed: sign in again"),
        (status = 401, description = "The current password is wrong", body = ErrorBody),
        (status = "4XX", description = "The request is wrong", body = ErrorBody),
    ),
)]
pub async fn change_password(
    State(app): State<Shared>,
    staff: Seat<Anybody>,
    Body(given): Body<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let home = account(&staff)?.user.tenant.clone();
    let desk = app.services.pipeline.desk();
    check_password(&given.new, &staff.name)?;
    confirm(&app, &staff, given.current).await?;
    let change = UserChange { password: Some(hash(given.new).await?), ..UserChange::default() };
    desk.change_user(&home, &staff.name, change, &staff.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Checks the password again, before what an unwatched screen must not allow; failures count.
async fn confirm(app: &App, staff: &Staff, given: String) -> Result<(), ApiError> {
    let desk = app.services.pipeline.desk();
    let names = vec![format!("login:{}", staff.name)];
    if let Some(until) = desk.may_sign_in(names.clone()).await? {
        return Err(too_many(until - desk.now()));
    }
    let kept = desk.account(&staff.name).await?.map(|account| account.password);
    if apart(move || Ok(password::verify(&given, kept.as_deref()))).await? {
        return Ok(());
    }
    desk.signed_in(names, false).await?;
    Err(ApiError::unauthenticated("sign_in_failed", "The current password is wrong."))
}

/// A secret of one-time codes, not in force yet.
#[derive(Serialize, ToSchema)]
pub struct CodeSecret {
    /// Base32; type it into the app when it cannot read the address.
    secret: String,
    /// `otpauth://…`: show it as a QR code.
    url: String,
}

/// Begin to use one-time codes
///
/// Shows a new secret. It is in force once a code of it is sent back (`PUT`).
#[utoipa::path(
    post, path = "/v1/session/totp", tag = "session",
    responses((status = 200, description = "The secret", body = CodeSecret), (status = "4XX", description = "The request is wrong", body = ErrorBody)),
)]
pub async fn new_code(staff: Seat<Anybody>) -> Result<Response, ApiError> {
    account(&staff)?;
    let (secret, url) = password::new_totp(&staff.name).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(CodeSecret { secret, url })).into_response())
}

/// A code of a new secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "secret": "JBSWY3DPEHPK3PXP", "code": "123456" }))]
pub struct ConfirmCode {
    /// The secret that `POST` showed.
    secret: String,
    /// The app's code.
    #[schema(example = "123456")]
    code: String,
}

impl Payload for ConfirmCode {}

/// Put one-time codes into force
#[utoipa::path(
    put, path = "/v1/session/totp", tag = "session", request_body = ConfirmCode,
    responses((status = 204, description = "In force"), (status = "4XX", description = "The code is wrong", body = ErrorBody)),
)]
pub async fn confirm_code(
    State(app): State<Shared>,
    staff: Seat<Anybody>,
    Body(given): Body<ConfirmCode>,
) -> Result<StatusCode, ApiError> {
    let home = account(&staff)?.user.tenant.clone();
    let desk = app.services.pipeline.desk();
    let now = u64::try_from(desk.now().timestamp()).unwrap_or_default();
    if password::totp_step(&given.secret, &staff.name, &given.code, now).is_none() {
        return Err(ApiError::invalid("code_wrong", "This is not the code of now: check the clock of your device."));
    }
    let change = UserChange { totp: Some(Some(given.secret)), ..UserChange::default() };
    desk.change_user(&home, &staff.name, change, &staff.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The password, to turn codes off.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "password": "correct horse battery staple" }))]
pub struct DropCode {
    /// The one of now.
    password: String,
}

impl Payload for DropCode {}

/// Turn one-time codes off
#[utoipa::path(
    delete, path = "/v1/session/totp", tag = "session", request_body = DropCode,
    responses((status = 204, description = "Off"), (status = "4XX", description = "The password is wrong", body = ErrorBody)),
)]
pub async fn drop_code(
    State(app): State<Shared>,
    staff: Seat<Anybody>,
    Body(given): Body<DropCode>,
) -> Result<StatusCode, ApiError> {
    let home = &account(&staff)?.user.tenant;
    confirm(&app, &staff, given.password).await?;
    let change = UserChange { totp: Some(None), ..UserChange::default() };
    app.services.pipeline.desk().change_user(home, &staff.name, change, &staff.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
