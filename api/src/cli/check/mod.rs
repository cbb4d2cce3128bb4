//! `chaperone check`: judge texts and pictures here and now, without a running service and without leaving a trace.

mod inputs;
mod report;

use std::{io::IsTerminal, path::PathBuf, sync::Arc, time::Instant};

use clap::ValueEnum;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use pipeline::{
    Lane, PipelineError,
    clock::Clock,
    item::{Content, Envelope, Item, ItemId, ItemKind, TenantId},
    process::{Mode, Pipeline},
};
use tokio_stream::wrappers::ReceiverStream;

use self::{
    inputs::{Found, Input, Line, Sink, Thing},
    report::{Checked, Problem, Report},
};
use super::{Exit, Global};
use crate::{config::Config, role::Role, services::Services};

/// Found things that may wait between the reader and the models.
const READ_AHEAD: usize = 64;

/// Arguments of `chaperone check`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  chaperone check \"have a lovely day\"            one text
  chaperone check photo.jpg holiday/             a picture, and every picture below a folder
  chaperone check messages.jsonl --out out.jsonl  one text per line: {\"text\": \"…\", \"id\": …}
  zcat chat.gz | chaperone check - --fail-on-flag  lines of text from another program; exit 3 when one is flagged

Nothing is stored and no action goes out: every input is judged alone, by the models and the policy of the configuration.
A line that cannot be read is reported with its number, the rest goes on, and the exit code is 1.")]
pub struct Args {
    /// Texts, pictures, folders, .jsonl files, or `-` for standard input.
    #[arg(value_name = "INPUT", required_unless_present_any = ["image", "text"])]
    inputs: Vec<String>,
    /// A text, even if a file has that name. May be given several times.
    #[arg(long, value_name = "TEXT")]
    text: Vec<String>,
    /// A picture, whatever its file name. May be given several times.
    #[arg(long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// How results are written; without it: a table on a terminal, JSON lines elsewhere.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write results to this file (it appears when all is done) instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with code 3 when something is flagged.
    #[arg(long)]
    fail_on_flag: bool,
    /// Inputs in progress at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For machines: one JSON object per input.
    Jsonl,
}

/// Judges everything that the arguments name.
pub async fn run(args: Args, global: &Global) -> anyhow::Result<Exit> {
    let inputs = match what_to_read(&args) {
        Ok(inputs) => inputs,
        Err(message) => return Ok(super::usage(&message)),
    };
    let scratch = tempfile::tempdir()?;
    let config = scratch_config(global.config()?, &scratch);
    let max_picture_bytes = config.pipeline.max_picture_bytes;
    let bar = progress_bar();
    bar.set_message("loading the models");
    let clock = Clock::system();
    let services = Services::connect(config, clock.clone(), Role::Serve).await?;

    let format = args.format.unwrap_or(if args.out.is_none() && std::io::stdout().is_terminal() {
        Format::Table
    } else {
        Format::Jsonl
    });
    let mut report = Report::new(format, Sink::open(args.out.as_deref())?);
    let (send, receive) = tokio::sync::mpsc::channel(READ_AHEAD);
    let reader_bar = bar.clone();
    let reader = tokio::task::spawn_blocking(move || {
        reader_bar.set_message("");
        reader_bar.set_length(inputs.iter().map(Input::count_hint).sum());
        inputs.iter().all(|input| input.read(max_picture_bytes, &mut |found| send.blocking_send(found).is_ok()))
    });
    let pipeline = services.pipeline.clone();
    let mut results = ReceiverStream::new(receive)
        .map(|found| judge(pipeline.clone(), clock.clone(), found))
        .buffered(usize::from(args.jobs));
    let began = Instant::now();
    while let Some(checked) = results.next().await {
        bar.suspend(|| report.add(&checked))?;
        bar.inc(1);
    }
    drop(results);
    reader.await?;
    bar.finish_and_clear();
    services.engine.shutdown().await;

    let summary = report.finish(began.elapsed())?;
    Ok(match summary {
        summary if summary.errors > 0 => Exit::Failed,
        summary if summary.flagged > 0 && args.fail_on_flag => Exit::Flagged,
        _ => Exit::Fine,
    })
}

fn what_to_read(args: &Args) -> Result<Vec<Input>, String> {
    let named = args.inputs.iter().map(|argument| Input::of(argument)).collect::<Result<Vec<_>, _>>()?;
    let texts = args.text.iter().cloned().map(Input::Text);
    let pictures = args.image.iter().cloned().map(Input::Picture);
    Ok(named.into_iter().chain(texts).chain(pictures).collect())
}

/// The user's models, limits and policy, but a store and an index of our own that vanish afterwards.
fn scratch_config(mut config: Config, scratch: &tempfile::TempDir) -> Config {
    config.store.url = "sqlite::memory:".into();
    config.index.url = format!("edge:{}", scratch.path().join("index").display());
    config.queue.url = "memory:".into();
    config.webhooks.clear();
    config
}

fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {pos}/{len} [{bar:30}] {per_sec} {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    bar
}

async fn judge(pipeline: Pipeline, clock: Clock, found: Found) -> Checked {
    let began = Instant::now();
    let (id, excerpt, result) = match found.what {
        Err(message) => (None, String::new(), Err(Problem { code: "unreadable".into(), message })),
        Ok(thing) => {
            let (id, excerpt, item) = item_of(thing, &clock);
            (id, excerpt, process(&pipeline, item).await.map_err(Problem::from))
        }
    };
    Checked { source: found.source, id, excerpt, result, latency: began.elapsed() }
}

async fn process(pipeline: &Pipeline, item: Arc<Item>) -> Result<pipeline::verdict::Outcome, PipelineError> {
    pipeline.validate(&item)?;
    Ok(pipeline.process(&item, Lane::Bulk, Mode::DryRun).await?.outcome)
}

fn item_of(thing: Thing, clock: &Clock) -> (Option<serde_json::Value>, String, Arc<Item>) {
    let (kind, line, content) = match thing {
        Thing::Text(mut line) => {
            let text = std::mem::take(&mut line.text);
            (ItemKind::Text, line, Content::Text(text))
        }
        Thing::Picture(bytes) => (ItemKind::Image, Line::default(), Content::Picture(bytes)),
    };
    let excerpt = match &content {
        Content::Text(text) => text.chars().take(200).collect(),
        Content::Picture(_) => String::new(),
    };
    let now = clock.now();
    let envelope = Envelope {
        id: ItemId::new(),
        tenant: TenantId::from("default"),
        kind,
        actor: line.actor.as_deref().map(Into::into),
        conversation: line.conversation.as_deref().map(Into::into),
        call: None,
        reference: None,
        message: None,
        occurred_at: now,
        received_at: now,
    };
    (line.id, excerpt, Arc::new(Item { envelope, content }))
}
