//! Quality, audit, erasure, search, accounts.

use super::{people::report, *};
use crate::{
    enforcement::person::PersonFacts,
    matching::meeting::{Change, Record, Tie, TieKind},
    store::{News, contract::profile, desk::accounts},
};

pub(crate) async fn c7_second_reviews_and_golden_items_are_measured(store: &Shared) {
    let (desk, _) = desk(store);
    change_settings(&desk, |settings| {
        settings.second_share = 1.0;
        settings.golden_share = 0.5;
    })
    .await;
    let id = desk.open_case(find("ann")).await.unwrap().0.id;
    take(&desk, &mia(), id).await;
    desk.decide(&mia(), id, draft(Ruling::Uphold), Following::default()).await.unwrap();
    assert_eq!(next(&desk, &mia()).await, None, "nobody reviews themselves");
    let second = next(&desk, &tom()).await.unwrap();
    assert_eq!((second.source, second.disguised_source()), (Source::Second, Source::Rule));
    assert_eq!(desk.evidence(&tenant(), second.id).await.unwrap().len(), 1);
    let before = kinds(store).await.len();
    let measured = desk.decide(&tom(), second.id, draft(Ruling::Dismiss), Following::default()).await.unwrap().decision;
    assert!(measured.undone.is_empty() && measured.actions.is_empty(), "a measurement changes nothing");
    assert!(!kinds(store).await[before..].iter().any(|kind| kind.starts_with("moderation.")));
    let differ = next(&desk, &lead()).await.unwrap();
    assert!(differ.queue == "escalated" && differ.facts.summary.contains("differ"));

    desk.put_golden(&lead(), id, Ruling::Uphold, "clear").await.unwrap();
    let eve = staff("eve", Role::Reviewer);
    let draw = |draw| Claim { draw, ..Claim::default() };
    assert_eq!(desk.claim(&eve, draw(0.9)).await.unwrap(), None);
    let golden = desk.claim(&eve, draw(0.1)).await.unwrap().unwrap();
    assert_eq!((golden.source, golden.subject.as_str()), (Source::Golden, "ann"));
    desk.decide(&eve, golden.id, draft(Ruling::Dismiss), Following::default()).await.unwrap();
    assert_eq!(desk.claim(&eve, draw(0.1)).await.unwrap(), None, "once each");
    assert_eq!(desk.claim(&mia(), draw(0.1)).await.unwrap(), None, "she decided it");
    let quality = desk.quality(&tenant(), noon() - TimeDelta::days(1)).await.unwrap();
    assert_eq!((quality.pairs, quality.agreement), (1, Some(0.0)));
    let of = |name: &str| quality.reviewers.iter().find(|one| one.reviewer == name).unwrap();
    assert_eq!((of("mia").second, of("mia").second_same, of("mia").decisions), (1, 0, 1));
    assert_eq!((of("eve").golden, of("eve").golden_right, of("eve").decisions), (1, 0, 0));
    assert_eq!(desk.golden(&tenant()).await.unwrap().len(), 1);
    desk.remove_golden(&lead(), id).await.unwrap();
}

pub(crate) async fn c7_the_audit_is_one_chain_however_many_write(store: &Shared) {
    let (desk, _) = desk(store);
    let writers = (0..10).map(|n| {
        let (desk, store, who) = (desk.clone(), Arc::clone(store), staff(&format!("r{n}"), Role::Reviewer));
        tokio::spawn(async move {
            for m in 0..10 {
                desk.note(&who, "case.viewed", format!("case:{m}"), json!({ "b": 1, "a": "\\ \0" })).await.unwrap();
                store.record_outcome(record(envelope("a", ItemKind::Text), ActionKind::Warn)).await.unwrap();
            }
        })
    });
    futures::future::try_join_all(writers).await.unwrap();
    let verified = desk.verify_audit(&tenant()).await.unwrap();
    assert_eq!((verified.entries, verified.broken), (200, None));
    let page = desk
        .audit_page(&tenant(), AuditFilter { actor: Some("r3".into()), ..Default::default() }, None, 4)
        .await
        .unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (4, true));
    assert!(page.items.windows(2).all(|pair| pair[0].number > pair[1].number));
    let from = AuditFilter { from: Some(noon()), to: Some(noon() + TimeDelta::seconds(1)), ..Default::default() };
    assert_eq!(desk.audit_page(&tenant(), from, None, 500).await.unwrap().items.len(), 200);
    assert!(desk.audit_page(&"b".into(), AuditFilter::default(), None, 9).await.unwrap().items.is_empty());
    assert_eq!(desk.audited_tenants().await.unwrap(), [tenant()]);
}

pub(crate) async fn c7_a_changed_audit_is_found(store: &Shared) {
    let (desk, _) = desk(store);
    for n in 0..5 {
        desk.note(&mia(), "case.viewed", format!("case:{n}"), json!({})).await.unwrap();
    }
    let tamper = async |sql: &'static str| {
        desk.write("test", move |mut link| Box::pin(async move { link.run(sql, vec![]).await })).await.unwrap();
        let broken = desk.verify_audit(&tenant()).await.unwrap().broken;
        broken.map(|broken| broken.number)
    };
    assert_eq!(tamper("UPDATE audit_entries SET actor = 'tom' WHERE number = 3").await, Some(3));
    assert_eq!(tamper("UPDATE audit_entries SET actor = 'mia' WHERE number = 3").await, None);
    assert_eq!(tamper("DELETE FROM audit_entries WHERE number = 5").await, Some(5), "the end was cut off");
    assert_eq!(tamper("DELETE FROM audit_entries WHERE number = 2").await, Some(3));
}

pub(crate) async fn c6_a_person_is_exported_and_erased_with_a_receipt(store: &Shared) {
    let (desk, _) = desk(store);
    let admin = staff("ada", Role::Admin);
    let mut judged = record(envelope("a", ItemKind::Text), ActionKind::Warn);
    judged.outcome.verdict.sanitized_text = Some("secret words".into());
    judged.context_text = Some("secret context".into());
    let item = judged.outcome.envelope.id;
    store.record_outcome(judged).await.unwrap();
    let mut draft_case = find("ann");
    draft_case.media = vec![Media { id: "m".into(), media_type: "image/jpeg".into(), bytes: vec![1, 2, 3].into() }];
    let case = desk.open_case(draft_case).await.unwrap().0;
    assert_eq!(&desk.media(&tenant(), case.id, "m").await.unwrap().bytes[..], [1, 2, 3]);
    take(&desk, &mia(), case.id).await;
    desk.decide(&mia(), case.id, draft(Ruling::Uphold), Following::default()).await.unwrap();
    desk.take_report(&report("ann", "bob", "spam")).await.unwrap();
    desk.take_report(&report("bob", "ann", "spam")).await.unwrap();

    let warned = done_before(store, &find("ann")).await;
    let facts = PersonFacts { traces: 1, ..PersonFacts::default() };
    store.put_facts(&tenant(), &"ann".into(), facts, vec![("device".into(), "00".into())]).await.unwrap();

    store.put_profile(&profile("a", "ann", "chess")).await.unwrap();
    let like = Tie { from: "ann".into(), to: "bob".into(), kind: TieKind::Like, at: noon() };
    let remembered =
        Change { people: vec![("ann".into(), Record::default(), 0)], ties: vec![like], ..Change::default() };
    store.put_change(&tenant(), remembered, News::default()).await.unwrap();

    let export = desk.export_person(&admin, "ann").await.unwrap();
    for (name, count) in
        ["profile", "matching", "answers"].map(|name| (name, 1)).into_iter().chain(["matches"].map(|name| (name, 0)))
    {
        assert_eq!(export[name].as_array().map(Vec::len), Some(count), "{name}");
    }
    for (name, count) in [
        ("items", 1),
        ("evidence", 2),
        ("decisions", 1),
        ("reports_made", 1),
        ("reports_about", 1),
        ("messages", 1),
        ("actions", 1),
        ("facts", 1),
    ] {
        assert_eq!(export[name].as_array().map(Vec::len), Some(count), "{name}");
    }
    assert!(!export["reports_about"].to_string().contains("bob"), "who reported is not theirs to know");

    let receipt = desk.erase_person(&admin, "ann").await.unwrap();
    assert!(!serde_json::to_string(&receipt).unwrap().contains("ann\""));
    assert_eq!((receipt.rows["items"], receipt.rows["cases"], receipt.rows["evidence_media"]), (1, 2, 1));
    assert_eq!((receipt.rows["profiles"], receipt.rows["match_people"], receipt.rows["ties"]), (1, 1, 1));
    assert_eq!(desk.receipt(&tenant(), receipt.id).await.unwrap(), receipt);
    let gone = desk.export_person(&admin, "ann").await.unwrap();
    for name in [
        "items",
        "evidence",
        "decisions",
        "reports_made",
        "reports_about",
        "messages",
        "appeals",
        "actions",
        "facts",
        "profile",
        "matching",
        "answers",
    ] {
        assert_eq!(gone[name].as_array().map(Vec::len), Some(0), "{name}");
    }
    assert!(desk.search(&tenant(), "fool", 9).await.unwrap().is_empty());
    assert!(desk.evidence(&tenant(), case.id).await.unwrap().iter().all(|evidence| evidence.exhibit.is_none()));
    assert_eq!(code(desk.media(&tenant(), case.id, "m").await), "not_found");
    assert!(store.is_judged(item).await.unwrap(), "nothing is judged twice");
    let kept = format!("{:?}", store.load_item(&tenant(), item).await.unwrap());
    assert!(!kept.contains("secret") && !kept.contains("ann"), "{kept}");
    let kept = format!("{:?}", store.load_action(&tenant(), warned).await.unwrap());
    assert!(kept.contains("warn") && !kept.contains("ann\""), "{kept}");
    let person = store.load_person(&tenant(), &"ann".into(), noon()).await.unwrap();
    assert_eq!((person.strikes, person.evasion), (0, None));
    let others = format!("{:?}", desk.reports(&tenant(), ReportFilter::default(), None, 9).await.unwrap());
    assert!(!others.contains("\"ann\"") && others.contains("erased"), "{others}");
    assert_eq!(desk.verify_audit(&tenant()).await.unwrap().broken, None, "the audit stands");
}

pub(crate) async fn c6_a_hold_beats_erasure_and_retention(store: &Shared) {
    let (desk, clock) = desk(store);
    let admin = staff("ada", Role::Admin);
    let mut cases = Vec::new();
    for subject in ["ann", "bob"] {
        let id = desk.open_case(find(subject)).await.unwrap().0.id;
        take(&desk, &mia(), id).await;
        desk.decide(&mia(), id, draft(Ruling::Uphold), Following::default()).await.unwrap();
        cases.push(id);
    }
    desk.hold(&admin, "ann", Some("file 7")).await.unwrap();
    assert_eq!(desk.held(&tenant(), "ann").await.unwrap().unwrap().reason, "file 7");
    assert_eq!(code(desk.erase_person(&admin, "ann").await), "preservation_hold");
    let there = async |id| desk.evidence(&tenant(), id).await.unwrap()[0].exhibit.is_some();
    clock.advance(TimeDelta::days(179));
    assert_eq!(desk.expire_evidence().await.unwrap(), 0);
    clock.advance(TimeDelta::days(2));
    assert_eq!(desk.expire_evidence().await.unwrap(), 1);
    assert!(there(cases[0]).await && !there(cases[1]).await);
    desk.hold(&admin, "ann", None).await.unwrap();
    assert_eq!(code(desk.hold(&admin, "ann", None).await), "not_found");
    assert_eq!(desk.expire_evidence().await.unwrap(), 1);
    desk.erase_person(&admin, "ann").await.unwrap();
}

pub(crate) async fn c1_words_of_the_evidence_are_found(store: &Shared) {
    let (desk, _) = desk(store);
    for (subject, text) in
        [("ann", "Grüße from Köln, you \"fool\""), ("bob", "nothing; DROP TABLE cases --"), ("cid", "fool me twice")]
    {
        let mut draft = find(subject);
        draft.exhibits = vec![exhibit(subject, text, None)];
        desk.open_case(draft).await.unwrap();
    }
    let found = async |question: &str| {
        let found = desk.search(&tenant(), question, 9).await.unwrap();
        found.into_iter().map(|found| found.subject).collect::<Vec<_>>()
    };
    assert_eq!(found("FOOL").await, ["cid", "ann"]);
    assert_eq!(found("fool köln").await, ["ann"]);
    assert_eq!(found("drop* \"table").await, ["bob"]);
    assert!(found("absent").await.is_empty());
    assert_eq!(code(desk.search(&tenant(), " \" * ", 9).await), "search_empty");
    assert!(desk.search(&"b".into(), "fool", 9).await.unwrap().is_empty());

    let sharing = async |text: &str| {
        let found = desk.sharing_words(&tenant(), text, 9).await.unwrap();
        found.into_iter().map(|found| found.subject).collect::<Vec<_>>()
    };
    assert_eq!(sharing("Fool of Köln").await, ["ann", "cid"], "those that share most first");
    assert!(sharing("a \" * OR me").await.is_empty());
    assert!(desk.sharing_words(&"b".into(), "fool", 9).await.unwrap().is_empty());
}

pub(crate) async fn c3_accounts_sessions_and_failures(store: &Shared) {
    let (desk, clock) = desk(store);
    assert!(!desk.any_user().await.unwrap());
    let user = desk.new_user(tenant(), "ada".into(), Role::Admin);
    desk.create_user(user.clone(), "hash".into(), "cli").await.unwrap();
    let twin = desk.new_user("b".into(), "ada".into(), Role::Reviewer);
    assert_eq!(code(desk.create_user(twin, "hash".into(), "cli").await), "login_taken");
    assert!(desk.any_user().await.unwrap());
    let account = desk.account("ada").await.unwrap().unwrap();
    assert_eq!((account.user, account.password.as_str(), account.totp), (user.clone(), "hash", None));
    assert!(desk.account("nobody").await.unwrap().is_none());

    let until = clock.now() + TimeDelta::hours(1);
    desk.open_session(&user, "digest".into(), "csrf".into(), until).await.unwrap();
    assert_eq!(desk.session("digest").await.unwrap().unwrap().csrf, "csrf");
    assert!(desk.session("other").await.unwrap().is_none());
    clock.advance(TimeDelta::hours(1));
    assert!(desk.session("digest").await.unwrap().is_none(), "it ends by itself");

    let change = |change: accounts::UserChange| desk.change_user(&user.tenant, "ada", change, "ada");
    use accounts::UserChange;
    assert_eq!(code(change(UserChange { role: Some(Role::Lead), ..Default::default() }).await), "last_admin");
    assert_eq!(code(change(UserChange { disabled: Some(true), ..Default::default() }).await), "last_admin");
    let secret = Some(Some("JBSW".to_owned()));
    assert!(change(UserChange { totp: secret, ..Default::default() }).await.unwrap().totp);
    assert!(desk.use_totp("ada", 5).await.unwrap());
    assert!(!desk.use_totp("ada", 5).await.unwrap() && !desk.use_totp("ada", 4).await.unwrap(), "a code works once");
    desk.open_session(&user, "digest".into(), "csrf".into(), clock.now() + TimeDelta::hours(1)).await.unwrap();
    change(UserChange { password: Some("other".into()), ..Default::default() }).await.unwrap();
    assert!(desk.session("digest").await.unwrap().is_none(), "a new password ends every session");

    let names = || vec!["login:ada".to_owned(), "address:1".to_owned()];
    for _ in 0..accounts::FAILURES {
        assert_eq!(desk.may_sign_in(names()).await.unwrap(), None);
        desk.signed_in(names(), false).await.unwrap();
    }
    let wait = desk.may_sign_in(names()).await.unwrap().unwrap();
    assert_eq!(wait, clock.now() + accounts::WAIT);
    assert_eq!(desk.may_sign_in(vec!["login:bob".into()]).await.unwrap(), None);
    clock.advance(accounts::WAIT);
    assert_eq!(desk.may_sign_in(names()).await.unwrap(), None);
    let secret = desk.secret("urls", vec![1; 32]).await.unwrap();
    assert_eq!(desk.secret("urls", vec![2; 32]).await.unwrap(), secret, "one secret for every process");
}
