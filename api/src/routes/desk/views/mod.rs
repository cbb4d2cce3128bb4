//! The shapes of the desk in the OpenAPI document. Answers are the domain's own types; a test reads each of them back as its view, so that the two
//! cannot drift.

mod banks;
mod cases;
mod numbers;
mod people;
mod settings;

pub use banks::*;
pub use cases::*;
pub use numbers::*;
pub use people::*;
pub use settings::*;
