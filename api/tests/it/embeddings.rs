//! `/v1/embeddings`.

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use models::text::TextEncoder;
use serde_json::{Value, json};

use crate::harness::Service;

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_embeddings_have_the_shape_that_client_libraries_expect() {
    let service = Service::start().await;
    let body = json!({ "input": ["hiking", "chess"], "model": "text-embedding-3-small", "user": "u-1" });
    let answer = service.post("/v1/embeddings", &body).await.expect(200);
    assert_eq!((&answer["object"], &answer["model"]), (&json!("list"), &json!("embed-minilm")));
    for (index, entry) in answer["data"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&entry["object"], &entry["index"]), (&json!("embedding"), &json!(index)));
        let vector = floats(&entry["embedding"]);
        assert_eq!(vector.len(), 384);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
    }
    let tokens = answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert!(tokens >= 2 && answer["usage"]["total_tokens"] == tokens, "{}", answer["usage"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_base64_holds_the_same_numbers() {
    let service = Service::start().await;
    let ask = |format: &'static str| {
        let body = json!({ "input": "hiking", "model": "embed-minilm", "encoding_format": format, "dimensions": 384 });
        let service = &service;
        async move { service.post("/v1/embeddings", &body).await.expect(200)["data"][0]["embedding"].clone() }
    };
    let bytes = BASE64_STANDARD.decode(ask("base64").await.as_str().unwrap()).unwrap();
    let decoded: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
    assert_eq!(decoded, floats(&ask("float").await));
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_many_texts_come_back_in_their_order() {
    let service = Service::start().await;
    let texts: Vec<String> = (0..2048).map(|index| format!("text {}", index % 7)).collect();
    let body = json!({ "input": texts, "model": "embed-minilm", "encoding_format": "base64" });
    let answer = service.post("/v1/embeddings", &body).await.expect(200);
    let data = answer["data"].as_array().unwrap();
    assert_eq!(data.len(), 2048);
    for (index, entry) in data.iter().enumerate() {
        assert_eq!(entry["embedding"], data[index % 7]["embedding"], "{index}");
    }
    assert_ne!(data[0]["embedding"], data[1]["embedding"]);
}

/// The fetched models: `CHAPERONE_MODELS`, else the workspace's own.
fn models() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/repository");
    std::env::var_os("CHAPERONE_MODELS").map_or_else(own, PathBuf::from)
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_token_ids_of_our_own_tokenizer_give_the_texts_vector() {
    let service = Service::start_with(|config| {
        config.models.repository = models();
        config.models.onnxruntime = std::env::var_os("CHAPERONE_ORT").map(PathBuf::from);
        config.models.load[0] = "embed-minilm".into();
    })
    .await;
    let encoder = TextEncoder::load(&models().join("embed-minilm/tokenizer.json"), 256).unwrap();
    let texts = ["hiking in the alps", "Grüße, 🦀", &"a long story ".repeat(200)];
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| encoder.encode(text).unwrap()).collect();
    let bare: Vec<&[u32]> = ids.iter().map(|ids| &ids[1..ids.len() - 1]).collect();
    let ask = async |input: Value| {
        let body = json!({ "model": "embed-minilm", "input": input, "encoding_format": "base64" });
        service.post("/v1/embeddings", &body).await.expect(200)
    };
    let of_texts = ask(json!(texts)).await;
    for input in [json!(ids), json!(bare)] {
        let of_tokens = ask(input).await;
        assert_eq!(of_tokens["usage"], of_texts["usage"]);
        for (index, text) in texts.iter().enumerate() {
            let [a, b] = [&of_tokens, &of_texts].map(|answer| floats_of(&answer["data"][index]["embedding"]));
            let cosine: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!(cosine > 0.9999, "{text}: {cosine}");
        }
    }
    let refused = service.post("/v1/embeddings", &json!({ "model": "embed-minilm", "input": [[4_000_000]] })).await;
    assert_eq!((refused.status, refused.code()), (400, "input_invalid"));
}

/// The numbers of a base64 vector.
fn floats_of(value: &Value) -> Vec<f32> {
    let bytes = BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap();
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_openais_token_ids_give_the_texts_vector() {
    let service = Service::start().await;
    let ask = async |model: &str, input: Value| {
        service.post("/v1/embeddings", &json!({ "model": model, "input": input, "encoding_format": "base64" })).await
    };
    // «hello world» in cl100k_base.
    let tokens = ask("text-embedding-3-small", json!([15339, 1917])).await.expect(200);
    let text = ask("text-embedding-3-small", json!("hello world")).await.expect(200);
    assert_eq!(tokens, text);
    let unknown = ask("text-embedding-3-small", json!([[15339], [200_000]])).await;
    assert_eq!(
        (unknown.status, unknown.code(), &unknown.body["error"]["param"]),
        (400, "token_unknown", &json!("input[1]"))
    );
    let empty = ask("text-embedding-3-small", json!([[]])).await;
    assert_eq!((empty.status, empty.code()), (400, "input_size"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_vectors_are_shortened_on_demand() {
    let service = Service::start().await;
    let ask = async |dimensions: Value| {
        service
            .post("/v1/embeddings", &json!({ "model": "embed-minilm", "input": "hiking", "dimensions": dimensions }))
            .await
    };
    let (whole, short) = (ask(json!(384)).await.expect(200), ask(json!(16)).await.expect(200));
    let [whole, short] = [&whole, &short].map(|answer| floats(&answer["data"][0]["embedding"]));
    let length = whole[..16].iter().map(|x| x * x).sum::<f32>().sqrt();
    assert_eq!(short.len(), 16);
    assert!(whole.iter().zip(&short).all(|(a, b)| (a / length - b).abs() < 1e-6));
    for wrong in [json!(0), json!(385)] {
        let refused = ask(wrong).await;
        assert_eq!(
            (refused.status, refused.code(), &refused.body["error"]["param"]),
            (400, "dimensions_unsupported", &json!("dimensions"))
        );
    }
}
