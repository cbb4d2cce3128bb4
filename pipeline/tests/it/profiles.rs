//! Profiles and who is similar.

use pipeline::{
    Kind,
    config::IndexConfig,
    index::{self, Condition, Hit, missed},
    item::{ProfileId, TenantId},
    process::{Like, ProfileDraft},
};
use serde_json::json;

use crate::harness::{Harness, TENANT};

fn draft(interests: &[&str], city: &str) -> ProfileDraft {
    ProfileDraft {
        interests: interests.iter().map(|interest| (*interest).to_owned()).collect(),
        bio: String::new(),
        attributes: [("city".to_owned(), json!(city))].into(),
        ..ProfileDraft::default()
    }
}

async fn put(service: &Harness, id: &str, interests: &[&str], city: &str) {
    service.pipeline.put_profile(&TENANT.into(), id.into(), draft(interests, city)).await.unwrap();
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.id.as_str()).collect()
}

#[tokio::test]
async fn x1_similar_people_are_found_by_text_and_by_profile() {
    let service = Harness::new().await;
    let tenant = TenantId::from(TENANT);
    put(&service, "ann", &["climbing", "jazz"], "Oslo").await;
    put(&service, "bob", &["climbing", "jazz", "chess"], "Bonn").await;
    put(&service, "cid", &["knitting", "opera"], "Oslo").await;
    let similar = async |like, filter| service.pipeline.similar(&tenant, like, filter, 2).await.unwrap();
    let by_text = similar(Like::Text("jazz climbing".into()), Vec::new()).await;
    assert_eq!(ids(&by_text), ["ann", "bob"]);
    assert!(by_text[0].score > by_text[1].score);
    let by_profile = similar(Like::Profile("ann".into()), Vec::new()).await;
    assert_eq!(ids(&by_profile), ["bob", "cid"], "not oneself");
    let oslo = Condition::Any { attribute: "city".into(), values: vec![json!("Oslo")] };
    assert_eq!(ids(&similar(Like::Profile("ann".into()), vec![oslo]).await), ["cid"]);
    let elsewhere = service.pipeline.similar(&"other".into(), Like::Text("jazz".into()), Vec::new(), 5).await.unwrap();
    assert!(elsewhere.is_empty(), "a tenant sees its own people only");
}

#[tokio::test]
async fn x1_the_version_rises_only_when_the_text_changes() {
    let service = Harness::new().await;
    let tenant = TenantId::from(TENANT);
    let put = async |draft| service.pipeline.put_profile(&tenant, "ann".into(), draft).await.unwrap().profile;
    let first = put(draft(&["chess"], "Oslo")).await;
    let moved = put(draft(&["chess"], "Bonn")).await;
    assert_eq!((first.version, moved.version), (1, 1));
    assert_eq!(first.vector, moved.vector);
    let changed = put(draft(&["opera"], "Bonn")).await;
    assert_eq!(changed.version, 2);
    assert_ne!(changed.vector, moved.vector);
    let stored = service.store.load_profile(&tenant, &"ann".into()).await.unwrap().unwrap();
    assert_eq!((stored.version, stored.text_sha256), (2, changed.text_sha256));
    let bonn = Condition::Any { attribute: "city".into(), values: vec![json!("Bonn")] };
    let hits = service.pipeline.similar(&tenant, Like::Text("opera".into()), vec![bonn], 5).await.unwrap();
    assert_eq!(ids(&hits), ["ann"], "the index has the new attributes");
    assert_eq!(service.index.count().await.unwrap(), 1);
}

#[tokio::test]
async fn i7_an_index_that_is_down_undoes_no_profile_and_is_told_later() {
    let mut service = Harness::new().await;
    let tenant = TenantId::from(TENANT);
    put(&service, "bob", &["opera"], "Bonn").await;
    assert_eq!(missed::seen(&*service.store).await.unwrap(), None);
    // Nobody listens there.
    let nowhere = IndexConfig { url: "http://127.0.0.1:1".into(), ..IndexConfig::default() };
    service.index = index::connect(&nowhere, 32).await.unwrap();
    service.restart();
    let written = service.pipeline.put_profile(&tenant, "ann".into(), draft(&["chess"], "Oslo")).await.unwrap();
    assert!(!written.indexed);
    assert!(service.store.load_profile(&tenant, &"ann".into()).await.unwrap().is_some());
    assert!(!service.pipeline.delete_profile(&tenant, &"bob".into()).await.unwrap());
    assert!(service.store.load_profile(&tenant, &"bob".into()).await.unwrap().is_none());
    assert_eq!(missed::seen(&*service.store).await.unwrap().unwrap().count, 2);
    let answer = service.pipeline.similar(&tenant, Like::Text("chess".into()), Vec::new(), 5).await;
    assert_eq!(answer.unwrap_err().kind(), Kind::Unavailable, "told, not an empty answer");
}

#[tokio::test]
async fn x1_a_deleted_profile_is_found_no_more() {
    let service = Harness::new().await;
    let (tenant, ann) = (TenantId::from(TENANT), ProfileId::from("ann"));
    put(&service, "ann", &["chess"], "Oslo").await;
    service.pipeline.delete_profile(&tenant, &ann).await.unwrap();
    assert_eq!(service.pipeline.delete_profile(&tenant, &ann).await.unwrap_err().kind(), Kind::NotFound);
    let like_ann = service.pipeline.similar(&tenant, Like::Profile(ann), Vec::new(), 5).await;
    assert_eq!(like_ann.unwrap_err().kind(), Kind::NotFound);
    assert!(service.pipeline.similar(&tenant, Like::Text("chess".into()), Vec::new(), 5).await.unwrap().is_empty());
}

#[tokio::test]
async fn x1_bad_questions_are_refused() {
    let service = Harness::new().await;
    let tenant = TenantId::from(TENANT);
    let similar = async |text: &str, limit| {
        service.pipeline.similar(&tenant, Like::Text(text.into()), Vec::new(), limit).await.unwrap_err().kind()
    };
    assert_eq!(similar("", 5).await, Kind::Invalid);
    assert_eq!(similar("chess", 0).await, Kind::Invalid);
    assert_eq!(similar("chess", 1_000).await, Kind::Invalid);
    for (id, draft) in [("", draft(&["chess"], "Oslo")), ("ann", draft(&[], "Oslo"))] {
        assert_eq!(service.pipeline.put_profile(&tenant, id.into(), draft).await.unwrap_err().kind(), Kind::Invalid);
    }
}
