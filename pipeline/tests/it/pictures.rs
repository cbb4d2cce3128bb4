//! Frames of calls and uploads.

use models::Lane;
use pipeline::{
    PipelineError,
    action::ActionKind,
    item::{CallId, Item, ItemKind, TenantId},
    process::Mode,
    stream::call::Call,
};

use crate::harness::{Harness, NEUTRAL, PORN, TENANT, frame, picture, picture_bytes};

async fn act(service: &Harness, item: &Item) -> (ActionKind, u32) {
    let outcome = service.record(item).await.unwrap().outcome;
    outcome.actions.first().map_or((ActionKind::Allow, 0), |action| (action.kind, action.violations))
}

async fn load_call(service: &Harness) -> Call {
    service.store.load_call(&TENANT.into(), &"room".into()).await.unwrap().unwrap()
}

async fn put_call(service: &Harness, call: &Call) {
    let seen = service.store.load_call(&TENANT.into(), &call.id).await.unwrap();
    service.store.put_call(&TENANT.into(), call, seen.as_ref(), Vec::new(), Vec::new()).await.unwrap();
}

#[tokio::test]
async fn f1_a_frame_is_classified_and_judged() {
    let service = Harness::new().await;
    let clean = service.record(&frame(NEUTRAL, 0.98, service.at(0))).await.unwrap().outcome;
    assert_eq!((clean.verdict.action, clean.verdict.flagged), (ActionKind::Allow, false));
    let labels: Vec<_> = clean.signals.iter().map(|signal| signal.label.as_str()).collect();
    assert_eq!(labels, ["drawing", "hentai", "neutral", "porn", "sexy"]);
    let bad = service.record(&frame(PORN, 0.9, service.at(1))).await.unwrap().outcome;
    assert_eq!(bad.verdict.action, ActionKind::Warn);
    assert_eq!((bad.verdict.reasons[0].rule.as_str(), bad.verdict.reasons[0].label.as_str()), ("frame_nudity", "porn"));
    assert_eq!(bad.content_sha256.len(), 64);
}

#[tokio::test]
async fn f2_one_violation_warns_and_three_within_30_s_disconnect() {
    let service = Harness::new().await;
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(0))).await, (ActionKind::Warn, 1));
    assert_eq!(act(&service, &frame(NEUTRAL, 0.9, service.at(5))).await, (ActionKind::Allow, 0));
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(31))).await, (ActionKind::Warn, 1), "the first has left");
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(40))).await, (ActionKind::Warn, 2));
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(61))).await, (ActionKind::Disconnect, 3));
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(62))).await, (ActionKind::Allow, 0), "no second one");
    let (state, _) =
        service.store.load_participant(&TENANT.into(), &"room".into(), &"ann".into()).await.unwrap().unwrap();
    assert_eq!((state.frames, state.disconnected_at), (6, Some(service.at(61))));
    let judged = service.events().await;
    let last = judged.iter().rfind(|event| event.kind == "moderation.action").unwrap();
    assert_eq!((&last.data["action"], &last.data["violations"]), (&"disconnect".into(), &3.into()));
}

#[tokio::test]
async fn f2_frames_at_once_disconnect_once() {
    let service = Harness::new().await;
    let frames: Vec<_> = (0..24).map(|i| frame(PORN, 0.9, service.at(i % 6))).collect();
    let outcomes = futures::future::join_all(frames.iter().map(|item| service.record(item))).await;
    let actions: Vec<_> = outcomes.into_iter().flat_map(|outcome| outcome.unwrap().outcome.actions).collect();
    let count = |kind| actions.iter().filter(|action| action.kind == kind).count();
    assert_eq!((count(ActionKind::Warn), count(ActionKind::Disconnect)), (2, 1));
}

/// Frames of one participant belong to one worker, but while a partition moves two may have them.
#[tokio::test]
async fn f2_two_processes_count_one_participants_violations_together() {
    let service = Harness::new().await;
    let other = service.another_process();
    let elsewhere = async |second| {
        let item = frame(PORN, 0.9, service.at(second));
        let outcome = other.process(&item, Lane::Live, Mode::Record).await.unwrap().outcome;
        outcome.actions.first().map_or((ActionKind::Allow, 0), |action| (action.kind, action.violations))
    };
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(0))).await, (ActionKind::Warn, 1));
    assert_eq!(elsewhere(1).await, (ActionKind::Warn, 2));
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(2))).await, (ActionKind::Disconnect, 3), "not from memory");
    assert_eq!(elsewhere(3).await, (ActionKind::Allow, 0));
    let (state, version) =
        service.store.load_participant(&TENANT.into(), &"room".into(), &"ann".into()).await.unwrap().unwrap();
    assert_eq!((state.frames, version), (4, 4));
}

#[tokio::test]
async fn f2_participants_and_calls_do_not_share_a_window() {
    let service = Harness::new().await;
    for (second, (actor, call)) in [("ann", "room"), ("bob", "room"), ("ann", "other")].into_iter().enumerate() {
        let mut item = frame(PORN, 0.9, service.at(second as i64));
        item.envelope.actor = Some(actor.into());
        item.envelope.call = Some(call.into());
        assert_eq!(act(&service, &item).await, (ActionKind::Warn, 1), "{actor} in {call}");
    }
    let mut other_tenant = frame(PORN, 0.9, service.at(3));
    other_tenant.envelope.tenant = TenantId::from("other");
    assert_eq!(act(&service, &other_tenant).await, (ActionKind::Warn, 1));
}

#[tokio::test]
async fn f3_state_survives_a_restart() {
    let mut service = Harness::new().await;
    for second in 0..2 {
        act(&service, &frame(PORN, 0.9, service.at(second))).await;
    }
    service.restart();
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(2))).await, (ActionKind::Disconnect, 3));
    service.restart();
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(3))).await, (ActionKind::Allow, 0));
}

#[tokio::test]
async fn f3_who_rejoins_counts_anew() {
    let service = Harness::new().await;
    let (room, ann) = (CallId::from("room"), "ann".into());
    put_call(&service, &Call::start(room, service.at(0), vec!["ann".into()]).unwrap()).await;
    for second in 1..4 {
        act(&service, &frame(PORN, 0.9, service.at(second))).await;
    }
    let left = load_call(&service).await.leave(&ann, service.at(4)).unwrap();
    put_call(&service, &left).await;
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(5))).await, (ActionKind::Allow, 0));
    put_call(&service, &load_call(&service).await.join(ann, service.at(6)).unwrap()).await;
    for (second, expected) in [(7, (ActionKind::Warn, 1)), (8, (ActionKind::Warn, 2)), (9, (ActionKind::Disconnect, 3))]
    {
        assert_eq!(act(&service, &frame(PORN, 0.9, service.at(second))).await, expected);
    }
}

#[tokio::test]
async fn f3_frames_of_an_ended_call_are_judged_without_action() {
    let service = Harness::new().await;
    let call = Call::start("room".into(), service.at(0), vec!["ann".into()]).unwrap();
    put_call(&service, &call.end(service.at(10))).await;
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(9))).await, (ActionKind::Warn, 1), "captured before the end");
    let late = service.record(&frame(PORN, 0.9, service.at(11))).await.unwrap().outcome;
    assert!(late.verdict.flagged && late.actions.is_empty() && late.verdict.action == ActionKind::Allow);
}

#[tokio::test]
async fn f2_a_late_frame_outside_the_window_takes_no_action() {
    let service = Harness::new().await;
    act(&service, &frame(PORN, 0.9, service.at(100))).await;
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(60))).await, (ActionKind::Allow, 0));
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(80))).await, (ActionKind::Warn, 2));
}

#[tokio::test]
async fn f2_a_dry_run_climbs_no_ladder() {
    let service = Harness::new().await;
    for second in 0..5 {
        let outcome = service.dry_run(&frame(PORN, 0.9, service.at(second))).await.unwrap().outcome;
        assert_eq!(outcome.actions[0].violations, 1);
    }
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(9))).await, (ActionKind::Warn, 1));
}

#[tokio::test]
async fn m1_an_upload_over_the_cut_is_removed() {
    let service = Harness::new().await;
    let item = picture(ItemKind::Image, picture_bytes(PORN, 0.9), service.at(0));
    assert_eq!(act(&service, &item).await, (ActionKind::Remove, 0));
    let item = picture(ItemKind::Image, picture_bytes(NEUTRAL, 0.9), service.at(0));
    assert_eq!(act(&service, &item).await, (ActionKind::Allow, 0));
}

#[tokio::test]
async fn m5_a_bad_picture_costs_only_itself() {
    let service = Harness::new().await;
    let whole = picture_bytes(PORN, 0.9);
    let bad: [(&str, Vec<u8>); 4] = [
        ("picture_empty", Vec::new()),
        ("picture_truncated", whole[..whole.len() / 2].to_vec()),
        ("picture_unknown_format", b"no picture at all".to_vec()),
        ("picture_too_large", vec![0; 300 << 10]),
    ];
    for (expected, bytes) in bad {
        match service.record(&picture(ItemKind::Frame, bytes, service.at(0))).await {
            Err(PipelineError::Invalid { code, .. }) => assert_eq!(code, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
    assert!(service.events().await.is_empty());
    assert_eq!(act(&service, &frame(PORN, 0.9, service.at(1))).await, (ActionKind::Warn, 1));
}
