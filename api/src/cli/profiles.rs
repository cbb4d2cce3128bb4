//! `chaperone profiles import`: profiles from a file into a running service.

use std::{
    io::{BufRead as _, BufReader, IsTerminal as _, Read, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::{Exit, service::Service};

/// Profiles of one request.
const BATCH: usize = 100;
/// Mistakes that are shown; others are counted.
const SHOWN: usize = 20;

/// Arguments of `chaperone profiles`.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write the profiles of a JSONL file: one object a line, as `POST /v1/profiles` takes them.
    #[command(after_long_help = "\
Each line is a JSON object with `id`, `interests` and `bio`, and if you like `attributes`, `about`, `seeks` and `wishes` (docs/matching.md).
A line that is wrong is told of and keeps no other from being written; the exit code is 1 then. Doing it again changes nothing.

Examples:
  chaperone profiles import people.jsonl
  zcat people.jsonl.gz | chaperone profiles import - --url https://chaperone.example:8080")]
    Import {
        /// The file; `-` is standard input.
        file: PathBuf,
        /// The running service.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
        url: String,
        /// Key with the scope `profiles`; better in the variable CHAPERONE_KEY, which other users of this machine cannot see.
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
}

/// Runs the verb.
pub async fn run(args: Args) -> Result<Exit> {
    let Verb::Import { file, url, key } = args.verb;
    let service = Service::new(&url, key)?;
    let (bytes, source) = open(&file)?;
    let bar = ProgressBar::with_draw_target(
        bytes,
        match std::io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        },
    );
    let template = if bytes.is_some() { "{wide_bar} {percent} % {msg} {eta}" } else { "{spinner} {msg}" };
    bar.set_style(ProgressStyle::with_template(template)?);
    let mut import = Import { service, bar, written: 0, wrong: Vec::new(), mistakes: 0, waiting: Vec::new() };
    let started = Instant::now();
    for (number, line) in BufReader::new(source).lines().enumerate() {
        let line = line.with_context(|| format!("reading {}", file.display()))?;
        import.bar.inc(line.len() as u64 + 1);
        if !line.trim().is_empty() {
            import.take(number as u64 + 1, &line).await?;
        }
    }
    import.send().await?;
    import.bar.finish_and_clear();
    let Import { written, wrong, mistakes, .. } = import;
    for mistake in &wrong {
        super::complain(mistake);
    }
    let rate = written as f64 / started.elapsed().as_secs_f64().max(1e-3);
    writeln!(std::io::stdout(), "{written} profiles written, {mistakes} wrong, {rate:.0} a second")?;
    Ok(if mistakes == 0 { Exit::Fine } else { Exit::Failed })
}

/// The file with its size, or standard input.
fn open(file: &Path) -> Result<(Option<u64>, Box<dyn Read>)> {
    if file.as_os_str() == "-" {
        return Ok((None, Box::new(std::io::stdin())));
    }
    let opened = std::fs::File::open(file).with_context(|| {
        format!(
            "{} cannot be read: name a file that is there, one JSON object a line, or `-` for standard input",
            file.display()
        )
    })?;
    let bytes = opened.metadata().map(|about| about.len()).ok();
    Ok((bytes, Box::new(opened)))
}

/// An import on its way.
struct Import {
    service: Service,
    bar: ProgressBar,
    written: u64,
    wrong: Vec<String>,
    mistakes: u64,
    /// Line and profile.
    waiting: Vec<(u64, Value)>,
}

impl Import {
    async fn take(&mut self, number: u64, line: &str) -> Result<()> {
        match serde_json::from_str::<Value>(line) {
            Ok(profile) if profile["id"].is_string() => self.waiting.push((number, profile)),
            Ok(_) => self.mistake(number, "no `id`"),
            Err(error) => {
                self.mistake(number, &format!("no JSON ({:?} at column {})", error.classify(), error.column()));
            }
        }
        if self.waiting.len() >= BATCH { self.send().await } else { Ok(()) }
    }

    fn mistake(&mut self, number: u64, what: &str) {
        self.mistakes += 1;
        if self.wrong.len() < SHOWN {
            self.wrong.push(format!("line {number}: {what}"));
        }
    }

    /// Sends what waits. A line that the service cannot read at all (an unknown member) spoils its request: then each goes alone.
    async fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.waiting);
        if batch.is_empty() {
            return Ok(());
        }
        let profiles = |batch: &[(u64, Value)]| -> Value {
            json!({ "profiles": batch.iter().map(|(_, profile)| profile).collect::<Vec<_>>() })
        };
        let (status, answer) =
            self.service.send(reqwest::Method::POST, "/v1/profiles", Some(&profiles(&batch))).await?;
        if status.is_success() {
            self.note(&batch, &answer)?;
        } else if status == reqwest::StatusCode::BAD_REQUEST {
            for one in batch.chunks(1) {
                let (status, answer) =
                    self.service.send(reqwest::Method::POST, "/v1/profiles", Some(&profiles(one))).await?;
                match (status.is_success(), status == reqwest::StatusCode::BAD_REQUEST) {
                    (true, _) => self.note(one, &answer)?,
                    (false, true) => {
                        let message = answer["error"]["message"].as_str().unwrap_or("it was refused").to_owned();
                        self.mistake(one[0].0, &message);
                    }
                    (false, false) => return Err(self.service.refusal(status, &answer)),
                }
            }
        } else {
            return Err(self.service.refusal(status, &answer));
        }
        self.bar.set_message(format!("{} written", self.written));
        Ok(())
    }

    fn note(&mut self, batch: &[(u64, Value)], answer: &Value) -> Result<()> {
        let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(results.len() == batch.len(), "the service answered for {} of {} profiles", results.len(), batch.len());
        for ((number, _), result) in batch.iter().zip(results) {
            match result["message"].as_str() {
                None => self.written += 1,
                Some(message) => self.mistake(*number, message),
            }
        }
        Ok(())
    }
}
