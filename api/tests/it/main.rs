//! The whole service over HTTP: one binary, one file per area. The models are fakes; everything else is real.
#![expect(clippy::unwrap_used, reason = "a failed unwrap in a test is a failed test")]

mod actions;
mod auth;
mod bad_input;
mod calls;
mod check;
mod clients;
mod compat;
mod crash;
mod degraded;
mod demo;
mod deploy;
mod documents;
mod embeddings;
mod events;
mod fuzz;
mod harness;
mod health;
mod idempotency;
mod items;
mod notices;
mod policies;
mod profiles;
mod queue;
mod reports;
mod review;
mod split;
mod storm;
mod tls;
