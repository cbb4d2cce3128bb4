//! Admins who work for several tenants.

use super::*;
use crate::{review::staff::User, store::desk::accounts::UserChange};

async fn signed_in(desk: &Desk, login: &str, role: Role) -> User {
    let user = desk.new_user(tenant(), login.into(), role);
    desk.create_user(user.clone(), "hash".into(), "cli").await.unwrap();
    let until = desk.now() + TimeDelta::hours(1);
    desk.open_session(&user, format!("digest of {login}"), "csrf".into(), until).await.unwrap();
    user
}

/// In which tenant a session is.
async fn place(desk: &Desk, login: &str) -> String {
    desk.session(&format!("digest of {login}")).await.unwrap().unwrap().tenant.0
}

pub(crate) async fn c3_an_admin_goes_only_where_somebody_let_them_in(store: &Shared) {
    let (desk, _) = desk(store);
    let (ada, mia) = (signed_in(&desk, "ada", Role::Admin).await, signed_in(&desk, "mia", Role::Reviewer).await);
    let _eve = signed_in(&desk, "eve", Role::Admin).await;
    let as_staff = staff("ada", Role::Admin);
    let other = TenantId::from("b");
    let go = async |to: &TenantId| desk.go_to(&as_staff, &ada, "digest of ada", to).await;
    assert_eq!(code(go(&other).await), "not_found");
    assert_eq!(place(&desk, "ada").await, "a");
    assert_eq!(code(desk.let_in(&mia, &other, true, "cli").await), "tenant_admins_only");
    assert_eq!(code(desk.let_in(&ada, &tenant(), true, "cli").await), "tenant_own");
    assert_eq!(code(desk.let_in(&ada, &other, false, "cli").await), "not_found");

    desk.let_in(&ada, &other, true, "cli").await.unwrap();
    desk.let_in(&ada, &other, true, "cli").await.unwrap();
    assert_eq!(desk.tenants_of(&ada).await.unwrap(), [tenant(), other.clone()]);
    assert_eq!(desk.tenants_of(&mia).await.unwrap(), [tenant()]);
    go(&other).await.unwrap();
    assert_eq!((place(&desk, "ada").await, place(&desk, "eve").await), ("b".into(), "a".into()));
    for whose in [tenant(), other.clone()] {
        let moved = AuditFilter { kind: Some("session.moved".into()), ..Default::default() };
        let page = desk.audit_page(&whose, moved, None, 9).await.unwrap();
        assert_eq!((page.items.len(), page.items[0].draft.actor.as_str()), (1, "ada"), "{whose}");
        assert_eq!(desk.verify_audit(&whose).await.unwrap().broken, None);
    }
    go(&tenant()).await.unwrap();
    assert_eq!(place(&desk, "ada").await, "a");

    // Taken back while they are there: the next request is at home.
    go(&other).await.unwrap();
    desk.let_in(&ada, &other, false, "cli").await.unwrap();
    assert_eq!(place(&desk, "ada").await, "a");
    desk.let_in(&ada, &other, true, "cli").await.unwrap();
    assert_eq!(place(&desk, "ada").await, "b");
    // No longer an admin: no longer anywhere else, in no session.
    desk.change_user(&tenant(), "ada", UserChange { role: Some(Role::Lead), ..Default::default() }, "eve")
        .await
        .unwrap();
    let lead = User { role: Role::Lead, ..ada.clone() };
    desk.open_session(&lead, "again".into(), "csrf".into(), desk.now() + TimeDelta::hours(1)).await.unwrap();
    assert_eq!(code(desk.go_to(&as_staff, &lead, "again", &other).await), "not_found");
    assert_eq!(desk.session("again").await.unwrap().unwrap().tenant, tenant());
}
