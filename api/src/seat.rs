//! Whoever sits at the reviewers' desk: somebody signed in to the console (cookie), or an API key with a role. A handler says in its signature
//! which permission it needs.

use std::{marker::PhantomData, ops::Deref};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, Method, header, request::Parts},
};
use pipeline::review::{
    decision::pseudonym,
    staff::{Permission, Profile, Role, Staff, User},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    app::Shared,
    auth::{Allowed, Caller, Demand, ToReview},
    config::Scope,
    error::ApiError,
};

/// Name of the session's cookie.
pub const COOKIE: &str = "chaperone_session";
/// Header that requests of a session have to send when they change something: other sites cannot set it.
pub const CSRF: &str = "x-csrf-token";

/// Before the names of keys, where people have theirs.
const KEY: &str = "key:";

/// What a handler needs whoever calls to be permitted.
pub trait Need {
    /// The permission; `None`: being signed in is enough.
    const PERMISSION: Option<Permission>;
}

macro_rules! needs {
    ($($(#[$doc:meta])* $name:ident => $permission:expr),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;
        impl Need for $name {
            const PERMISSION: Option<Permission> = $permission;
        }
    )+};
}

needs! {
    /// To be signed in.
    Anybody => None,
    /// To see cases.
    ToView => Some(Permission::ViewCases),
    /// To claim and decide.
    ToDecide => Some(Permission::Decide),
    /// To take back what was done, whoever did it.
    ToUndo => Some(Permission::DecideEscalated),
    /// To give cases to others.
    ToAssign => Some(Permission::Assign),
    /// To act in running calls.
    ToActLive => Some(Permission::ActLive),
    /// To change queues and settings.
    ToEditSettings => Some(Permission::EditSettings),
    /// To see and change policies.
    ToEditPolicy => Some(Permission::EditPolicy),
    /// To see agreement and golden items.
    ToViewQuality => Some(Permission::ViewQuality),
    /// To see the team's numbers.
    ToViewStats => Some(Permission::ViewStats),
    /// To close reports and mute reporters.
    ToManageReports => Some(Permission::ManageReports),
    /// To read the audit.
    ToViewAudit => Some(Permission::ViewAudit),
    /// To export a person.
    ToExportPeople => Some(Permission::ExportPeople),
    /// To erase or hold a person.
    ToErasePeople => Some(Permission::ErasePeople),
    /// To manage accounts.
    ToManageUsers => Some(Permission::ManageUsers),
    /// To manage API keys and webhooks.
    ToManageKeys => Some(Permission::ManageKeys),
}

/// Whoever calls, with the permission that `N` needs.
#[derive(Debug)]
pub struct Seat<N> {
    staff: Staff,
    /// The session that they came by; `None` for keys.
    pub session: Option<Seated>,
    need: PhantomData<fn() -> N>,
}

/// A session as a request brought it.
#[derive(Debug, Clone)]
pub struct Seated {
    /// SHA-256 of the cookie.
    pub digest: String,
    /// What changing requests have to send.
    pub csrf: String,
    /// The account, whose tenant is where it is at home.
    pub user: User,
}

impl<N> Deref for Seat<N> {
    type Target = Staff;

    fn deref(&self) -> &Staff {
        &self.staff
    }
}

impl<N> Seat<N> {
    /// Their name towards outside systems: of people a pseudonym, of keys their own.
    pub fn outside(&self) -> String {
        match self.staff.name.strip_prefix(KEY) {
            Some(key) => key.to_owned(),
            None => pseudonym(self.staff.tenant.as_str(), &self.staff.name),
        }
    }
}

/// Somebody at the desk who has the permission that `N` needs, or the platform with a key that has the scope of `D`.
#[derive(Debug)]
pub struct Either<D, N> {
    staff: Staff,
    need: PhantomData<fn() -> (D, N)>,
}

impl<D, N> Deref for Either<D, N> {
    type Target = Staff;

    fn deref(&self) -> &Staff {
        &self.staff
    }
}

impl<D: Demand + Send + Sync, N: Need + Send + Sync> FromRequestParts<Shared> for Either<D, N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let staff = if cookie(&parts.headers).is_some() {
            Seat::<N>::from_request_parts(parts, app).await?.staff
        } else {
            let caller = Allowed::<D>::from_request_parts(parts, app).await?;
            // The scope is what it may; it has no seat, so the lowest role.
            staff_of(&caller, Role::Reviewer)
        };
        Ok(Self { staff, need: PhantomData })
    }
}

impl<N: Need + Send + Sync> FromRequestParts<Shared> for Seat<N> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Shared) -> Result<Self, ApiError> {
        let (staff, session) = match cookie(&parts.headers) {
            Some(cookie) => {
                let (staff, session) = by_session(app, &parts.method, &parts.headers, &cookie).await?;
                (staff, Some(session))
            }
            None => (by_key(parts, app).await?, None),
        };
        if let Some(permission) = N::PERMISSION
            && !staff.role.may(permission)
        {
            let message = format!(
                "The role `{}` does not have the permission `{}`: ask a lead or an admin.",
                staff.role.as_str(),
                serde_json::to_value(permission)
                    .ok()
                    .and_then(|name| name.as_str().map(ToOwned::to_owned))
                    .unwrap_or_default()
            );
            return Err(ApiError::forbidden("permission_missing", message));
        }
        Ok(Self { staff, session, need: PhantomData })
    }
}

/// The session's cookie, when the request brings one.
pub fn cookie(headers: &HeaderMap) -> Option<String> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value.to_owned())
}

/// What the store knows a cookie by.
pub fn digest(cookie: &str) -> String {
    hex::encode(Sha256::digest(cookie.as_bytes()))
}

async fn by_session(
    app: &Shared,
    method: &Method,
    headers: &HeaderMap,
    cookie: &str,
) -> Result<(Staff, Seated), ApiError> {
    let digest = digest(cookie);
    let session = app.services.pipeline.desk().session(&digest).await?;
    let session =
        session.ok_or_else(|| ApiError::unauthenticated("session_ended", "The session is over: sign in again."))?;
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    let sent = headers.get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
    if !reads && !bool::from(sent.ct_eq(session.csrf.as_bytes())) {
        let message = format!(
            "A session's request that changes something needs the header `{CSRF}`: `GET /v1/session` tells its value."
        );
        return Err(ApiError::forbidden("csrf_missing", message));
    }
    let user = session.user;
    let (name, role, profile) = (user.login.clone(), user.role, user.profile.clone());
    let seated = Seated { digest, csrf: session.csrf, user };
    Ok((Staff { tenant: session.tenant, name, role, profile }, seated))
}

/// An API key's scopes say its role: `review` a reviewer, `lead` a lead, `admin` an admin.
async fn by_key(parts: &mut Parts, app: &Shared) -> Result<Staff, ApiError> {
    let caller = Allowed::<ToReview>::from_request_parts(parts, app).await?;
    let has = |scope: Scope| caller.scopes.contains(&scope);
    let role = match (has(Scope::Admin), has(Scope::Lead)) {
        (true, _) => Role::Admin,
        (false, true) => Role::Lead,
        (false, false) => Role::Reviewer,
    };
    Ok(staff_of(&caller, role))
}

fn staff_of(caller: &Caller, role: Role) -> Staff {
    let name = format!("{KEY}{}", caller.key);
    Staff { tenant: caller.tenant.clone(), name, role, profile: Profile::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_the_cookie_is_found_among_others() {
        for (value, expected) in [
            ("chaperone_session=abc", Some("abc")),
            ("a=b; chaperone_session=abc; c=d", Some("abc")),
            ("xchaperone_session=abc", None),
            ("", None),
        ] {
            let headers = HeaderMap::from_iter([(header::COOKIE, value.parse().unwrap())]);
            assert_eq!(cookie(&headers).as_deref(), expected, "{value}");
        }
    }
}
