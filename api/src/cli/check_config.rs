//! `chaperone check-config`: the merged configuration, and whether a service could start with it.

use std::io::Write as _;

use anyhow::Result;
use models::Repository;
use pipeline::policy::PolicySet;

use super::{Exit, Global};
use crate::config::Config;

/// Check the configuration and print the merged result, secrets starred.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
The merged configuration goes to standard output as TOML; a comment says where a value comes from that is not a default.
What is wrong goes to standard error, one sentence each. Exit code 0: a service could start; 1: it could not.
The policy file is read and its rules are compiled; model files are compared with their digests. Nothing is opened or changed.

Examples:
  chaperone check-config                                         defaults, ./chaperone.toml, environment
  chaperone check-config --config chaperone.toml                 this file
  chaperone check-config --quiet && systemctl reload chaperone   in a script")]
pub struct Args {
    /// Say only what is wrong.
    #[arg(long, short)]
    quiet: bool,
    /// Leave out the models' files: quicker.
    #[arg(long)]
    no_models: bool,
}

/// Runs the verb.
pub fn run(args: &Args, global: &Global) -> Result<Exit> {
    let (mut config, sources) = Config::load_with_sources(global.config.as_deref())?;
    if let Some(filter) = &global.log {
        config.log.filter.clone_from(filter);
    }
    if !args.quiet {
        let mut stdout = std::io::stdout().lock();
        if let Some(file) = sources.file() {
            writeln!(stdout, "# defaults, then {}, then the environment\n", file.display())?;
        }
        write!(stdout, "{}", config.to_text(&sources))?;
    }
    let mut problems = config.validate().err().unwrap_or_default();
    if let Err(error) = PolicySet::load(config.pipeline.policy.as_deref()) {
        problems.push(error.to_string());
    }
    if !args.no_models {
        problems.extend(check_models(&config));
    }
    let mut stderr = std::io::stderr().lock();
    for problem in &problems {
        writeln!(stderr, "error: {problem}")?;
    }
    let faces = [("server.listen", config.server.listen), ("workers.listen", config.workers.listen)];
    for (key, address) in faces {
        if config.auth.keys.is_empty() && !address.ip().to_canonical().is_loopback() {
            let note =
                "other machines can reach it, so the store must hold a key (`chaperone keys create`); [auth] has none";
            writeln!(stderr, "note: {key} is {address}: {note}")?;
        }
    }
    if problems.is_empty() && !args.quiet {
        writeln!(stderr, "the configuration is fine")?;
    }
    Ok(if problems.is_empty() { Exit::Fine } else { Exit::Failed })
}

/// What is wrong with the models that are to be loaded.
fn check_models(config: &Config) -> Vec<String> {
    let repository = match Repository::open(&config.models.repository) {
        Ok(repository) => repository,
        Err(error) => return vec![format!("models.repository: {error}")],
    };
    let check = |name: &String| {
        let result = match name.strip_prefix("fake:") {
            Some(name) => repository.spec(name).map(|_| ()),
            None => repository.verify(name).map(|_| ()),
        };
        result.err().map(|error| format!("model `{name}`: {error}"))
    };
    config.models.load.iter().filter_map(check).collect()
}
