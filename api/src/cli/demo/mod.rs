//! `chaperone demo`: the real service, a bundled chat and a bundled call through its HTTP face, the verdicts as they come back.

mod board;
mod bundle;
mod client;
mod desk;
mod ledger;
mod matching;
mod play;
mod sse;
mod stage;
mod summary;

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use self::{
    board::Board,
    bundle::Bundle,
    ledger::{Ledger, PATIENCE},
    play::Row,
    stage::Stage,
    summary::{Stay, Summary},
};
use super::{
    Exit, Global,
    table::{Paint, columns},
};

/// People shown per question.
const MATCHES: usize = 3;
/// Profiles sent at once.
const PROFILES_AT_ONCE: usize = 8;
/// Judged items that may wait for the table.
const ROWS: usize = 64;
/// The service stays up for so long after the last request, when somebody watches: time to open the console, and as long as it is open.
const LINGER: Duration = Duration::from_secs(180);

/// Arguments of `chaperone demo`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  chaperone demo           watch it, about 20 seconds; then open the review console on the cases that it leaves
  chaperone demo --keep    the same, then keep serving with the demo's people in it
  chaperone demo --fast    as fast as it goes, for scripts; exit 1 when anything expected did not happen

The service is the real one: real models, the default policy, an embedded queue, store and index in a temporary folder. All
content is our own or openly licensed; every picture is harmless. The service's log goes to a file, whose path is printed.")]
pub struct Args {
    /// Do not pace the story for reading. Usual when the output is not a terminal.
    #[arg(long)]
    fast: bool,
    /// Keep serving after the story, until Ctrl-C. Without it: in a terminal for three minutes after the last request, else not at all.
    #[arg(long)]
    keep: bool,
    /// Listen on this port; without it: the configured one, or any free one when that is taken.
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
    /// Texts that are sent at once after the story, to show the throughput; 0 to leave that out.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(0..=3600))]
    burst: u16,
    /// Where the service's log goes; without it: data/demo.log.
    #[arg(long, value_name = "FILE")]
    log_file: Option<PathBuf>,
}

/// Starts, plays, tells, ends.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let paint = Paint::stdout();
    let paced = !args.fast && std::io::stdout().is_terminal();
    let bundle = Bundle::load().context("the bundled demo content")?;
    let log = args.log_file.clone().unwrap_or_else(stage::default_log_file);

    let spinner = spinner("loading the models and starting the service");
    let began = Instant::now();
    let stage = Stage::start(global.config()?, args.port, &log).await?;
    spinner.finish_and_clear();
    say(&format!(
        "{} at {} after {:.1} s, its log in {}",
        paint.bold("Chaperone is up"),
        stage.base,
        began.elapsed().as_secs_f64(),
        log.display()
    ))?;

    let summary = play(&bundle, &stage, &args, paced, paint).await;
    let told = summary.and_then(|summary| {
        say(&summary.tell(paint))?;
        Ok(summary.failures())
    });
    let exit = match told {
        Ok(failures) => {
            for failure in &failures {
                say(&paint.red(&format!("✗ {failure}")))?;
            }
            if failures.is_empty() { Exit::Fine } else { Exit::Failed }
        }
        Err(error) => {
            // The story broke off: end the service properly all the same.
            stage.end().await.unwrap_or_else(|ending| tracing::error!(error = %ending, "the service ended badly"));
            return Err(error.context(format!("the demo broke off; the service's log is in {}", log.display())));
        }
    };
    let stay = match (args.keep, paced) {
        (true, _) => Stay::Kept,
        (false, true) => Stay::Lingering,
        (false, false) => Stay::Ended,
    };
    say(&summary::what_next(&stage.base, stay, paint))?;
    tokio::select! {
        stopped = tokio::signal::ctrl_c(), if stay != Stay::Ended => stopped.context("waiting for Ctrl-C")?,
        () = silence(), if stay == Stay::Lingering => say("Nobody has asked for anything for three minutes: the demo ends.")?,
        else => (),
    }
    stage.end().await?;
    Ok(exit)
}

/// Returns when the service has had no request for [`LINGER`]. An open console asks every few seconds.
async fn silence() {
    const LOOK: Duration = Duration::from_secs(2);
    let requests = || {
        let metrics = crate::telemetry::render_metrics();
        metrics.lines().filter(|line| line.starts_with("chaperone_http_requests_total{")).map(str::to_owned).collect()
    };
    let mut last: Vec<String> = requests();
    let mut since = Instant::now();
    while since.elapsed() < LINGER {
        tokio::time::sleep(LOOK).await;
        let now = requests();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

async fn play(bundle: &Bundle, stage: &Stage, args: &Args, paced: bool, paint: Paint) -> Result<Summary> {
    let client = &stage.client;
    let ledger = Ledger::default();
    let stop = CancellationToken::new();
    let _stop_reading = stop.clone().drop_guard();
    let (opened, is_open) = oneshot::channel();
    let mut reader = tokio::spawn(ledger.clone().follow(client.clone(), opened, stop));
    tokio::select! {
        open = is_open => open.context("the event stream could not be opened")?,
        ended = &mut reader => ended.context("the event reader panicked")??,
    }

    stream::iter(&bundle.people)
        .map(|person| client.put_profile(person))
        .buffer_unordered(PROFILES_AT_ONCE)
        .try_collect::<()>()
        .await?;
    let chats = bundle.lines.len();
    let (people, frames) = (bundle.people.len(), bundle.call.frames.len());
    let settings = desk::open_cases(client).await?;
    say(&format!(
        "{people} profiles are in. Now {chats} chat messages in 3 conversations, and a call with {frames} frames:\n"
    ))?;

    let board = Board::new(paint, columns());
    say(&board.heading())?;
    let began = Instant::now();
    let (send, mut receive) = mpsc::channel::<Row>(ROWS);
    let show = async {
        let mut rows = Vec::new();
        while let Some(row) = receive.recv().await {
            say(&board.row(&row, began.elapsed()))?;
            rows.push(row);
        }
        Ok::<_, anyhow::Error>(rows)
    };
    let ((), rows) = tokio::try_join!(play::story(bundle, client, &ledger, paced, send), show)?;
    let story_time = began.elapsed();
    say(&format!("{}\n", board.footnote()))?;

    // Actions follow their verdicts through the outbox.
    let flagged = rows.iter().filter(|row| row.judged.action != "allow").count();
    until(|| ledger.performed().len() >= flagged).await;
    let performed = ledger.performed();
    let cases = desk::leave_cases(client, &settings).await?;
    let (burst, burst_time) = play::burst(bundle, client, &ledger, usize::from(args.burst)).await?;
    let mut matches = Vec::new();
    for question in &matching::QUESTIONS {
        matches.push(matching::ask(bundle, client, question, MATCHES).await?);
    }
    // Whoever is disconnected sends no more frames: only what was sent can be judged.
    let sent = chats + sent_frames(bundle, &rows);
    Ok(Summary { rows, sent, story_time, paced, burst, burst_time, performed, cases, matches, people })
}

/// Frames of the script up to each camera's disconnect.
fn sent_frames(bundle: &Bundle, rows: &[Row]) -> usize {
    let disconnected = |actor: &str| {
        rows.iter()
            .filter(|row| row.kind == "frame" && row.who == actor)
            .position(|row| row.judged.action == "disconnect")
    };
    let of = |actor: &String| {
        let scripted = bundle.call.frames.iter().filter(|frame| frame.actor == *actor).count();
        disconnected(actor).map_or(scripted, |position| position + 1)
    };
    bundle.call.participants.iter().map(of).sum()
}

/// Waits for `holds`, but not for ever: what then is missing shows in the summary.
async fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn spinner(message: &'static str) -> indicatif::ProgressBar {
    let spinner = indicatif::ProgressBar::new_spinner();
    spinner.set_message(message);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
