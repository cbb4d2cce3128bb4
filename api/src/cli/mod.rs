//! The command line: one file per verb. Each help page teaches with examples; exit codes are part of the contract.

pub mod audit;
pub mod check;
pub mod check_config;
pub mod demo;
pub mod doctor;
pub mod eval;
pub mod keys;
mod latency;
pub mod models;
pub mod policy;
pub mod profiles;
pub mod queue;
pub mod serve;
mod service;
mod table;
pub mod users;
pub mod webhooks;

use std::{io::Write as _, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::config::Config;

/// What a verb came to, as the process's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All went well.
    Fine = 0,
    /// Something failed; standard error says what.
    Failed = 1,
    /// The command line or an argument is wrong.
    Usage = 2,
    /// `check --fail-on-flag`: something was flagged.
    Flagged = 3,
}

/// Moderation and matching beside a chat and video-call platform, on your own machine.
#[derive(Debug, Parser)]
#[command(
    name = "chaperone",
    version,
    max_term_width = 120,
    arg_required_else_help = true,
    after_help = "\
Start here:
  chaperone demo                     watch real messages and frames being judged
  chaperone check \"hello there\"      judge one text
  chaperone serve                    run the service on 127.0.0.1:8080

Exit codes: 0 fine, 1 failed, 2 wrong usage, 3 something was flagged (`check --fail-on-flag`)."
)]
pub struct Cli {
    /// What counts for every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What counts for every verb.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Global {
    /// Configuration file (TOML). Without it: defaults, ./chaperone.toml when it is there, then
    /// CHAPERONE_SECTION__FIELD variables.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log filter, e.g. `debug` or `info,pipeline=debug`; overrides `log.filter`.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,
}

impl Global {
    /// Defaults, file, environment, then these flags.
    pub fn config(&self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        if let Some(filter) = &self.log {
            config.log.filter.clone_from(filter);
        }
        Ok(config)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the service: HTTP, queue, models, workers, all in one process.
    Serve(serve::Args),
    /// Run the HTTP door alone: for several machines.
    Api(serve::ApiArgs),
    /// Judge what waits in the queue: for several machines.
    Worker(serve::WorkerArgs),
    /// Start the service, send it a bundled chat and call, and watch the verdicts.
    Demo(demo::Args),
    /// Judge texts and pictures here and now, without a running service.
    Check(check::Args),
    /// List, fetch and verify models.
    Models(models::Args),
    /// Measure a model on labelled data.
    Eval(eval::Args),
    /// See how much waits in the queue, and deal with what was given up.
    Queue(queue::Args),
    /// Check policies, try them and put them into force.
    Policy(policy::Args),
    /// Make and list accounts of the review console.
    Users(users::Args),
    /// Check that nobody changed the audit, or export it.
    Audit(audit::Args),
    /// Make, list and revoke API keys.
    Keys(keys::Args),
    /// See what became of webhook deliveries, and deliver once more.
    Webhooks(webhooks::Args),
    /// Write profiles from a file into a running service.
    Profiles(profiles::Args),
    /// Check the configuration and print the merged result, secrets starred.
    CheckConfig(check_config::Args),
    /// Find out what is wrong with this machine or installation, with a cure for each finding.
    Doctor(doctor::Args),
    /// Print the OpenAPI document.
    #[command(hide = true)]
    Openapi,
}

/// Runs the verb and tells an error in one line.
pub async fn main(cli: Cli) -> ExitCode {
    let exit = match Box::pin(run(cli)).await {
        Ok(exit) => exit,
        // The reader of our output has gone (`… | head`): nobody is left to be told.
        Err(error) if is_broken_pipe(&error) => Exit::Fine,
        Err(error) => {
            complain(&format!("{error:#}"));
            Exit::Failed
        }
    };
    ExitCode::from(exit as u8)
}

async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let Cli { global, verb } = cli;
    match verb {
        Verb::Serve(args) => serve::run(args, &global).await,
        Verb::Api(args) => serve::run_api(args, &global).await,
        Verb::Worker(args) => serve::run_worker(args, &global).await,
        Verb::Demo(args) => demo::run(args, &global).await,
        Verb::Check(args) => check::run(args, &global).await,
        Verb::Models(args) => models::run(args, &global).await,
        Verb::Eval(args) => eval::run(args, &global).await,
        Verb::Queue(args) => queue::run(args, &global).await,
        Verb::Policy(args) => policy::run(args).await,
        Verb::Users(args) => users::run(args, &global).await,
        Verb::Audit(args) => audit::run(args, &global).await,
        Verb::Keys(args) => keys::run(args, &global).await,
        Verb::Webhooks(args) => webhooks::run(args, &global).await,
        Verb::Profiles(args) => profiles::run(args).await,
        Verb::CheckConfig(args) => check_config::run(&args, &global),
        Verb::Doctor(args) => doctor::run(args, &global).await,
        Verb::Openapi => {
            let document = crate::openapi::document_json()?;
            write!(std::io::stdout(), "{document}")?;
            Ok(Exit::Fine)
        }
    }
}

/// Tells of a wrong argument, as clap does.
fn usage(message: &str) -> Exit {
    complain(&format!("{message}\n\nFor more information, try '--help'."));
    Exit::Usage
}

fn complain(message: &str) {
    let line = format!("{} {message}\n", table::Paint::stderr().red("error:"));
    // Standard error is closed: there is no one to tell, and the exit code still speaks.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().any(|cause| kind(cause) == Some(std::io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_top_level_help_reads_so() {
        insta::assert_snapshot!(Cli::command().term_width(100).render_help());
    }

    #[test]
    fn every_verb_teaches_with_examples() {
        let mut command = Cli::command();
        command.build();
        let leaves =
            command.get_subcommands().flat_map(|verb| match verb.has_subcommands() && verb.get_name() != "help" {
                true => verb.get_subcommands().cloned().collect(),
                false => vec![verb.clone()],
            });
        for mut verb in leaves.filter(|verb| verb.get_name() != "help" && !verb.is_hide_set()) {
            let help = verb.render_long_help().to_string();
            assert!(help.contains("Examples:"), "`{}` shows no examples:\n{help}", verb.get_name());
        }
    }

    #[test]
    fn exit_codes_are_a_contract() {
        assert_eq!([Exit::Fine, Exit::Failed, Exit::Usage, Exit::Flagged].map(|exit| exit as u8), [0, 1, 2, 3]);
    }
}
