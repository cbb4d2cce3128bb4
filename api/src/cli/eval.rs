//! Being written. CONTRACT: `Args` (clap, with `Examples:` in its long help) and `run`.
use super::{Exit, Global};

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:")]
pub struct Args {}

/// Runs the verb.
pub async fn run(_args: Args, _global: &Global) -> anyhow::Result<Exit> {
    anyhow::bail!("being written")
}
