//! Messages that can be searched: kept, replaced, found by words, removed.

use std::sync::Arc;

use chrono::TimeDelta;

use super::{Shared, noon};
use crate::{
    item::TenantId,
    message::{Message, MessageSearch},
    store::messages::{KeptMessage, Messages},
};

fn kept(tenant: &str, id: &str, text: &str, access: &[&str]) -> KeptMessage {
    let message = Message {
        id: id.into(),
        conversation: "c\\1".into(),
        author: "ann".into(),
        at: noon(),
        text: text.into(),
        access: access.iter().map(|name| (*name).to_owned()).collect(),
    };
    KeptMessage { tenant: tenant.into(), message, text_sha256: text.into(), vector: Arc::from([0.6, 0.8]) }
}

fn asked(question: &str, readers: &[&str]) -> MessageSearch {
    let readers = readers.iter().map(|name| (*name).to_owned()).collect();
    MessageSearch { question: question.into(), readers, limit: 9, ..MessageSearch::default() }
}

pub(crate) async fn x6_messages_are_kept_replaced_and_removed(store: &Shared) {
    let (messages, tenant) = (Messages::new(store.tables()), TenantId::from("a"));
    let mut first = kept("a", "m\\1", "one \\ two", &["x\\y", "*"]);
    let other = kept("b", "m\\1", "three", &["*"]);
    messages.put(vec![first.clone(), other.clone()]).await.unwrap();
    assert_eq!(messages.load(&tenant, "m\\1").await.unwrap(), Some(first.clone()));
    first.message.text = "four".into();
    first.message.access = vec!["z".into()];
    messages.put(vec![first.clone()]).await.unwrap();
    assert_eq!(messages.load(&tenant, "m\\1").await.unwrap(), Some(first.clone()));
    assert_eq!(messages.count().await.unwrap(), 2);
    assert_eq!(messages.after(None, 9).await.unwrap(), [first.clone(), other.clone()]);
    assert_eq!(messages.after(Some((&tenant, "m\\1")), 9).await.unwrap(), std::slice::from_ref(&other));
    assert_eq!(messages.of_author(&tenant, "ann", 9).await.unwrap(), ["m\\1"]);
    assert!(
        messages.by_words(&tenant, &asked("two", &["z"]), 9).await.unwrap().is_empty(),
        "the words of before are gone"
    );
    assert_eq!(messages.by_words(&tenant, &asked("four", &["z"]), 9).await.unwrap(), ["m\\1"]);
    assert!(messages.older_than(noon(), 9).await.unwrap().is_empty());
    let later = noon() + TimeDelta::seconds(1);
    assert_eq!(messages.older_than(later, 1).await.unwrap().len(), 1);
    assert_eq!(messages.delete(&tenant, vec!["m\\1".into(), "nothing".into()]).await.unwrap(), 1);
    assert_eq!((messages.load(&tenant, "m\\1").await.unwrap(), messages.count().await.unwrap()), (None, 1));
    assert!(messages.by_words(&tenant, &asked("four", &["z"]), 9).await.unwrap().is_empty());
}

pub(crate) async fn x6_words_find_what_a_reader_may_find(store: &Shared) {
    let (messages, tenant) = (Messages::new(store.tables()), TenantId::from("a"));
    let mut late = kept("a", "late", "The café is open", &["team"]);
    late.message.at = noon() + TimeDelta::hours(1);
    late.message.conversation = "d".into();
    let all = vec![
        kept("a", "one", "the lift is broken again", &["*"]),
        kept("a", "two", "who repairs the lift?", &["team", "board"]),
        kept("b", "other", "the lift", &["*"]),
        late,
    ];
    messages.put(all).await.unwrap();
    let ids = async |search: MessageSearch| {
        let mut ids = messages.by_words(&tenant, &search, 9).await.unwrap();
        ids.sort();
        let rows =
            messages.admitted(&tenant, &["one", "two", "late", "other"].map(String::from), &search).await.unwrap();
        (ids, rows.len())
    };
    assert_eq!(ids(asked("Lift", &["nobody"])).await, (vec!["one".to_owned()], 1));
    assert_eq!(ids(asked("lift, café", &["team"])).await.0, ["late", "one", "two"]);
    assert_eq!(ids(asked("\" OR * )", &["team"])).await.0, Vec::<String>::new());
    let since = MessageSearch { since: Some(noon() + TimeDelta::seconds(1)), ..asked("the", &["team"]) };
    assert_eq!(ids(since).await, (vec!["late".to_owned()], 1));
    let until = MessageSearch { until: Some(noon()), ..asked("the", &["team"]) };
    assert_eq!(ids(until).await, (vec!["one".to_owned(), "two".to_owned()], 2));
    let there = MessageSearch { conversations: vec!["d".into(), "e".into()], ..asked("the", &["team"]) };
    assert_eq!(ids(there).await.0, ["late"]);
    let by_bob = MessageSearch { authors: vec!["bob".into()], ..asked("the", &["team"]) };
    assert_eq!(ids(by_bob).await, (vec![], 0));
}
