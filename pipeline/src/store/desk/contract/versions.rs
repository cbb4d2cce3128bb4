//! Versions of edited messages.

use super::{people::report, *};
use crate::{review::version::MessageName, store::OutcomeRecord};

/// A version of `message` by `actor`, written `second` seconds after noon.
fn version(actor: &str, message: &str, second: i64, text: &str) -> OutcomeRecord {
    let mut envelope = envelope("a", ItemKind::Text);
    envelope.actor = Some(actor.into());
    envelope.message = Some(message.into());
    envelope.occurred_at = noon() + TimeDelta::seconds(second);
    let exhibit = ItemExhibit {
        envelope: envelope.clone(),
        content_sha256: "00".into(),
        text: Some(text.into()),
        spans: vec![],
        before: vec![],
        signals: vec![],
        reasons: vec![],
        actions: vec![],
        policy: "p@1".into(),
        thresholds: Default::default(),
        media: vec![],
    };
    OutcomeRecord { version: Some(Box::new(exhibit)), ..record(envelope, ActionKind::Allow) }
}

fn name(actor: &str, message: &str) -> MessageName {
    MessageName { actor: actor.into(), message: message.into() }
}

async fn texts(desk: &Desk, actor: &str, message: &str) -> Vec<String> {
    let found = desk.versions(&tenant(), vec![name(actor, message)]).await.unwrap();
    let versions = found.into_iter().flat_map(|history| history.versions);
    versions.map(|version| version.words().unwrap_or_default().to_owned()).collect()
}

/// The texts that a case shows as items.
async fn shown(desk: &Desk, case: CaseId) -> Vec<String> {
    let evidence = desk.evidence(&tenant(), case).await.unwrap();
    let exhibits = evidence.into_iter().filter_map(|piece| piece.exhibit).filter(|exhibit| exhibit.kind() == "item");
    exhibits.map(|exhibit| exhibit.words().unwrap_or_default().to_owned()).collect()
}

pub(crate) async fn c5_every_version_of_a_message_is_kept_and_a_report_pins_what_was_seen(store: &Shared) {
    let (desk, _) = desk(store);
    let first = version("ann", "m-1", 0, "hello \\ \"there\" \0");
    let id = first.outcome.envelope.id;
    for record in [first.clone(), version("ann", "m-1", 60, "you fool"), version("ann", "m-1", 120, "hello again")] {
        assert_eq!(store.record_outcome(record).await.unwrap(), Recorded::New);
    }
    assert_eq!(store.record_outcome(first).await.unwrap(), Recorded::Already);
    store.record_outcome(version("bob", "m-1", 30, "somebody else's of the same name")).await.unwrap();
    assert_eq!(texts(&desk, "ann", "m-1").await, ["hello \\ \"there\" \0", "you fool", "hello again"]);
    assert_eq!(texts(&desk, "bob", "m-1").await.len(), 1);
    assert!(texts(&desk, "ann", "m-2").await.is_empty());
    assert!(desk.versions(&"b".into(), vec![name("ann", "m-1")]).await.unwrap().is_empty());

    // Made between the second and the third version: that the author has taken it back since does not help them.
    let seen =
        Report { message: Some("m-1".into()), at: noon() + TimeDelta::seconds(90), ..report("cid", "ann", "spam") };
    desk.take_report(&seen).await.unwrap();
    assert_eq!(desk.take_report(&seen).await.unwrap(), Recorded::Already);
    let case = desk.cases_of(&tenant(), "ann", 9).await.unwrap()[0].id;
    assert_eq!(shown(&desk, case).await, ["you fool"]);
    let pinned = desk.evidence(&tenant(), case).await.unwrap().remove(0).exhibit.unwrap().item().unwrap();
    assert_ne!(pinned, id.to_string());
    // Again about the same version: it is there. About the first one, by its item: that joins.
    let again = Report { id: ReportId::new(), reporter: "dan".into(), ..seen.clone() };
    desk.take_report(&again).await.unwrap();
    assert_eq!(shown(&desk, case).await, ["you fool"]);
    desk.take_report(&Report { item: Some(id), ..report("eve", "ann", "spam") }).await.unwrap();
    assert_eq!(shown(&desk, case).await.len(), 2);
    // Somebody else's words are nobody's evidence against ann.
    let other = store.load_report(&tenant(), seen.id).await.unwrap();
    assert_eq!(other, Some(seen), "the report is kept as it came");
    desk.take_report(&Report { item: Some(id), ..report("eve", "bob", "spam") }).await.unwrap();
    let about_bob = desk.cases_of(&tenant(), "bob", 9).await.unwrap()[0].id;
    assert!(shown(&desk, about_bob).await.is_empty());
}

pub(crate) async fn c6_versions_go_with_their_time_and_their_author(store: &Shared) {
    let (desk, clock) = desk(store);
    let admin = staff("ada", Role::Admin);
    for actor in ["ann", "bob", "cid"] {
        for second in [0, 60] {
            store.record_outcome(version(actor, "m-1", second, "words")).await.unwrap();
        }
    }
    let exported = desk.export_person(&admin, "ann").await.unwrap();
    assert_eq!(exported["message_versions"].as_array().unwrap().len(), 2);
    let receipt = desk.erase_person(&admin, "ann").await.unwrap();
    assert_eq!(receipt.rows["message_versions"], 2);
    assert!(texts(&desk, "ann", "m-1").await.is_empty());
    let left = format!("{:?}", desk.export_person(&admin, "ann").await.unwrap()["items"]);
    assert!(!left.contains("m-1"), "{left}");

    // Thirty days, but not while a case about the author waits.
    desk.take_report(&report("eve", "bob", "spam")).await.unwrap();
    clock.advance(TimeDelta::days(29));
    assert_eq!(desk.expire_versions().await.unwrap(), 0);
    clock.advance(TimeDelta::days(2));
    assert_eq!(desk.expire_versions().await.unwrap(), 2, "those of cid");
    assert_eq!((texts(&desk, "bob", "m-1").await.len(), texts(&desk, "cid", "m-1").await.len()), (2, 0));
    let case = desk.cases_of(&tenant(), "bob", 9).await.unwrap()[0].id;
    take(&desk, &mia(), case).await;
    desk.decide(&mia(), case, draft(Ruling::Dismiss), Following::default()).await.unwrap();
    desk.hold(&admin, "bob", Some("file 7")).await.unwrap();
    assert_eq!(desk.expire_versions().await.unwrap(), 0, "held");
    desk.hold(&admin, "bob", None).await.unwrap();
    assert_eq!(desk.expire_versions().await.unwrap(), 2);
}
