//! Live frames when more come than can be judged.

use std::{collections::BTreeMap, io::Cursor, time::Duration};

use chrono::{DateTime, Utc};
use pipeline::Lane;
use serde_json::{Value, json};
use tokio::time::{Instant, interval};

use crate::harness::Service;

const PARTICIPANTS: usize = 20;
const FRAMES: usize = 40;
const EVERY: Duration = Duration::from_millis(100);
/// What the fake model takes for one frame, in milliseconds: 40 frames per second at most, of 200 that are offered.
const MILLISECONDS: u8 = 25;

fn slow_frame() -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(32, 32, image::Rgb([2, 250, MILLISECONDS]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn f5_a_storm_starves_nobody_and_what_is_judged_is_young() {
    let service = Service::start().await;
    let participants: Vec<String> = (0..PARTICIPANTS).map(|index| format!("p{index}")).collect();
    service.post("/v1/calls", &json!({ "id": "call-1", "participants": participants })).await.expect(201);
    let frame = slow_frame();
    let cameras = participants.iter().map(|actor| {
        let (service, frame) = (&service, &frame);
        async move {
            let (mut ticks, mut ids) = (interval(EVERY), Vec::new());
            for _ in 0..FRAMES {
                ticks.tick().await;
                let path = format!("/v1/calls/call-1/participants/{actor}/frames");
                let accepted = service.post_bytes(&path, "image/png", frame.clone()).await.expect(202);
                ids.push(accepted["id"].as_str().unwrap().to_owned());
            }
            ids
        }
    });
    // Texts go on meanwhile.
    let chat = async {
        let (mut ticks, mut ids) = (interval(4 * EVERY), Vec::new());
        for number in 0..FRAMES / 4 {
            ticks.tick().await;
            let accepted = service.post("/v1/items", &json!({ "text": format!("hello {number}") })).await.expect(202);
            ids.push(accepted["id"].as_str().unwrap().to_owned());
        }
        ids
    };
    let (frames, texts) = tokio::join!(futures::future::join_all(cameras), chat);
    let frames: Vec<String> = frames.into_iter().flatten().collect();
    settled(&service).await;

    let events = service.services.store.events_after(None, 0, 100_000).await.unwrap();
    let judged: Vec<_> = events.iter().filter(|event| event.kind == "item.judged").collect();
    let mut each: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut frame_ages, mut text_ages) = (Vec::new(), Vec::new());
    for event in &judged {
        let age = (event.at - time(&event.data["occurred_at"])).num_milliseconds();
        if event.data["kind"] == "text" {
            text_ages.push(age);
        } else {
            *each.entry(event.data["actor"].as_str().unwrap()).or_default() += 1;
            frame_ages.push(age);
        }
    }
    frame_ages.sort_unstable();
    let (count, share) = (frame_ages.len(), frame_ages.len() / PARTICIPANTS);
    let p99 = frame_ages[count - 1 - count / 100];
    println!("{count} of {} frames judged, age p99 {p99} ms, each: {each:?}; texts {text_ages:?} ms", frames.len());
    assert!(count < frames.len() / 2, "no storm: {count} of {} frames were judged", frames.len());
    assert!(share >= 2, "hardly any: {count}");
    assert_eq!(each.len(), PARTICIPANTS, "somebody was never looked at: {each:?}");
    assert!(each.values().all(|own| own * 2 >= share && *own <= share * 2), "fair share {share}: {each:?}");
    assert!(p99 < 2000, "{frame_ages:?}");
    assert_eq!(text_ages.len(), texts.len(), "texts were starved");

    // What was not judged is gone, and the answer says what may have happened to it.
    let mut gone = 0;
    for id in &frames {
        let shown = service.get(&format!("/v1/items/{id}")).await;
        match shown.status {
            200 => assert_eq!(shown.body["status"], "judged"),
            404 => {
                gone += 1;
                assert!(shown.body["error"]["message"].as_str().unwrap().contains("displaced"), "{:#}", shown.body);
            }
            status => panic!("{status}: {:#}", shown.body),
        }
    }
    assert_eq!(count + gone, frames.len());
}

/// Nothing waits or is in flight in the live lane, and the journal has been told.
async fn settled(service: &Service) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let depth = service.services.queue.depth().await.unwrap()[Lane::Live.index()];
        if depth.waiting + depth.in_flight == 0 && service.services.store.journal_pending().await.unwrap().is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{depth:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
