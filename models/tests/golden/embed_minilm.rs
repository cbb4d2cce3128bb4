//! all-MiniLM-L6-v2 on both engines against transformers with torch, and on STS-B.

use std::{collections::HashMap, io::Read, sync::Arc};

use models::{Engine, Lane};
use serde::Deserialize;

use super::{cosine, crate_path, engine, golden};

const MODEL: &str = "embed-minilm";
/// Rounding differs between engines and processors; a fault in tokeniser, mask or pooling shows in the second digit.
const LEAST_COSINE: f64 = 0.9999;

#[derive(Deserialize)]
struct Golden {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: String,
    tokens: usize,
    embedding: Vec<f32>,
}

/// Embeds all texts at once, so that they share batches and padding.
async fn embed_all<'a>(engine: &Engine, texts: impl IntoIterator<Item = &'a str>) -> Vec<Arc<[f32]>> {
    let mut tasks = Vec::new();
    for text in texts {
        let (engine, text) = (engine.clone(), text.to_owned());
        tasks.push(tokio::spawn(async move { engine.embed(MODEL, &text, Lane::Bulk).await }));
    }
    let mut vectors = Vec::new();
    for task in tasks {
        vectors.push(task.await.unwrap().unwrap());
    }
    vectors
}

async fn embed_golden(entry: &str) -> (Vec<Item>, Vec<Arc<[f32]>>) {
    let engine = engine(entry).await;
    let items = golden::<Golden>("embed-minilm.json").items;
    assert!(items.len() >= 40);
    for item in &items {
        assert_eq!(engine.count_tokens(MODEL, &item.text).unwrap(), item.tokens, "{:?}", item.text);
    }
    let vectors = embed_all(&engine, items.iter().map(|item| item.text.as_str())).await;
    engine.shutdown().await;
    (items, vectors)
}

fn assert_agree(items: &[Item], vectors: &[Arc<[f32]>]) {
    for (item, vector) in items.iter().zip(vectors) {
        let agreement = cosine(&item.embedding, vector);
        assert!(agreement > LEAST_COSINE, "cosine {agreement:.6} with the reference for {:?}", item.text);
        let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        assert!((length - 1.0).abs() < 1e-5, "length {length} for {:?}", item.text);
    }
}

#[tokio::test]
async fn x1_embeddings_on_ort_agree_with_the_reference() {
    let (items, vectors) = embed_golden("embed-minilm@ort").await;
    assert_agree(&items, &vectors);
}

#[tokio::test]
async fn x1_embeddings_on_candle_agree_with_the_reference_and_with_ort() {
    let (items, candle) = embed_golden("embed-minilm@candle").await;
    assert_agree(&items, &candle);
    let (_, ort) = embed_golden("embed-minilm@ort").await;
    for ((item, candle), ort) in items.iter().zip(&candle).zip(&ort) {
        let agreement = cosine(candle, ort);
        assert!(agreement > LEAST_COSINE, "cosine {agreement:.6} between engines for {:?}", item.text);
    }
}

/// A text alone and the same text in a batch with a much longer one: padding must not reach the result.
#[tokio::test]
async fn x1_embedding_does_not_depend_on_its_batch() {
    let engine = engine("embed-minilm@ort").await;
    let alone = embed_all(&engine, ["hiking and camping"]).await;
    let long = "a much longer text ".repeat(60);
    let together = embed_all(&engine, ["hiking and camping", &long, "short", &long]).await;
    assert!(cosine(&alone[0], &together[0]) > 0.999_999);
}

#[derive(Deserialize)]
struct Pair {
    score: f64,
    sentence1: String,
    sentence2: String,
}

#[tokio::test]
async fn x1_similarity_ranks_stsb_pairs_like_the_reference() {
    let path = crate_path("../datasets/data/stsb_dev_open.csv.gz");
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let pairs: Vec<Pair> = csv::Reader::from_reader(text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(pairs.len(), 750);

    let engine = engine("embed-minilm@ort").await;
    let texts = pairs.iter().flat_map(|pair| [pair.sentence1.as_str(), &pair.sentence2]);
    let vectors = embed_all(&engine, texts).await;
    let (couples, _) = vectors.as_chunks::<2>();
    let ours: Vec<f64> = couples.iter().map(|[a, b]| cosine(a, b)).collect();
    let theirs: Vec<f64> = pairs.iter().map(|pair| pair.score).collect();
    let rho = spearman(&ours, &theirs);
    assert!((rho - 0.8758).abs() <= 0.001, "Spearman {rho:.4}");
}

fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    sum(&a, &b) / (sum(&a, &a) * sum(&b, &b)).sqrt()
}

/// Ranks from 0; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut rank: HashMap<u64, f64> = HashMap::new();
    for value in values {
        let first = sorted.partition_point(|other| other < value);
        let last = sorted.partition_point(|other| other <= value) - 1;
        rank.insert(value.to_bits(), (first + last) as f64 / 2.0);
    }
    values.iter().map(|value| rank[&value.to_bits()]).collect()
}

#[test]
fn spearman_of_known_ranks() {
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0, 30.0, 40.0]) - 1.0).abs() < 1e-12);
    assert!((spearman(&[1.0, 2.0, 3.0, 4.0], &[4.0, 3.0, 2.0, 1.0]) + 1.0).abs() < 1e-12);
    // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3.
    assert!((spearman(&[1.0, 2.0, 2.0, 9.0], &[1.0, 2.0, 3.0, 4.0]) - 0.948_683).abs() < 1e-6);
}
