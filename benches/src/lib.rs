//! Benchmarks and the load generator.
//!
//! The machine may be busy with other work, so every figure is a rate per *CPU-second* of the measured process where
//! that is possible, every comparison alternates between the two sides, and medians are quoted.
//!
//! | part | module |
//! |---|---|
//! | a service as a child process: start, CPU time, resident memory, stop | [`service`] |
//! | private servers and worker processes, killed and started again | [`cluster`] |
//! | what was judged and performed, read from the events | [`ledger`] |
//! | what a platform sends, for the fake backend | [`mixture`] |
//! | what is sent: texts of a given length, JPEG frames | [`workload`] |
//! | closed-loop HTTP load | [`load`] |
//! | open-loop HTTP load with Poisson arrivals | [`open_loop`] |
//! | other engines in processes of their own | [`peer`] |
//! | medians, percentiles, the result table, its JSON and its picture | [`report`] |

pub mod cluster;
pub mod ledger;
pub mod load;
pub mod mixture;
pub mod open_loop;
pub mod peer;
pub mod report;
pub mod scenario;
pub mod service;
pub mod workload;
