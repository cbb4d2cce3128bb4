//! nsfwjs layers models: bundled scripts to an ONNX graph.
//!
//! A model is a script with one object (Keras topology and weights manifest) and some scripts with one base64 string
//! each; together the strings are the weights, one byte per number, with a scale and a least value per tensor.

use std::{collections::HashMap, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::{Converter, Wanted, js, keras, read, surprise, write_graph};
use crate::ModelError;

/// One layers model of the package.
pub struct NsfwJs {
    wanted: &'static [Wanted],
}

/// The small model, 224 × 224 pixels.
pub const MOBILENET_V2: NsfwJs = NsfwJs {
    wanted: &[
        Wanted { entry: "package/dist/models/mobilenet_v2/model.min.js", name: "model.min.js", limit: 4 << 20 },
        Wanted {
            entry: "package/dist/models/mobilenet_v2/group1-shard1of1.min.js",
            name: "group1-shard1of1.min.js",
            limit: 16 << 20,
        },
    ],
};

macro_rules! inception {
    ($($name:literal),*) => {
        &[$(Wanted { entry: concat!("package/dist/models/inception_v3/", $name), name: $name, limit: 8 << 20 }),*]
    };
}

/// The large model, 299 × 299 pixels.
pub const INCEPTION_V3: NsfwJs = NsfwJs {
    wanted: inception![
        "model.min.js",
        "group1-shard1of6.min.js",
        "group1-shard2of6.min.js",
        "group1-shard3of6.min.js",
        "group1-shard4of6.min.js",
        "group1-shard5of6.min.js",
        "group1-shard6of6.min.js"
    ],
};

impl Converter for NsfwJs {
    fn wanted(&self) -> &'static [Wanted] {
        self.wanted
    }

    fn convert(&self, from: &Path, _model: &Path, into: &Path) -> Result<(), ModelError> {
        let script = |name: &str| {
            let text =
                String::from_utf8(read(&from.join(name))?).map_err(|error| surprise(format!("{name}: {error}")))?;
            js::exported(&text).map_err(|error| surprise(format!("{name}: {error}")))
        };
        let model: Model = serde_json::from_value(script("model.min.js")?)
            .map_err(|error| surprise(format!("model.min.js: {error}")))?;
        let mut weights = HashMap::new();
        for group in model.weights_manifest {
            let mut bytes = Vec::new();
            for path in &group.paths {
                let name = format!("{path}.min.js");
                // A path of the manifest must be one of the files that were asked for, not any file.
                if !self.wanted.iter().any(|wanted| wanted.name == name) {
                    return Err(surprise(format!("model.min.js wants {name}")));
                }
                let text = script(&name)?;
                let decoded = STANDARD.decode(text.as_str().unwrap_or_default());
                bytes.extend(decoded.map_err(|error| surprise(format!("{name}: {error}")))?);
            }
            group.unpack(&bytes, &mut weights)?;
        }
        let graph = keras::graph(model.model_topology.model_config.config, weights, "probabilities")?;
        write_graph(graph, into)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    model_topology: Topology,
    weights_manifest: Vec<Group>,
}

#[derive(Deserialize)]
struct Topology {
    model_config: ModelConfig,
}

#[derive(Deserialize)]
struct ModelConfig {
    config: keras::Network,
}

#[derive(Deserialize)]
struct Group {
    paths: Vec<String>,
    weights: Vec<Weight>,
}

#[derive(Deserialize)]
struct Weight {
    name: String,
    shape: Vec<usize>,
    quantization: Quantization,
}

#[derive(Deserialize)]
struct Quantization {
    min: f64,
    scale: f64,
    dtype: String,
}

impl Group {
    /// Cuts the bytes into tensors and restores their numbers.
    fn unpack(&self, mut bytes: &[u8], into: &mut HashMap<String, keras::Weight>) -> Result<(), ModelError> {
        for Weight { name, shape, quantization } in &self.weights {
            let Quantization { min, scale, dtype } = quantization;
            if dtype != "uint8" {
                return Err(surprise(format!("{name} is quantised to {dtype}, not to uint8")));
            }
            let len = shape.iter().try_fold(1_usize, |len, &side| len.checked_mul(side));
            let Some((head, tail)) = len.and_then(|len| bytes.split_at_checked(len)) else {
                return Err(surprise(format!("{name}: the weights end too early")));
            };
            // In double precision and then rounded, as TensorFlow.js does it.
            let values = head.iter().map(|&byte| (f64::from(byte) * scale + min) as f32).collect();
            into.insert(name.clone(), keras::Weight { shape: shape.clone(), values });
            bytes = tail;
        }
        if bytes.is_empty() { Ok(()) } else { Err(surprise(format!("{} bytes of weights too many", bytes.len()))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(model: &str, shard: &str) -> Result<(), ModelError> {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(from.path().join("model.min.js"), model).unwrap();
        std::fs::write(from.path().join("group1-shard1of1.min.js"), shard).unwrap();
        MOBILENET_V2.convert(from.path(), from.path(), into.path())
    }

    /// One dense layer with softmax: 3 inputs, 2 outputs.
    const MODEL: &str = r#"a.exports={modelTopology:{model_config:{config:{layers:[
        {name:"in",class_name:"InputLayer",config:{batch_input_shape:[null,1,1,3]},inbound_nodes:[]},
        {name:"f",class_name:"Flatten",config:{},inbound_nodes:[[["in",0,0,{}]]]},
        {name:"d",class_name:"Dense",config:{units:2,activation:"softmax",use_bias:!1},inbound_nodes:[[["f",0,0,{}]]]}],
        output_layers:[["d",0,0]]}}},weightsManifest:[{paths:["group1-shard1of1"],
        weights:[{name:"d/kernel",shape:[3,2],dtype:"float32",quantization:{min:-1,scale:.5,dtype:"uint8"}}]}]}"#;
    const SHARD: &str = "a.exports=\"AAECAwQF\"";

    #[test]
    fn small_model_converts() {
        convert(MODEL, SHARD).unwrap();
    }

    #[test]
    fn surprises_are_errors() {
        let cases = [
            (MODEL.replace("\"uint8\"", "\"uint16\""), SHARD, "quantised to uint16"),
            (MODEL.replace("[3,2]", "[3,3]"), SHARD, "end too early"),
            (MODEL.replace("[3,2]", "[9007199254740991,9007199254740991]"), SHARD, "end too early"),
            (MODEL.replace("[3,2]", "[1,2]"), SHARD, "4 bytes of weights too many"),
            (MODEL.replace("[3,2]", "[2,3]"), SHARD, "shape"),
            (MODEL.replace("group1-shard1of1\"", "../../passwd\""), SHARD, "wants ../../passwd.min.js"),
            (MODEL.replace("\"Dense\"", "\"Lambda\""), SHARD, "Lambda"),
            (MODEL.replace("[[[\"f\"", "[[[\"nowhere\""), SHARD, "nowhere"),
            (MODEL.replace("d/kernel", "e/kernel"), SHARD, "d/kernel"),
            (MODEL.into(), "a.exports=\"A*\"", "group1-shard1of1.min.js"),
            (MODEL.into(), "nothing", "no exported literal"),
        ];
        for (model, shard, expected) in cases {
            let message = convert(&model, shard).unwrap_err().to_string();
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
    }
}
