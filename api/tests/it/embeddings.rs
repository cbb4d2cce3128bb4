//! `/v1/embeddings`.

use base64::{Engine as _, prelude::BASE64_STANDARD};
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
