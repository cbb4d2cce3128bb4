//! Inputs in, scores and embeddings out.
//!
//! A small in-process inference server in the manner of Triton: a *model repository* on disk, a *dynamic batcher* per
//! model, *instances* that each own one OS thread, and *backends* that execute.
//!
//! | part | module |
//! |---|---|
//! | what a model folder says about itself | [`spec`], [`repository`] |
//! | how its files are fetched, verified and converted | [`fetch`], [`convert`] |
//! | preprocessing: text to token ids, pixels to tensors, text to n-gram features | [`text`], [`pixels`], [`ngram`] |
//! | when a batch is cut, as a pure rule | [`batcher`] |
//! | the thread that runs a backend; one loaded model; the handle that callers hold | [`instance`], `served`, [`engine`] |
//! | cheap models in front of an encoder | [`cascade`] |
//! | on which device, with which engine and numbers a model computes | [`device`], [`execution`] |
//! | engines: ONNX Runtime, OpenVINO, candle, linear models, and a fake one for tests | [`backend`] |
//!
//! Deliberately absent: anything that knows why a score is wanted. No policy, no action, no SQL, no HTTP, no queue.

pub mod backend;
pub mod batch;
pub mod batcher;
pub mod cascade;
pub mod convert;
pub mod device;
pub mod engine;
pub mod error;
pub mod execution;
pub mod fetch;
mod heap;
pub mod instance;
pub mod linear;
mod metering;
pub mod ngram;
pub mod parts;
pub mod pixels;
mod plan;
pub mod postprocess;
mod prepare;
pub mod repository;
mod sample;
mod served;
pub mod spec;
pub mod text;

pub use batch::{Input, Lane, Output, Score, Scores, SpanScore};
pub use device::Device;
pub use engine::{Engine, EngineConfig, ModelState};
pub use error::{Kind, ModelError};
pub use execution::Precision;
pub use pixels::Pixels;
pub use repository::Repository;
pub use spec::{ModelSpec, Task};
