//! State over time, pure: no clock, no IO. Callers pass the time in.

pub mod call;
pub mod context;
pub mod ladder;
