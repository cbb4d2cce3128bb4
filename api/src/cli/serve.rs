//! `chaperone serve`: the service until a signal.

use std::{io::Write as _, net::SocketAddr};

use anyhow::{Context, Result, anyhow};
use pipeline::clock::Clock;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Exit, Global};
use crate::{serve, services::Services, telemetry};

/// Exit code after a second signal, as shells report an interrupted program.
const INTERRUPTED: i32 = 130;

/// Run the service: HTTP, queue, models, workers, all in one process.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
When it is ready it prints one line, `listening on http://ADDRESS`, to standard output; logs go to standard error.
SIGTERM or Ctrl-C stops it in good order: what is in flight is finished, up to `server.drain_seconds`.
A second signal ends it at once. Nothing accepted is lost either way: the rest is done after the next start.

Examples:
  chaperone serve                                    defaults, 127.0.0.1:8080, data in ./data
  chaperone serve --config chaperone.toml            with a file (`chaperone check-config` checks it first)
  chaperone serve --listen 127.0.0.1:0               on a free port
  CHAPERONE_LOG__FORMAT=json chaperone serve         logs for machines")]
pub struct Args {
    /// Address and port; overrides `server.listen`. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Runs the verb.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    let mut config = global.config()?;
    if let Some(listen) = args.listen {
        config.server.listen = listen;
        config.validate().map_err(|problems| anyhow!(problems.join("\n")))?;
    }
    telemetry::init_logs(&config.log)?;
    telemetry::init_metrics()?;
    let stop = stop_on_signal()?;
    // Before the models are loaded, which takes seconds: a port that is taken is told at once.
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}: is another service there? Set server.listen or --listen (port 0 takes a free one)")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let connecting = Box::pin(Services::connect(config, Clock::system()));
    let Some(services) = stop.run_until_cancelled(connecting).await else { return Ok(Exit::Fine) };
    let services = services?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on http://{address}")
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")?;
    Box::pin(serve::run(services, listener, stop.cancelled_owned())).await?;
    // All is drained and durable. Not by returning: that would wait for an index optimisation, which may take minutes.
    std::process::exit(Exit::Fine as i32)
}

/// A token that the first SIGTERM or SIGINT cancels. The second one ends the process at once.
fn stop_on_signal() -> Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let stop = CancellationToken::new();
    let first = stop.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: finishing what is in flight; a second signal ends it at once");
        first.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("second signal: ending now; what was in flight is done again after the next start");
        std::process::exit(INTERRUPTED);
    });
    Ok(stop)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
