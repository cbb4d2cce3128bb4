//! Messages of other teams, ids that come twice, limits, and the two buses.

use std::time::Duration;

use lapin::{
    BasicProperties,
    options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions},
    types::FieldTable,
};
use models::Lane;
use tokio::time::timeout;

use super::{
    super::{headers, topology::short},
    broker::{Corner, corner},
};
use crate::{
    config::QueueConfig,
    error::PipelineError,
    item::{Content, ItemId, ItemKind},
    queue::{
        Queue,
        contract::{next, texts},
    },
    store::contract::event,
};

async fn send(corner: &Corner, key: &str, content_type: &str, table: FieldTable, id: Option<ItemId>, body: &[u8]) {
    let channel = corner.channel().await;
    let mut properties = BasicProperties::default().with_content_type(short(content_type)).with_headers(table);
    if let Some(id) = id {
        properties = properties.with_message_id(short(&id.to_string()));
    }
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let names = corner.names();
    channel.basic_publish(short(&names.items()), short(key), options, body, properties).await.unwrap();
    channel.close(200, short("OK")).await.unwrap();
}

fn table(of: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in of {
        headers::put(&mut table, name, value);
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_other_teams_publish_without_our_client() {
    let corner = corner().await;
    let queue = corner.open_with(&Lane::ALL).await;
    let shared: std::sync::Arc<dyn Queue> = queue.clone();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    let one = ItemId::new();
    let body = format!(r#"{{"id":"{one}","tenant":"a","text":"hello","actor":"ann"}}"#);
    send(&corner, "interactive", "application/json", table(&[("traceparent", trace)]), None, body.as_bytes()).await;
    let delivery = next(&shared).await;
    assert_eq!((delivery.item().envelope.id, delivery.lane(), delivery.trace()), (one, Lane::Interactive, Some(trace)));
    assert_eq!(delivery.item().content, Content::Text("hello".into()));
    assert_eq!(delivery.attempt(), 1);
    delivery.ack().await.unwrap();

    let picture = ItemId::new();
    send(&corner, "bulk", "image/png", table(&[("tenant", "a"), ("actor", "ann")]), Some(picture), b"\x89PNG").await;
    let delivery = next(&shared).await;
    assert_eq!((delivery.item().envelope.id, delivery.item().envelope.kind), (picture, ItemKind::Image));
    delivery.ack().await.unwrap();

    let frame = ItemId::new();
    let key = format!("live.{}", super::super::names::partition("a", "c", "ann", corner.config.partitions));
    let of = table(&[("tenant", "a"), ("call", "c"), ("actor", "ann")]);
    send(&corner, &key, "image/jpeg", of, Some(frame), b"\xFF\xD8").await;
    let delivery = next(&shared).await;
    assert_eq!((delivery.item().envelope.id, delivery.item().envelope.kind), (frame, ItemKind::Frame));
    assert_eq!(delivery.lane(), Lane::Live);
    delivery.ack().await.unwrap();

    drop((queue, shared));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_what_is_no_item_is_dead_lettered_with_its_reason_and_hurts_nobody() {
    let corner = corner().await;
    let queue = corner.open_with(&Lane::ALL).await;
    let shared: std::sync::Arc<dyn Queue> = queue.clone();
    let good = ItemId::new();
    let batch = format!(r#"[{{"tenant":"a","text":"no id"}},{{"id":"{good}","tenant":"a","text":"good"}}, 7]"#);
    send(&corner, "bulk", "application/json", FieldTable::default(), None, batch.as_bytes()).await;
    send(&corner, "bulk", "application/json", FieldTable::default(), None, b"not json at all").await;
    send(&corner, "bulk", "text/csv", FieldTable::default(), None, b"a,b").await;
    let delivery = next(&shared).await;
    assert_eq!(delivery.item().envelope.id, good);
    delivery.ack().await.unwrap();
    let dead = timeout(Duration::from_secs(60), async {
        loop {
            let dead = queue.dead_letters(10).await.unwrap();
            if dead.len() == 4 {
                break dead;
            }
        }
    });
    let dead = dead.await.expect("all four");
    let mut reasons: Vec<&str> = dead.iter().map(|letter| letter.reason.as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["body_not_json", "content_type_unknown", "id_missing", "item_malformed"]);
    assert!(dead.iter().all(|letter| letter.lane == Lane::Bulk));
    let json = dead.iter().find(|letter| letter.reason == "body_not_json").unwrap();
    let (letter, shown) = queue.dead_letter(json.id).await.unwrap().unwrap();
    assert_eq!((&letter.reason, &shown.content), (&json.reason, &Content::Text("not json at all".into())));
    assert_eq!(queue.discard(dead.iter().map(|letter| letter.id).collect()).await.unwrap(), 4);
    assert_eq!(queue.depth().await.unwrap()[Lane::Bulk.index()].waiting, 0);
    drop((queue, shared));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i7_an_id_published_twice_is_delivered_again_with_the_same_id() {
    let corner = corner().await;
    let queue = corner.open_with(&Lane::ALL).await;
    let shared: std::sync::Arc<dyn Queue> = queue.clone();
    let items = texts(1);
    for _ in 0..2 {
        queue.publish(items.clone(), Lane::Interactive).await.unwrap();
    }
    for _ in 0..2 {
        let delivery = next(&shared).await;
        assert_eq!(**delivery.item(), items[0]);
        delivery.ack().await.unwrap();
    }
    drop((queue, shared));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_lane_refuses_and_takes_again_when_it_has_room() {
    let mut corner = corner().await;
    corner.config.interactive_capacity = 5;
    let publisher = corner.open_with(&[]).await;
    let mut accepted = Vec::new();
    let refused = loop {
        let item = texts(1);
        let id = item[0].envelope.id;
        match publisher.publish(item, Lane::Interactive).await {
            Ok(()) => accepted.push(id),
            Err(error) => break error,
        }
        assert!(accepted.len() < 200, "never full");
    };
    assert!(matches!(refused, PipelineError::Full { retry_after_s: 1.., .. }), "{refused:?}");
    assert!(accepted.len() >= 5);
    publisher.publish(texts(1), Lane::Bulk).await.expect("another lane has room");
    let worker: std::sync::Arc<dyn Queue> = corner.open_with(&[Lane::Interactive]).await;
    for id in accepted {
        let delivery = next(&worker).await;
        assert_eq!(delivery.item().envelope.id, id, "what was accepted is there, in order");
        delivery.ack().await.unwrap();
    }
    let again = timeout(Duration::from_secs(60), async {
        while publisher.publish(texts(1), Lane::Interactive).await.is_err() {
            tokio::task::yield_now().await;
        }
    });
    again.await.expect("room again");
    drop((publisher, worker));
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_events_go_out_and_come_in_over_the_bus() {
    let corner = corner().await;
    let queue = corner.open_with(&Lane::ALL).await;
    let names = corner.names();
    let channel = corner.channel().await;
    let options = QueueDeclareOptions { exclusive: true, ..Default::default() };
    let bound = channel.queue_declare(short(""), options, FieldTable::default()).await.unwrap().name().clone();
    let key = short("moderation.action.#");
    let binding = QueueBindOptions::default();
    channel.queue_bind(bound.clone(), short(&names.events()), key, binding, FieldTable::default()).await.unwrap();
    let events = [event("a", "item.judged", "k1"), event("a", "moderation.action", "k2")];
    assert!(queue.has_bus());
    queue.announce(&events).await.unwrap();
    let consuming = BasicConsumeOptions { no_ack: true, ..Default::default() };
    let mut consumer = channel.basic_consume(bound, short("t"), consuming, FieldTable::default()).await.unwrap();
    let told =
        timeout(Duration::from_secs(60), futures::StreamExt::next(&mut consumer)).await.unwrap().unwrap().unwrap();
    assert_eq!(told.routing_key.as_str(), "moderation.action.a");
    assert_eq!(told.properties.message_id().as_ref().unwrap().as_str(), "k2");
    let body: crate::store::Event = serde_json::from_slice(&told.data).unwrap();
    assert_eq!(body, events[1]);

    let say = async |body: &'static [u8]| {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish(short(&names.platform()), short("user.connected"), options, body, properties)
            .await
            .unwrap();
    };
    let hear = async || timeout(Duration::from_secs(60), queue.receive_notice()).await.unwrap().unwrap();
    say(b"one").await;
    drop(hear().await);
    hear().await.retry(Duration::from_millis(100)).await.unwrap();
    let unreadable = hear().await;
    assert!(unreadable.notice.is_err());
    unreadable.reject("notice_kind").await.unwrap();
    say(b"two").await;
    hear().await.ack().await.unwrap();
    let options = QueueDeclareOptions::durable().passive();
    let count = async |queue: String| {
        channel.queue_declare(short(&queue), options, FieldTable::default()).await.unwrap().message_count()
    };
    assert_eq!((count(names.platform_dead()).await, count(names.platform()).await), (1, 0));
    queue.close().await;
    assert!(queue.receive_notice().await.is_none());
    drop(queue);
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_work_is_refused_at_the_start_with_a_cure() {
    let corner = corner().await;
    let first = corner.open_with(&[]).await;
    let open = async |change: &dyn Fn(&mut QueueConfig)| {
        let mut config = corner.config.clone();
        change(&mut config);
        let opened = super::super::RabbitmqQueue::open(&config, &[], crate::clock::Clock::system()).await;
        match opened.err() {
            Some(PipelineError::Invalid { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(open(&|config| config.bulk_capacity += 1).await, "queue_topology");
    assert_eq!(open(&|config| config.prefix = "amq.x".into()).await, "queue_prefix");
    assert_eq!(open(&|config| config.prefix = "ä".into()).await, "queue_prefix");
    assert_eq!(open(&|config| config.partitions = 0).await, "queue_partitions");
    assert_eq!(open(&|config| config.url = "amqp://[".into()).await, "queue_url");
    // TLS has its cryptography at hand; only the other side does not speak it.
    let config = QueueConfig { url: corner.config.url.replace("amqp:", "amqps:"), ..corner.config.clone() };
    let plain = super::super::RabbitmqQueue::open(&config, &[], crate::clock::Clock::system()).await;
    assert!(matches!(plain.err(), Some(PipelineError::Unavailable { part: "queue", .. })));
    drop(first);
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_rejected_notices_are_listed_told_again_and_forgotten() {
    let corner = corner().await;
    let queue = corner.open_with(&Lane::ALL).await;
    let channel = corner.channel().await;
    let good = br#"{"type":"call.joined","version":1,"id":"n-1","tenant":"a","at":"2026-01-02T03:04:05Z","data":{"call":"c","actor":"ann"}}"#;
    let bodies: [&[u8]; 2] = [good, b"no notice"];
    for body in bodies {
        let (exchange, key) = (corner.names().platform(), short("call.joined"));
        let options = BasicPublishOptions { mandatory: true, ..Default::default() };
        channel.basic_publish(short(&exchange), key, options, body, BasicProperties::default()).await.unwrap();
    }
    for reason in ["not_found", "notice_malformed"] {
        let delivery = timeout(Duration::from_secs(60), queue.receive_notice()).await.unwrap().unwrap();
        assert_eq!(delivery.notice.is_ok(), reason == "not_found");
        delivery.reject(reason).await.unwrap();
    }
    let listed = queue.rejected_notices(10).await.unwrap();
    let shown: Vec<_> =
        listed.iter().map(|one| (one.notice.as_deref(), one.kind.as_deref(), one.reason.as_str())).collect();
    assert_eq!(shown, [(Some("n-1"), Some("call.joined"), "not_found"), (None, None, "notice_malformed")]);
    assert_eq!((&listed[0].tenant, listed[1].bytes), (&Some("a".into()), 9));
    assert_eq!(queue.rejected_notices(1).await.unwrap(), listed[..1], "looking changes nothing");

    assert_eq!(queue.replay_notices(vec![listed[0].id, uuid::Uuid::now_v7()]).await.unwrap(), 1);
    let again = timeout(Duration::from_secs(60), queue.receive_notice()).await.unwrap().unwrap();
    assert_eq!(again.notice.as_ref().unwrap().id, "n-1");
    again.ack().await.unwrap();
    assert_eq!(queue.discard_notices(vec![listed[1].id, listed[0].id]).await.unwrap(), 1);
    assert_eq!(queue.rejected_notices(10).await.unwrap(), []);
    drop(queue);
    corner.sweep().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i1_a_message_may_name_a_picture_that_lies_beside_the_broker() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("large.png"), b"\x89PNG of many megabytes").unwrap();
    let mut corner = corner().await;
    corner.config.blob_folder = Some(folder.path().to_owned());
    let queue: std::sync::Arc<dyn Queue> = corner.open_with(&Lane::ALL).await;
    let (good, bad) = (ItemId::new(), ItemId::new());
    for (id, name) in [(bad, "none.png"), (good, "large.png")] {
        let of = table(&[("tenant", "a"), ("blob", name)]);
        send(&corner, "bulk", "image/png", of, Some(id), b"").await;
    }
    let delivery = next(&queue).await;
    assert_eq!(delivery.item().envelope.id, good);
    assert_eq!(delivery.item().content, Content::Picture(bytes::Bytes::from_static(b"\x89PNG of many megabytes")));
    // A retry carries the bytes: the file may be gone by then.
    std::fs::remove_file(folder.path().join("large.png")).unwrap();
    delivery.retry(Duration::from_millis(1)).await.unwrap();
    let again = next(&queue).await;
    assert_eq!((again.item().envelope.id, again.item().content.len()), (good, 22));
    again.ack().await.unwrap();
    let dead = queue.dead_letters(10).await.unwrap();
    assert_eq!(
        dead.iter().map(|letter| (letter.id, letter.reason.as_str())).collect::<Vec<_>>(),
        [(bad, "blob_missing")]
    );
    drop(queue);
    corner.sweep().await;
}
