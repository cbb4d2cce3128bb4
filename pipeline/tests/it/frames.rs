//! Live frames: reuse of scores, frames that are too old, the pause until the next frame.

use std::path::Path;

use image::{RgbImage, imageops};
use models::Lane;
use pipeline::{
    PipelineError,
    action::ActionKind,
    config::PipelineConfig,
    item::{Item, ItemKind},
    process::{Mode, Processed},
};

use crate::harness::{Harness, NEUTRAL, PORN, frame, picture};

async fn live(service: &Harness, item: &Item) -> Result<Processed, PipelineError> {
    service.pipeline.process(item, Lane::Live, Mode::Record).await
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 85).encode_image(picture).unwrap();
    bytes
}

fn photo(name: &str) -> RgbImage {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets/photos").join(name);
    imageops::resize(&image::open(path).unwrap().to_rgb8(), 640, 480, imageops::FilterType::Triangle)
}

fn seconds(seconds: i64) -> chrono::TimeDelta {
    chrono::TimeDelta::seconds(seconds)
}

/// Frame of `actor`, received now.
fn of(service: &Harness, actor: &str, bytes: &[u8]) -> Item {
    let mut item = picture(ItemKind::Frame, bytes.to_vec(), service.clock.now());
    item.envelope.actor = Some(actor.into());
    item
}

#[tokio::test]
async fn f5_a_frame_that_shows_the_same_gets_the_last_scores() {
    let service = Harness::with(PipelineConfig::default()).await;
    let (first, other) = (photo("p001.jpg"), photo("p002.jpg"));
    let mut changed = first.clone();
    imageops::overlay(&mut changed, &imageops::resize(&other, 80, 60, imageops::FilterType::Triangle), 400, 300);
    let again = jpeg(&first);
    let judge = async |actor: &str, bytes: &[u8]| live(&service, &of(&service, actor, bytes)).await.unwrap().outcome;

    let judged = judge("ann", &again).await;
    assert!(!judged.reused);
    let same = judge("ann", &again).await;
    assert!(same.reused && same.signals == judged.signals);
    assert!(!judge("bob", &again).await.reused, "never across participants");
    assert!(!judge("ann", &jpeg(&changed)).await.reused, "something small is new");
    assert!(!judge("ann", &jpeg(&other)).await.reused, "all is new");
    assert!(!judge("ann", &again).await.reused, "only the last one counts");
    service.clock.advance(seconds(6));
    assert!(judge("ann", &again).await.reused);
    service.clock.advance(seconds(5));
    assert!(!judge("ann", &again).await.reused, "reusing did not make it younger");
    let events = service.events().await;
    let reused = events.iter().filter(|event| event.data["reused"] == true).count();
    assert_eq!(reused, 2);
}

#[tokio::test]
async fn f5_reused_violations_climb_the_ladder_like_others() {
    let service = Harness::with(PipelineConfig::default()).await;
    let mut actions = Vec::new();
    for expected_reuse in [false, true, true] {
        let outcome = live(&service, &frame(PORN, 0.9, service.clock.now())).await.unwrap().outcome;
        assert_eq!(outcome.reused, expected_reuse);
        actions.push((outcome.actions[0].kind, outcome.actions[0].violations));
    }
    assert_eq!(actions, [(ActionKind::Warn, 1), (ActionKind::Warn, 2), (ActionKind::Disconnect, 3)]);
}

#[tokio::test]
async fn f5_reuse_can_be_turned_off_and_leaves_no_trace_of_a_dry_run() {
    let off = Harness::with(PipelineConfig { frame_reuse_bits: 0, ..PipelineConfig::default() }).await;
    let on = Harness::with(PipelineConfig::default()).await;
    for _ in 0..2 {
        assert!(!live(&off, &frame(NEUTRAL, 0.9, off.clock.now())).await.unwrap().outcome.reused);
        assert!(!on.dry_run(&frame(NEUTRAL, 0.9, on.clock.now())).await.unwrap().outcome.reused);
    }
    assert!(!live(&on, &frame(NEUTRAL, 0.9, on.clock.now())).await.unwrap().outcome.reused);
}

#[tokio::test]
async fn f5_a_live_frame_that_is_too_old_is_not_judged() {
    let service = Harness::new().await;
    let item = frame(PORN, 0.9, service.clock.now());
    service.clock.advance(chrono::TimeDelta::milliseconds(2001));
    let late = live(&service, &item).await;
    assert!(matches!(late, Err(PipelineError::Stale { age_ms: 2001 })), "{late:?}");
    assert!(service.events().await.is_empty());
    assert!(!service.store.is_judged(item.envelope.id).await.unwrap());
    // Whoever asks directly gets an answer, and so does what is no live frame.
    service.dry_run(&item).await.unwrap();
    let upload = picture(ItemKind::Image, crate::harness::picture_bytes(PORN, 0.9), item.envelope.received_at);
    live(&service, &upload).await.unwrap();
    service.record(&item).await.unwrap();
    // Judged meanwhile: the queue's copy is done with.
    assert!(!live(&service, &item).await.unwrap().fresh);
}

#[tokio::test]
async fn f5_an_old_claim_of_the_platform_makes_no_frame_stale() {
    let service = Harness::new().await;
    let mut item = frame(NEUTRAL, 0.9, service.clock.now());
    item.envelope.occurred_at -= seconds(600);
    live(&service, &item).await.unwrap();
}

#[tokio::test]
async fn f5_the_next_pause_follows_risk_and_is_in_both_events() {
    let service = Harness::new().await;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let outcome = live(&service, &frame(NEUTRAL, 1.0, service.clock.now())).await.unwrap().outcome;
        pauses.push(outcome.next_frame_ms.unwrap());
        service.clock.advance(seconds(5));
    }
    assert!(pauses[..5].iter().all(|pause| *pause <= 1000), "a newcomer is looked at often: {pauses:?}");
    assert!(pauses[7] > 3000, "then calm: {pauses:?}");
    let bad = live(&service, &frame(PORN, 0.9, service.clock.now())).await.unwrap().outcome;
    assert_eq!(bad.next_frame_ms, Some(200));
    let events = service.events().await;
    for kind in ["item.judged", "moderation.action"] {
        let last = events.iter().rfind(|event| event.kind == kind).unwrap();
        assert_eq!(last.data["next_frame_ms"], 200, "{kind}");
    }
    assert_eq!(service.dry_run(&frame(PORN, 0.9, service.clock.now())).await.unwrap().outcome.next_frame_ms, None);
}
