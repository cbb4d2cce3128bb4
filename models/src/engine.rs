//! The handle that callers hold.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    Device, Input, Lane, ModelError, ModelSpec, Output, Precision, Repository, Scores,
    backend::BackendSettings,
    cascade::{Cascade, Compared},
    device::Hardware,
    execution::{Execution, candidates},
    heap,
    plan::{Plan, Setup},
    repository::ModelFolder,
    served::Served,
    spec::{BackendKind, GLANCE},
};

/// Which models are loaded and how. Section `[models]` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Folder that holds one folder per model.
    pub repository: PathBuf,
    /// Models to load, by folder name. `<name>@ort`, `<name>@openvino`, `<name>@candle` and `<name>@linear` choose another
    /// backend than the model's own; `fake:<name>` loads the fake backend with that model's spec (tests).
    pub load: Vec<String>,
    /// Path of the ONNX Runtime library; empty means: the environment variable `ORT_DYLIB_PATH`, else
    /// `<repository>/../lib/libonnxruntime.so`.
    pub onnxruntime: Option<PathBuf>,
    /// Path of OpenVINO's C library; empty means: `<repository>/../lib/openvino/libopenvino_c.so`.
    pub openvino: Option<PathBuf>,
    /// Compute threads per instance; 0 means: processors ÷ instances.
    pub threads: usize,
    /// Models with a cascade: whether their cheaper models may answer alone. `false`: the encoder judges every text too.
    pub screening: bool,
    /// Models with a cascade whose `model.toml` says how: whether long texts are judged in parts too, so that nothing hides among harmless words.
    pub parts: bool,
    /// Where the models compute; empty means: where each `model.toml` says.
    pub device: Option<Device>,
    /// What they compute with; empty means: what each `model.toml` says.
    pub precision: Option<Precision>,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            repository: "models/repository".into(),
            load: ["embed-minilm", "nsfw-mobilenet", "nsfw-inception", "toxicity-minilm"].map(String::from).to_vec(),
            onnxruntime: None,
            openvino: None,
            threads: 0,
            screening: true,
            parts: true,
            device: None,
            precision: None,
        }
    }
}

impl EngineConfig {
    /// The ONNX Runtime library that [`Engine::start`] would load.
    pub fn onnxruntime_library(&self, repository: &Path) -> PathBuf {
        let chosen = self.onnxruntime.clone().filter(|path| !path.as_os_str().is_empty());
        chosen
            .or_else(|| std::env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()).map(PathBuf::from))
            .unwrap_or_else(|| repository.parent().unwrap_or(repository).join("lib/libonnxruntime.so"))
    }

    /// The OpenVINO library that [`Engine::start`] would load.
    pub fn openvino_library(&self, repository: &Path) -> PathBuf {
        let chosen = self.openvino.clone().filter(|path| !path.as_os_str().is_empty());
        let beside = || repository.parent().unwrap_or(repository).join("lib/openvino/libopenvino_c.so");
        chosen.unwrap_or_else(beside)
    }

    /// What this machine has, as far as it matters to models.
    pub fn hardware(&self, repository: &Path) -> Hardware {
        Hardware::look(&self.onnxruntime_library(repository), &self.openvino_library(repository))
    }

    /// How a model could be executed on this machine, the reference first; with several, the start measures.
    pub fn ways(&self, repository: &Path, spec: &ModelSpec) -> Result<Vec<Execution>, ModelError> {
        let wish = (self.device.unwrap_or(spec.device), self.precision.unwrap_or(spec.precision));
        candidates(spec.backend, spec, wish, &self.hardware(repository))
    }

    fn threads_for(&self, instances: usize) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        (processors / instances.max(1)).max(1)
    }
}

/// What `/health/ready`, `models list` and the metrics say of one loaded model.
#[derive(Debug, Clone, Serialize)]
pub struct ModelState {
    /// Model name.
    pub name: Arc<str>,
    /// Version.
    pub version: Arc<str>,
    /// Backend that runs it.
    pub backend: &'static str,
    /// Where it computes: `cpu`, `cuda:0`, …
    pub device: String,
    /// What it computes with: `fp32`, `bf16`, …
    pub precision: &'static str,
    /// Warmed up and all instances alive.
    pub ready: bool,
    /// Inputs waiting now.
    pub waiting: usize,
}

/// All loaded models. Cheap to clone; the last clone's drop (or `shutdown`) stops the instances.
#[derive(Clone)]
pub struct Engine {
    /// In load order.
    models: Arc<[Arc<Served>]>,
    by_name: Arc<HashMap<Arc<str>, usize>>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.models()).finish()
    }
}

impl Engine {
    /// Finds every model of `config.load`, measures one after the other where there is something to measure, then loads and warms up all
    /// at the same time. Blocking work happens on its own threads. Must be called inside a tokio runtime; a metrics recorder, if any, is installed before.
    pub async fn start(config: &EngineConfig, repository: &Repository) -> Result<Self, ModelError> {
        let library = config.onnxruntime_library(repository.root());
        let hardware = config.hardware(repository.root());
        let mut finding = tokio::task::JoinSet::new();
        for (position, entry) in config.load.iter().enumerate() {
            let choice = Choice::parse(entry)?;
            let (repository, library, config) = (repository.clone(), library.clone(), config.clone());
            let openvino = hardware.openvino.clone();
            finding.spawn(async move {
                let found =
                    tokio::task::spawn_blocking(move || choice.find(&repository, (config.screening, config.parts)))
                        .await;
                let (kind, folder, cascade) = found.map_err(|_| ModelError::Stopped("loader".into()))??;
                let most = if folder.spec.threads == 0 { usize::MAX } else { folder.spec.threads };
                let threads = config.threads_for(folder.spec.instances).min(most);
                let device = config.device.unwrap_or(folder.spec.device);
                let precision = config.precision.unwrap_or(folder.spec.precision);
                let settings = BackendSettings::new(library.clone(), openvino, threads);
                let glance = match glance_of(&folder, cascade.as_ref()) {
                    Some(folder) => {
                        let (kind, wish) = (BackendKind::Ort, (Device::Cpu, Precision::Fp32));
                        let settings = BackendSettings::new(library, None, 1);
                        let setup = Setup { kind, folder, settings, wish, cascade: None, glance: None };
                        Some(Box::new(Plan::new(setup).await?))
                    }
                    None => None,
                };
                let setup = Setup { kind, folder, settings, wish: (device, precision), cascade, glance };
                Ok((position, Plan::new(setup).await?))
            });
        }
        let mut plans = all(finding).await?;
        for plan in &mut plans {
            plan.settle(&hardware).await?;
        }
        let mut loading = tokio::task::JoinSet::new();
        for (position, plan) in plans.into_iter().enumerate() {
            loading.spawn(async move {
                let served = Served::start(plan).await?;
                let (name, version, execution) = (&served.spec.name, &served.spec.version, served.execution());
                tracing::info!(model.name = %name, model.version = %version, %execution, "model loaded");
                Ok((position, served))
            });
        }
        let models = all(loading).await?;
        let root = repository.root().to_owned();
        if let Ok(released) = tokio::task::spawn_blocking(move || heap::give_back(&root)).await {
            // Nobody waits for it.
            drop(tokio::task::spawn_blocking(move || heap::read_ahead(released)));
        }
        Self::of(models)
    }

    fn of(models: Vec<Served>) -> Result<Self, ModelError> {
        let mut by_name = HashMap::new();
        for (position, served) in models.iter().enumerate() {
            if by_name.insert(Arc::clone(&served.spec.name), position).is_some() {
                let message = format!("`load` names the model `{}` twice: keep one of them", served.spec.name);
                return Err(ModelError::InvalidInput(message));
            }
        }
        Ok(Self { models: models.into_iter().map(Arc::new).collect(), by_name: Arc::new(by_name) })
    }

    /// Queues one input and waits for its answer. Dropping the future cancels the entry.
    pub async fn infer(&self, model: &str, input: Input, lane: Lane) -> Result<Output, ModelError> {
        self.find(model)?.infer(input, lane).await
    }

    /// [`Engine::infer`] on a classifier.
    pub async fn classify(&self, model: &str, input: Input, lane: Lane) -> Result<Scores, ModelError> {
        match self.infer(model, input, lane).await? {
            Output::Scores(scores) => Ok(scores),
            Output::Embedding(_) => Err(ModelError::InvalidInput(format!("model `{model}` is no classifier"))),
        }
    }

    /// What a cascade serves for a text, by which stage, beside what its encoder says of it: what screening costs. Every text
    /// goes through the encoder. `None`: the model has no cascade.
    pub async fn compare(&self, model: &str, text: Arc<str>, lane: Lane) -> Result<Option<Compared>, ModelError> {
        self.find(model)?.compare(text, lane).await
    }

    /// [`Engine::infer`] on an embedder: unit-length vector.
    pub async fn embed(&self, model: &str, text: &str, lane: Lane) -> Result<Arc<[f32]>, ModelError> {
        self.embed_input(model, Input::Text(text.into()), lane).await
    }

    /// [`Engine::embed`] of any input that the embedder takes.
    pub async fn embed_input(&self, model: &str, input: Input, lane: Lane) -> Result<Arc<[f32]>, ModelError> {
        match self.infer(model, input, lane).await? {
            Output::Embedding(vector) => Ok(vector),
            Output::Scores(_) => Err(ModelError::InvalidInput(format!("model `{model}` is no embedder"))),
        }
    }

    /// Token count of `text` as model `model` sees it (for `usage` in answers): after cutting, special tokens included;
    /// words, for a model without a tokenizer.
    pub fn count_tokens(&self, model: &str, text: &str) -> Result<usize, ModelError> {
        self.find(model)?.preparer.count_tokens(text)
    }

    /// Token count of ids that were made with the model's tokenizer, as the model sees them.
    pub fn count_ids(&self, model: &str, ids: &[u32]) -> Result<usize, ModelError> {
        self.find(model)?.preparer.count_ids(ids)
    }

    /// Is this model loaded?
    pub fn has(&self, model: &str) -> bool {
        self.by_name.contains_key(model)
    }

    /// State of every loaded model, in load order.
    pub fn models(&self) -> Vec<ModelState> {
        self.models.iter().map(|served| served.state()).collect()
    }

    /// The `model.toml` of a loaded model.
    pub fn spec(&self, model: &str) -> Result<&crate::ModelSpec, ModelError> {
        self.find(model).map(|served| &*served.spec)
    }

    /// Stops accepting, finishes what waits, joins the instances.
    pub async fn shutdown(&self) {
        for served in &*self.models {
            served.shutdown().await;
        }
    }

    fn find(&self, model: &str) -> Result<&Served, ModelError> {
        let position = self.by_name.get(model).ok_or_else(|| ModelError::UnknownModel(model.into()))?;
        Ok(&self.models[*position])
    }
}

/// What the tasks found, by position. The first that fails ends the others.
async fn all<T: 'static>(
    mut tasks: tokio::task::JoinSet<Result<(usize, T), ModelError>>,
) -> Result<Vec<T>, ModelError> {
    let mut done = Vec::new();
    while let Some(result) = tasks.join_next().await {
        done.push(result.map_err(|_| ModelError::Stopped("loader".into()))??);
    }
    done.sort_by_key(|(position, _)| *position);
    Ok(done.into_iter().map(|(_, found)| found).collect())
}

/// One entry of `config.load`.
#[derive(Debug, PartialEq, Eq)]
struct Choice {
    name: String,
    /// `None`: what the model's own spec says.
    backend: Option<BackendKind>,
}

impl Choice {
    fn parse(entry: &str) -> Result<Self, ModelError> {
        if let Some(name) = entry.strip_prefix("fake:") {
            return Ok(Self { name: name.into(), backend: Some(BackendKind::Fake) });
        }
        let Some((name, backend)) = entry.split_once('@') else {
            return Ok(Self { name: entry.into(), backend: None });
        };
        let backend = match backend {
            "ort" => BackendKind::Ort,
            "openvino" => BackendKind::OpenVino,
            "candle" => BackendKind::Candle,
            "linear" => BackendKind::Linear,
            _ => {
                let message =
                    format!("`{entry}`: there is no backend `{backend}`; write ort, openvino, candle or linear");
                return Err(ModelError::InvalidInput(message));
            }
        };
        Ok(Self { name: name.into(), backend: Some(backend) })
    }

    /// Finds the model's folder; its files are checked, unless the backend is the fake one, which needs none.
    fn find(
        &self,
        repository: &Repository,
        (screening, parts): (bool, bool),
    ) -> Result<(BackendKind, ModelFolder, Option<Cascade>), ModelError> {
        if self.backend == Some(BackendKind::Fake) {
            let spec = repository.spec(&self.name)?;
            return Ok((BackendKind::Fake, ModelFolder { path: repository.root().join(&self.name), spec }, None));
        }
        let folder = repository.verify(&self.name)?;
        let cascade =
            Cascade::load(repository, &folder.spec)?.map(|cascade| cascade.with_screening(screening).with_parts(parts));
        Ok((self.backend.unwrap_or(folder.spec.backend), folder, cascade))
    }
}

/// The small encoder of a model's cascade, as a model of its own: always on the processor, where a call of it is shorter than
/// the way to a GPU and back.
fn glance_of(folder: &ModelFolder, cascade: Option<&Cascade>) -> Option<ModelFolder> {
    cascade.filter(|cascade| cascade.has_glance())?;
    let mut glance = folder.clone();
    let graph = glance.spec.files.get(GLANCE)?.clone();
    glance.spec.files.retain(|role, _| role == "tokenizer");
    glance.spec.files.insert("onnx".into(), graph);
    glance.spec.name = format!("{}-{GLANCE}", folder.spec.name).into();
    glance.spec.cascade = None;
    glance.spec.instances = 1;
    Some(glance)
}

#[cfg(test)]
pub(crate) mod tests;
