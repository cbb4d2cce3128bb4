//! Accounts of the console, their sessions, and failed sign-ins. Passwords come here as Argon2id strings, cookies as digests.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::{Desk, audit, not_found, tenants::PRESENT};
use crate::{
    error::PipelineError,
    item::{TenantId, UserId},
    review::{
        audit::AuditDraft,
        staff::{Role, User, check_login},
    },
    store::link::{Row, json as json_value, values},
};

/// Failures after which a name has to wait.
pub const FAILURES: u64 = 5;
/// How long it waits, and how long a failure counts.
pub const WAIT: TimeDelta = TimeDelta::minutes(15);

/// An account with its secrets.
#[derive(Clone)]
pub struct Account {
    /// The account.
    pub user: User,
    /// Argon2id, as a PHC string.
    pub password: String,
    /// Base32 secret of the one-time codes.
    pub totp: Option<String>,
    /// The newest time step whose code was used.
    pub totp_used: i64,
}

impl std::fmt::Debug for Account {
    /// Hides the secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.user.login)
    }
}

/// A session that holds.
#[derive(Debug, Clone)]
pub struct Session {
    /// Whose.
    pub user: User,
    /// Where it is: its account's own tenant, or another that an admin was let into.
    pub tenant: TenantId,
    /// What requests that change something have to send.
    pub csrf: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// What is changed of an account.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another role.
    pub role: Option<Role>,
    /// Locked out, or let in.
    pub disabled: Option<bool>,
    /// Another password, as a PHC string. Ends every session.
    pub password: Option<String>,
    /// Another secret of the one-time codes; `Some(None)` turns them off.
    pub totp: Option<Option<String>>,
    /// Other skills, languages, comfort.
    pub profile: Option<crate::review::staff::Profile>,
}

const COLUMNS: &str = "u.id, u.tenant, u.login, u.role, u.disabled, u.created_at, u.totp, u.body";

fn user(row: &Row) -> Result<User, PipelineError> {
    let odd = || PipelineError::Internal { part: "store", message: "an account has an odd role".into() };
    Ok(User {
        id: row.parse(0)?,
        tenant: TenantId(row.string(1)?),
        login: row.string(2)?,
        role: Role::named(row.text(3)?).ok_or_else(odd)?,
        disabled: row.flag(4)?,
        created_at: row.time(5)?,
        totp: row.maybe_text(6)?.is_some(),
        profile: row.json(7)?,
    })
}

impl Desk {
    /// Makes an account. `by`: who made it, for the audit.
    pub async fn create_user(&self, user: User, password: String, by: &str) -> Result<User, PipelineError> {
        check_login(&user.login)?;
        let (now, by) = (self.now(), by.to_owned());
        self.write("create_user", move |mut link| {
            Box::pin(async move {
                let sql = "INSERT INTO users (id, tenant, login, role, disabled, created_at, password, body) VALUES ($1, $2, $3, $4, 0, $5, $6, $7)
                           ON CONFLICT (login) DO NOTHING";
                let row = values![
                    user.id.to_string(),
                    user.tenant.as_str(),
                    &user.login,
                    user.role.as_str(),
                    user.created_at,
                    password,
                    json_value(&user.profile)?,
                ];
                if link.run(sql, row).await? == 0 {
                    let message = format!("the login `{}` is taken: choose another", user.login);
                    return Err(PipelineError::Conflict { code: "login_taken", message });
                }
                let subject = format!("user:{}", user.login);
                let detail = json!({ "role": user.role });
                let entry = AuditDraft { at: now, actor: by, kind: "user.created".into(), subject, detail };
                audit::append(&mut link, &user.tenant, entry).await?;
                Ok(user)
            })
        })
        .await
    }

    /// Is there any account at all?
    pub async fn any_user(&self) -> Result<bool, PipelineError> {
        self.read("any_user", |mut link| {
            Box::pin(
                async move { Ok(link.row("SELECT login FROM users ORDER BY login LIMIT 1", vec![]).await?.is_some()) },
            )
        })
        .await
    }

    /// The account of a login.
    pub async fn account(&self, login: &str) -> Result<Option<Account>, PipelineError> {
        let login = login.to_owned();
        let row = self
            .read("load_account", move |mut link| {
                Box::pin(async move {
                    let sql = format!("SELECT {COLUMNS}, u.password, u.totp_used FROM users u WHERE u.login = $1");
                    link.row(sql, values![login]).await
                })
            })
            .await?;
        row.map(|row| {
            Ok(Account {
                user: user(&row)?,
                password: row.string(8)?,
                totp: row.maybe_string(6)?,
                totp_used: row.int(9)?,
            })
        })
        .transpose()
    }

    /// The accounts of a tenant, by login.
    pub async fn users(&self, tenant: &TenantId) -> Result<Vec<User>, PipelineError> {
        let tenant = tenant.clone();
        let rows = self
            .read("users", move |mut link| {
                Box::pin(async move {
                    let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.tenant = $1 ORDER BY u.login LIMIT 1000");
                    link.rows(sql, values![tenant.as_str()]).await
                })
            })
            .await?;
        rows.iter().map(user).collect()
    }

    /// Changes an account. The last admin of a tenant stays one.
    pub async fn change_user(
        &self,
        tenant: &TenantId,
        login: &str,
        change: UserChange,
        by: &str,
    ) -> Result<User, PipelineError> {
        let (now, tenant, login, by) = (self.now(), tenant.clone(), login.to_owned(), by.to_owned());
        self.write("change_user", move |mut link| {
            Box::pin(async move {
                let sql = format!("SELECT {COLUMNS} FROM users u WHERE u.tenant = $1 AND u.login = $2{}", link.lock());
                let row = link.row(sql, values![tenant.as_str(), &login]).await?;
                let before = user(&row.ok_or_else(|| not_found("account", &login))?)?;
                let mut after = before.clone();
                after.role = change.role.unwrap_or(before.role);
                after.disabled = change.disabled.unwrap_or(before.disabled);
                if let Some(profile) = change.profile {
                    after.profile = profile;
                }
                if before.role == Role::Admin && (after.role != Role::Admin || after.disabled) {
                    let sql = "SELECT count(*) FROM users WHERE tenant = $1 AND role = 'admin' AND disabled = 0 AND login <> $2";
                    let row = link.row(sql, values![tenant.as_str(), &login]).await?;
                    if row.map(|row| row.count(0)).transpose()?.unwrap_or_default() == 0 {
                        let message = "this is the last admin: make another one first".to_owned();
                        return Err(PipelineError::Conflict { code: "last_admin", message });
                    }
                }
                let sql = "UPDATE users SET role = $3, disabled = $4, body = $5 WHERE tenant = $1 AND login = $2";
                let row = values![
                    tenant.as_str(), &login, after.role.as_str(), after.disabled, json_value(&after.profile)?,
                ];
                link.run(sql, row).await?;
                let new_password = change.password.is_some();
                if let Some(password) = change.password {
                    link.run("UPDATE users SET password = $2 WHERE login = $1", values![&login, password]).await?;
                }
                let new_totp = change.totp.is_some();
                if let Some(totp) = change.totp {
                    after.totp = totp.is_some();
                    link.run("UPDATE users SET totp = $2, totp_used = 0 WHERE login = $1", values![&login, totp]).await?;
                }
                if new_password || after.disabled || after.role != before.role {
                    let sql = "DELETE FROM sessions WHERE user_id = $1";
                    link.run(sql, values![before.id.to_string()]).await?;
                }
                let detail = json!({
                    "role": [before.role, after.role], "disabled": [before.disabled, after.disabled], "password": new_password,
                    "totp": new_totp,
                });
                let subject = format!("user:{login}");
                let entry = AuditDraft { at: now, actor: by, kind: "user.changed".into(), subject, detail };
                audit::append(&mut link, &tenant, entry).await?;
                Ok(after)
            })
        })
        .await
    }

    /// Uses a one-time code's time step: `false` when it, or a later one, was used before.
    pub async fn use_totp(&self, login: &str, step: i64) -> Result<bool, PipelineError> {
        let login = login.to_owned();
        self.write("use_totp", move |mut link| {
            Box::pin(async move {
                let sql = "UPDATE users SET totp_used = $2 WHERE login = $1 AND totp_used < $2";
                Ok(link.run(sql, values![login, step]).await? > 0)
            })
        })
        .await
    }

    /// Opens a session; `digest` is the SHA-256 of its cookie.
    pub async fn open_session(
        &self,
        who: &User,
        digest: String,
        csrf: String,
        expires_at: DateTime<Utc>,
    ) -> Result<(), PipelineError> {
        let (now, who) = (self.now(), who.clone());
        self.write("open_session", move |mut link| {
            Box::pin(async move {
                link.run("DELETE FROM sessions WHERE expires_at <= $1", values![now]).await?;
                let sql = "INSERT INTO sessions (digest, user_id, csrf, created_at, seen_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)";
                link.run(sql, values![digest, who.id.to_string(), csrf, now, expires_at]).await?;
                let subject = format!("user:{}", who.login);
                let entry = AuditDraft { at: now, actor: who.login, kind: "session.opened".into(), subject, detail: json!({}) };
                audit::append(&mut link, &who.tenant, entry).await
            })
        })
        .await
    }

    /// The session of a cookie's digest, when it holds and its account is not locked out.
    pub async fn session(&self, digest: &str) -> Result<Option<Session>, PipelineError> {
        let (now, digest) = (self.now(), digest.to_owned());
        let row = self
            .read("session", move |mut link| {
                Box::pin(async move {
                    let sql = format!(
                        "SELECT {COLUMNS}, s.csrf, s.expires_at, {PRESENT} FROM sessions s JOIN users u ON u.id = s.user_id
                         WHERE s.digest = $1 AND s.expires_at > $2 AND u.disabled = 0"
                    );
                    link.row(sql, values![digest, now]).await
                })
            })
            .await?;
        row.map(|row| {
            let user = user(&row)?;
            let tenant = row.maybe_string(10)?.map_or_else(|| user.tenant.clone(), TenantId);
            Ok(Session { user, tenant, csrf: row.string(8)?, expires_at: row.time(9)? })
        })
        .transpose()
    }

    /// Ends a session.
    pub async fn close_session(&self, digest: &str) -> Result<(), PipelineError> {
        let digest = digest.to_owned();
        self.write("close_session", move |mut link| {
            Box::pin(async move { link.run("DELETE FROM sessions WHERE digest = $1", values![digest]).await.map(drop) })
        })
        .await
    }

    /// May somebody try to sign in under these names (a login, an address)? `None` when they may, else when they may again.
    pub async fn may_sign_in(&self, names: Vec<String>) -> Result<Option<DateTime<Utc>>, PipelineError> {
        let now = self.now();
        self.read("may_sign_in", move |mut link| {
            Box::pin(async move {
                let mut until = None;
                for name in names {
                    let sql = "SELECT failures, since FROM sign_ins WHERE name = $1 AND since > $2";
                    let Some(row) = link.row(sql, values![name, now - WAIT]).await? else { continue };
                    if row.count(0)? >= FAILURES {
                        until = until.max(Some(row.time(1)? + WAIT));
                    }
                }
                Ok(until)
            })
        })
        .await
    }

    /// Counts a failed sign-in under these names; a success clears them.
    pub async fn signed_in(&self, names: Vec<String>, success: bool) -> Result<(), PipelineError> {
        let now = self.now();
        self.write("signed_in", move |mut link| {
            Box::pin(async move {
                for name in names {
                    if success {
                        link.run("DELETE FROM sign_ins WHERE name = $1", values![name]).await?;
                        continue;
                    }
                    let sql = "INSERT INTO sign_ins (name, failures, since) VALUES ($1, 1, $2)
                               ON CONFLICT (name) DO UPDATE SET
                                   failures = CASE WHEN sign_ins.since <= $3 THEN 1 ELSE sign_ins.failures + 1 END,
                                   since = excluded.since";
                    link.run(sql, values![name, now, now - WAIT]).await?;
                }
                link.run("DELETE FROM sign_ins WHERE since < $1", values![now - WAIT - WAIT]).await.map(drop)
            })
        })
        .await
    }

    /// A secret of this installation, made on first use from `fresh`: every process has the same one.
    pub async fn secret(&self, name: &str, fresh: Vec<u8>) -> Result<Vec<u8>, PipelineError> {
        let name = name.to_owned();
        self.write("secret", move |mut link| {
            Box::pin(async move {
                let sql = "INSERT INTO secrets (name, secret) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
                link.run(sql, values![&name, fresh]).await?;
                let row = link.row("SELECT secret FROM secrets WHERE name = $1", values![&name]).await?;
                let row = row.ok_or_else(|| not_found("secret", &name))?;
                Ok(row.bytes(0)?.to_vec())
            })
        })
        .await
    }

    /// A new account's id and time.
    pub fn new_user(&self, tenant: TenantId, login: String, role: Role) -> User {
        let created_at = self.now();
        User {
            id: UserId::new(),
            tenant,
            login,
            role,
            disabled: false,
            totp: false,
            created_at,
            profile: Default::default(),
        }
    }
}
