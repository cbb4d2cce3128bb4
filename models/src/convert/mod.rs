//! Package contents to the files that the backends load. Pure Rust, and byte-for-byte reproducible, because the
//! digests of the results are pinned in `model.toml`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use crate::ModelError;

mod changes;
pub mod classifier;
pub mod js;
pub mod keras;
pub mod minilm;
pub mod nsfwjs;
mod onnx;

/// A file inside a package that a converter needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Path inside the package.
    pub entry: &'static str,
    /// Name under which the converter finds it.
    pub name: &'static str,
    /// Most bytes that it may have unpacked.
    pub limit: u64,
}

/// Turns the wanted files of a package into the artifacts of a model.
pub trait Converter: Sync {
    /// What to unpack.
    fn wanted(&self) -> &'static [Wanted];

    /// Reads the unpacked files of folder `from`, and what the model's own folder `model` has in git, and writes the
    /// artifacts into folder `into`. Unpacked files may be moved.
    fn convert(&self, from: &Path, model: &Path, into: &Path) -> Result<(), ModelError>;
}

/// The converter that `[source] convert` names.
pub fn converter(name: &str) -> Option<&'static dyn Converter> {
    match name {
        "minilm" => Some(&minilm::MiniLm),
        "minilm-classifier" => Some(&classifier::MiniLmClassifier),
        "nsfwjs" => Some(&nsfwjs::MOBILENET_V2),
        "nsfwjs-inception" => Some(&nsfwjs::INCEPTION_V3),
        "onnxruntime" => Some(&ONNXRUNTIME),
        "openvino" => Some(&OPENVINO),
        _ => None,
    }
}

/// Shared libraries and their licence, as they are.
struct Library(&'static [Wanted]);

const ONNXRUNTIME: Library = Library(&[
    Wanted { entry: "onnxruntime/capi/libonnxruntime.so.1.31.1", name: "libonnxruntime.so", limit: 64 << 20 },
    Wanted { entry: "onnxruntime/LICENSE", name: "LICENSE", limit: 1 << 20 },
    Wanted { entry: "onnxruntime/ThirdPartyNotices.txt", name: "ThirdPartyNotices.txt", limit: 4 << 20 },
]);

/// The core, its C interface, the plugin for processors and the reader of ONNX files; not the other devices and formats.
const OPENVINO: Library = Library(&[
    Wanted { entry: "openvino/libs/libopenvino_c.so.2641", name: "libopenvino_c.so", limit: 4 << 20 },
    Wanted { entry: "openvino/libs/libopenvino.so.2641", name: "libopenvino.so.2641", limit: 64 << 20 },
    Wanted {
        entry: "openvino/libs/libopenvino_intel_cpu_plugin.so",
        name: "libopenvino_intel_cpu_plugin.so",
        limit: 128 << 20,
    },
    Wanted {
        entry: "openvino/libs/libopenvino_onnx_frontend.so.2641",
        name: "libopenvino_onnx_frontend.so.2641",
        limit: 32 << 20,
    },
    Wanted { entry: "openvino/libs/libtbb.so.12", name: "libtbb.so.12", limit: 4 << 20 },
    Wanted { entry: "openvino-2026.4.1.dist-info/licenses/LICENSE", name: "LICENSE", limit: 4 << 20 },
    Wanted {
        entry: "openvino-2026.4.1.dist-info/licenses/licensing/runtime-third-party-programs.txt",
        name: "runtime-third-party-programs.txt",
        limit: 4 << 20,
    },
]);

impl Converter for Library {
    fn wanted(&self) -> &'static [Wanted] {
        self.0
    }

    fn convert(&self, from: &Path, _model: &Path, into: &Path) -> Result<(), ModelError> {
        self.0.iter().try_for_each(|wanted| take(from, into, wanted.name))
    }
}

/// Moves one unpacked file among the artifacts.
fn take(from: &Path, into: &Path, name: &str) -> Result<(), ModelError> {
    std::fs::rename(from.join(name), into.join(name)).map_err(|error| io_error("take over", &into.join(name), &error))
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|error| io_error("read", path, &error))
}

/// Writes `model.onnx` and its weights, `model.onnx.data`, into folder `into`.
fn write_graph(graph: onnx::Graph, into: &Path) -> Result<(), ModelError> {
    const DATA: &str = "model.onnx.data";
    let (path, data_path) = (into.join("model.onnx"), into.join(DATA));
    let create = |path: &Path| File::create(path).map(BufWriter::new).map_err(|error| io_error("create", path, &error));
    let (mut out, mut data) = (create(&path)?, create(&data_path)?);
    let written = graph.write(&mut out, &mut data, DATA).and_then(|()| data.flush()).and_then(|()| out.flush());
    written.map_err(|error| io_error("write the graph and the weights of", &path, &error))
}

fn io_error(what: &str, path: &Path, error: &std::io::Error) -> ModelError {
    ModelError::Io { context: format!("{what} {}", path.display()), message: error.to_string() }
}

/// An error of a package whose content is not what its converter knows.
fn surprise(what: impl std::fmt::Display) -> ModelError {
    ModelError::Io {
        context: "convert".into(),
        message: format!("{what}; the package is not the one that this version of the converter knows"),
    }
}
