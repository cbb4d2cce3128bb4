//! The stages from the outside: the real batching path with the fake backend, the real embedded store and index.

mod harness;
mod pictures;
mod policy_examples;
mod profiles;
mod texts;
