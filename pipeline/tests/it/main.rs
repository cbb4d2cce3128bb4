//! The stages from the outside: the real batching path with the fake backend, the real embedded store and index.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in the harness too")]

mod enforcement;
mod events;
mod frames;
mod harness;
mod idempotency;
mod languages;
mod matching;
mod messages;
mod notices;
mod opinions;
mod pictures;
mod policy_examples;
mod profiles;
mod switch;
mod texts;
