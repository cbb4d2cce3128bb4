//! Feedback: kept, paged, erased by tenant, expired.

use chrono::TimeDelta;

use super::{Shared, noon};
use crate::{
    feedback::{Feedback, SuggestedScores, SuggestedSpan},
    item::{FeedbackId, TenantId},
};

fn feedback(tenant: &str, text: &str) -> Feedback {
    let span = SuggestedSpan { begin: 0, end: 3, score: 0.75 };
    let scores = SuggestedScores { summary: Some(0.25), spans: vec![span] };
    Feedback {
        id: FeedbackId::new(),
        tenant: tenant.into(),
        text: text.into(),
        scores: [("TOXICITY".to_owned(), scores)].into(),
        languages: vec!["en".into()],
        community: Some("c".into()),
        session: None,
        at: noon(),
    }
}

pub(crate) async fn i5_feedback_is_kept_and_erased_by_tenant(store: &Shared) {
    let (a, b) = (TenantId::from("a"), TenantId::from("b"));
    let rows: Vec<Feedback> = (0..5).map(|n| feedback("a", &format!("n\u{0}ül {n} 🦀"))).collect();
    for row in &rows {
        store.put_feedback(row).await.unwrap();
    }
    store.put_feedback(&rows[0]).await.unwrap();
    store.put_feedback(&feedback("b", "theirs")).await.unwrap();
    let first = store.feedback_after(&a, None, 3).await.unwrap();
    assert_eq!(first, rows[..3], "in their order, once each, and no other tenant's");
    let rest = store.feedback_after(&a, Some(first[2].id), 10).await.unwrap();
    assert_eq!(rest, rows[3..]);
    assert_eq!(store.erase_feedback(&a).await.unwrap(), 5);
    assert!(store.feedback_after(&a, None, 10).await.unwrap().is_empty());
    assert_eq!(store.feedback_after(&b, None, 10).await.unwrap().len(), 1, "another tenant's stays");
}

pub(crate) async fn i5_old_feedback_expires(store: &Shared) {
    let (old, mut fresh) = (feedback("a", "old"), feedback("a", "fresh"));
    fresh.at = noon() + TimeDelta::seconds(100);
    store.put_feedback(&old).await.unwrap();
    store.put_feedback(&fresh).await.unwrap();
    assert_eq!(store.expire(noon() + TimeDelta::seconds(50)).await.unwrap(), 1);
    assert_eq!(store.feedback_after(&"a".into(), None, 10).await.unwrap(), [fresh]);
}
