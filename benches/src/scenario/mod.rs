//! What is measured, one file per question.

pub mod analyze;
pub mod cascade;
pub mod chaos;
pub mod device;
pub mod frames;
pub mod front;
pub mod latency;
pub mod lengths;
pub mod memory;
pub mod month;
pub mod neighbours;
pub mod pairing;
pub mod scale;
pub mod soak;
pub mod storm;
pub mod stream;
pub mod text;
pub mod throughput;

use std::path::PathBuf;

use anyhow::Context;
use models::{
    Device, EngineConfig, Precision, Repository,
    backend::{self, Backend, BackendSettings},
    execution::Execution,
    repository::ModelFolder,
    spec::BackendKind,
    text::TextEncoder,
};

use crate::load::Request;

/// The model of the text scenarios.
const ENCODER: &str = "embed-minilm";
/// A service that embeds and does nothing else.
const EMBED_ONLY: [(&str, &str); 2] =
    [("CHAPERONE_PIPELINE__TEXT_MODELS", "[]"), ("CHAPERONE_PIPELINE__PICTURE_MODELS", "[]")];

/// What every scenario needs to know.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The `chaperone` binary.
    pub binary: PathBuf,
    /// The folder `datasets`.
    pub datasets: PathBuf,
    /// The folder `benches/peers`.
    pub peers: PathBuf,
    /// The model repository.
    pub repository: PathBuf,
    /// Models that judge texts in the scenario `analyze`; empty: those of the service.
    pub text_models: Vec<String>,
    /// Alternating rounds per comparison.
    pub rounds: usize,
    /// Seconds per measurement.
    pub seconds: u64,
    /// Folder with other texts than the built-in sets, see [`crate::workload::texts::sets`].
    pub texts: Option<PathBuf>,
    /// Folder with other photos than `datasets/photos`, for the scenario `cascade`.
    pub photos: Option<PathBuf>,
    /// What a bare backend computes with: what the service chose on this machine, so that the comparison is about the rest.
    pub precision: Precision,
}

impl Setting {
    /// A model's folder, its files verified.
    fn model(&self, name: &str) -> anyhow::Result<ModelFolder> {
        Ok(Repository::open(&self.repository)?.verify(name)?)
    }

    /// A model without anything around it, one compute thread.
    fn bare_backend(&self, name: &str) -> anyhow::Result<(ModelFolder, Box<dyn Backend>)> {
        let (folder, defaults) = (self.model(name)?, EngineConfig::default());
        let (kind, precision) = match self.precision {
            Precision::Bf16 => (BackendKind::OpenVino, Precision::Bf16),
            _ => (folder.spec.backend, Precision::Fp32),
        };
        let libraries = defaults.hardware(&self.repository).openvino;
        let settings = BackendSettings::new(defaults.onnxruntime_library(&self.repository), libraries, 1);
        let execution = Execution { backend: kind, device: Device::Cpu, precision };
        let backend = backend::open(execution, &folder, &settings)?;
        Ok((folder, backend))
    }

    /// Runs this program again, pinned to core 0, with a flag that makes it measure one thing in this precision and print it as JSON.
    fn child<T: serde::de::DeserializeOwned>(&self, flag: &str, precision: Precision) -> anyhow::Result<T> {
        let mut command = std::process::Command::new("taskset");
        command.args(["-c", "0"]).arg(std::env::current_exe()?).arg(flag);
        command.args(["--seconds", &self.seconds.to_string()]).arg("--repository").arg(&self.repository);
        command.args(["--precision", precision.as_str()]);
        command.arg("--root").arg(self.datasets.parent().context("datasets has a parent")?);
        if let Some(texts) = &self.texts {
            command.arg("--texts").arg(texts);
        }
        let output = command.output()?;
        anyhow::ensure!(output.status.success(), "{flag} failed: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The text models that the service loads by default.
    fn text_models(&self) -> anyhow::Result<Vec<String>> {
        let root = self.datasets.parent().context("datasets has a parent")?;
        let defaults = std::fs::read_to_string(root.join("api/src/config.default.toml"))?;
        let defaults: toml::Table = toml::from_str(&defaults)?;
        let names = defaults["pipeline"].get("text_models").and_then(toml::Value::as_array).context("text_models")?;
        Ok(names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect())
    }

    fn encoder(&self) -> anyhow::Result<TextEncoder> {
        let folder = self.model(ENCODER)?;
        Ok(TextEncoder::load(&folder.file("tokenizer")?, folder.spec.max_tokens)?)
    }
}

/// One embedding request per text.
fn embed_requests<'a>(texts: impl IntoIterator<Item = &'a String>, format: &str) -> Vec<Request> {
    let request = |text: &String| {
        let body = serde_json::json!({ "model": ENCODER, "input": text, "encoding_format": format });
        Request { path: "/v1/embeddings".into(), content_type: "application/json", body: body.to_string().into() }
    };
    texts.into_iter().map(request).collect()
}

/// One request to judge each text, with its author and room as a platform would send it.
fn check_requests<'a>(path: &str, texts: impl IntoIterator<Item = &'a String>) -> Vec<Request> {
    let request = |(number, text): (usize, &String)| {
        let (author, room) = (format!("author-{}", number % 997), format!("room-{}", number % 101));
        let body = serde_json::json!({ "text": text, "actor": author, "conversation": room });
        Request { path: path.into(), content_type: "application/json", body: body.to_string().into() }
    };
    texts.into_iter().enumerate().map(request).collect()
}
