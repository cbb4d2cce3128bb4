//! Items in, verdicts out, and where their state lives.
//!
//! | part | module |
//! |---|---|
//! | the domain's words, pure | [`item`], [`signal`], [`verdict`], [`action`], [`policy`], [`report`], [`feedback`] |
//! | state over time, pure | [`stream`] |
//! | what becomes of decisions, pure | [`enforcement`] |
//! | what is done to content before a model sees it | [`normalise`], [`language`], [`lists`], [`highlight`], [`decode`], [`hash`] |
//! | pictures that are known again, pure | [`pdq`], [`bank`] |
//! | when a larger picture model is asked, and what two opinions come to, pure | [`opinion`] |
//! | what becomes of an item that no model can judge, pure | [`fallback`] |
//! | how sure a share is, pure | [`interval`] |
//! | who should meet whom, pure | [`matching`] |
//! | messages that are found by meaning, and by whom, pure | [`message`] |
//! | the stages in order, and what they write down | [`process`], [`record`] |
//! | what the platform tells us, parsed | [`notice`] |
//! | what people decide, pure | [`review`] |
//! | the contract of events in and out | [`schemas`] |
//! | the seams: a trait, an embedded and a server implementation each | [`queue`], [`store`], [`index`] |
//!
//! `servers` (a feature, off in the product) starts private RabbitMQ and PostgreSQL servers for tests and benches, and has the loop
//! of the fuzz tests.
//!
//! Deliberately absent: HTTP, tensors, long-lived loops, reads of the environment, thresholds in code.

#[cfg(all(test, not(feature = "servers")))]
compile_error!("the tests need private servers: run them for the whole workspace (`cargo test --release --workspace`)");

pub mod action;
pub mod bank;
pub mod clock;
pub mod config;
pub mod decode;
pub mod enforcement;
pub mod error;
pub mod fallback;
pub mod feedback;
#[cfg(feature = "servers")]
pub mod fuzz;
pub mod hash;
pub mod highlight;
pub mod index;
pub mod interval;
pub mod item;
mod judge;
pub mod language;
pub mod lists;
pub mod matching;
pub mod message;
pub mod normalise;
pub mod notice;
pub mod opinion;
pub mod pdq;
pub mod policy;
pub mod process;
pub mod profile;
pub mod queue;
pub mod record;
pub mod report;
pub mod review;
pub mod schemas;
#[cfg(feature = "servers")]
pub mod servers;
pub mod signal;
mod slots;
pub mod store;
pub mod stream;
pub mod verdict;

pub use error::PipelineError;
pub use models::{Lane, error::Kind};
