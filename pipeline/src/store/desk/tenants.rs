//! Admins who work for several tenants. Where somebody may go is written down by whoever runs the installation, or by an admin who may be in both
//! tenants; it is asked again with every request, so taking it back, or another role, holds at once.

use serde_json::json;

use super::{Desk, audit, not_found};
use crate::{
    error::PipelineError,
    item::{TenantId, check_name},
    review::{
        audit::AuditDraft,
        staff::{Role, Staff, User},
    },
    store::{link::values, row::limit},
};

/// Tenants that one account may be in, beside its own.
pub const MAX_TENANTS: usize = 200;

/// Where a session is: the tenant that it went to, as long as its account is an admin who may be there; otherwise `None`. To be selected beside
/// `sessions s JOIN users u`.
pub(super) const PRESENT: &str =
    "(SELECT t.tenant FROM user_tenants t WHERE t.user_id = u.id AND t.tenant = s.tenant AND u.role = 'admin')";

impl Desk {
    /// Lets an admin into a tenant, or no longer. `by`: who says so, for the audit of both tenants.
    pub async fn let_in(&self, user: &User, tenant: &TenantId, inside: bool, by: &str) -> Result<(), PipelineError> {
        check_name("tenant", tenant.as_str())?;
        if inside && user.role != Role::Admin {
            let message = format!("only admins work for several tenants: make `{}` one first", user.login);
            return Err(PipelineError::Conflict { code: "tenant_admins_only", message });
        }
        if *tenant == user.tenant {
            let message = format!("`{tenant}` is the account's own tenant: it is always there");
            return Err(PipelineError::Conflict { code: "tenant_own", message });
        }
        let (now, user, tenant, by) = (self.now(), user.clone(), tenant.clone(), by.to_owned());
        self.write("let_in", move |mut link| {
            Box::pin(async move {
                let id = user.id.to_string();
                if inside {
                    let sql = "SELECT count(*) FROM user_tenants WHERE user_id = $1";
                    let count = link.row(sql, values![&id]).await?.map_or(Ok(0), |row| row.count(0))?;
                    if count >= MAX_TENANTS as u64 {
                        let message = format!("an account is in at most {MAX_TENANTS} other tenants");
                        return Err(PipelineError::Conflict { code: "tenants_full", message });
                    }
                    let sql = "INSERT INTO user_tenants (user_id, tenant, at, by_staff) VALUES ($1, $2, $3, $4)
                               ON CONFLICT (user_id, tenant) DO NOTHING";
                    link.run(sql, values![&id, tenant.as_str(), now, &by]).await?;
                } else {
                    let sql = "DELETE FROM user_tenants WHERE user_id = $1 AND tenant = $2";
                    if link.run(sql, values![&id, tenant.as_str()]).await? == 0 {
                        return Err(not_found("tenant of this account", &tenant));
                    }
                }
                let kind = if inside { "user.let_in" } else { "user.kept_out" };
                // Always in the same order, so that two changes do not lock each other up.
                let mut both = [&user.tenant, &tenant];
                both.sort();
                for whose in both {
                    let detail = json!({ "tenant": tenant });
                    let (actor, subject) = (by.clone(), format!("user:{}", user.login));
                    let draft = AuditDraft { at: now, actor, kind: kind.into(), subject, detail };
                    audit::append(&mut link, whose, draft).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Where an account may be: its own tenant first, then the others by name.
    pub async fn tenants_of(&self, user: &User) -> Result<Vec<TenantId>, PipelineError> {
        let mut tenants = vec![user.tenant.clone()];
        if user.role != Role::Admin {
            return Ok(tenants);
        }
        let id = user.id.to_string();
        let rows = self
            .read("tenants_of", move |mut link| {
                Box::pin(async move {
                    let sql = "SELECT tenant FROM user_tenants WHERE user_id = $1 ORDER BY tenant LIMIT $2";
                    link.rows(sql, values![id, limit(MAX_TENANTS)]).await
                })
            })
            .await?;
        for row in rows {
            tenants.push(TenantId(row.string(0)?));
        }
        Ok(tenants)
    }

    /// A session goes to another tenant, or home. What it reads and does from then on is there; both audits say so.
    pub async fn go_to(&self, staff: &Staff, user: &User, digest: &str, to: &TenantId) -> Result<(), PipelineError> {
        if !self.tenants_of(user).await?.contains(to) {
            // The same answer whether there is such a tenant or not.
            return Err(not_found("tenant of yours", to));
        }
        let (now, staff, user) = (self.now(), staff.clone(), user.clone());
        let (digest, to) = (digest.to_owned(), to.clone());
        self.write("go_to", move |mut link| {
            Box::pin(async move {
                let away = Some(to.as_str()).filter(|_| to != user.tenant);
                link.run("UPDATE sessions SET tenant = $2 WHERE digest = $1", values![digest, away]).await?;
                let subject = format!("user:{}", user.login);
                let mut both = vec![staff.tenant.clone(), to.clone()];
                both.sort();
                both.dedup();
                for whose in both {
                    let detail = json!({ "from": staff.tenant, "to": to });
                    let draft = staff.entry(now, "session.moved", subject.clone(), detail);
                    audit::append(&mut link, &whose, draft).await?;
                }
                Ok(())
            })
        })
        .await
    }
}
