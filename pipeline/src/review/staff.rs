//! Who may do what in the console: roles and permissions as a table. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    error::PipelineError,
    item::{TenantId, UserId, check_name},
};

/// Shortest password, in characters (NIST SP 800-63B-4, 3.1.1.2: at least 15 when a password is the only factor).
pub const MIN_PASSWORD: usize = 15;
/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 256;

/// What a member of staff is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Works on cases.
    Reviewer,
    /// Runs the team: policy, quality, escalations.
    Lead,
    /// Runs the installation: people, keys, erasure.
    Admin,
}

/// One thing that somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See queues, cases and their evidence.
    ViewCases,
    /// Claim and decide cases.
    Decide,
    /// Decide what was handed up.
    DecideEscalated,
    /// Give cases to others, take them away.
    Assign,
    /// Act on participants of running calls.
    ActLive,
    /// Change queues and the other review settings.
    EditSettings,
    /// See and change policies.
    EditPolicy,
    /// See agreement, golden items and others' figures.
    ViewQuality,
    /// See the numbers of the whole team.
    ViewStats,
    /// Close reports, mute reporters.
    ManageReports,
    /// Read and export the audit.
    ViewAudit,
    /// Export what is known about a person; statements of reasons.
    ExportPeople,
    /// Erase a person, put or lift a preservation hold.
    ErasePeople,
    /// Make, change and lock accounts.
    ManageUsers,
    /// API keys and webhooks.
    ManageKeys,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Reviewer, Self::Lead, Self::Admin];

    /// Name for rows, logs and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reviewer => "reviewer",
            Self::Lead => "lead",
            Self::Admin => "admin",
        }
    }

    /// The inverse of [`Self::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// The table. An admin runs the installation and may do everything; that every use of it is audited is the check on it.
    pub fn permissions(self) -> &'static [Permission] {
        use Permission::{
            ActLive, Assign, Decide, DecideEscalated, EditPolicy, EditSettings, ErasePeople, ExportPeople, ManageKeys,
            ManageReports, ManageUsers, ViewAudit, ViewCases, ViewQuality, ViewStats,
        };
        match self {
            Self::Reviewer => &[ViewCases, Decide],
            Self::Lead => &[
                ViewCases,
                Decide,
                DecideEscalated,
                Assign,
                ActLive,
                EditSettings,
                EditPolicy,
                ViewQuality,
                ViewStats,
                ManageReports,
                ViewAudit,
                ExportPeople,
            ],
            Self::Admin => &[
                ViewCases,
                Decide,
                DecideEscalated,
                Assign,
                ActLive,
                EditSettings,
                EditPolicy,
                ViewQuality,
                ViewStats,
                ManageReports,
                ViewAudit,
                ExportPeople,
                ErasePeople,
                ManageUsers,
                ManageKeys,
            ],
        }
    }

    /// May this role do it?
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

/// What somebody wants to see, and how. Kind to the person by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Comfort {
    /// Pictures are blurred until asked for.
    pub blur: bool,
    /// How strongly, in pixels.
    pub blur_pixels: u32,
    /// Pictures are grey.
    pub grey: bool,
    /// Sound is off.
    pub mute: bool,
    /// Propose a break after so many minutes of graphic cases; 0 never.
    pub break_minutes: u32,
    /// Never give me cases with these labels.
    pub avoid_labels: Vec<String>,
}

impl Default for Comfort {
    fn default() -> Self {
        Self { blur: true, blur_pixels: 20, grey: true, mute: true, break_minutes: 50, avoid_labels: Vec::new() }
    }
}

/// What of an account is no column.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// What to call them.
    pub name: String,
    /// Skills that queues may ask for.
    pub skills: Vec<String>,
    /// Languages that they read; empty: all.
    pub languages: Vec<String>,
    /// Cases that they may have at once, instead of the tenant's.
    pub capacity: Option<u32>,
    /// How they want to see evidence.
    pub comfort: Comfort,
}

/// An account of the console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// Names it for ever.
    pub id: UserId,
    /// Whose rows it sees.
    pub tenant: TenantId,
    /// What it signs in with; unique in the installation.
    pub login: String,
    /// What it may do.
    pub role: Role,
    /// Locked out.
    pub disabled: bool,
    /// Asks for a code at sign-in.
    pub totp: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The rest.
    #[serde(flatten)]
    pub profile: Profile,
}

/// Whoever works at the desk: an account that is signed in, or an API key with a role.
#[derive(Debug, Clone, PartialEq)]
pub struct Staff {
    /// Whose rows it sees.
    pub tenant: TenantId,
    /// Name in the audit: the login, or `key:<name>`.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Skills, languages, capacity, comfort.
    pub profile: Profile,
}

/// Checks a new login name.
pub fn check_login(login: &str) -> Result<(), PipelineError> {
    check_name("login", login)?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-@+".contains(&byte);
    if login.len() > 100 || !login.bytes().all(fits) {
        let message = "`login` is 1 to 100 of a-z, 0-9, `_`, `.`, `-`, `@`, `+`";
        return Err(PipelineError::invalid("login_invalid", message));
    }
    Ok(())
}

/// Checks a new password. Length is what counts; no rules about kinds of characters (NIST SP 800-63B-4, 3.1.1.2).
pub fn check_password(password: &str, login: &str) -> Result<(), PipelineError> {
    let wrong = |message: String| Err(PipelineError::invalid("password_weak", message));
    if password.chars().count() < MIN_PASSWORD {
        return wrong(format!(
            "a password has at least {MIN_PASSWORD} characters: a few words that you remember are good"
        ));
    }
    if password.len() > MAX_PASSWORD {
        return wrong(format!("a password has at most {MAX_PASSWORD} bytes"));
    }
    let mut characters = password.chars();
    let first = characters.next();
    if characters.all(|character| Some(character) == first) || password.to_lowercase().contains(&login.to_lowercase()) {
        return wrong("the password repeats one character or contains the login: choose another".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_each_role_may_all_that_the_one_below_may() {
        for pair in Role::ALL.windows(2) {
            for permission in pair[0].permissions() {
                assert!(pair[1].may(*permission), "{:?} {permission:?}", pair[1]);
            }
        }
    }

    #[test]
    fn c3_the_table_of_permissions_reads_so() {
        let rows = [
            (Permission::Decide, [true, true, true]),
            (Permission::EditPolicy, [false, true, true]),
            (Permission::ViewAudit, [false, true, true]),
            (Permission::ErasePeople, [false, false, true]),
            (Permission::ManageUsers, [false, false, true]),
        ];
        for (permission, expected) in rows {
            assert_eq!(Role::ALL.map(|role| role.may(permission)), expected, "{permission:?}");
        }
        for role in Role::ALL {
            assert_eq!(Role::named(role.as_str()), Some(role));
        }
    }

    #[test]
    fn c3_weak_passwords_and_odd_logins_are_refused() {
        for (password, good) in [
            ("correct horse battery", true),
            ("short", false),
            ("aaaaaaaaaaaaaaaaaaaa", false),
            ("i am mia and this is it", false),
            (&*"x1".repeat(200), false),
        ] {
            assert_eq!(check_password(password, "mia").is_ok(), good, "{password}");
        }
        for (login, good) in [("mia", true), ("mia@example.org", true), ("Mia", false), ("", false), ("a b", false)] {
            assert_eq!(check_login(login).is_ok(), good, "{login}");
        }
    }
}
