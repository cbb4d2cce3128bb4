//! The `chaperone` binary: parse, run, exit. What a verb does is in `api::cli`.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    api::cli::main(api::cli::Cli::parse()).await
}
