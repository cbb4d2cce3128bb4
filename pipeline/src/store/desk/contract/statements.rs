//! Statements of reasons.

use super::*;
use crate::{
    review::{decision::Decision, statement::StatementState},
    store::desk::statements::Sending,
};

async fn decided(desk: &Desk, subject: &str, ruling: Ruling) -> Decision {
    let id = desk.open_case(find(subject)).await.unwrap().0.id;
    take(desk, &mia(), id).await;
    desk.decide(&mia(), id, draft(ruling), Following::default()).await.unwrap().decision
}

async fn states(desk: &Desk) -> Vec<StatementState> {
    let page = desk.statements(&tenant(), None, None, 9).await.unwrap();
    page.items.into_iter().map(|statement| statement.state).collect()
}

pub(crate) async fn c7_statements_go_from_draft_to_sent_and_are_let_go_by_a_person(store: &Shared) {
    use StatementState::{Draft, Failed, Queued, Sent, Withdrawn};
    let (desk, clock) = desk(store);
    let before = decided(&desk, "ann", Ruling::Act).await;
    assert!(states(&desk).await.is_empty(), "off until a tenant wants it");
    change_settings(&desk, |settings| settings.statements = true).await;
    let first = decided(&desk, "bob", Ruling::Act).await;
    decided(&desk, "cid", Ruling::Dismiss).await;
    let second = decided(&desk, "dan", Ruling::Act).await;
    assert_eq!(states(&desk).await, [Draft, Draft], "of decisions that restrict something");
    assert!(desk.due_statements(&tenant(), 9).await.unwrap().is_empty(), "nothing goes by itself");

    let queued = desk.queue_statement(&lead(), first.id, None).await.unwrap();
    assert_eq!((queued.state, queued.by.as_deref()), (Queued, Some("lea")));
    assert_eq!(code(desk.queue_statement(&lead(), first.id, None).await), "statement_state");
    let mut corrected = desk.statement(&tenant(), second.id).await.unwrap();
    corrected.decision_facts = "Corrected \\ \0 by a person.".into();
    let mut foreign = corrected.clone();
    foreign.puid = "another".into();
    assert_eq!(code(desk.queue_statement(&lead(), second.id, Some(foreign)).await), "statement_invalid");
    desk.queue_statement(&lead(), second.id, Some(corrected.clone())).await.unwrap();
    // One of before the setting can be stated, too.
    desk.queue_statement(&lead(), before.id, None).await.unwrap();
    assert_eq!(kinds(store).await.iter().filter(|kind| *kind == "statement.queued").count(), 3);

    let due = desk.due_statements(&tenant(), 9).await.unwrap();
    assert_eq!(due.len(), 3);
    assert!(due.iter().any(|statement| statement.statement.as_ref() == Some(&corrected)));
    assert!(desk.due_statements(&"b".into(), 9).await.unwrap().is_empty());
    let later = clock.now() + TimeDelta::minutes(5);
    desk.statement_tried(&tenant(), first.id, Sending::Again(later, "answered 503".into())).await.unwrap();
    desk.statement_tried(&tenant(), second.id, Sending::Refused("x".repeat(900))).await.unwrap();
    desk.statement_tried(&tenant(), before.id, Sending::Taken("their-id".into())).await.unwrap();
    assert_eq!(states(&desk).await, [Failed, Queued, Sent]);
    assert!(desk.due_statements(&tenant(), 9).await.unwrap().is_empty());
    clock.advance(TimeDelta::minutes(6));
    let again = desk.due_statements(&tenant(), 9).await.unwrap();
    assert_eq!((again.len(), again[0].tries, again[0].error.as_deref()), (1, 1, Some("answered 503")));

    // Refused: corrected and let go again, or sent by other means.
    desk.queue_statement(&lead(), second.id, None).await.unwrap();
    desk.settle_statement(&lead(), second.id, Some("by-hand")).await.unwrap();
    assert_eq!(code(desk.settle_statement(&lead(), second.id, None).await), "statement_state");
    // A decision that falls takes its statement back.
    desk.take_back(&lead(), first.id).await.unwrap();
    assert_eq!(states(&desk).await, [Sent, Withdrawn, Sent]);
    assert_eq!(code(desk.queue_statement(&lead(), first.id, None).await), "decision_over");
    let sent = desk.statements(&tenant(), Some(Sent), None, 1).await.unwrap();
    assert_eq!((sent.items[0].remote.as_deref(), sent.next.is_some()), (Some("by-hand"), true));
    desk.erase_person(&staff("ada", Role::Admin), "dan").await.unwrap();
    let kept = desk.statements(&tenant(), Some(Sent), None, 9).await.unwrap().items;
    let words: Vec<bool> = kept.iter().map(|statement| statement.statement.is_some()).collect();
    assert_eq!(words, [false, true], "dan's is nameless now, ann's is as it was");
    let audit = desk.audit_page(&tenant(), AuditFilter::default(), None, 99).await.unwrap();
    assert!(!format!("{audit:?}").contains("Corrected"), "what may have to be erased is not in the chain");
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().broken, None);
}
