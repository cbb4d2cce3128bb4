//! How a model is executed on this machine: engine, device, precision.
//!
//! What could run a model is a pure rule ([`candidates`]); 32-bit floats are always among it, first, and are the measure for
//! the others. When there are several, all compute the same built-in samples: one that leaves the accuracy gate is out, the
//! fastest of the rest is taken, if it is worth it. Most machines have one candidate, and then nothing is measured.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{
    ModelError, ModelSpec, Task,
    backend::{self, Backend, BackendSettings},
    batch::{Batch, EntryId, Prepared},
    device::{Device, Hardware},
    repository::ModelFolder,
    spec::BackendKind,
};

/// Least cosine between the outputs of a faster execution and those in 32-bit floats, of each sample.
pub const MIN_COSINE: f32 = 0.999;
/// Most that a score of a text may differ, of each sample and label. `toxicity-minilm` in bf16 differs by 0.0104 on the samples, and on
/// 10,340 comments (`chaperone eval texts --set jigsaw_test`) no label's ROC-AUC by more than 0.0001.
const MAX_TEXT_DIFFERENCE: f32 = 0.02;
/// The same of a picture: stricter, because what it does to finding explicit ones cannot be measured here.
const MAX_PICTURE_DIFFERENCE: f32 = 0.01;
/// A faster execution must be at least this many times as fast: less is within the noise of a short measurement.
pub const WORTH: f64 = 1.15;
/// Alternating rounds of the measurement; the fastest of each counts, because only the machine's other work makes one slower.
const ROUNDS: usize = 3;

/// Numbers that a model computes with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// The fastest that this machine is good at and that passes the accuracy gate.
    #[default]
    Auto,
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats with the range of 32-bit ones: processors that multiply such numbers, through OpenVINO.
    Bf16,
    /// 16-bit floats: GPUs. CUDA needs a graph of them (`onnx-fp16` in `files`), TensorRT makes it itself.
    Fp16,
    /// 8-bit integers: needs a graph of them (`onnx-int8` in `files`).
    Int8,
}

impl Precision {
    /// Name in states and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Int8 => "int8",
        }
    }

    /// Role of the graph file that this precision reads in ONNX Runtime.
    pub(crate) fn graph(self, device: Device) -> &'static str {
        match (self, device) {
            (Self::Int8, _) => "onnx-int8",
            (Self::Fp16, Device::Cuda(_)) => "onnx-fp16",
            _ => "onnx",
        }
    }
}

/// One way to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execution {
    /// Engine.
    pub backend: BackendKind,
    /// Never [`Device::Auto`].
    pub device: Device,
    /// Never [`Precision::Auto`].
    pub precision: Precision,
}

impl std::fmt::Display for Execution {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {} in {}", backend::name(self.backend), self.device, self.precision.as_str())
    }
}

/// What could run this model here; the first is the reference and always works. `wish` is `model.toml`'s or the configuration's.
pub fn candidates(
    kind: BackendKind,
    spec: &ModelSpec,
    (device, precision): (Device, Precision),
    hardware: &Hardware,
) -> Result<Vec<Execution>, ModelError> {
    let on = |backend, device, precision| Execution { backend, device, precision };
    match kind {
        BackendKind::Fake | BackendKind::Linear => Ok(vec![on(kind, Device::Cpu, Precision::Fp32)]),
        // candle says itself whether it was built for CUDA.
        BackendKind::Candle if device == Device::Auto => Ok(vec![on(kind, Device::Cpu, Precision::Fp32)]),
        BackendKind::Candle => Ok(vec![on(kind, device, Precision::Fp32)]),
        BackendKind::OpenVino => {
            let precision = if precision == Precision::Bf16 { precision } else { Precision::Fp32 };
            Ok(vec![on(kind, Device::Cpu, precision)])
        }
        BackendKind::Ort => {
            let device = hardware.resolve(device)?;
            let mut ways = vec![on(kind, device, Precision::Fp32)];
            let others = if device.is_gpu() { on_gpu(spec, precision)? } else { on_cpu(spec, precision, hardware)? };
            ways.extend(others.into_iter().map(|(backend, precision)| on(backend, device, precision)));
            Ok(ways)
        }
    }
}

fn on_cpu(spec: &ModelSpec, wish: Precision, hardware: &Hardware) -> Result<Vec<(BackendKind, Precision)>, ModelError> {
    let int8 = spec.files.contains_key("onnx-int8");
    // Flags as Linux names them. Without such units these precisions are slower than 32-bit floats, or no faster.
    let dot_products = ["avx512_vnni", "avx_vnni", "amx_int8"].iter().any(|flag| hardware.has(flag));
    let mut ways = Vec::new();
    match wish {
        Precision::Auto => {
            if hardware.multiplies_bf16() && hardware.openvino.is_some() {
                ways.push((BackendKind::OpenVino, Precision::Bf16));
            }
            if int8 && dot_products {
                ways.push((BackendKind::Ort, Precision::Int8));
            }
        }
        Precision::Fp32 => {}
        Precision::Bf16 if hardware.openvino.is_some() => ways.push((BackendKind::OpenVino, Precision::Bf16)),
        Precision::Bf16 => {
            return Err(refused("bf16 on a processor needs OpenVINO: run `chaperone models fetch --only openvino`"));
        }
        Precision::Int8 if int8 => ways.push((BackendKind::Ort, Precision::Int8)),
        Precision::Int8 => return Err(no_graph(spec, "onnx-int8")),
        Precision::Fp16 => return Err(refused("fp16 is for GPUs: write `precision = \"auto\"`, or a GPU as `device`")),
    }
    Ok(ways)
}

fn on_gpu(spec: &ModelSpec, wish: Precision) -> Result<Vec<(BackendKind, Precision)>, ModelError> {
    match wish {
        Precision::Auto | Precision::Fp32 => Ok(Vec::new()),
        Precision::Fp16 => Ok(vec![(BackendKind::Ort, Precision::Fp16)]),
        Precision::Int8 if spec.files.contains_key("onnx-int8") => Ok(vec![(BackendKind::Ort, Precision::Int8)]),
        Precision::Int8 => Err(no_graph(spec, "onnx-int8")),
        Precision::Bf16 => Err(refused("bf16 is for processors: write `precision = \"fp16\"` or \"auto\" on a GPU")),
    }
}

fn refused(message: &str) -> ModelError {
    ModelError::InvalidInput(message.into())
}

fn no_graph(spec: &ModelSpec, role: &str) -> ModelError {
    ModelError::InvalidInput(format!(
        "model `{}` has no graph `{role}` in `[files]` of its model.toml: add one, or write `precision = \"auto\"`",
        spec.name
    ))
}

/// How one candidate did.
#[derive(Debug, Clone, Copy)]
struct Trial {
    execution: Execution,
    accurate: bool,
    fastest: Duration,
}

/// The one to take: the fastest that is accurate and at least `worth` times as fast as the reference.
fn best(reference: Trial, others: &[Trial], worth: f64) -> Execution {
    let speed = |trial: &Trial| reference.fastest.as_secs_f64() / trial.fastest.as_secs_f64().max(1e-9);
    others
        .iter()
        .filter(|trial| trial.accurate && speed(trial) >= worth)
        .max_by(|a, b| speed(a).total_cmp(&speed(b)))
        .map_or(reference.execution, |trial| trial.execution)
}

/// What [`choose`] settled on.
pub(crate) struct Chosen {
    pub(crate) execution: Execution,
    /// Its engine, where it was measured.
    pub(crate) opened: Option<Box<dyn Backend>>,
}

/// Chooses how a model is executed. Blocks for a second or two when there is something to measure, and wants the processors for itself then.
/// A GPU that was not asked for
/// by name and does not start is a warning, and the processor computes.
pub(crate) fn choose(
    kind: BackendKind,
    folder: &ModelFolder,
    settings: &BackendSettings,
    wish: (Device, Precision),
    hardware: &Hardware,
    samples: impl Fn() -> Result<Vec<Vec<Prepared>>, ModelError>,
) -> Result<Chosen, ModelError> {
    let mut ways = candidates(kind, &folder.spec, wish, hardware)?;
    if wish.0 == Device::Auto
        && let Some(first) = ways.first().copied().filter(|way| way.device.is_gpu())
        && let Err(error) = backend::open(first, folder, settings)
    {
        tracing::warn!(model.name = %folder.spec.name, %error, "the GPU does not start: the processor computes");
        ways = candidates(kind, &folder.spec, (Device::Cpu, wish.1), hardware)?;
    }
    let [reference, others @ ..] = ways.as_slice() else { return Err(refused("nothing can run this model")) };
    if others.is_empty() {
        return Ok(Chosen { execution: *reference, opened: None });
    }
    // A precision that was asked for by name is taken when it is accurate, whatever its speed.
    let worth = if wish.1 == Precision::Auto { WORTH } else { 0.0 };
    let chosen = measure(*reference, others, folder, settings, &samples()?, worth)?;
    if wish.1 != Precision::Auto && chosen.execution.precision != wish.1 {
        tracing::warn!(
            model.name = %folder.spec.name, wish = wish.1.as_str(), chosen = %chosen.execution,
            "the precision asked for does not work here or leaves the accuracy gate"
        );
    }
    Ok(chosen)
}

fn measure(
    reference: Execution,
    others: &[Execution],
    folder: &ModelFolder,
    settings: &BackendSettings,
    samples: &[Vec<Prepared>],
    worth: f64,
) -> Result<Chosen, ModelError> {
    let name = &folder.spec.name;
    let batches: Vec<Batch> = samples.iter().map(|inputs| Batch::assemble((0..).map(EntryId).zip(inputs))).collect();
    let mut standard = backend::open(reference, folder, settings)?;
    let (expected, _) = run(&mut *standard, &batches)?;
    let mut trials = vec![Trial { execution: reference, accurate: true, fastest: Duration::MAX }];
    let mut engines = vec![standard];
    for execution in others {
        let opened = backend::open(*execution, folder, settings);
        match opened.and_then(|mut engine| Ok((run(&mut *engine, &batches)?.0, engine))) {
            Ok((found, engine)) => {
                let (cosine, difference) = compare(&expected, &found);
                let accurate = is_accurate(folder.spec.task, cosine, difference);
                tracing::info!(model.name = %name, %execution, cosine, difference, accurate, "compared with fp32");
                trials.push(Trial { execution: *execution, accurate, fastest: Duration::MAX });
                engines.push(engine);
            }
            // One that does not work on this machine must not keep the model from starting.
            Err(error) => tracing::warn!(model.name = %name, %execution, %error, "not usable here"),
        }
    }
    for _ in 0..ROUNDS {
        for (trial, engine) in trials.iter_mut().zip(&mut engines) {
            trial.fastest = trial.fastest.min(run(&mut **engine, &batches)?.1);
        }
    }
    for Trial { execution, fastest, .. } in &trials {
        tracing::info!(model.name = %name, %execution, milliseconds = fastest.as_secs_f64() * 1e3, "measured");
    }
    let execution = best(trials[0], &trials[1..], worth);
    let mut measured = trials.iter().zip(engines);
    let opened = measured.find_map(|(trial, engine)| (trial.execution == execution).then_some(engine));
    Ok(Chosen { execution, opened })
}

/// Numbers of every sample, and how long all took.
fn run(engine: &mut dyn Backend, batches: &[Batch]) -> Result<(Vec<Vec<f32>>, Duration), ModelError> {
    let begin = Instant::now();
    let mut found = Vec::new();
    for batch in batches {
        found.extend(engine.infer(batch)?.into_iter().map(|answer| answer.values));
    }
    Ok((found, begin.elapsed()))
}

/// Is this near enough to 32-bit floats? Vectors are compared by their cosine alone.
pub fn is_accurate(task: Task, cosine: f32, difference: f32) -> bool {
    let most = match task {
        Task::EmbedText => f32::INFINITY,
        Task::ClassifyText => MAX_TEXT_DIFFERENCE,
        Task::ClassifyImage => MAX_PICTURE_DIFFERENCE,
    };
    cosine >= MIN_COSINE && difference <= most
}

/// Least cosine and largest difference over all samples; samples that do not match at all are as far apart as can be.
fn compare(expected: &[Vec<f32>], found: &[Vec<f32>]) -> (f32, f32) {
    if expected.len() != found.len() {
        return (-1.0, f32::INFINITY);
    }
    expected.iter().zip(found).fold((1.0_f32, 0.0_f32), |(least, most), (a, b)| {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        let cosine = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        let cosine = if a.len() == b.len() && cosine.is_finite() { cosine as f32 } else { -1.0 };
        let difference = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        (least.min(cosine), most.max(difference))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::spec;

    fn machine(flags: &[&str], openvino: bool) -> Hardware {
        let flags = flags.iter().map(|flag| (*flag).into()).collect();
        Hardware { flags, openvino: openvino.then(|| "/lib/libopenvino_c.so".into()), ..Hardware::default() }
    }

    fn ways(spec: &ModelSpec, wish: Precision, hardware: &Hardware) -> Vec<(BackendKind, Precision)> {
        let found = candidates(BackendKind::Ort, spec, (Device::Auto, wish), hardware).unwrap();
        found.into_iter().map(|way| (way.backend, way.precision)).collect()
    }

    #[test]
    fn i6_candidates_follow_the_processor_and_start_with_fp32() {
        use BackendKind::{OpenVino, Ort};
        use Precision::{Auto, Bf16, Fp32, Int8};
        let plain = spec("m", Task::EmbedText);
        let mut quantised = plain.clone();
        quantised.files.insert("onnx-int8".into(), "int8.onnx".into());
        let (old, vnni, amx) =
            (machine(&["avx2"], true), machine(&["avx512_vnni"], true), machine(&["amx_bf16"], true));
        let cases: [(&ModelSpec, Precision, &Hardware, &[_]); 9] = [
            (&plain, Auto, &old, &[(Ort, Fp32)]),
            (&plain, Auto, &amx, &[(Ort, Fp32), (OpenVino, Bf16)]),
            (&plain, Auto, &machine(&["avx512_bf16"], true), &[(Ort, Fp32), (OpenVino, Bf16)]),
            (&plain, Auto, &machine(&["amx_bf16"], false), &[(Ort, Fp32)]),
            (&plain, Fp32, &amx, &[(Ort, Fp32)]),
            (&plain, Bf16, &old, &[(Ort, Fp32), (OpenVino, Bf16)]),
            (&quantised, Auto, &old, &[(Ort, Fp32)]),
            (&quantised, Auto, &vnni, &[(Ort, Fp32), (Ort, Int8)]),
            (&quantised, Int8, &old, &[(Ort, Fp32), (Ort, Int8)]),
        ];
        for (spec, wish, hardware, expected) in cases {
            assert_eq!(ways(spec, wish, hardware), expected, "{wish:?} on {hardware:?}");
        }
    }

    #[test]
    fn i6_what_cannot_be_had_is_said_with_its_cure() {
        let plain = spec("m", Task::EmbedText);
        let message = |wish: (Device, Precision), hardware: &Hardware| {
            candidates(BackendKind::Ort, &plain, wish, hardware).unwrap_err().to_string()
        };
        let none = machine(&[], false);
        assert!(message((Device::Auto, Precision::Bf16), &none).contains("models fetch --only openvino"));
        assert!(message((Device::Cpu, Precision::Int8), &none).contains("no graph `onnx-int8`"));
        assert!(message((Device::Cpu, Precision::Fp16), &none).contains("a GPU as `device`"));
        assert!(message((Device::Cuda(0), Precision::Auto), &none).contains("libonnxruntime_providers_cuda.so"));
        let gpu = Hardware { gpus: 1, cuda_provider: true, ..none };
        assert!(message((Device::Cuda(0), Precision::Bf16), &gpu).contains("\"fp16\""));
    }

    #[test]
    fn i6_an_inaccurate_or_hardly_faster_execution_is_never_taken() {
        let way = |backend, precision| Execution { backend, device: Device::Cpu, precision };
        let trial = |precision, accurate, milliseconds| Trial {
            execution: way(BackendKind::OpenVino, precision),
            accurate,
            fastest: Duration::from_millis(milliseconds),
        };
        let reference =
            Trial { execution: way(BackendKind::Ort, Precision::Fp32), ..trial(Precision::Fp32, true, 100) };
        let taken = |others: &[Trial]| best(reference, others, WORTH).precision;
        assert_eq!(taken(&[]), Precision::Fp32);
        assert_eq!(taken(&[trial(Precision::Int8, false, 10)]), Precision::Fp32, "fast and wrong");
        assert_eq!(taken(&[trial(Precision::Bf16, true, 90)]), Precision::Fp32, "within the noise");
        assert_eq!(taken(&[trial(Precision::Bf16, true, 110)]), Precision::Fp32, "slower");
        assert_eq!(taken(&[trial(Precision::Int8, false, 10), trial(Precision::Bf16, true, 40)]), Precision::Bf16);
        let asked_for = |others: &[Trial]| best(reference, others, 0.0).precision;
        assert_eq!(asked_for(&[trial(Precision::Bf16, true, 300)]), Precision::Bf16);
        assert_eq!(asked_for(&[trial(Precision::Bf16, false, 10)]), Precision::Fp32, "never below the gate");
        assert_eq!(taken(&[trial(Precision::Int8, true, 30), trial(Precision::Bf16, true, 40)]), Precision::Int8);
    }

    #[test]
    fn i6_the_gate_is_stricter_for_pictures_and_knows_no_difference_of_vectors() {
        for (task, cosine, difference, accurate) in [
            (Task::EmbedText, 0.9995, 0.3, true),
            (Task::EmbedText, 0.998, 0.0, false),
            (Task::ClassifyText, 0.9995, 0.015, true),
            (Task::ClassifyText, 0.9995, 0.025, false),
            (Task::ClassifyText, 0.998, 0.0, false),
            (Task::ClassifyImage, 0.9995, 0.015, false),
            (Task::ClassifyImage, 0.9995, 0.009, true),
            (Task::ClassifyImage, f32::NAN, 0.0, false),
        ] {
            assert_eq!(is_accurate(task, cosine, difference), accurate, "{task:?} {cosine} {difference}");
        }
    }

    #[test]
    fn i6_the_gate_looks_at_every_sample() {
        let same = vec![vec![1.0, 0.0], vec![0.6, 0.8]];
        assert_eq!(compare(&same, &same), (1.0, 0.0));
        let (cosine, difference) = compare(&same, &[vec![1.0, 0.0], vec![0.8, 0.6]]);
        assert!((cosine - 0.96).abs() < 1e-6 && (difference - 0.2).abs() < 1e-6);
        assert_eq!(compare(&same, &same[..1]).0, -1.0);
        assert_eq!(compare(&same, &[vec![1.0, 0.0], vec![f32::NAN, 0.0]]).0, -1.0);
        assert_eq!(compare(&same, &[vec![1.0, 0.0], vec![0.6]]).0, -1.0);
    }
}
