//! The running service: HTTP, consumers, outbox and duties; watched while they run, drained when they stop.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result, anyhow};
use axum::{
    Router,
    serve::{Listener, ListenerExt},
};
use chrono::TimeDelta;
use tokio::{net::TcpListener, time::Instant};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use workers::{Drained, Setup, Workers, WorkersError, backoff::Jitter};

use crate::{
    app::{self, Stopping},
    batches,
    config::show::redact_url,
    parts,
    role::is_embedded,
    services::Services,
    telemetry,
    tls::{Identity, TlsListener},
};

/// What flushing the index and joining the models may take after the deadline: both hold only what is safe in the store already.
const CLOSING: Duration = Duration::from_secs(10);

/// Serves HTTP on `listener` and does what the role asks for until `stop` resolves; then drains: `/health/ready` answers 503, and
/// `server.drain_delay_seconds` later nothing is accepted or received any more, what is in flight is finished up to
/// `server.drain_seconds`, queue, engine and index are closed. An error means that a long-lived task died.
pub async fn run(
    services: Services,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    telemetry::init_metrics()?;
    let started = Instant::now();
    let address = listener.local_addr().context("the listener has no address")?;
    let stopping = Stopping::new(CancellationToken::new());
    let router = app::router(services.clone(), stopping.clone())?;
    let mut workers = if services.role.works() { Some(Workers::start(setup(&services)?)?) } else { None };
    let _upkeep = AbortOnDropHandle::new(tokio::spawn(telemetry::upkeep(stopping.now.clone())));
    let _watch = AbortOnDropHandle::new(tokio::spawn(parts::watch(services.clone(), stopping.now.clone())));
    let policies = workers::policies::run(services.pipeline.clone(), stopping.now.clone());
    let policies = AbortOnDropHandle::new(tokio::spawn(policies));
    let share = !is_embedded(&services.config.store.url);
    let _keys = AbortOnDropHandle::new(tokio::spawn(services.keys.clone().run(share, stopping.now.clone())));
    // The small face of a worker is for probes on its own network.
    let identity = if services.role.answers() { Identity::read(&services.config.server.tls)? } else { None };
    let _certificate =
        identity.clone().map(|identity| AbortOnDropHandle::new(tokio::spawn(identity.watch(stopping.now.clone()))));
    let mut http = AbortOnDropHandle::new(tokio::spawn(answer(listener, identity, router, stopping.now.clone())));
    announce(&services, address);
    offer_set_up(&services, address).await?;

    let failure = tokio::select! {
        () = stop => None,
        error = failed(workers.as_mut()) => Some(anyhow!(error)),
        ended = &mut http => Some(anyhow!("the HTTP listener ended although nobody asked it to: {ended:?}")),
    };
    stopping.announced.cancel();
    match &failure {
        Some(error) => tracing::error!(error = format!("{error:#}"), "a long-lived task died: stopping"),
        None => tokio::time::sleep(Duration::from_secs(services.config.server.drain_delay_seconds)).await,
    }

    stopping.now.cancel();
    let limit = Duration::from_secs(services.config.server.drain_seconds);
    let http_ended = async {
        // Polling a finished task again would panic.
        http.is_finished() || tokio::time::timeout(limit, &mut http).await.is_ok()
    };
    let work_ended = async {
        match workers {
            Some(workers) => workers.drain(limit).await,
            None => Drained::default(),
        }
    };
    let (http_ended, drained) = tokio::join!(http_ended, work_ended);
    if !http_ended {
        tracing::warn!(?limit, "some requests did not end in time and are cut off");
    }
    if tokio::time::timeout(CLOSING, policies).await.is_err() {
        tracing::warn!("the look at the policies did not end in time");
    }
    close(&services).await;
    let Drained { acked, retried, dead, told, cut_off } = drained;
    tracing::info!(acked, retried, dead, told, ?cut_off, seconds = started.elapsed().as_secs(), "drained");
    failure.map_or(Ok(()), Err)
}

/// The HTTP face, until `stop`; then it finishes what it has begun.
async fn answer(
    listener: TcpListener,
    identity: Option<Arc<Identity>>,
    router: Router,
    stop: CancellationToken,
) -> Result<()> {
    // Answers are small and a caller waits: never hold one back to fill a packet.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "cannot set TCP_NODELAY");
        }
    });
    match identity {
        Some(identity) => serve(TlsListener::new(listener, identity)?, router, stop).await,
        None => serve(listener, router, stop).await,
    }
}

async fn serve<L>(listener: L, router: Router, stop: CancellationToken) -> Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    Ok(axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?)
}

/// Waits for a worker's loop to die; for ever, where no one works.
async fn failed(workers: Option<&mut Workers>) -> WorkersError {
    match workers {
        Some(workers) => workers.failed().await,
        None => std::future::pending().await,
    }
}

/// What the workers work with.
fn setup(services: &Services) -> Result<Setup> {
    let config = &services.config;
    Ok(Setup {
        config: config.workers.clone(),
        bus: config.bus.clone(),
        webhooks: config.webhooks.clone(),
        statements: config.statements.clone(),
        minimum_permits: batches::minimum(services)?,
        live_max_age: Duration::from_millis(config.queue.live_max_age_ms),
        retention: TimeDelta::days(i64::from(config.store.retention_days)),
        queue: services.queue.clone(),
        store: services.store.clone(),
        index: services.index.clone(),
        pipeline: services.pipeline.clone(),
        clock: services.clock.clone(),
        jitter: Jitter::random(),
    })
}

/// One line that says what runs where.
fn announce(services: &Services, address: SocketAddr) {
    let models: Vec<String> =
        services.engine.models().iter().map(|model| format!("{} ({})", model.name, model.backend)).collect();
    let config = &services.config;
    let lanes: Vec<&str> = services.role.lanes().iter().map(|lane| lane.as_str()).collect();
    tracing::info!(
        role = services.role.as_str(),
        lanes = lanes.join(","),
        %address,
        models = models.join(", "),
        queue = redact_url(&config.queue.url),
        store = redact_url(&config.store.url),
        index = redact_url(&config.index.url),
        webhooks = config.webhooks.len(),
        keys = services.keys.len(),
        "ready"
    );
}

/// Tells how to make the console's first account, while there is none. The token is for whoever reads this process's log.
async fn offer_set_up(services: &Services, address: SocketAddr) -> Result<()> {
    if !services.role.answers() || services.pipeline.desk().any_user().await? {
        return Ok(());
    }
    let token = services.desk.make_setup_token()?;
    tracing::info!(
        url = format!("http://{address}/console/setup?token={token}"),
        "the console has no account yet: open this address once, or run `chaperone users create`"
    );
    Ok(())
}

/// Closes what is left, each within its time.
async fn close(services: &Services) {
    services.queue.close().await;
    match tokio::time::timeout(CLOSING, services.index.flush()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the index is not flushed: it is rebuilt from the store when needed"),
        Err(_) => tracing::warn!("the index is not flushed in time: it is rebuilt from the store when needed"),
    }
    if tokio::time::timeout(CLOSING, services.engine.shutdown()).await.is_err() {
        tracing::warn!("the models did not stop in time");
    }
}
