//! The two nsfwjs models against nsfwjs itself.

use std::{io::Cursor, sync::Arc};

use image::{ImageFormat, ImageReader};
use models::{Engine, Input, Lane, Pixels};
use serde::Deserialize;

use super::{crate_path, engine, golden};

const SMALL: &str = "nsfw-mobilenet";
const LARGE: &str = "nsfw-inception";

#[derive(Deserialize)]
struct Golden {
    labels: Vec<String>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    photo: String,
    /// nsfwjs on the committed PNG.
    pixels: Vec<f32>,
    /// nsfwjs on the JPEG as libjpeg-turbo decodes it.
    jpeg: Vec<f32>,
}

fn decode(path: &str, format: ImageFormat) -> Pixels {
    let bytes = std::fs::read(crate_path(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let image = ImageReader::with_format(Cursor::new(bytes), format).decode().unwrap().into_rgb8();
    Pixels::new(image.width(), image.height(), image.into_raw()).unwrap()
}

/// Largest difference of a probability, over all photos.
async fn worst_difference(model: &str, pick: fn(&Item) -> (Pixels, &[f32])) -> (f32, String) {
    let golden: Golden = golden(&format!("{model}.json"));
    assert!(golden.items.len() >= 20);
    let engine = engine(model).await;
    let mut worst = (0.0, String::new());
    for item in &golden.items {
        let (pixels, expected) = pick(item);
        let scores = classify(&engine, model, pixels).await;
        let labels: Vec<&str> = scores.iter().map(|(label, _)| label.as_str()).collect();
        assert_eq!(labels, golden.labels);
        for ((label, score), expected) in scores.iter().zip(expected) {
            if (score - expected).abs() > worst.0 {
                worst = ((score - expected).abs(), format!("{} {label}: {score}, nsfwjs {expected}", item.photo));
            }
        }
    }
    worst
}

async fn classify(engine: &Engine, model: &str, pixels: Pixels) -> Vec<(String, f32)> {
    let scores = engine.classify(model, Input::Image(Arc::new(pixels)), Lane::Live).await.unwrap();
    scores.scores.iter().map(|score| (score.label.to_string(), score.score)).collect()
}

fn from_pixels(item: &Item) -> (Pixels, &[f32]) {
    (decode(&format!("tests/golden/pixels/{}.png", item.photo), ImageFormat::Png), &item.pixels)
}

fn from_jpeg(item: &Item) -> (Pixels, &[f32]) {
    (decode(&format!("../datasets/photos/{}.jpg", item.photo), ImageFormat::Jpeg), &item.jpeg)
}

#[tokio::test]
async fn f1_class_probabilities_agree_with_nsfwjs_on_the_same_pixels() {
    let (worst, what) = worst_difference(SMALL, from_pixels).await;
    assert!(worst < 1e-3, "{worst}: {what}");
    println!("worst difference on the same pixels: {worst:.2e} ({what})");
}

#[tokio::test]
async fn f1_class_probabilities_agree_with_nsfwjs_from_jpeg_bytes() {
    let (worst, what) = worst_difference(SMALL, from_jpeg).await;
    assert!(worst < 0.02, "{worst}: {what}");
    println!("worst difference from JPEG bytes: {worst:.2e} ({what})");
}

#[tokio::test]
async fn f1_the_second_opinion_agrees_with_nsfwjs_on_the_same_pixels() {
    let (worst, what) = worst_difference(LARGE, from_pixels).await;
    assert!(worst < 1e-3, "{worst}: {what}");
    println!("worst difference on the same pixels: {worst:.2e} ({what})");
}

#[tokio::test]
async fn f1_the_second_opinion_agrees_with_nsfwjs_from_jpeg_bytes() {
    let (worst, what) = worst_difference(LARGE, from_jpeg).await;
    assert!(worst < 0.05, "{worst}: {what}");
    println!("worst difference from JPEG bytes: {worst:.2e} ({what})");
}

/// Many frames at once: a frame's answer must not depend on the others in its batch.
#[tokio::test]
async fn f1_frames_in_one_batch_keep_their_own_scores() {
    let golden: Golden = golden("nsfw-mobilenet.json");
    let engine = engine(SMALL).await;
    let mut tasks = Vec::new();
    for item in golden.items {
        let engine = engine.clone();
        tasks.push(tokio::spawn(async move {
            let pixels = decode(&format!("tests/golden/pixels/{}.png", item.photo), ImageFormat::Png);
            (classify(&engine, SMALL, pixels).await, item)
        }));
    }
    for task in tasks {
        let (scores, item) = task.await.unwrap();
        for ((label, score), expected) in scores.iter().zip(&item.pixels) {
            assert!((score - expected).abs() < 1e-3, "{} {label}: {score}, nsfwjs {expected}", item.photo);
        }
    }
}
