//! Routes of other services, so that their clients work here with another base URL and key. Shapes are theirs; scores are ours, and
//! what we cannot judge is said to be so, never made up.

pub mod categories;
pub mod discovery;
pub mod models;
pub mod moderations;
pub mod perspective;
