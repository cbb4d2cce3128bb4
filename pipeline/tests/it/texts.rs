//! Messages.

use pipeline::{Kind, PipelineError, action::ActionKind, item::ItemId, store::ItemRecord};

use crate::harness::{Harness, TENANT, text};

#[tokio::test]
async fn t1_a_toxic_text_gets_scores_an_action_and_a_masked_text() {
    let service = Harness::new().await;
    let item = text("ｗｅｌｌ ä you fake:insult=0.93 fellow", service.at(0));
    let outcome = service.record(&item).await.unwrap().outcome;
    let verdict = &outcome.verdict;
    assert_eq!((verdict.action, verdict.flagged), (ActionKind::Warn, true));
    assert!((verdict.confidence - 0.93).abs() < 1e-6);
    assert_eq!(verdict.sanitized_text.as_deref(), Some("ｗｅｌｌ ä you **************** fellow"));
    let spans: Vec<_> = verdict.spans.iter().map(|span| (span.start, span.end, span.label.as_str())).collect();
    assert_eq!(spans, [(11, 27, "insult")]);
    let labels: Vec<_> = outcome.signals.iter().map(|signal| signal.label.as_str()).collect();
    assert_eq!(labels, ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate", "spam"]);
    assert_eq!(outcome.actions.len(), 1);
    assert_eq!(outcome.actions[0].subject.id, item.envelope.id);
    assert!(verdict.policy.starts_with("default@"));
}

#[tokio::test]
async fn t1_each_of_the_six_labels_can_act() {
    let service = Harness::new().await;
    for label in ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"] {
        let outcome = service.record(&text(&format!("fake:{label}=0.95"), service.at(0))).await.unwrap().outcome;
        assert!(outcome.verdict.flagged, "{label}");
        assert_eq!(outcome.verdict.reasons[0].label, label);
        assert_eq!(outcome.verdict.sanitized_text.unwrap().replace('*', ""), "", "{label}");
    }
}

#[tokio::test]
async fn t3_spam_is_cut_at_eight_tenths() {
    let service = Harness::new().await;
    for (score, expected) in [("0.79", ActionKind::Allow), ("0.80", ActionKind::Remove), ("0.99", ActionKind::Remove)] {
        let outcome = service.record(&text(&format!("buy fake:spam={score}"), service.at(0))).await.unwrap().outcome;
        assert_eq!(outcome.verdict.action, expected, "{score}");
    }
}

const CONTEXT_POLICY: &str = r#"
name = "context"
[[rule]]
name = "alone"
kinds = ["text"]
when = "score.toxic >= 0.8"
action = "warn"
reason = "Alone."
[[rule]]
name = "together"
kinds = ["text"]
when = "context.toxic >= 0.5"
action = "review"
reason = "Together."
"#;

#[tokio::test]
async fn t2_a_message_is_judged_with_what_its_author_wrote_before() {
    let service = Harness::new().await;
    service.set_policy(CONTEXT_POLICY);
    let say = async |words: &str, second: i64| {
        let outcome = service.record(&text(words, service.at(second))).await.unwrap().outcome;
        (outcome.verdict.action, outcome.signals.iter().any(|signal| signal.label == "context.toxic"))
    };
    assert_eq!(say("fake:toxic=0.6", 0).await, (ActionKind::Allow, false), "nothing came before");
    assert_eq!(say("and you know it", 1).await, (ActionKind::Review, true));
    assert_eq!(say("fake:toxic=0.9", 2).await, (ActionKind::Warn, false), "flagged alone: not judged twice");
    assert_eq!(say("much later", 700).await, (ActionKind::Allow, false), "older than the window");
}

#[tokio::test]
async fn t2_flagged_messages_others_and_other_rooms_are_no_context() {
    let service = Harness::new().await;
    service.set_policy(CONTEXT_POLICY);
    service.record(&text("fake:toxic=0.9", service.at(0))).await.unwrap();
    let after_flagged = service.record(&text("hello", service.at(1))).await.unwrap().outcome;
    assert_eq!(after_flagged.verdict.action, ActionKind::Allow, "a flagged message does not colour the next");

    let service = Harness::new().await;
    service.set_policy(CONTEXT_POLICY);
    service.record(&text("fake:toxic=0.6", service.at(10))).await.unwrap();
    let mut other_person = text("hello", service.at(11));
    other_person.envelope.actor = Some("bob".into());
    let mut other_room = text("hello", service.at(11));
    other_room.envelope.conversation = Some("elsewhere".into());
    let mut nobody = text("hello", service.at(11));
    nobody.envelope.actor = None;
    for item in [other_person, other_room, nobody] {
        assert_eq!(service.record(&item).await.unwrap().outcome.verdict.action, ActionKind::Allow);
    }
    assert_eq!(
        service.dry_run(&text("hello", service.at(11))).await.unwrap().outcome.verdict.action,
        ActionKind::Review
    );
}

#[tokio::test]
async fn t2_messages_sent_at_once_see_each_other() {
    let service = Harness::new().await;
    service.set_policy(CONTEXT_POLICY);
    let messages: Vec<_> = (0..20).map(|i| text(&format!("fake:toxic=0.6 no {i}"), service.at(i))).collect();
    let outcomes = futures::future::join_all(messages.iter().map(|item| service.record(item))).await;
    let reviewed = outcomes.iter().filter(|outcome| outcome.as_ref().unwrap().outcome.verdict.flagged).count();
    assert!(reviewed >= 10, "one at a time per author, so later ones see earlier ones: {reviewed}");
}

#[tokio::test]
async fn i7_the_same_item_twice_has_one_outcome() {
    let service = Harness::new().await;
    let item = text("fake:threat=0.9", service.at(0));
    let first = service.record(&item).await.unwrap();
    let events = service.events().await;
    let second = service.record(&item).await.unwrap();
    assert!(first.fresh && !second.fresh);
    assert_eq!(first.outcome.actions, second.outcome.actions);
    assert_eq!(service.events().await, events);
    assert_eq!(
        events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
        ["item.judged", "moderation.action"]
    );

    let mut stranger = item.clone();
    stranger.envelope.tenant = "other".into();
    let error = service.record(&stranger).await.unwrap_err();
    assert!(matches!(error, PipelineError::Conflict { code: "item_id_taken", .. }), "{error}");
}

#[tokio::test]
async fn i7_the_same_item_at_once_has_one_outcome() {
    let service = Harness::new().await;
    let item = text("fake:threat=0.9", service.at(0));
    let answers = futures::future::join_all((0..10).map(|_| service.record(&item))).await;
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| answer.fresh).count(), 1);
    assert!(answers.iter().all(|answer| answer.outcome.actions == answers[0].outcome.actions));
    assert_eq!(service.events().await.len(), 2);
}

#[tokio::test]
async fn a_dry_run_writes_nothing() {
    let service = Harness::new().await;
    service.set_policy(CONTEXT_POLICY);
    let item = text("fake:toxic=0.6", service.at(0));
    let processed = service.dry_run(&item).await.unwrap();
    assert!(processed.fresh);
    assert!(service.events().await.is_empty());
    assert_eq!(service.store.load_item(&TENANT.into(), item.envelope.id).await.unwrap(), None);
    let next = service.record(&text("hello", service.at(1))).await.unwrap();
    assert_eq!(next.outcome.verdict.action, ActionKind::Allow, "a dry run is no context");
}

#[tokio::test]
async fn p1_actions_are_events_and_webhook_deliveries_without_the_text() {
    let service = Harness::new().await;
    let item = text("a secret fake:threat=0.9", service.at(0));
    let outcome = service.record(&item).await.unwrap().outcome;
    let events = service.events().await;
    assert_eq!(events[1].key, outcome.actions[0].id.to_string());
    assert_eq!(events[1].data["action"], "remove");
    assert!(!serde_json::to_string(&events).unwrap().contains("secret"));
    let due = service.store.claim_deliveries(service.at(1), service.at(60), 10).await.unwrap();
    let due: Vec<_> = due.iter().map(|due| (due.webhook.as_str(), due.event.kind.as_str())).collect();
    assert_eq!(due, [("actions", "moderation.action")]);
    match service.store.load_item(&TENANT.into(), item.envelope.id).await.unwrap() {
        Some(ItemRecord::Judged(stored)) => assert_eq!(stored.actions, outcome.actions),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_repeated_text_is_not_judged_by_models_again() {
    let service = Harness::new().await;
    let slow = || text("fake:slow=400 and fake:insult=0.9", service.at(0));
    let first = service.record(&slow()).await.unwrap().outcome;
    let second = service.record(&slow()).await.unwrap().outcome;
    assert!(first.timings.infer_ms >= 400.0, "{:?}", first.timings);
    assert!(second.timings.infer_ms < 400.0, "{:?}", second.timings);
    assert_eq!(first.signals, second.signals);
    assert_eq!(first.verdict, second.verdict);
}

#[tokio::test]
async fn a_bad_text_costs_only_itself() {
    let service = Harness::new().await;
    let bad = [("", "text_empty"), ("\u{200b} \u{feff}", "text_empty"), (&"x".repeat(20_001), "text_too_long")];
    for (words, expected) in bad {
        match service.record(&text(words, service.at(0))).await {
            Err(PipelineError::Invalid { code, .. }) => assert_eq!(code, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    let together = tokio::join!(async { service.record(&text("fake:fail", service.at(0))).await }, async {
        service.record(&text("hello", service.at(0))).await
    });
    assert!(together.0.is_err());
    assert_eq!(together.1.unwrap().outcome.verdict.action, ActionKind::Allow);
    assert_eq!(service.events().await.len(), 1);
    for odd in ["\u{0}", "👩‍👩‍👧‍👦🏳️‍🌈", "\u{202e}evil\u{202c}", &"\u{fdfa}".repeat(6_000), &"e\u{301}\u{301}".repeat(1_000)]
    {
        service.record(&text(odd, service.at(0))).await.unwrap();
    }
}

#[tokio::test]
async fn a_clock_that_runs_ahead_or_far_behind_is_clamped() {
    let service = Harness::new().await;
    let mut item = text("hello", service.at(0));
    item.envelope.occurred_at = service.at(3600);
    assert_eq!(service.record(&item).await.unwrap().outcome.envelope.occurred_at, service.at(0));
    item.envelope.id = ItemId::new();
    item.envelope.occurred_at = service.at(-30 * 24 * 3600);
    assert_eq!(service.record(&item).await.unwrap().outcome.envelope.occurred_at, service.at(-24 * 3600));
}

#[tokio::test]
async fn p2_a_tenant_is_judged_by_its_own_policy_from_the_next_item_on() {
    let service = Harness::new().await;
    let spam = || text("fake:spam=0.9", service.at(0));
    assert_eq!(service.record(&spam()).await.unwrap().outcome.verdict.action, ActionKind::Remove);
    let lax = pipeline::policy::Policy::parse("lax.toml", "name = \"lax\"").unwrap();
    service.policies.replace(TENANT.into(), Some(lax.into()));
    let outcome = service.record(&spam()).await.unwrap().outcome;
    assert_eq!(outcome.verdict.action, ActionKind::Allow);
    assert!(outcome.verdict.policy.starts_with("lax@"));
    assert_eq!(PipelineError::from(pipeline::policy::Policy::parse("x", "=").unwrap_err()).kind(), Kind::Invalid);
}

#[tokio::test]
async fn t6_a_disguised_word_is_judged_in_plain_and_masked_as_written() {
    let service = Harness::new().await;
    service.set_policy(
        "name = \"lists\"\n[[list]]\nname = \"own\"\nterms = [\"moron\", \"zorbix\"]\nallow = [\"zorbix tea\"]\n\
         [[rule]]\nname = \"listed\"\nkinds = [\"text\"]\nwhen = \"list.own > 0.5\"\naction = \"review\"\nreason = \"R.\"\n\
         mask = [\"list.own\"]\n",
    );
    for (words, sanitized) in [
        ("😀 you m0r0n there", Some("😀 you ***** there")),
        ("you m.o.r.o.n there", Some("you ********* there")),
        ("ZORBIX!", Some("******!")),
        ("a cup of zorbix tea", None),
        ("nothing at all", None),
    ] {
        let outcome = service.record(&text(words, service.at(0))).await.unwrap().outcome;
        assert_eq!(outcome.verdict.sanitized_text.as_deref(), sanitized, "{words}");
        assert_eq!(outcome.verdict.flagged, sanitized.is_some(), "{words}");
        let listed = outcome.signals.iter().any(|signal| signal.model == "word-list" && signal.label == "list.own");
        assert_eq!(listed, sanitized.is_some(), "{words}");
        if words.starts_with('😀') {
            let span = &outcome.verdict.spans[0];
            assert_eq!((span.start, span.end, span.start_utf16, span.end_utf16), (6, 11, 7, 12));
        }
    }
}
