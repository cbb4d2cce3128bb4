//! Faster numbers keep the accuracy gate over the whole path, and on other inputs than those that the choice at start looks at.

use models::{
    Engine, EngineConfig, Input, Lane, Output, Precision, Task,
    device::{BF16_FLAGS, processor_flags},
    execution::is_accurate,
};

use super::{cosine, engine_with, golden};

/// Every text of a golden file.
fn texts(file: &str) -> Vec<String> {
    let items: serde_json::Value = golden(file);
    let items = items["items"].as_array().unwrap();
    items.iter().map(|item| item["text"].as_str().unwrap().to_owned()).collect()
}

async fn answers(engine: &Engine, model: &str, texts: &[String]) -> Vec<Vec<f32>> {
    let mut found = Vec::new();
    for text in texts {
        found.push(match engine.infer(model, Input::Text(text.as_str().into()), Lane::Bulk).await.unwrap() {
            Output::Embedding(values) => values.to_vec(),
            Output::Scores(scores) => scores.scores.iter().map(|score| score.score).collect(),
        });
    }
    found
}

/// Only where the processor has such instructions: elsewhere nobody gets bf16, and `make models` brings no OpenVINO.
#[tokio::test]
async fn i6_bf16_keeps_the_gate_where_the_processor_multiplies_it() {
    if !processor_flags().iter().any(|flag| BF16_FLAGS.contains(&&**flag)) {
        return;
    }
    for (model, task, file) in [
        ("embed-minilm", Task::EmbedText, "embed-minilm.json"),
        ("toxicity-minilm", Task::ClassifyText, "toxicity-minilm.json"),
    ] {
        let texts = texts(file);
        let with = |precision| {
            move |config: &mut EngineConfig| (config.precision, config.screening) = (Some(precision), false)
        };
        let (exact, fast) =
            (engine_with(model, with(Precision::Fp32)).await, engine_with(model, with(Precision::Bf16)).await);
        assert_eq!(fast.models()[0].precision, "bf16", "{model} passes the gate at start");
        let (expected, found) = (answers(&exact, model, &texts).await, answers(&fast, model, &texts).await);
        for ((text, expected), found) in texts.iter().zip(&expected).zip(&found) {
            let (agreement, pairs) = (cosine(expected, found) as f32, expected.iter().zip(found));
            let most = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(is_accurate(task, agreement, most), "{model}: cosine {agreement}, {most} apart for {text:?}");
        }
        exact.shutdown().await;
        fast.shutdown().await;
    }
}
