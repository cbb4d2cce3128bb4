//! `chaperone serve`, `api` and `worker`: a service in its role, until a signal.

use std::{io::Write as _, net::SocketAddr};

use anyhow::{Context, Result, anyhow};
use clap::ValueEnum;
use models::Lane;
use pipeline::clock::Clock;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Exit, Global};
use crate::{config::Config, role::Role, serve, services::Services, telemetry, tls::Identity};

/// Exit code after a second signal, as shells report an interrupted program.
const INTERRUPTED: i32 = 130;

/// Run the service: HTTP, queue, models, workers, all in one process.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
When it is ready it prints one line, `listening on http://ADDRESS` (https:// with server.tls), to standard output; logs go to standard error.
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

/// Run the HTTP door alone: it publishes items and judges what `POST /v1/check` brings.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
For several machines: needs server URLs in queue.url, store.url and index.url, as does `chaperone worker`, which judges what this door
accepts. `chaperone serve` does both in one process and needs no server.

Examples:
  chaperone api --config chaperone.toml              on server.listen
  chaperone api --listen 0.0.0.0:8080                for other machines; needs a key (`chaperone keys create`)")]
pub struct ApiArgs {
    /// Address and port; overrides `server.listen`. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// Judge what waits in the queue; do background duties; no HTTP but health and metrics.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Takes items from these lanes of the queue, records outcomes, tells webhooks. As many as wanted, on as many machines as wanted: they share
the work, and one that stops or dies loses nothing. It loads only the models that its lanes need. Needs server URLs, as `chaperone api`.
`/health/live`, `/health/ready` and `/metrics` answer on workers.listen.

Examples:
  chaperone worker                                   all lanes (or those in workers.lanes)
  chaperone worker --lanes live                      call frames only: a machine with a GPU
  chaperone worker --lanes interactive,bulk --listen 127.0.0.1:8082")]
pub struct WorkerArgs {
    /// Lanes to take items from, separated by commas; overrides `workers.lanes`.
    #[arg(long, value_name = "LANES", value_delimiter = ',')]
    lanes: Vec<LaneName>,
    /// Address and port of health and metrics; overrides `workers.listen`. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

/// A lane on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LaneName {
    /// Texts.
    Interactive,
    /// Call frames.
    Live,
    /// Uploads.
    Bulk,
}

impl From<LaneName> for Lane {
    fn from(name: LaneName) -> Self {
        match name {
            LaneName::Interactive => Self::Interactive,
            LaneName::Live => Self::Live,
            LaneName::Bulk => Self::Bulk,
        }
    }
}

/// Runs `serve`.
pub async fn run(args: Args, global: &Global) -> Result<Exit> {
    run_as(global, args.listen, |_| Role::Serve).await
}

/// Runs `api`.
pub async fn run_api(args: ApiArgs, global: &Global) -> Result<Exit> {
    run_as(global, args.listen, |_| Role::Api).await
}

/// Runs `worker`.
pub async fn run_worker(args: WorkerArgs, global: &Global) -> Result<Exit> {
    let lanes: Vec<Lane> = args.lanes.into_iter().map(Lane::from).collect();
    run_as(global, args.listen, |config| Role::worker(if lanes.is_empty() { &config.workers.lanes } else { &lanes }))
        .await
}

async fn run_as(global: &Global, listen: Option<SocketAddr>, role: impl FnOnce(&Config) -> Role) -> Result<Exit> {
    let mut config = global.config()?;
    let role = role(&config);
    let wrong = |problems: Vec<String>| anyhow!(problems.join("\n"));
    let (key, address) = match role {
        Role::Worker { .. } => ("workers.listen", &mut config.workers.listen),
        _ => ("server.listen", &mut config.server.listen),
    };
    *address = listen.unwrap_or(*address);
    let listen = *address;
    config.validate().map_err(wrong)?;
    let refused = role.refuse_embedded(&config);
    if !refused.is_empty() {
        return Err(wrong(refused));
    }
    // Read again when it serves; here, so that a mistake is told before the models are loaded.
    let encrypted = role.answers() && Identity::read(&config.server.tls)?.is_some();
    telemetry::init_logs(&config.log)?;
    telemetry::init_metrics()?;
    let stop = stop_on_signal()?;
    // Before the models are loaded, which takes seconds: a port that is taken is told at once.
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("cannot listen on {listen}: is another service there? Set {key} or --listen (port 0 takes a free one)")
    })?;
    let address = listener.local_addr().context("the listener has no address")?;
    let connecting = Box::pin(Services::connect(config, Clock::system(), role));
    let Some(services) = stop.run_until_cancelled(connecting).await else { return Ok(Exit::Fine) };
    let services = services?;
    let mut stdout = std::io::stdout();
    let scheme = if encrypted { "https" } else { "http" };
    writeln!(stdout, "listening on {scheme}://{address}")
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
