//! Another embedding model takes over without a pause, and can be taken back.

use pipeline::{
    Kind,
    item::{ProfileId, TenantId},
    process::{Like, ProfileDraft},
    store::vectors::NextVectors,
};

use crate::harness::{Harness, TENANT};

fn tenant() -> TenantId {
    TENANT.into()
}

async fn put(service: &Harness, id: &str, bio: &str) {
    let draft = ProfileDraft { bio: bio.into(), ..ProfileDraft::default() };
    service.pipeline.put_profile(&tenant(), id.into(), draft).await.unwrap();
}

async fn similar(service: &Harness, like: Like) -> Vec<String> {
    let hits = service.pipeline.similar(&tenant(), like, vec![], 10).await.unwrap();
    hits.into_iter().map(|hit| hit.id.0).collect()
}

#[tokio::test]
async fn x7_a_model_takes_over_without_a_pause_and_is_taken_back() {
    let mut service = Harness::new().await;
    for n in 0..5 {
        put(&service, &format!("p{n}"), &format!("tea and chess {n}")).await;
    }
    let next = service.with_next_model().await;
    let status = service.pipeline.switch().await.unwrap().next.unwrap();
    assert_eq!((status.model.as_str(), status.serving, status.profiles, status.covered), ("embed-next@1", false, 5, 0));
    let early = service.pipeline.serve_next(true, "ops").await.unwrap_err();
    assert_eq!(early.kind(), Kind::Conflict, "{early}");
    // Dual write: who is written now has both vectors; the duty embeds the others.
    put(&service, "new", "tea and chess").await;
    assert_eq!((next.count().await.unwrap(), service.index.count().await.unwrap()), (1, 6));
    assert_eq!(service.pipeline.tend_switch().await.unwrap(), 5);
    assert_eq!(service.pipeline.tend_switch().await.unwrap(), 0);
    assert_eq!(next.count().await.unwrap(), 6);
    // Shadow read: the first search is compared, without being waited for.
    let before = similar(&service, Like::Text("tea and chess".into())).await;
    let mut compared = 0;
    for _ in 0..200 {
        compared = service.pipeline.switch().await.unwrap().next.unwrap().shadow.compared;
        if compared > 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(compared, 1);
    // Cut over: questions, people and lists are of the new model.
    assert!(service.pipeline.serve_next(true, "ops").await.unwrap().next.unwrap().serving);
    assert_eq!(similar(&service, Like::Text("tea and chess".into())).await[0], "new");
    assert_eq!(similar(&service, Like::Profile("new".into())).await.len(), 5);
    let list = service.pipeline.recommend(&tenant(), &"new".into(), 10).await.unwrap();
    assert_eq!(list.len(), 5);
    put(&service, "late", "rugby and stout").await;
    assert_eq!(similar(&service, Like::Text("rugby and stout".into())).await[0], "late", "it goes on being written");
    service.pipeline.delete_profile(&tenant(), &"late".into()).await.unwrap();
    assert_eq!((next.count().await.unwrap(), service.index.count().await.unwrap()), (6, 6), "gone from both");
    // Roll back: the old vectors were kept up.
    assert!(!service.pipeline.serve_next(false, "ops").await.unwrap().next.unwrap().serving);
    assert_eq!(similar(&service, Like::Text("tea and chess".into())).await, before);
}

#[tokio::test]
async fn x7_the_rows_of_the_new_model_move_into_the_profiles() {
    let mut service = Harness::new().await;
    put(&service, "ann", "tea").await;
    let next = service.with_next_model().await;
    put(&service, "bob", "chess").await;
    while service.pipeline.tend_switch().await.unwrap() > 0 {}
    // An index that lost its points is made whole from the rows.
    next.clear().await.unwrap();
    assert_eq!((service.pipeline.mend_next().await.unwrap(), next.count().await.unwrap()), (2, 2));
    assert_eq!(service.pipeline.mend_next().await.unwrap(), 0);
    let rows = NextVectors::new(service.store.tables(), "embed-next@1".into());
    assert_eq!(rows.promote(1).await.unwrap(), 1);
    assert_eq!(rows.promote(9).await.unwrap(), 1);
    assert_eq!(rows.promote(9).await.unwrap(), 0, "once each");
    for id in ["ann", "bob"] {
        let profile = service.store.load_profile(&tenant(), &ProfileId::from(id)).await.unwrap().unwrap();
        assert_eq!(profile.vector.len(), 48);
    }
}
