//! Labelled data with its papers in order, and the measures that go with it.
//!
//! | part | module |
//! |---|---|
//! | what is there: name, source, licence, digest, columns | [`manifest`], `manifest.toml` |
//! | typed rows from gzip-compressed or plain CSV | [`load`] |
//! | labelled texts of every set in one shape, with their slices | [`labelled`] |
//! | tables of numbers by column name | [`table`] |
//! | points of ROC, precision-recall and calibration curves | [`curve`] |
//! | ROC-AUC, average precision, Spearman, F1, calibration error | [`measure`] |
//!
//! A leaf: it knows no other crate of the workspace and never touches the network. Many texts are abusive by design: do
//! not print them.

pub mod curve;
pub mod error;
pub mod labelled;
pub mod load;
pub mod manifest;
pub mod measure;
pub mod table;

pub use error::DataError;
pub use manifest::{Manifest, Set};
