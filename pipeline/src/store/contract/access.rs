//! Keys, signatures, usage, and the log of deliveries. Cases of the suite in the parent module.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;
use uuid::Uuid;

use super::{LEASE, Shared, claim, envelope, noon, record};
use crate::{
    action::ActionKind,
    error::PipelineError,
    item::{ItemKind, TenantId},
    store::{ApiKey, DeliveryFilter, DeliveryState, KeyId},
};

fn key(tenant: &str, digest: u8) -> ApiKey {
    ApiKey {
        id: KeyId(Uuid::now_v7()),
        tenant: tenant.into(),
        name: "chat \0 ünïcode \\".into(),
        digest: [digest; 32],
        hint: "3fQ9".into(),
        scopes: vec!["check".into(), "scope of a later version".into()],
        require_signature: digest % 2 == 1,
        limits: json!({ "check": { "burst": 5 } }),
        created_at: noon(),
        expires_at: (digest > 1).then_some(noon() + TimeDelta::days(90)),
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) async fn i2_keys_are_kept_listed_and_revoked(store: &Shared) {
    let (one, two, other) = (key("a", 1), key("a", 2), key("b", 3));
    let before = store.key_revision().await.unwrap();
    for key in [&one, &two, &other] {
        store.put_key(key).await.unwrap();
    }
    let made = store.key_revision().await.unwrap();
    assert!(made > before);
    let (a, b) = (TenantId::from("a"), TenantId::from("b"));
    assert_eq!(store.list_keys(Some(&a)).await.unwrap(), [one.clone(), two.clone()]);
    assert_eq!(store.list_keys(Some(&b)).await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(store.list_keys(None).await.unwrap().len(), 3);

    for twin in [ApiKey { id: KeyId(Uuid::now_v7()), ..one.clone() }, ApiKey { digest: [9; 32], ..one.clone() }] {
        let refused = store.put_key(&twin).await;
        assert!(matches!(refused, Err(PipelineError::Conflict { .. })), "{refused:?}");
    }

    assert_eq!(store.revoke_key(Some(&b), one.id, noon()).await.unwrap(), None, "another tenant's key");
    assert_eq!(store.revoke_key(None, KeyId(Uuid::now_v7()), noon()).await.unwrap(), None);
    for (tenant, later) in [(Some(&a), 0), (None, 5)] {
        let revoked = store.revoke_key(tenant, one.id, noon() + TimeDelta::seconds(later)).await.unwrap();
        assert_eq!(revoked, Some(ApiKey { revoked_at: Some(noon()), ..one.clone() }), "the first time stands");
    }
    assert!(store.key_revision().await.unwrap() > made);
    assert_eq!(store.list_keys(Some(&a)).await.unwrap()[0].revoked_at, Some(noon()));
}

pub(crate) async fn i2_last_use_never_goes_back(store: &Shared) {
    let (one, two) = (key("a", 1), key("a", 2));
    store.put_key(&one).await.unwrap();
    store.put_key(&two).await.unwrap();
    let revision = store.key_revision().await.unwrap();
    let at = |seconds| noon() + TimeDelta::seconds(seconds);
    store.touch_keys(&[]).await.unwrap();
    store.touch_keys(&[(two.id, at(1)), (one.id, at(7)), (KeyId(Uuid::now_v7()), at(9))]).await.unwrap();
    store.touch_keys(&[(one.id, at(3))]).await.unwrap();
    let used: Vec<_> = store.list_keys(None).await.unwrap().into_iter().map(|key| key.last_used_at).collect();
    assert_eq!(used, [Some(at(7)), Some(at(1))]);
    assert_eq!(store.key_revision().await.unwrap(), revision, "nobody needs to read the keys again");
}

pub(crate) async fn i2_a_signature_is_new_once(store: &Shared) {
    let until = noon() + TimeDelta::minutes(10);
    let asked = (0..20).map(|_| {
        let store = Arc::clone(store);
        tokio::spawn(async move { store.remember_signature([7; 32], until).await.unwrap() })
    });
    let new = futures::future::try_join_all(asked).await.unwrap();
    assert_eq!(new.into_iter().filter(|new| *new).count(), 1);
    assert!(store.remember_signature([8; 32], until + TimeDelta::seconds(1)).await.unwrap());
    assert_eq!(store.forget_signatures(until - TimeDelta::seconds(1)).await.unwrap(), 0);
    assert_eq!(store.forget_signatures(until).await.unwrap(), 1);
    assert!(store.remember_signature([7; 32], until).await.unwrap(), "forgotten");
    assert!(!store.remember_signature([8; 32], until).await.unwrap(), "remembered");
}

pub(crate) async fn i2_usage_adds_up_over_all_callers(store: &Shared) {
    assert_eq!(store.share_usage(&[]).await.unwrap(), [] as [u64; 0]);
    let used = [("b/check".to_owned(), 3), ("a/check".to_owned(), 0)];
    assert_eq!(store.share_usage(&used).await.unwrap(), [3, 0], "in the order of the question");
    let asked = (0..16).map(|n| {
        let store = Arc::clone(store);
        let mut used = vec![("a/check".to_owned(), 1), ("b/check".to_owned(), 2)];
        used.rotate_left(n % 2);
        tokio::spawn(async move { store.share_usage(&used).await.unwrap() })
    });
    futures::future::try_join_all(asked).await.unwrap();
    assert_eq!(store.share_usage(&used).await.unwrap(), [3 + 32 + 3, 16]);
}

pub(crate) async fn i3_deliveries_are_logged_and_replayed(store: &Shared) {
    for (tenant, hooks) in [("a", &["x", "y"][..]), ("b", &["x"])] {
        let mut judged = record(envelope(tenant, ItemKind::Text), ActionKind::Warn);
        judged.webhooks = hooks.iter().map(|hook| (0, (*hook).to_owned())).collect();
        store.record_outcome(judged).await.unwrap();
    }
    let due = claim(store, noon(), 9).await;
    let id = |tenant: &str, hook: &str| {
        due.iter().find(|due| due.event.tenant.as_str() == tenant && due.webhook == hook).unwrap().id
    };
    let (ax, ay, bx) = (id("a", "x"), id("a", "y"), id("b", "x"));
    let at = noon() + TimeDelta::seconds(5);
    store.delivery_failed(ax, None, "answered 500").await.unwrap();
    store.delivery_done(ay, at).await.unwrap();

    let all = store.deliveries(&DeliveryFilter::default(), 9).await.unwrap();
    assert!(all.is_sorted_by(|one, two| one.id > two.id), "newest first");
    let of = |id| all.iter().find(|row| row.id == id).unwrap();
    let (dead, told, open) = (of(ax), of(ay), of(bx));
    assert_eq!((dead.state, dead.attempts, dead.error.as_deref()), (DeliveryState::Dead, 1, Some("answered 500")));
    assert_eq!((told.state, told.delivered_at, told.next_at), (DeliveryState::Delivered, Some(at), None));
    assert_eq!((open.state, open.next_at), (DeliveryState::Due, Some(noon() + LEASE)), "somebody has it");
    assert_eq!((dead.tenant.as_str(), dead.kind.as_str(), dead.created_at), ("a", "item.judged", noon()));

    let (a, b) = (TenantId::from("a"), TenantId::from("b"));
    let ids = async |filter: DeliveryFilter, limit| -> Vec<i64> {
        store.deliveries(&filter, limit).await.unwrap().iter().map(|row| row.id).collect()
    };
    let of_a = DeliveryFilter { tenant: Some(a.clone()), ..Default::default() };
    let newest = ax.max(ay);
    assert_eq!(ids(of_a.clone(), 1).await, [newest]);
    assert_eq!(ids(DeliveryFilter { before: Some(newest), ..of_a.clone() }, 9).await, [ax.min(ay)]);
    assert_eq!(ids(DeliveryFilter { webhook: Some("y".into()), ..of_a.clone() }, 9).await, [ay]);
    assert_eq!(ids(DeliveryFilter { state: Some(DeliveryState::Dead), ..Default::default() }, 9).await, [ax]);
    assert_eq!(store.load_delivery(Some(&a), ax).await.unwrap().as_ref(), Some(dead));
    assert_eq!(store.load_delivery(Some(&b), ax).await.unwrap(), None);

    let later = at + TimeDelta::hours(1);
    assert_eq!(store.replay_deliveries(Some(&b), &[ax, bx], later).await.unwrap(), 0, "not b's, or due already");
    assert_eq!(store.replay_deliveries(Some(&a), &[ax, i64::MAX], later).await.unwrap(), 1);
    assert_eq!(store.replay_deliveries(None, &[ay], later).await.unwrap(), 1);
    store.delivery_done(bx, later).await.unwrap();
    let again = claim(store, later, 9).await;
    assert_eq!(again.iter().map(|due| (due.id, due.attempts)).collect::<Vec<_>>(), [(ax.min(ay), 0), (ax.max(ay), 0)]);
}
