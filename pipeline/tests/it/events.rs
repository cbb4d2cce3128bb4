//! What goes out agrees with the schemas, and so do the examples of docs/events.md.

use std::{collections::BTreeSet, path::Path};

use jsonschema::Validator;
use pipeline::{
    action::ActionKind,
    item::{ItemId, ItemKind, ReportId},
    notice::Notice,
    process::{ProfileDraft, policies::Terms},
    report::Report,
    review::{
        appeal::Appeal,
        decision::{DecisionDraft, Ruling},
        staff::{Profile, Role, Staff},
    },
    schemas,
    store::desk::claims::Claim,
};
use serde_json::{Value, json};

use crate::harness::{Harness, NEUTRAL, PORN, TENANT, frame, picture, picture_bytes, text};

fn schema(group: &str, kind: &str) -> Value {
    let file = format!("{kind}.v1.json");
    let text = schemas::find(group, &file).unwrap_or_else(|| panic!("no schema {group}/{file}"));
    serde_json::from_str(text).unwrap()
}

/// The schema as it holds for us: nothing that it does not list.
fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.get("properties").is_some() && object.get("type") == Some(&json!("object")) {
            object.insert("additionalProperties".into(), json!(false));
        }
        object.values_mut().for_each(close);
    }
}

fn validator(schema: &Value) -> Validator {
    jsonschema::options().should_validate_formats(true).build(schema).unwrap()
}

#[track_caller]
fn check(schema: &Value, instance: &Value) {
    let errors: Vec<String> = validator(schema)
        .iter_errors(instance)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}\n{instance:#}");
}

/// Everything that is told, by every way that it comes about.
async fn make_events(service: &Harness) {
    for words in ["hello", "buy fake:spam=0.99", "you fake:insult=0.93 fellow"] {
        service.record(&text(words, service.at(0))).await.unwrap();
    }
    let mut bare = text("fake:threat=0.99", service.at(0));
    (bare.envelope.actor, bare.envelope.conversation) = (None, None);
    bare.envelope.reference = Some("msg-1".into());
    service.record(&bare).await.unwrap();
    let mut edited = text("fake:insult=0.93 edited", service.at(0));
    edited.envelope.message = Some("msg-2".into());
    service.record(&edited).await.unwrap();
    for second in 0..4 {
        service.record(&frame(PORN, 0.97, service.at(second))).await.unwrap();
    }
    service.record(&frame(NEUTRAL, 0.97, service.at(9))).await.unwrap();
    service.record(&picture(ItemKind::Image, picture_bytes(PORN, 0.97), service.at(9))).await.unwrap();

    let (tenant, pipeline) = (TENANT.into(), &service.pipeline);
    pipeline.start_call(&tenant, "call-1".into(), vec!["ann".into()]).await.unwrap();
    pipeline.join_call(&tenant, &"call-1".into(), &"bob".into()).await.unwrap();
    pipeline.leave_call(&tenant, &"call-1".into(), &"bob".into()).await.unwrap();
    pipeline.end_call(&tenant, &"call-1".into()).await.unwrap();
    for (kind, data) in [
        ("call.joined", json!({ "call": "call-2", "actor": "ann" })),
        ("call.started", json!({ "call": "call-2", "participants": ["ann", "bob"] })),
        ("user.disconnected", json!({ "actor": "ann" })),
        ("call.ended", json!({ "call": "call-3" })),
    ] {
        let notice = json!({ "type": kind, "version": 1, "id": "n", "at": service.at(0), "data": data });
        pipeline.apply(&Notice::from_value(&notice, Some(&tenant)).unwrap()).await.unwrap();
    }

    let report = Report {
        id: ReportId::new(),
        tenant: tenant.clone(),
        reporter: "ann".into(),
        subject: "bob".into(),
        conversation: None,
        call: None,
        item: None,
        message: None,
        reason: "spam".into(),
        note: None,
        at: service.at(0),
    };
    pipeline.take_report(report.clone()).await.unwrap();
    let full = Report {
        id: ReportId::new(),
        conversation: Some("room".into()),
        call: Some("call-1".into()),
        item: Some(ItemId::new()),
        message: Some("m-1".into()),
        note: Some("SECRET".into()),
        ..report
    };
    pipeline.take_report(full).await.unwrap();

    service.set_policy(crate::enforcement::POLICY);
    for second in 0..3 {
        let mut item = text("fake:threat=0.99", service.at(second));
        item.envelope.actor = Some(format!("bad-{second}").as_str().into());
        service.record(&item).await.unwrap();
    }
    // While the bans last.
    make_match_events(service).await;
    let insult = service.record(&text("you fake:insult=0.93 fellow", service.at(3))).await.unwrap().outcome;
    pipeline.undo(&tenant, insult.actions[0].id, "lea", "It was a joke.").await.unwrap();
    pipeline.close_breaker(&tenant, ActionKind::Ban, "lea").await.unwrap();
    service.clock.advance(chrono::TimeDelta::hours(25));
    pipeline.lift_expired().await.unwrap();
    for _ in 0..3 {
        pipeline.retell_unacknowledged().await.unwrap();
        service.clock.advance(chrono::TimeDelta::hours(1));
    }
    for (text, percent) in [("name = \"mine\"", 100), ("name = \"next\"", 10)] {
        let (version, _) = pipeline.draft_policy(&tenant, text, "lea", "words").await.unwrap();
        let terms = Terms { percent, alarm: None };
        pipeline.go_live(&tenant, version.number, terms, "lea", "a trial").await.unwrap();
    }
    make_desk_events(service).await;
}

/// Two people meet and part; somebody who is banned comes again.
async fn make_match_events(service: &Harness) {
    let (tenant, pipeline) = (TENANT.into(), &service.pipeline);
    let bio = "SECRET: I collect stamps, brew stout, and climb every rock between here and the sea.";
    let draft = || ProfileDraft { bio: bio.into(), ..ProfileDraft::default() };
    for id in ["bad-0", "bad-1", "bad-2", "eve", "kim"] {
        pipeline.put_profile(&tenant, id.into(), draft()).await.unwrap();
    }
    let mut after = 0;
    while let Some(last) = pipeline.follow_standings(after).await.unwrap() {
        after = last;
    }
    pipeline.put_profile(&tenant, "bad-again".into(), draft()).await.unwrap();
    for (from, to) in [("eve", "kim"), ("kim", "eve")] {
        pipeline.answer(&tenant, &from.into(), &to.into(), true).await.unwrap();
    }
    let met = pipeline.matches(&tenant, &"eve".into(), true, 1).await.unwrap();
    pipeline.end_match(&tenant, met[0].id, Some(&"kim".into()), "skipped").await.unwrap();
}

/// A case that is decided, and objected to with success.
async fn make_desk_events(service: &Harness) {
    let (pipeline, desk) = (&service.pipeline, service.pipeline.desk());
    let staff =
        |name: &str| Staff { tenant: TENANT.into(), name: name.into(), role: Role::Lead, profile: Profile::default() };
    let cases = desk.cases_of(&TENANT.into(), "bob", 1).await.unwrap();
    let decide = async |who: &Staff, id, ruling| {
        let claim = Claim { case: Some(id), ..Claim::default() };
        desk.claim(who, claim).await.unwrap();
        let act = ruling == Ruling::Act;
        let draft = DecisionDraft {
            key: ItemId::new().to_string(),
            ruling,
            action: act.then_some(ActionKind::Suspend),
            seconds: act.then_some(60),
            rule: None,
            reason: None,
            note: Some("SECRET".into()),
            seen: None,
            looked_seconds: 1,
            all_reports: false,
            copies: false,
        };
        pipeline.decide_case(who, id, draft).await.unwrap().decision
    };
    let decision = decide(&staff("SECRET-mia"), cases[0].id, Ruling::Act).await;
    desk.queue_statement(&staff("SECRET-lea"), decision.id, None).await.unwrap();
    let appeal = pipeline.new_appeal(TENANT.into(), None, "bob".into(), "SECRET".into());
    let (appeal, _) = pipeline.take_appeal(Appeal { decision: Some(decision.id), ..appeal }).await.unwrap();
    decide(&staff("SECRET-tom"), appeal.case.unwrap(), Ruling::Dismiss).await;
}

#[tokio::test]
async fn i1_every_event_that_is_written_is_what_its_schema_says_and_nothing_more() {
    let service = Harness::new().await;
    make_events(&service).await;
    let mut kinds = BTreeSet::new();
    for event in service.events().await {
        let mut schema = schema("events", &event.kind);
        close(&mut schema);
        let wire = serde_json::to_value(&event).unwrap();
        check(&schema, &wire);
        assert!(!wire.to_string().contains("SECRET"), "{wire:#}");
        kinds.insert(event.kind);
    }
    let promised: BTreeSet<String> = schemas::ALL
        .iter()
        .filter(|(group, ..)| *group == "events")
        .map(|(_, file, _)| file.strip_suffix(".v1.json").unwrap().to_owned())
        .collect();
    assert_eq!(kinds, promised, "this test makes every kind that we tell");
}

#[tokio::test]
async fn i1_a_consumer_that_is_as_strict_as_the_schema_takes_what_later_versions_add() {
    let service = Harness::new().await;
    make_events(&service).await;
    for event in service.events().await {
        let mut wire = serde_json::to_value(&event).unwrap();
        wire["more"] = json!(1);
        wire["data"]["more"] = json!({ "deep": true });
        check(&schema("events", &event.kind), &wire);
    }
}

/// Fenced JSON of the document, each with the schema that the comment above it names.
fn examples() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/events.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut examples = Vec::new();
    for piece in text.split("<!-- example of ").skip(1) {
        let (name, rest) = piece.split_once(" -->\n```json\n").expect("an example follows its comment at once");
        examples.push((name.to_owned(), rest.split_once("\n```").unwrap().0.to_owned()));
    }
    examples
}

#[test]
fn i1_every_schema_has_an_example_in_the_documentation_that_it_accepts() {
    let examples = examples();
    for (name, example) in &examples {
        let (group, file) = name.split_once('/').unwrap();
        let text = schemas::find(group, file).unwrap_or_else(|| panic!("docs/events.md names {name}"));
        let mut schema: Value = serde_json::from_str(text).unwrap();
        close(&mut schema);
        let instance: Value = serde_json::from_str(example).unwrap_or_else(|error| panic!("{name}: {error}"));
        check(&schema, &instance);
        if group == "notices" {
            let notice = Notice::parse(example.as_bytes()).unwrap();
            assert_eq!(format!("{}.v1.json", notice.fact.as_str()), file);
        }
    }
    let shown: BTreeSet<String> = examples.into_iter().map(|(name, _)| name).collect();
    let all: BTreeSet<String> = schemas::ALL.iter().map(|(group, file, _)| format!("{group}/{file}")).collect();
    assert_eq!(shown, all);
}

#[test]
fn i1_parser_and_schemas_agree_on_notices() {
    let at = "2026-01-02T03:04:05Z";
    let full = |kind: &str, data: Value| json!({ "type": kind, "version": 1, "id": "n", "tenant": "t", "at": at, "data": data });
    let mut rows = vec![
        (full("user.connected", json!({ "actor": "ann", "extra": 1 })), true),
        (full("user.connected", json!({})), false),
        (full("user.disconnected", json!({ "actor": 7 })), false),
        (full("user.disconnected", json!({ "actor": "" })), false),
        (full("call.started", json!({ "call": "room" })), true),
        (full("call.started", json!({ "call": "room", "participants": ["ann"] })), true),
        (full("call.started", json!({ "call": "room", "participants": "ann" })), false),
        (full("call.started", json!({ "call": "room", "participants": [1] })), false),
        (full("call.joined", json!({ "call": "room" })), false),
        (full("call.left", json!({ "call": "room", "actor": "a".repeat(201) })), false),
        (full("call.ended", json!({ "call": "room" })), true),
        (full("call.ended", json!("room")), false),
    ];
    for field in ["version", "id", "at", "data"] {
        let mut without = full("call.ended", json!({ "call": "room" }));
        without.as_object_mut().unwrap().remove(field);
        rows.push((without, false));
    }
    for (notice, good) in rows {
        let parsed = Notice::parse(notice.to_string().as_bytes());
        assert_eq!(parsed.is_ok(), good, "{notice}: {parsed:?}");
        assert_eq!(validator(&schema("notices", notice["type"].as_str().unwrap())).is_valid(&notice), good, "{notice}");
    }
}
