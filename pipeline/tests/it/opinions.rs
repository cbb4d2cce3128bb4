//! The second opinion about pictures.

use chrono::TimeDelta;
use image::{Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use models::Lane;
use pipeline::{
    action::ActionKind,
    config::PipelineConfig,
    decode::{Detail, Limits, decode_to},
    item::ItemKind,
    opinion::{Combine, SecondOpinionConfig},
    process::Mode,
    verdict::Outcome,
};

use crate::harness::{DISPUTED, Harness, NEUTRAL, PORN, frame, picture, picture_bytes, slow_picture_bytes};

fn score(outcome: &Outcome, label: &str) -> Option<f32> {
    outcome.signals.iter().find(|signal| signal.label == label).map(|signal| signal.score)
}

fn asked(outcome: &Outcome) -> bool {
    outcome.signals.iter().any(|signal| signal.label.starts_with("second."))
}

async fn with(second_opinion: SecondOpinionConfig) -> Harness {
    Harness::with(PipelineConfig { frame_reuse_bits: 0, second_opinion, ..PipelineConfig::default() }).await
}

#[tokio::test]
async fn f1_a_violation_needs_the_second_opinion() {
    let service = Harness::new().await;
    let disputed = service.record(&frame(DISPUTED, 0.9, service.at(0))).await.unwrap().outcome;
    assert_eq!((disputed.verdict.action, disputed.verdict.flagged), (ActionKind::Allow, false), "{disputed:?}");
    assert!(score(&disputed, "porn").unwrap() < 0.2 && score(&disputed, "first.porn").unwrap() > 0.89);
    let agreed = service.record(&frame(PORN, 0.9, service.at(1))).await.unwrap().outcome;
    assert_eq!(agreed.verdict.action, ActionKind::Warn);
    assert_eq!(agreed.verdict.reasons[0].label, "porn");
}

#[tokio::test]
async fn f1_only_what_is_suspected_is_asked_about() {
    let service = Harness::new().await;
    for (label, score, expected) in [(NEUTRAL, 0.98, false), (PORN, 0.4, false), (PORN, 0.6, true), (0, 0.99, false)] {
        let outcome = service.record(&frame(label, score, service.at(0))).await.unwrap().outcome;
        assert_eq!(asked(&outcome), expected, "{label} {score}");
    }
}

/// A frame that is decoded smaller for the first model is decoded once more for the second, whose input is larger.
#[tokio::test]
async fn f1_i6_reduced_decoding_changes_no_course() {
    let limits = Limits { bytes: 1 << 20, pixels: 1 << 20 };
    // The fake model reads the label from red, and JPEG rounds colours: one that comes back as it was.
    let jpeg = (200..=250).find_map(|green| {
        let mut jpeg = Vec::new();
        let picture = RgbImage::from_pixel(640, 480, Rgb([PORN, green, 0]));
        JpegEncoder::new_with_quality(&mut jpeg, 100).encode_image(&picture).unwrap();
        let red = |detail| decode_to(&jpeg, &limits, detail).unwrap().pixels.rgb()[0];
        (red(Detail::Whole) == PORN && red(Detail::AtLeast(224)) == PORN).then_some(jpeg)
    });
    let jpeg = jpeg.unwrap();
    for reduced_decoding in [false, true] {
        let config = PipelineConfig { reduced_decoding, frame_reuse_bits: 0, ..PipelineConfig::default() };
        let service = Harness::with(config).await;
        let outcome = service.record(&picture(ItemKind::Frame, jpeg.clone(), service.at(0))).await.unwrap().outcome;
        assert!(asked(&outcome) && score(&outcome, "porn").unwrap() > 0.75, "{reduced_decoding}: {outcome:?}");
        assert_eq!(outcome.verdict.action, ActionKind::Warn);
    }
}

#[tokio::test]
async fn m1_uploads_have_a_second_opinion_too() {
    let service = Harness::new().await;
    for (label, action) in [(DISPUTED, ActionKind::Allow), (PORN, ActionKind::Remove)] {
        let upload = picture(ItemKind::Image, picture_bytes(label, 0.9), service.at(0));
        assert_eq!(service.record(&upload).await.unwrap().outcome.verdict.action, action);
    }
}

/// Many more than the second model has places for: each waits for its turn, and none is taken for a failure.
#[tokio::test]
async fn m1_a_crowd_of_suspected_uploads_waits_for_the_second_opinion() {
    let service = Harness::new().await;
    let upload = || picture(ItemKind::Image, slow_picture_bytes(PORN, 0.9, 5), service.at(0));
    let uploads: Vec<_> = std::iter::repeat_with(upload).take(40).collect();
    let judged = uploads.iter().map(|upload| service.pipeline.process(upload, Lane::Bulk, Mode::Record));
    for processed in futures::future::join_all(judged).await {
        let outcome = processed.expect("a turn").outcome;
        assert_eq!((outcome.verdict.action, asked(&outcome)), (ActionKind::Remove, true), "{outcome:?}");
    }
}

#[tokio::test]
async fn f1_the_configuration_chooses_how_opinions_are_combined() {
    let disputed = |service: &Harness| frame(DISPUTED, 0.99, service.at(0));
    let first_alone = with(SecondOpinionConfig { model: String::new(), ..SecondOpinionConfig::default() }).await;
    let outcome = first_alone.record(&disputed(&first_alone)).await.unwrap().outcome;
    assert_eq!((outcome.verdict.action, asked(&outcome)), (ActionKind::Warn, false));
    let mean = with(SecondOpinionConfig { combine: Combine::Mean, ..SecondOpinionConfig::default() }).await;
    let outcome = mean.record(&disputed(&mean)).await.unwrap().outcome;
    let porn = score(&outcome, "porn").unwrap();
    assert!((0.45..0.55).contains(&porn), "{porn}");
}

#[tokio::test]
async fn f2_a_policy_can_wait_for_frames_in_a_row() {
    let service = Harness::new().await;
    service.set_policy(
        "name = \"patient\"\n[[rule]]\nname = \"r\"\nkinds = [\"frame\"]\naction = \"blur\"\nreason = \"R.\"\n\
         when = \"score.porn > 0.75 && item.suspected_frames >= 2\"\n",
    );
    let act = async |label, second| {
        service.record(&frame(label, 0.9, service.at(second))).await.unwrap().outcome.verdict.action
    };
    assert_eq!(act(PORN, 0).await, ActionKind::Allow);
    assert_eq!(act(PORN, 1).await, ActionKind::Blur);
    assert_eq!(act(NEUTRAL, 2).await, ActionKind::Allow);
    assert_eq!(act(PORN, 3).await, ActionKind::Allow, "the clean frame broke the row");
    assert_eq!(act(PORN, 60).await, ActionKind::Allow, "too long after the last one");
}

/// A frame that is nearly too old when the second model begins gets no answer from it that would come too late: it does not count alone.
#[tokio::test]
async fn f1_f5_a_suspect_does_not_wait_for_its_second_opinion_until_it_is_late() {
    let service = Harness::new().await;
    let suspect = |age_ms: i64| {
        let at = service.at(0) - TimeDelta::milliseconds(age_ms);
        picture(ItemKind::Frame, slow_picture_bytes(PORN, 0.9, 250), at)
    };
    let judge =
        async |lane, age_ms| service.pipeline.process(&suspect(age_ms), lane, Mode::Record).await.unwrap().outcome;
    let late = judge(Lane::Live, 1_950).await;
    assert_eq!((late.verdict.action, asked(&late)), (ActionKind::Allow, false), "{late:?}");
    assert!(score(&late, "unconfirmed.porn").is_some_and(|score| score > 0.89), "{late:?}");
    for (lane, age_ms) in [(Lane::Live, 0), (Lane::Interactive, 1_950)] {
        let outcome = judge(lane, age_ms).await;
        assert!(asked(&outcome), "{lane:?}: {outcome:?}");
    }
}
