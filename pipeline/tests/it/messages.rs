//! Messages through the whole pipeline: found by meaning and by words, by those who may; forgotten, erased, expired.

use chrono::TimeDelta;
use pipeline::{
    Kind,
    item::TenantId,
    message::{By, Message, MessageSearch},
    review::staff::{Role, Staff},
};

use crate::harness::{Harness, TENANT, start_of_time};

fn tenant() -> TenantId {
    TENANT.into()
}

fn message(id: &str, text: &str, access: &[&str]) -> Message {
    Message {
        id: id.into(),
        conversation: "kitchen".into(),
        author: "ann".into(),
        at: start_of_time(),
        text: text.into(),
        access: access.iter().map(|name| (*name).to_owned()).collect(),
    }
}

fn search(question: &str, readers: &[&str]) -> MessageSearch {
    let readers = readers.iter().map(|name| (*name).to_owned()).collect();
    MessageSearch { question: question.into(), readers, limit: 10, ..MessageSearch::default() }
}

async fn found(service: &Harness, search: MessageSearch) -> Vec<String> {
    let found = service.pipeline.search_messages(&tenant(), search).await.unwrap();
    found.into_iter().map(|found| found.message.id).collect()
}

async fn filled() -> Harness {
    let service = Harness::new().await;
    for message in [
        message("dinner", "where do we eat tonight", &["team"]),
        message("secret", "the budget of next year", &["board"]),
        message("notice", "the lift is broken", &["*"]),
        Message {
            conversation: "garden".into(),
            author: "bob".into(),
            ..message("garden", "we eat in the garden", &["team"])
        },
        Message { at: start_of_time() - TimeDelta::days(3), ..message("old", "we eat at noon", &["team"]) },
    ] {
        service.pipeline.put_message(&tenant(), message).await.unwrap();
    }
    service
}

#[tokio::test]
async fn x6_only_those_who_may_find_a_message() {
    let service = filled().await;
    for by in [By::Both, By::Meaning, By::Words] {
        let ask = |question: &str, readers: &[&str]| MessageSearch { by, ..search(question, readers) };
        assert!(
            !found(&service, ask("the budget of next year", &["ann", "team"])).await.contains(&"secret".into()),
            "{by:?}"
        );
        assert_eq!(found(&service, ask("the budget of next year", &["board"])).await[0], "secret", "{by:?}");
        assert!(found(&service, ask("the lift is broken", &["nobody"])).await == ["notice"], "{by:?}");
    }
    let other = service.pipeline.search_messages(&"other".into(), search("eat", &["team"])).await.unwrap();
    assert!(other.is_empty(), "another tenant's");
    // What is taken from a reader is taken at once.
    service.pipeline.put_message(&tenant(), message("notice", "the lift is broken", &["board"])).await.unwrap();
    assert!(found(&service, search("the lift is broken", &["nobody"])).await.is_empty());
    let nobody = service.pipeline.search_messages(&tenant(), search("eat", &[])).await;
    assert_eq!(nobody.unwrap_err().kind(), Kind::Invalid);
}

#[tokio::test]
async fn x6_filters_by_conversation_author_and_time() {
    let service = filled().await;
    let eat = || MessageSearch { by: By::Words, ..search("eat", &["team"]) };
    let mut all = found(&service, eat()).await;
    all.sort();
    assert_eq!(all, ["dinner", "garden", "old"]);
    for by in [By::Both, By::Meaning, By::Words] {
        let eat = || MessageSearch { by, ..search("we eat", &["team"]) };
        assert_eq!(found(&service, MessageSearch { conversations: vec!["garden".into()], ..eat() }).await, ["garden"]);
        assert_eq!(found(&service, MessageSearch { authors: vec!["bob".into()], ..eat() }).await, ["garden"]);
        let yesterday = start_of_time() - TimeDelta::days(1);
        assert_eq!(found(&service, MessageSearch { until: Some(yesterday), ..eat() }).await, ["old"]);
        let since = found(&service, MessageSearch { since: Some(yesterday), ..eat() }).await;
        assert!(!since.contains(&"old".into()) && since.contains(&"dinner".into()), "{since:?}");
    }
}

#[tokio::test]
async fn x6_meaning_and_words_together() {
    let service = filled().await;
    let hits = service.pipeline.search_messages(&tenant(), search("where do we eat tonight", &["team"])).await.unwrap();
    assert_eq!(hits[0].message.id, "dinner");
    assert!(hits[0].has_words && hits[0].similarity.is_some_and(|cosine| cosine > 0.99), "{hits:?}");
    let tonight = MessageSearch { by: By::Words, ..search("tonight", &["team"]) };
    let by_words = service.pipeline.search_messages(&tenant(), tonight).await.unwrap();
    assert_eq!((by_words.len(), by_words[0].similarity), (1, None));
}

#[tokio::test]
async fn x6_messages_are_forgotten_with_their_vectors() {
    let mut service = filled().await;
    assert!(service.pipeline.delete_message(&tenant(), "notice").await.unwrap());
    assert!(!service.pipeline.delete_message(&tenant(), "notice").await.unwrap());
    assert!(found(&service, search("the lift is broken", &["nobody"])).await.is_empty());
    // Old ones go with the retention.
    let gone = service.pipeline.tend_messages(start_of_time() - TimeDelta::days(1)).await.unwrap();
    assert_eq!(gone, 1);
    // Their author's go when they are erased; another's stay.
    let staff = Staff { tenant: tenant(), name: "ada".into(), role: Role::Admin, profile: Default::default() };
    let receipt = service.pipeline.erase_person(&staff, "ann").await.unwrap();
    assert_eq!(receipt.rows["messages"], 2);
    let everything = search("we eat the budget", &["team", "board"]);
    assert_eq!(found(&service, everything.clone()).await, ["garden"]);
    // The rows are the truth: after a restart without the folder's last writes the same is found.
    service.restart();
    assert_eq!(found(&service, everything).await, ["garden"]);
}
