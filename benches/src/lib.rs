//! Benchmarks and the load generator.
//!
//! The machine may be busy with other work, so every figure is a rate per *CPU-second* of the measured process where
//! that is possible, every comparison alternates between the two sides, and medians are quoted.
//!
//! | part | module |
//! |---|---|
//! | a service as a child process: start, CPU time, resident memory, stop | [`service`] |
//! | what is sent: texts of a given length, JPEG frames | [`workload`] |
//! | closed-loop HTTP load | [`load`] |
//! | medians, percentiles, the result table | [`report`] |

pub mod load;
pub mod report;
pub mod scenario;
pub mod service;
pub mod workload;
