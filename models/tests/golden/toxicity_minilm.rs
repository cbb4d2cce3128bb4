//! The fine-tuned encoder behind its linear first stage against the training code (torch), and on data that it never saw.

use std::{path::Path, sync::Arc};

use datasets::{Manifest, labelled, measure};
use models::{Engine, Input, Lane, Scores};
use serde::Deserialize;

use super::{crate_path, engine, engine_with, golden};

const MODEL: &str = "toxicity-minilm";

#[derive(Deserialize)]
struct Golden {
    labels: Vec<String>,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    text: String,
    tokens: usize,
    /// Of both models, whoever would answer.
    scores: Vec<f32>,
    /// Who answers.
    by: String,
    /// What is served, where that is not the encoder's answer.
    served: Option<Vec<f32>>,
}

async fn classify_all(engine: &Engine, texts: &[Arc<str>]) -> Vec<Scores> {
    let judged = texts.iter().map(|text| engine.classify(MODEL, Input::Text(Arc::clone(text)), Lane::Bulk));
    futures::future::try_join_all(judged).await.unwrap()
}

fn score(scores: &Scores, label: &str) -> f32 {
    scores.scores.iter().find(|score| &*score.label == label).unwrap().score
}

#[tokio::test]
async fn t1_scores_agree_with_the_training_code() {
    let golden: Golden = golden("toxicity-minilm.json");
    assert!(golden.items.len() >= 30);
    let engine = engine_with(MODEL, |config| (config.screening, config.parts) = (false, false)).await;
    let texts: Vec<Arc<str>> = golden.items.iter().map(|item| item.text.as_str().into()).collect();
    let mut worst = (0.0, String::new());
    for (item, scores) in golden.items.iter().zip(classify_all(&engine, &texts).await) {
        assert_eq!(engine.count_tokens(MODEL, &item.text).unwrap(), item.tokens, "{:?}", item.text);
        let labels: Vec<&str> = scores.scores.iter().map(|score| &*score.label).collect();
        assert_eq!(labels, golden.labels);
        for (found, expected) in scores.scores.iter().zip(&item.scores) {
            let difference = (found.score - expected).abs();
            if difference > worst.0 {
                worst = (difference, format!("{:?}, {}", item.text, found.label));
            }
        }
    }
    assert!(worst.0 < 1e-3, "{}: {}", worst.0, worst.1);
    println!("worst difference {:.1e} ({})", worst.0, worst.1);
    engine.shutdown().await;
}

#[tokio::test]
async fn t1_each_stage_of_the_cascade_answers_as_the_training_code_says() {
    let golden: Golden = golden("toxicity-minilm.json");
    let engine = engine_with(MODEL, |config| config.parts = false).await;
    let mut seen = std::collections::BTreeSet::new();
    for item in &golden.items {
        let compared = engine.compare(MODEL, item.text.as_str().into(), Lane::Bulk).await.unwrap().unwrap();
        assert_eq!(compared.by.as_str(), item.by, "{:?}", item.text);
        seen.insert(compared.by.as_str());
        let expected = item.served.as_ref().unwrap_or(&item.scores);
        for (found, expected) in compared.served.scores.iter().zip(expected) {
            assert!(
                (found.score - expected).abs() < 1e-3,
                "{:?}, {}: {} for {expected}",
                item.text,
                found.label,
                found.score
            );
        }
        let served = engine.classify(MODEL, Input::Text(item.text.as_str().into()), Lane::Bulk).await.unwrap();
        for (served, expected) in served.scores.iter().zip(&compared.served.scores) {
            assert!((served.score - expected.score).abs() < 1e-4, "{:?}", item.text);
        }
    }
    assert_eq!(seen.len(), 2, "{seen:?}: the texts should reach both encoders");
    engine.shutdown().await;
}

#[tokio::test]
async fn t4_sentiment_follows_the_mood() {
    let engine = engine(MODEL).await;
    for (text, glad) in [
        ("What a wonderful evening, thank you all so much!", true),
        ("I love this song, it makes me so happy", true),
        ("This is the worst service ever, I am so disappointed.", false),
        ("The film was boring and far too long", false),
    ] {
        let [judged] = classify_all(&engine, &[text.into()]).await.try_into().unwrap();
        let sentiment = score(&judged, "sentiment");
        assert!(if glad { sentiment > 0.7 } else { sentiment < 0.3 }, "{sentiment:.3} {text}");
        assert!(score(&judged, "toxic") < 0.5, "a bad mood is no offence: {text}");
    }
    engine.shutdown().await;
}

/// One score for all of a text is next to nothing for a sentence among many: the parts say what it is.
#[tokio::test]
async fn t6_nothing_hides_among_harmless_sentences() {
    const HARMLESS: &str = "The ferry left the harbour a little after six, when the fog had thinned enough for the lighthouse to show. Thank you for the \
                            detailed explanation, I have added the reference to the article. The population of the town was counted again in \
                            the spring census, and the committee will meet on Tuesday to discuss the budget for the new library.";
    let engine = engine(MODEL).await;
    let whole = engine_with(MODEL, |config| config.parts = false).await;
    let harmless: Arc<str> = HARMLESS.repeat(6).into();
    for (offence, label) in
        [("All refugees are criminals and should be thrown out.", "hate"), ("shut up you stupid bitch", "insult")]
    {
        // Once within what the encoder reads at a time, once far beyond it.
        for around in [1, 6] {
            let text: Arc<str> = format!("{} {offence}", [HARMLESS].repeat(around).join(" ")).into();
            let [missed] = classify_all(&whole, &[Arc::clone(&text)]).await.try_into().unwrap();
            let [found] = classify_all(&engine, &[text]).await.try_into().unwrap();
            assert!(score(&found, label) >= 0.5, "{label} {:.3} behind {around}", score(&found, label));
            assert!(score(&missed, label) < score(&found, label));
            assert!(!found.spans.is_empty(), "{label} behind {around}: the words are named");
            assert!(
                (score(&missed, "sentiment") - score(&found, "sentiment")).abs() < 0.05,
                "the mood is that of all of it"
            );
        }
    }
    let [nothing] = classify_all(&engine, &[harmless]).await.try_into().unwrap();
    let worst =
        nothing.scores.iter().filter(|score| &*score.label != "sentiment").map(|score| score.score).fold(0.0, f32::max);
    assert!(worst < 0.1, "{nothing:?}");
    engine.shutdown().await;
    whole.shutdown().await;
}

/// A set of the project's data, every `step`th row.
fn sample(set: &str, step: usize) -> (Vec<Arc<str>>, Vec<labelled::Labelled>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets");
    let path = Manifest::open(folder).unwrap().verify(set).unwrap();
    let rows: Vec<_> = labelled::read(set, &path).unwrap().into_iter().step_by(step).collect();
    (rows.iter().map(|row| row.text.as_str().into()).collect(), rows)
}

fn marks(rows: &[labelled::Labelled], label: &str) -> Vec<bool> {
    rows.iter().map(|row| row.marks.iter().any(|(name, mark)| *name == label && *mark)).collect()
}

/// Accuracy on hateful and on other sentences of templates that were never trained on, at 0.5.
#[tokio::test]
async fn t1_hate_is_told_from_what_only_looks_like_it() {
    let engine = engine(MODEL).await;
    let (texts, rows) = sample("functional_heldout", 1);
    let said: Vec<bool> =
        classify_all(&engine, &texts).await.iter().map(|scores| score(scores, "hate") >= 0.5).collect();
    let share = |class: bool| {
        let own: Vec<bool> = marks(&rows, "hate")
            .into_iter()
            .zip(&said)
            .filter(|(mark, _)| *mark == class)
            .map(|(_, said)| *said == class)
            .collect();
        own.iter().filter(|right| **right).count() as f64 / own.len() as f64
    };
    let (hateful, other) = (share(true), share(false));
    assert!(hateful >= 0.8 && other >= 0.65, "hateful {hateful:.3}, other {other:.3}");
    engine.shutdown().await;
}

/// Every twentieth row of the test set: about 500. All rows stand in the model's card.
#[tokio::test]
async fn t1_toxicity_on_a_fixed_sample() {
    let engine = engine(MODEL).await;
    let (texts, rows) = sample("jigsaw_test", 20);
    let answers = classify_all(&engine, &texts).await;
    let scores: Vec<f32> = answers.iter().map(|scores| score(scores, "toxic")).collect();
    let auc = measure::roc_auc(&scores, &marks(&rows, "toxic")).unwrap();
    assert!(auc >= 0.97, "ROC-AUC {auc:.4}");
    engine.shutdown().await;
}

/// A text's scores must not depend on the others in its batch.
#[tokio::test]
async fn x8_neighbours_in_a_batch_change_nothing() {
    let engine = engine_with(MODEL, |config| config.screening = false).await;
    let golden: Golden = golden("toxicity-minilm.json");
    let texts: Vec<Arc<str>> = golden.items.iter().map(|item| item.text.as_str().into()).collect();
    let together = classify_all(&engine, &texts).await;
    for (text, expected) in texts.iter().zip(&together).step_by(5) {
        let [alone] = classify_all(&engine, std::slice::from_ref(text)).await.try_into().unwrap();
        for (alone, expected) in alone.scores.iter().zip(&expected.scores) {
            assert!((alone.score - expected.score).abs() < 1e-4, "{text:?}");
        }
    }
    engine.shutdown().await;
}

#[test]
fn the_changes_are_small_enough_for_git() {
    let size = std::fs::metadata(crate_path("repository/toxicity-minilm/changes.safetensors")).unwrap().len();
    assert!(size < 10_000_000, "{size} bytes");
}
