//! What the platform tells: applied twice, late, from two processes.

use pipeline::{
    PipelineError,
    item::{ActorId, CallId, TenantId},
    notice::Notice,
    process::notices::Applied,
    stream::call::{Call, MAX_PARTICIPANTS},
};
use serde_json::{Value, json};

use crate::harness::{Harness, TENANT};

fn notice(service: &Harness, second: i64, kind: &str, data: &Value) -> Notice {
    let id = format!("{kind}-{second}");
    let value =
        json!({ "type": kind, "version": 1, "id": id, "tenant": TENANT, "at": service.at(second), "data": data });
    Notice::parse(value.to_string().as_bytes()).unwrap()
}

fn user(service: &Harness, second: i64, kind: &str, actor: &str) -> Notice {
    notice(service, second, &format!("user.{kind}"), &json!({ "actor": actor }))
}

fn call(service: &Harness, second: i64, kind: &str, call: &str, actor: &str) -> Notice {
    notice(service, second, &format!("call.{kind}"), &json!({ "call": call, "actor": actor }))
}

fn start(service: &Harness, second: i64, call: &str, actors: &[&str]) -> Notice {
    notice(service, second, "call.started", &json!({ "call": call, "participants": actors }))
}

fn end(service: &Harness, second: i64, call: &str) -> Notice {
    notice(service, second, "call.ended", &json!({ "call": call }))
}

async fn tell(service: &Harness, notices: &[Notice]) {
    for notice in notices {
        assert_eq!(service.pipeline.apply(notice).await.unwrap(), Applied::Done, "{notice:?}");
    }
}

async fn load(service: &Harness, id: &str) -> Call {
    service.store.load_call(&TENANT.into(), &CallId::from(id)).await.unwrap().expect("the call is known")
}

fn present(call: &Call) -> Vec<&str> {
    let mut actors: Vec<&str> = call.present().map(ActorId::as_str).collect();
    actors.sort_unstable();
    actors
}

async fn presence(service: &Harness, actor: &str) -> Option<bool> {
    service.store.load_presence(&TENANT.into(), &actor.into()).await.unwrap().map(|(connected, _)| connected)
}

/// Kinds with their actor, in order.
async fn told(service: &Harness) -> Vec<String> {
    let line = |event: &pipeline::store::Event| {
        format!("{} {}", event.kind, event.data["actor"].as_str().unwrap_or_default()).trim().to_owned()
    };
    service.events().await.iter().map(line).collect()
}

#[tokio::test]
async fn i1_presence_follows_the_newest_news() {
    let service = Harness::new().await;
    assert_eq!(presence(&service, "ann").await, None);
    tell(&service, &[user(&service, 2, "connected", "ann")]).await;
    assert_eq!(presence(&service, "ann").await, Some(true));
    tell(&service, &[user(&service, 1, "disconnected", "ann")]).await;
    assert_eq!(presence(&service, "ann").await, Some(true), "older news");
    tell(&service, &[user(&service, 3, "disconnected", "ann"), user(&service, 2, "connected", "ann")]).await;
    assert_eq!(presence(&service, "ann").await, Some(false));
    assert!(told(&service).await.is_empty(), "presence is not told on");
}

#[tokio::test]
async fn i1_calls_told_by_notices_are_the_same_calls_as_over_http() {
    let service = Harness::new().await;
    tell(&service, &[start(&service, -9, "room", &["ann", "bob"]), call(&service, -8, "joined", "room", "cid")]).await;
    let pipeline = &service.pipeline;
    pipeline.leave_call(&TENANT.into(), &"room".into(), &"bob".into()).await.unwrap();
    assert_eq!(present(&load(&service, "room").await), ["ann", "cid"]);
    tell(&service, &[end(&service, 5, "room")]).await;
    assert!(load(&service, "room").await.ended_at.is_some());
    let expected = ["call.started", "call.joined cid", "call.left bob", "call.ended"];
    assert_eq!(told(&service).await, expected);
    let refused = pipeline.join_call(&TENANT.into(), &"room".into(), &"dan".into()).await.unwrap_err();
    assert!(matches!(refused, PipelineError::Conflict { code: "call_ended", .. }), "{refused}");
}

#[tokio::test]
async fn i1_the_same_notices_twice_change_nothing_and_tell_nothing() {
    let service = Harness::new().await;
    let notices = [
        user(&service, 0, "connected", "ann"),
        start(&service, 1, "room", &["ann", "bob"]),
        call(&service, 2, "joined", "room", "cid"),
        call(&service, 3, "left", "room", "bob"),
        user(&service, 4, "disconnected", "cid"),
        end(&service, 9, "room"),
    ];
    for (index, notice) in notices.iter().enumerate() {
        tell(&service, std::slice::from_ref(notice)).await;
        let (before, events) =
            (service.store.load_call(&TENANT.into(), &"room".into()).await.unwrap(), told(&service).await);
        tell(&service, &notices[..=index]).await;
        assert_eq!(service.store.load_call(&TENANT.into(), &"room".into()).await.unwrap(), before, "{notice:?}");
        assert_eq!(told(&service).await, events, "{notice:?}");
    }
    assert_eq!(told(&service).await.len(), 5, "start, join, two leaves, end");
}

#[tokio::test]
async fn i1_a_disconnected_user_leaves_the_calls_that_they_are_in() {
    let service = Harness::new().await;
    tell(
        &service,
        &[
            start(&service, 1, "one", &["ann", "bob"]),
            start(&service, 1, "two", &["ann"]),
            start(&service, 1, "ended", &["ann"]),
            end(&service, 2, "ended"),
            start(&service, 1, "others", &["bob"]),
            start(&service, 8, "later", &["ann"]),
            user(&service, 5, "disconnected", "ann"),
        ],
    )
    .await;
    for (id, expected) in [("one", vec!["bob"]), ("two", vec![]), ("others", vec!["bob"]), ("later", vec!["ann"])] {
        assert_eq!(present(&load(&service, id).await), expected, "{id}");
    }
    let left = load(&service, "one").await.participants[0].left_at;
    assert_eq!(left, Some(service.at(5)), "the time of the disconnect, not of its arrival");
    // Another tenant's people of the same name stay.
    let other = TenantId::from("other");
    service.pipeline.start_call(&other, "one".into(), vec!["ann".into()]).await.unwrap();
    tell(&service, &[user(&service, 6, "disconnected", "ann")]).await;
    assert_eq!(present(&service.store.load_call(&other, &"one".into()).await.unwrap().unwrap()), ["ann"]);
}

#[tokio::test]
async fn i1_the_order_of_arrival_does_not_matter_with_disconnects() {
    let service = Harness::new().await;
    let notices = |room: &str, ann: &str| {
        vec![
            user(&service, 0, "connected", ann),
            start(&service, 1, room, &[ann, "bob"]),
            call(&service, 3, "left", room, ann),
            call(&service, 4, "joined", room, ann),
            user(&service, 6, "disconnected", ann),
        ]
    };
    // All 120 orders of the five, each with a call and a person of its own.
    let mut orders = vec![vec![]];
    for next in 0..5 {
        orders = orders
            .into_iter()
            .flat_map(|order: Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, next);
                    longer
                })
            })
            .collect();
    }
    assert_eq!(orders.len(), 120);
    for (index, order) in orders.iter().enumerate() {
        let (room, ann) = (format!("room-{index}"), format!("ann-{index}"));
        let notices = notices(&room, &ann);
        for position in order {
            tell(&service, std::slice::from_ref(&notices[*position])).await;
        }
        let call = load(&service, &room).await;
        assert_eq!(present(&call), ["bob"], "{order:?}");
        let own = call.participants.iter().find(|participant| participant.actor.as_str() == ann).unwrap();
        assert_eq!((own.joined_at, own.left_at), (service.at(1), Some(service.at(6))), "{order:?}");
        assert_eq!(presence(&service, &ann).await, Some(false), "{order:?}");
    }
}

#[tokio::test]
async fn i1_unknown_types_are_ignored_and_contradictions_refused() {
    let service = Harness::new().await;
    let unknown = Notice::parse(br#"{"type": "user.renamed", "whatever": [1, 2]}"#).unwrap();
    assert_eq!(service.pipeline.apply(&unknown).await.unwrap(), Applied::Ignored);
    tell(&service, &[start(&service, 0, "room", &["ann"]), end(&service, 5, "room")]).await;
    let crowd: Vec<String> = (0..=MAX_PARTICIPANTS).map(|index| index.to_string()).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    for (refused, code) in [
        (call(&service, 6, "joined", "room", "bob"), "call_ended"),
        (start(&service, 6, "room", &["bob"]), "call_exists"),
        (start(&service, 6, "crowd", &crowd), "call_full"),
        (user(&service, 400, "connected", "ann"), "notice_time"),
    ] {
        let error = service.pipeline.apply(&refused).await.unwrap_err();
        let (PipelineError::Invalid { code: found, .. } | PipelineError::Conflict { code: found, .. }) = &error else {
            panic!("{error:?}");
        };
        assert_eq!(*found, code);
    }
    assert_eq!(presence(&service, "ann").await, None, "a time from the future has no effect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f3_two_processes_change_one_call_and_no_change_is_lost() {
    let service = Harness::new().await;
    let processes = [service.pipeline.clone(), service.another_process()];
    let (tenant, room) = (TenantId::from(TENANT), CallId::from("room"));
    processes[0].start_call(&tenant, room.clone(), vec![]).await.unwrap();
    let joins = (0..60).map(|index| {
        let (pipeline, tenant, room) = (processes[index % 2].clone(), tenant.clone(), room.clone());
        tokio::spawn(async move { pipeline.join_call(&tenant, &room, &ActorId(format!("actor-{index}"))).await })
    });
    for joined in futures::future::join_all(joins).await {
        joined.unwrap().unwrap();
    }
    assert_eq!(load(&service, "room").await.participants.len(), 60);
    let joined: Vec<String> = told(&service).await.into_iter().filter(|line| line.starts_with("call.joined")).collect();
    assert_eq!(joined.len(), 60);
    assert_eq!(joined.iter().collect::<std::collections::BTreeSet<_>>().len(), 60, "each told once");
}
