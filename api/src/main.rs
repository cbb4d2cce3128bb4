//! The `chaperone` binary: parse, run, exit. What a verb does is in `api::cli`.

use std::process::ExitCode;

use clap::Parser;

/// Under load about a fifth of a worker's processor time went into the C library's allocator (benches/README.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    api::cli::main(api::cli::Cli::parse()).await
}
